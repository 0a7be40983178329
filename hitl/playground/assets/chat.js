// The end user's side.

import { queue } from './api.js';
import { away, byId, grow, h, initials, submitOnEnter, timeOf } from './dom.js';
import { fields, values } from './form.js';
import { Log } from './log.js';
import { content } from './message.js';

export class Chat {
  #log;
  #order = queue();
  #session = {};
  #topic = ''; // The first thing the end user has said.
  #schema;
  #asked = false; // For a human, in vain so far: the form keeps what was written.

  constructor(about) {
    this.#log = new Log(byId('chat-log'), about.messages, (m, before) => this.#draw(m, before));
    this.#schema = about.session;
    const text = byId('chat-text');
    submitOnEnter(text);
    byId('chat-form').addEventListener('submit', async (event) => {
      event.preventDefault();
      const said = text.value.trim();
      if (!said) return;
      text.value = '';
      grow(text);
      if (!await this.say(said)) text.value ||= said;
      grow(text);
    });
    for (const button of byId('chat-suggestions').children) button.addEventListener('click', () => this.say(button.textContent));
    byId('chat-end').addEventListener('click', () => this.say('/end'));
    this.#handover();
    this.#attach();
  }

  say(text) { return this.#send('text', { text }); }

  #send(type, payload) { return this.#order('say', { type, payload }); }

  reset(session, messages) {
    this.#topic = '';
    this.#log.reset(messages);
    this.#welcome(messages.length === 0);
    for (const m of messages) this.#notice(m);
    this.session(session);
  }

  add(message) {
    this.#notice(message);
    this.#log.add(message);
    this.#welcome(false);
  }

  #notice({ from, message }) {
    if (from === 'user' && message.type === 'text') this.#topic ||= message.payload.text.slice(0, 80);
  }

  #welcome(empty) { byId('chat-welcome').hidden = !empty; }

  session(session) {
    if (session.active || session.user !== this.#session.user) this.#asked = false;
    this.#session = session;
    byId('chat-name').textContent = session.user;
    byId('chat-face').textContent = initials(session.user);
    const [state, says, agent = ''] = session.waiting ? ['waiting', 'Handing over…']
      : !session.active ? ['bot', 'With the bot']
        : session.agent ? ['agent', 'With ', session.agent] : ['waiting', 'Waiting for an agent'];
    const shown = byId('chat-state');
    shown.dataset.state = state;
    if (shown.textContent !== says + agent) shown.replaceChildren(says, h('bdi', {}, agent));
    shown.title = says + agent;
    const text = byId('chat-text');
    away(byId('handover-open'), 'hidden', session.active || session.waiting, text);
    away(byId('chat-suggestions'), 'hidden', session.active || session.waiting, text); // They are for the bot.
    away(byId('chat-end'), 'hidden', !session.active, text);
  }

  #draw(m, before) {
    const follows = before && before.from === m.from && before.name === m.name && new Date(m.at) - new Date(before.at) < 120_000;
    const name = { user: 'You', bot: 'Bot', agent: m.name || 'Agent', system: m.name }[m.from];
    return h('div', { class: `bubble ${m.from}${follows ? ' follows' : ''}` },
      h('p', { class: 'by' }, h('b', { dir: 'auto' }, name), ' ', h('time', { dateTime: m.at }, timeOf(m.at))),
      h('div', { class: 'body' }, content(m.message, (value) => this.say(value))));
  }

  #handover() {
    const dialog = byId('handover');
    const session = byId('handover-session');
    byId('handover-open').addEventListener('click', () => {
      if (!this.#asked) {
        byId('handover-title').value = this.#topic || `Help for ${this.#session.user}`;
        byId('handover-description').value = '';
        session.replaceChildren(...fields(this.#schema));
      }
      dialog.showModal();
      byId('handover-title').select();
    });
    dialog.addEventListener('close', () => {
      if (dialog.returnValue !== 'go') return;
      dialog.returnValue = '';
      this.#asked = true;
      this.#order('escalate', {
        title: byId('handover-title').value, description: byId('handover-description').value, session: values(this.#schema, session),
      });
      byId('chat-text').focus();
    });
  }

