// Talking to the playground: orders go out, events come in.

import { byId, h } from './dom.js';

/** order asks for something to be done, and returns the answer, if any. What comes of it arrives as events; a refusal is shown. */
export async function order(what, body = {}) {
  try {
    const response = await fetch(`api/${what}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    if (response.status === 204) return true;
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  } catch (error) {
    toast(error.message, 'bad');
    return false;
  }
}

/** queue returns an order that begins when the one before has ended: what comes first arrives first. */
export function queue() {
  let last = Promise.resolve();
  return (what, body) => {
    last = last.then(() => order(what, body));
    return last;
  };
}

export async function read(what) {
  const response = await fetch(`api/${what}`);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

/**
 * listen hands each event to the function of its name. The browser connects again by itself, and is told everything anew. It gives up if
 * another run of the program answers.
 *
 * A browser has six connections to a host, and a tab that listens has one of them. So those that nobody sees make room when another one
 * begins, and begin anew when they are seen.
 */
export function listen(handlers, connected) {
  const tabs = new BroadcastChannel('listening');
  let source;
  const begin = () => {
    tabs.postMessage(null);
    source = new EventSource('api/events');
    source.onopen = () => connected(true);
    source.onerror = () => connected(false, source.readyState === EventSource.CLOSED);
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
  };
  tabs.onmessage = () => { if (document.hidden) source.close(); };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && source.readyState === EventSource.CLOSED) begin();
  });
  begin();
}

/** toast tells something for a few seconds, and to those who cannot see it. */
export function toast(text, kind = 'good') {
  for (const old of byId('toasts').children) if (old.textContent === text) old.remove();
  const note = h('p', { class: kind }, text);
  byId('toasts').append(note);
  setTimeout(() => note.remove(), kind === 'bad' ? 8000 : 2500);
}
