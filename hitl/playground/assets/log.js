// A bounded list of messages that stays at its end while its reader is there.

import { perFrame } from './dom.js';

const near = 80; // Pixels from the end that still count as there.

export class Log {
  #box;
  #draw;
  #limit;
  #items = []; // All that are shown, or soon.
  #waiting = [];
  #previous = null;
  #atEnd = true;
  #top = 0;
  #flush = perFrame(() => this.#append());

  /** The function draw makes the element of an item; it is given the item before, too. */
  constructor(box, limit, draw) {
    this.#box = box;
    this.#limit = limit;
    this.#draw = draw;
    box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    box.addEventListener('load', () => this.#stay(), true); // A picture has got its height.
    new ResizeObserver(() => this.#stay()).observe(box);
  }

  add(...items) {
    for (const list of [this.#items, this.#waiting]) {
      list.push(...items);
      if (list.length > this.#limit) list.splice(0, list.length - this.#limit);
    }
    this.#flush();
  }

  /** reset shows these items. If they begin with those that are shown, those stay as they are: nobody is moved, or told them again. */
  reset(items) {
    const shown = this.#items.length;
    if (shown && JSON.stringify(this.#items) === JSON.stringify(items.slice(0, shown))) {
      this.add(...items.slice(shown));
      return;
    }
    this.#items = [];
    for (const element of this.#box.querySelectorAll(':scope > .entry')) element.remove();
    this.#waiting = [];
    this.#previous = null;
    this.#atEnd = true;
    this.add(...items);
  }

  /** Only its reader moves up; everything else that scrolls is the content growing. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    if (scrollHeight - scrollTop - clientHeight < near) this.#atEnd = true;
    else if (scrollTop < this.#top) this.#atEnd = false;
    this.#top = scrollTop;
  }

  #append() {
    const all = document.createDocumentFragment();
    for (const item of this.#waiting.splice(0)) {
      const element = this.#draw(item, this.#previous);
      element.classList.add('entry');
      all.append(element);
      this.#previous = item;
    }
    this.#box.append(all);
    const entries = this.#box.getElementsByClassName('entry');
    while (entries.length > this.#limit) entries[0].remove();
    this.#stay();
  }

  #stay() {
    if (!this.#atEnd) return;
    const end = () => { if (this.#atEnd) this.#box.scrollTop = this.#box.scrollHeight; };
    end();
    requestAnimationFrame(end); // What has come into sight has its true height now.
  }
}
