// The page: it learns once what it shows, and then follows the events.

import { listen, order, read, toast } from './api.js';
import { Chat } from './chat.js';
import { Desk } from './desk.js';
import { byId } from './dom.js';
import { Hand } from './webhook.js';
import { Wire } from './wire.js';

const about = await read('about');
document.title = `${about.title} playground`;
byId('title').textContent = about.title;
if (about.live) {
  document.title = `${about.title} live`;
  document.body.dataset.tab = 'wire';
  document.body.classList.add('live');
  byId('kind').textContent = 'requests';
  byId('played').textContent = 'Live';
}
byId('simulation').textContent = about.live ? `${about.live} runs in a real bot. These are its requests.`
  : 'This program simulates Botpress. No account is involved on that side; the integration is the real one.';

const chat = new Chat(about);
const desk = new Desk(about);
const wire = new Wire(about);
if (!about.agents?.length) new Hand(about, () => desk.current);

byId('restart').addEventListener('click', () => order('restart'));

for (const button of document.querySelectorAll('dialog .cancel')) {
  button.addEventListener('click', () => button.closest('dialog').close());
}

for (const button of document.querySelectorAll('nav [data-tab]')) {
  button.addEventListener('click', () => open(button.dataset.tab));
}

/** again loads the page of another run of the program. What is written and not sent stays. */
function again() {
  const written = [...document.querySelectorAll('#hand-template, #hand input, #hand textarea, #chat-text, #wire-filter')]
    .filter((field) => field.value !== field.defaultValue)
    .map((field) => [field.id, field.selectedOptions?.[0]?.text ?? field.value]);
  sessionStorage.setItem('written', JSON.stringify({ tab: document.body.dataset.tab, written }));
  location.reload();
}

const { tab, written = [] } = JSON.parse(sessionStorage.getItem('written') ?? '{}');
sessionStorage.removeItem('written');
if (tab) open(tab);
for (const [id, text] of written) {
  const field = byId(id);
  if (field.options) field.selectedIndex = Math.max(0, [...field.options].findIndex((option) => option.text === text));
  else field.value = text;
  for (const event of ['input', 'change']) field.dispatchEvent(new Event(event));
}

/** open shows one part of the page where there is no room for all. */
function open(tab) {
  document.body.dataset.tab = tab;
  for (const button of document.querySelectorAll('nav [data-tab]')) {
    if (button.dataset.tab === tab) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }
  document.querySelector('main').scrollTop = 0; // Where parts are higher than the screen.
  news(tab, false);
}

/** news marks a part that has something new and is not in sight. */
function news(tab, is = document.body.dataset.tab !== tab) {
  const button = document.querySelector(`nav [data-tab=${tab}]`);
  button.classList.toggle('news', is);
  button.setAttribute('aria-label', button.textContent + (is ? ', something new' : ''));
}

listen({
  state({ run, session, chat: messages, tickets, entries, deskProblem, rows, faults }) {
    if (run !== about.run) {
      again();
      return;
    }
    chat.reset(session, messages ?? []);
    desk.reset(tickets, entries);
    desk.problem(deskProblem);
    wire.reset(rows);
    wire.faults(faults);
  },
  restart(session) { chat.reset(session, []); },
  session(session) { chat.session(session); },
  chat(message) {
    chat.add(message);
    if (message.from !== 'user') news('chat');
  },
  ticket(ticket) {
    desk.ticket(ticket);
    news('desk');
  },
  entries(added) {
    desk.entries(added);
    news('desk');
  },
  deskProblem(text) {
    desk.problem(text);
    if (text) news('desk');
  },
  row(row) { wire.row(row); },
  faults(on) { wire.faults(on); },
  problem(text) { toast(text, 'bad'); },
}, (connected, ended) => {
  const link = byId('link');
  link.textContent = connected ? 'live' : ended ? 'ended: open the address in your terminal' : 'connecting again…';
  link.dataset.on = String(connected);
});
