// Playing a desk by hand: its webhooks, from templates or made up.

import { order } from './api.js';
import { byId, h } from './dom.js';

const parts = ['method', 'path', 'header', 'body'];

export class Hand {
  #templates;
  #current;
  #at = 0; // The template that is shown.
  #written = []; // The texts of the others, as they were left.

  /** The function current returns the session that is open in the desk. */
  constructor(about, current) {
    this.#templates = about.webhooks;
    this.#current = current;
    const select = byId('hand-template');
    select.append(...this.#templates.map((t, i) => h('option', { value: i }, t.name)));
    select.addEventListener('change', () => {
      this.#written[this.#at] = parts.map((name) => byId(`hand-${name}`).value);
      this.#at = Number(select.value);
      this.#fill();
    });
    this.#fill();
    byId('hand').addEventListener('submit', async (event) => {
      event.preventDefault();
      const header = {};
      for (const line of byId('hand-header').value.split('\n')) {
        const at = line.indexOf(':');
        if (at > 0) header[line.slice(0, at).trim()] = line.slice(at + 1).trim();
      }
      const sent = await order('webhook', {
        ticket: this.#current() ?? '', method: byId('hand-method').value, path: byId('hand-path').value, header, body: byId('hand-body').value,
      });
      if (!sent) return;
      const answer = byId('hand-answer');
      answer.dataset.good = String(sent.status < 300);
      answer.textContent = answered(sent);
      if (sent.status === 401 || sent.status === 403) byId('hand-more').open = true; // A header is missing.
    });
  }

  #fill() {
    const { method, path, header, body } = this.#templates[this.#at];
    const lines = Object.entries(header ?? {}).map(([name, value]) => `${name}: ${value}`);
    const texts = [method || 'POST', path || '', lines.join('\n'), body ?? ''];
    for (const [i, name] of parts.entries()) {
      const field = byId(`hand-${name}`);
      field.defaultValue = texts[i]; // What differs from it was written by hand.
      field.value = this.#written[this.#at]?.[i] ?? texts[i];
    }
  }
}

/** answered tells how a webhook was answered. */
export const answered = ({ status, body }) => `Answered ${status}${meaning(body)}`;

/** meaning is what an answer says in words. */
function meaning(body) {
  try {
    const { message } = JSON.parse(body);
    return message ? `: ${message}` : '';
  } catch {
    return body ? `: ${body}` : '';
  }
}
