// The agent's side: the desk's tickets, or webhooks written by hand.

import { queue } from './api.js';
import { away, byId, grow, h, initials, submitOnEnter, timeOf } from './dom.js';
import { Log } from './log.js';
import { content } from './message.js';

export class Desk {
  #log;
  #order = queue();
  #limit;
  #tickets = new Map();
  #entries = new Map();
  #drafts = new Map(); // What is written and not sent, by ticket.
  #current = null;
  #known;

  constructor(about) {
    this.#known = Boolean(about.agents?.length);
    this.#limit = about.messages;
    this.#log = new Log(byId('ticket-log'), about.messages, draw);
    byId('desk-name').textContent = this.#known ? about.title : 'Sessions';
    byId('desk-kind').textContent = this.#known ? 'The agent’s side' : `What ${about.title} is sent`;
    byId('desk-face').textContent = initials(about.title);
    byId('desk-agent-label').hidden = !this.#known;
    byId('desk-agent').append(...(about.agents ?? []).map((name) => h('option', { dir: 'auto' }, name)));
    for (const part of ['ticket-actions', 'reply-form']) byId(part).hidden = !this.#known;
    byId('hand').hidden = this.#known;
    if (!this.#known) {
      byId('desk-empty').replaceChildren(h('b', {}, 'No sessions yet.'), ' As soon as the end user asks for a human, what the integration is sent is shown here. Play the desk with the webhooks below.');
    }

    byId('ticket-assign').addEventListener('click', () => this.#do('assign'));
    byId('ticket-resolve').addEventListener('click', () => this.#do('resolve'));
    byId('tickets').addEventListener('keydown', (event) => this.#move(event));
    byId('desk-agent').addEventListener('change', () => this.#show());
    this.#reply();
  }

  get current() { return this.#current; }

  #do(what, text = '') { return this.#order('desk', { do: what, ticket: this.#current, agent: byId('desk-agent').value, text }); }

  #reply() {
    const form = byId('reply-form');
    const text = byId('reply-text');
    submitOnEnter(text);
    form.addEventListener('change', () => this.#kind());
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const draft = { text: text.value.trim(), kind: form.elements.kind.value };
      const ticket = this.#current;
      if (!draft.text || !ticket) return;
      text.value = '';
      grow(text);
      if (await this.#do(draft.kind, draft.text)) return;
      if (ticket !== this.#current) this.#drafts.set(ticket, draft); // Another one was opened meanwhile.
      else text.value ||= draft.text;
      grow(text);
    });
  }

  /** What is written goes to the end user, or to nobody but agents. */
  #kind() {
    const form = byId('reply-form');
    const text = byId('reply-text');
    const note = form.elements.kind.value === 'note';
    form.classList.toggle('note', note);
    text.placeholder = note ? 'Write a note that the end user does not see' : 'Reply to the end user';
    text.setAttribute('aria-label', text.placeholder);
  }

  /** Each ticket has a draft of its own: it is put away when another ticket is opened, and comes back with its own. */
  #putAway() {
    if (!this.#current) return;
    const text = byId('reply-text').value;
    if (text.trim()) this.#drafts.set(this.#current, { text, kind: byId('reply-form').elements.kind.value });
    else this.#drafts.delete(this.#current);
  }

  #bringBack() {
    const { text = '', kind = 'reply' } = this.#drafts.get(this.#current) ?? {};
    byId('reply-text').value = text;
    byId('reply-form').elements.kind.value = kind;
    this.#kind();
    grow(byId('reply-text'));
  }

  reset(tickets, entries) {
    this.#tickets = new Map(tickets.map((t) => [t.id, t]));
    this.#entries = new Map(tickets.map((t) => [t.id, entries[t.id] ?? []]));
    for (const item of [...byId('tickets').children]) if (!this.#tickets.has(item.dataset.id)) item.remove();
    for (const t of tickets) this.#list(t);
    const current = this.#tickets.has(this.#current) ? this.#current : tickets.at(-1)?.id;
    this.#putAway();
    this.#current = null;
    if (current) this.#open(current);
    this.#empty();
  }

  ticket(t) {
    const isNew = !this.#tickets.has(t.id);
    this.#tickets.set(t.id, t);
    this.#list(t);
    if (isNew) {
      this.#entries.set(t.id, []);
      if (byId('reply-text').value.trim()) this.#mark(t.id); // Somebody is writing.
      else this.#open(t.id); // The newest is what somebody waits for.
    } else if (t.id === this.#current) this.#show();
    this.#empty();
  }

  entries({ ticket, entries }) {
    const all = this.#entries.get(ticket);
    if (!all) return;
    all.push(...entries);
    if (all.length > this.#limit) all.splice(0, all.length - this.#limit);
    if (ticket === this.#current) this.#log.add(...entries);
    else this.#mark(ticket);
  }

  /** problem says why the desk cannot be read. */
  problem(text) {
    if (byId('desk-problem').textContent !== text) byId('desk-problem').textContent = text;
    this.#empty();
  }

  #empty() {
    byId('desk-empty').hidden = this.#tickets.size > 0 || byId('desk-problem').textContent !== '';
    byId('ticket').hidden = this.#tickets.size === 0;
    byId('tickets').hidden = this.#tickets.size < 2;
  }

  #item(id) { return byId('tickets').querySelector(`[data-id="${CSS.escape(id)}"]`); }

  #mark(id) { this.#item(id)?.classList.add('unread'); }

  #list(t) {
    let item = this.#item(t.id);
    if (!item) {
      item = h('div', { role: 'option', id: `ticket-${t.id}`, 'data-id': t.id, 'aria-selected': 'false', click: () => this.#open(t.id) });
      byId('tickets').prepend(item);
    }
    item.classList.toggle('over', t.over);
    item.replaceChildren(h('b', { dir: 'auto' }, t.subject), h('span', {}, h('bdi', {}, t.from), t.from && t.status ? ' · ' : '', h('bdi', {}, t.status)));
    item.title = `${t.subject}\n${item.lastChild.textContent}`;
  }

  #move(event) {
    const items = [...byId('tickets').children];
    const at = items.findIndex((item) => item.dataset.id === this.#current);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (items[to]) this.#open(items[to].dataset.id);
  }

  #open(id) {
    if (this.#current === id) return;
    this.#putAway();
    this.#current = id;
    this.#bringBack();
    for (const item of byId('tickets').children) item.setAttribute('aria-selected', String(item.dataset.id === id));
    const item = this.#item(id);
    item.classList.remove('unread');
    item.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    byId('tickets').setAttribute('aria-activedescendant', item.id);
    this.#log.reset(this.#entries.get(id) ?? []);
    this.#show();
  }

  #show() {
    const t = this.#tickets.get(this.#current);
    if (!t) return;
    byId('ticket-subject').textContent = t.subject;
    byId('ticket-subject').title = t.subject;
    const over = t.over ? 'The session is over. The end user does not see what is written here.' : '';
    if (byId('ticket-over').textContent !== over) byId('ticket-over').textContent = over;
    byId('ticket-facts').replaceChildren(
      h('span', { class: `pill${t.over ? ' over' : ''}`, title: t.status, dir: 'auto' }, t.status),
      ...[this.#known && /^\d+$/.test(t.id) && fact(`#${t.id}`), t.from && fact('from ', t.from), t.priority && fact('', t.priority, ' priority'), t.assignee ? fact('taken by ', t.assignee) : fact('not assigned')]
        .filter(Boolean));
    const mine = t.assignee === byId('desk-agent').value;
    away(byId('ticket-assign'), 'disabled', mine || t.over, byId('reply-text'));
    away(byId('ticket-resolve'), 'disabled', t.over, byId('reply-text'));
  }
}

/** fact is something about a ticket. A name in it has the direction of its own script. */
function fact(before, name = '', after = '') {
  return h('span', { title: before + name + after }, before, h('bdi', {}, name), after);
}

const long = 700; // Characters of an entry that are shown at once.

function draw(e, before) {
  const follows = before && before.author === e.author && before.note === e.note && (e.at ? new Date(e.at) - new Date(before.at) < 120_000 : !before.at);
  const body = h('div', { class: 'body' }, content(e.message));
  if (e.message?.type === 'text' && e.message.payload.text.length > long) {
    body.classList.add('folded');
    body.tabIndex = -1; // The focus goes there once it is unfolded.
    body.append(h('button', { type: 'button', class: 'unfold', click: (event) => { body.classList.remove('folded'); body.focus({ preventScroll: true }); event.target.remove(); } }, 'Show all of it'));
  }
  return h('article', { class: `note-or-reply ${e.by}${e.note ? ' internal' : ''}${follows ? ' follows' : ''}` },
    h('span', { class: `face ${e.by}`, 'aria-hidden': 'true' }, initials(e.author)),
    h('div', {},
      h('p', { class: 'by' }, h('b', { dir: 'auto' }, e.author), e.note ? h('span', { class: 'tag' }, 'internal note') : null, ' ', e.at ? h('time', { dateTime: e.at }, timeOf(e.at)) : null),
      body));
}
