// The wire: thousands of requests, of which only those in sight have elements.

import { order, read, toast } from './api.js';
import { byId, h, perFrame } from './dom.js';
import { curl, pretty } from './json.js';
import { answered } from './webhook.js';

const overscan = 6; // Rows above and below those in sight.

export class Wire {
  #limit;
  #rows = []; // Their sequence numbers have no gaps.
  #shown = []; // Those that fit the filter: the rows themselves if there is none.
  #filter = '';
  #pool = new Map(); // Elements by sequence number.
  #height = 28;
  #follow = true;
  #selected = 0;
  #turn = 0; // Of reading a request.
  #opening = false; // The detail shows itself once it is read, and takes the focus if it covers the list.
  #box = byId('rows');
  #space = byId('rows-space');
  #draw = perFrame(() => this.#render());

  constructor(about) {
    this.#limit = about.rows;
    for (const button of document.querySelectorAll('[data-fault]')) {
      button.addEventListener('click', () => order('faults', { name: button.dataset.fault, on: button.getAttribute('aria-checked') !== 'true' }));
    }
    this.#box.addEventListener('scroll', () => {
      this.#follow = this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < this.#height;
      this.#draw();
    }, { passive: true });
    this.#box.addEventListener('keydown', (event) => this.#move(event));
    this.#box.addEventListener('click', (event) => {
      const row = event.target.closest('[data-seq]');
      if (row) this.select(Number(row.dataset.seq), true);
    });
    byId('rows-latest').addEventListener('click', () => { this.#follow = true; this.#box.focus(); this.#draw(); });
    byId('wire-filter').addEventListener('input', (event) => {
      this.#filter = event.target.value.trim().toLowerCase();
      this.#sift();
    });
    new ResizeObserver(() => this.#draw()).observe(this.#box);
  }

  faults(on) {
    for (const button of document.querySelectorAll('[data-fault]')) button.setAttribute('aria-checked', String(Boolean(on[button.dataset.fault])));
  }

  reset(rows) {
    this.#rows = rows;
    this.#sift();
  }

  /** row shows a new row, or what has become of one. */
  row(row) {
    const first = this.#rows[0]?.seq ?? row.seq;
    const at = row.seq - first;
    if (at < 0 || at > this.#rows.length) return;
    const isNew = at === this.#rows.length;
    this.#rows[at] = row;
    if (isNew && this.#rows.length > this.#limit) this.#rows.shift();
    if (this.#filter) {
      // The filtered list is in the same order, and what is under way is near its end. It may fit only now.
      const place = this.#shown.findLastIndex((shown) => shown.seq <= row.seq);
      if (this.#shown[place]?.seq === row.seq) this.#shown[place] = row;
      else if (fits(row, this.#filter)) this.#shown.splice(place + 1, 0, row);
      if (this.#shown[0]?.seq < this.#rows[0].seq) this.#shown.shift();
    }
    if (row.seq === this.#selected && row.done) this.#load(row.seq);
    this.#draw();
  }

  #sift() {
    this.#shown = this.#filter ? this.#rows.filter((row) => fits(row, this.#filter)) : this.#rows;
    this.#draw();
  }

  #render() {
    const { length } = this.#shown;
    const total = this.#rows.length;
    byId('wire-count').textContent = this.#filter ? `${length} of ${total}` : `${total} in all`;
    if (!this.#box.clientHeight) return; // Another tab is open.
    this.#height = parseFloat(getComputedStyle(this.#box).getPropertyValue('--row')) || 28;
    this.#space.style.height = `${length * this.#height}px`;
    if (this.#follow) this.#box.scrollTop = this.#box.scrollHeight;
    byId('rows-latest').hidden = this.#follow || this.#box.scrollHeight <= this.#box.clientHeight;

    const from = Math.max(0, Math.floor(this.#box.scrollTop / this.#height) - overscan);
    const to = Math.min(length, Math.ceil((this.#box.scrollTop + this.#box.clientHeight) / this.#height) + overscan);
    const inSight = new Set();
    for (let i = from; i < to; i++) inSight.add(this.#shown[i].seq);
    const spare = new Set();
    for (const [seq, element] of this.#pool) {
      if (inSight.has(seq)) continue;
      this.#pool.delete(seq);
      spare.add(element);
    }
    const trace = this.#rows[this.#selected - (this.#rows[0]?.seq ?? 0)]?.trace;
    let next = this.#space.firstElementChild; // The elements stay in the order of the rows: assistive software reads them in it.
    for (let i = from; i < to; i++) {
      const row = this.#shown[i];
      let element = this.#pool.get(row.seq);
      if (element) {
        while (spare.has(next)) next = next.nextElementSibling;
      } else {
        element = spare.has(next) ? next : spare.values().next().value ?? blankRow();
        spare.delete(element);
        this.#pool.set(row.seq, element);
      }
      if (element === next) next = next.nextElementSibling;
      else this.#space.insertBefore(element, next);
      this.#place(element, row, i, length, trace);
    }
    for (const element of spare) element.remove();
  }

  #place(element, row, i, length, trace) {
    if (element.row !== row) fill(element, row);
    const selected = row.seq === this.#selected;
    element.style.transform = `translateY(${i * this.#height}px)`;
    element.setAttribute('aria-posinset', i + 1);
    element.setAttribute('aria-setsize', length);
    element.setAttribute('aria-selected', String(selected));
    element.classList.toggle('kin', !selected && Boolean(trace) && row.trace === trace);
  }

  #move(event) {
    const page = Math.max(1, Math.floor(this.#box.clientHeight / this.#height) - 1);
    const at = this.#shown.findIndex((row) => row.seq === this.#selected);
    const last = this.#shown.length - 1;
    if (event.key === 'Enter' && at >= 0) this.select(this.#selected, true);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? last : at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    const i = Math.min(last, Math.max(0, to));
    const top = i * this.#height;
    if (top < this.#box.scrollTop) this.#box.scrollTop = top;
    if (top + this.#height > this.#box.scrollTop + this.#box.clientHeight) this.#box.scrollTop = top + this.#height - this.#box.clientHeight;
    this.#follow = i === last;
    this.select(this.#shown[i].seq);
  }

  select(seq, open = false) {
    this.#selected = seq;
    this.#opening = open;
    this.#box.setAttribute('aria-activedescendant', `row-${seq}`);
    this.#draw();
    this.#load(seq);
  }

  async #load(seq) {
    const turn = ++this.#turn;
    try {
      const exchange = await read(`wire/${seq}`);
      if (turn !== this.#turn) return; // It was read again meanwhile, or another one was.
      this.#show(exchange);
    } catch (error) {
      toast(error.message, 'bad');
    }
  }

  #show(exchange) {
    const detail = byId('detail');
    const inside = detail.contains(document.activeElement);
    detail.replaceChildren(...this.#describe(exchange));
    if (this.#opening) document.body.classList.add('reading');
    if (!inside && !this.#opening) return;
    this.#opening = false;
    const [back, copy] = detail.querySelectorAll('button');
    if (back.offsetParent) back.focus();
    else if (inside) copy.focus();
  }

  #describe(x) {
    const { row } = x;
    const took = row.done ? `${status(row)} after ${duration(row.took)}` : 'under way';
    return [
      h('header', {},
        h('button', { type: 'button', class: 'back', click: () => { document.body.classList.remove('reading'); this.#box.focus(); } }, '← All requests'),
        h('h3', { title: row.detail }, row.operation, ' ', h('span', {}, row.detail.split('?')[0])),
        h('p', {}, `${names[row.from]} → ${names[row.to]}, ${took}`, row.again ? ', sent before' : '', row.fault ? `, ${row.fault}` : ''),
        h('div', { class: 'actions' },
          h('button', { type: 'button', click: () => copy(curl(x)) }, 'Copy as curl'),
          x.webhook ? h('button', { type: 'button', click: () => again(row.seq) }, 'Send again') : null)),
      h('p', { class: 'url' }, h('b', {}, x.method), ' ', x.url),
      ...half('Request', x.request),
      ...(row.done ? half('Response', x.response) : []),
    ];
  }
}

const names = { botpress: 'Botpress', integration: 'Integration', desk: 'Desk' };

const fits = (row, filter) => `${row.operation} ${row.detail} ${row.status} ${row.from} ${row.fault ?? ''}`.toLowerCase().includes(filter);

const status = (row) => (row.status ? String(row.status) : 'no answer');

const duration = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });

function blankRow() {
  const part = (name) => h('span', { class: name });
  const element = h('div', { class: 'row', role: 'option' }, part('time'), h('span', { class: 'lanes' }, h('i')), part('what'), part('status end'), part('took end'));
  [element.time, element.lanes, element.what, element.status, element.took] = element.children;
  return element;
}

function fill(element, row) {
  element.row = row;
  element.id = `row-${row.seq}`;
  element.dataset.seq = row.seq;
  element.dataset.kind = !row.done ? 'pending' : !row.status || row.status >= 500 ? 'bad' : row.status >= 400 ? 'poor' : 'good';
  element.time.textContent = clock.format(row.at);
  element.lanes.dataset.way = `${row.from}-${row.to}`;
  element.what.replaceChildren(h('b', {}, row.operation), ' ', h('span', {}, row.detail),
    row.again ? h('em', {}, 'again') : '', row.fault ? h('em', {}, row.fault) : '');
  element.status.textContent = row.done ? status(row) : '…';
  element.took.textContent = row.done ? duration(row.took) : '';
  element.setAttribute('aria-label', `${names[row.from]} to ${names[row.to]}: ${row.operation} ${row.detail}, ${row.done ? `${status(row)}, ${duration(row.took)}` : 'under way'}`);
}

function half(name, { header, body, missing }) {
  return [
    h('h4', {}, name, missing ? h('span', {}, ` ${missing}`) : !body ? h('span', {}, ' without a body') : null),
    h('details', {}, h('summary', {}, `${header.length} header${header.length === 1 ? '' : 's'}`),
      h('dl', {}, header.flatMap(([key, value]) => [h('dt', {}, key), h('dd', {}, value)]))),
    body ? h('pre', { class: 'json', tabIndex: 0, role: 'group', 'aria-label': `${name} body` }, pretty(body)) : '',
  ];
}

async function again(seq) {
  const sent = await order('again', { seq });
  if (sent) toast(answered(sent), sent.status < 300 ? 'good' : 'bad');
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast('Copied');
  } catch {
    toast('The browser does not let this page copy', 'bad');
  }
}