  #attach() {
    const dialog = byId('attach');
    const place = byId('attach-fields');
    const types = byId('attach-types');
    const forms = {}; // By type. What is written stays until it has been sent.
    const choose = (type) => place.replaceChildren(...(forms[type] ??= form(examples[type]())));
    for (const type of Object.keys(examples)) {
      types.append(h('label', {}, h('input', { type: 'radio', name: 'type', value: type, checked: type === 'image', change: () => choose(type) }), kinds[type] ?? type));
    }
    byId('chat-attach').addEventListener('click', () => {
      choose(types.querySelector(':checked').value);
      dialog.showModal();
    });
    dialog.addEventListener('submit', async (event) => {
      const type = types.querySelector(':checked').value;
      const json = place.querySelector('[name=json]');
      let payload;
      try {
        payload = json ? JSON.parse(json.value)
          : Object.fromEntries([...place.querySelectorAll('input')].filter((i) => i.value).map((i) => [i.name, i.value]));
      } catch (error) {
        event.preventDefault(); // It stays open.
        json.setCustomValidity(`This is no JSON: ${error.message}`);
        json.reportValidity();
        return;
      }
      if (await this.#send(type, payload)) delete forms[type];
    });
  }
}

/** form has the fields of a payload, or one with JSON if it is not simple. */
function form(example) {
  if (Object.values(example).every((value) => typeof value === 'string')) {
    return Object.entries(example).map(([name, value]) => h('label', {}, labels[name] ?? name, ' ', h('input', { name, value })));
  }
  const input = (event) => event.target.setCustomValidity('');
  return [h('label', {}, 'Payload, as JSON ', h('textarea', { name: 'json', rows: 9, spellcheck: false, value: JSON.stringify(example, null, 2), input }))];
}

const kinds = { bloc: 'bloc: several at once', poll: 'an unknown one' };

const labels = { imageUrl: 'URL of the image', audioUrl: 'URL of the recording', videoUrl: 'URL of the video', fileUrl: 'URL of the file', title: 'Title', markdown: 'Markdown' };

const files = 'https://files.example.com';

// What can be sent, each with an example to begin with.
const examples = {
  image: () => ({ imageUrl: `${location.origin}/parcel.svg`, title: 'The parcel at the door' }),
  file: () => ({ fileUrl: `${files}/receipt.pdf`, title: 'receipt.pdf' }),
  audio: () => ({ audioUrl: `${files}/doorbell.mp3`, title: 'The doorbell' }),
  video: () => ({ videoUrl: `${files}/doorstep.mp4`, title: 'The doorstep' }),
  location: () => ({ latitude: 52.5169, longitude: 13.3889, title: 'Home', address: 'Unter den Linden 1, Berlin' }),
  bloc: () => ({ items: [
    { type: 'text', payload: { text: 'This is my street,' } },
    { type: 'image', payload: { imageUrl: `${location.origin}/parcel.svg` } },
    { type: 'location', payload: { latitude: 52.5169, longitude: 13.3889, title: 'Home' } },
  ] }),
  card: () => ({ title: 'Parcel 4711', subtitle: 'From Lisbon', actions: [{ action: 'say', label: 'Where is it?', value: 'Where is it?' }] }),
  carousel: () => ({ items: [{ title: 'Parcel 4711', actions: [] }, { title: 'Parcel 4712', actions: [] }] }),
  choice: () => ({ text: 'Which parcel?', options: [{ label: '4711', value: '4711' }, { label: '4712', value: '4712' }] }),
  dropdown: () => ({ text: 'Which parcel?', options: [{ label: '4711', value: '4711' }, { label: '4712', value: '4712' }] }),
  markdown: () => ({ markdown: '**Important**' }),
  poll: () => ({ question: 'A type that nobody knows yet', answers: ['yes', 'no'] }),
};
