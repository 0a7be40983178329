// Showing messages: each of the twelve types, and those that nobody knows yet.

import { h, icon } from './dom.js';

const icons = {
  image: 'M3 4h14v12H3zM3 13l4-4 4 4 2-2 4 4M13 8h.01',
  audio: 'M4 8v4M8 5v10M12 7v6M16 9v2',
  video: 'M3 5h10v10H3zM13 9l4-2v6l-4-2',
  file: 'M5 3h7l4 4v10H5zM12 3v4h4',
  location: 'M10 17s5-5 5-9a5 5 0 0 0-10 0c0 4 5 9 5 9zM10 8h.01',
};

const dir = 'auto'; // Each text has the direction of its own script.

/** content shows what is said. With say, its buttons can be pressed. */
export function content(message, say) {
  const { type, payload } = message ?? {};
  try {
    const draw = drawers[type];
    if (draw) return draw(payload, say);
  } catch { /* A payload that does not fit its type is shown as it is. */ }
  return h('pre', { class: 'raw' }, JSON.stringify(message, null, 2));
}

const drawers = {
  text: ({ text }) => words(text),
  markdown: ({ markdown }) => formatted(markdown),
  image: ({ imageUrl, title }) => picture('image', imageUrl, title),
  audio: ({ audioUrl, title }) => media('audio', audioUrl, title),
  video: ({ videoUrl, title }) => media('video', videoUrl, title),
  file: ({ fileUrl, title }) => (/\.(png|jpe?g|gif|webp|svg)$/i.test(title ?? '') ? picture('file', fileUrl, title) : media('file', fileUrl, title)),
  location: ({ latitude, longitude, title, address }) => tile('location', title || 'Location',
    address || `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`),
  card: card,
  carousel: ({ items }, say) => h('div', { class: 'carousel', tabIndex: 0, role: 'group', 'aria-label': 'Cards' }, items.map((item) => card(item, say))),
  choice: ({ text, options }, say) => h('div', {}, words(text),
    h('div', { class: 'options' }, options.map(({ label, value }) => h('button', { type: 'button', dir, disabled: !say, click: () => say?.(value) }, label)))),
  dropdown: ({ text, options }, say) => h('div', {}, words(text),
    h('select', { dir, disabled: !say, 'aria-label': text, change: (event) => say?.(event.target.value) },
      h('option', { disabled: true, selected: true }, 'Choose'), options.map(({ label, value }) => h('option', { dir, value }, label)))),
  bloc: ({ items }, say) => h('div', { class: 'bloc' }, items.map((item) => content(item, say))),
};

/** words are text; what is quoted in it, as in e-mails, is set off, and a line of hyphens is a line. */
function words(text) {
  const all = String(text).split(/((?:^> ?.*(?:\n|$))+|^---$)/m).map((part) => part.trim()).filter(Boolean).map((part) => {
    if (part === '---') return h('hr');
    if (part.startsWith('>')) return h('blockquote', { dir }, part.replaceAll(/^> ?/gm, ''));
    return h('p', { class: 'words', dir }, part);
  });
  return all.length === 1 ? all[0] : h('div', {}, all);
}

function card({ title, subtitle, imageUrl, actions }, say) {
  const press = ({ action, value }) => (action === 'url' ? undefined : say?.(value));
  return h('div', { class: 'card' }, imageUrl ? media('image', imageUrl) : null, h('b', { dir }, title), subtitle ? h('span', { dir }, subtitle) : null,
    h('div', { class: 'options' }, actions.map((a) => (a.action === 'url' && safe(a.value)
      ? h('a', { href: a.value, dir, target: '_blank', rel: 'noreferrer noopener' }, a.label)
      : h('button', { type: 'button', dir, disabled: !say, click: () => press(a) }, a.label)))));
}

/** picture shows one that is on this computer, through the page's server if it is another's; else a link. */
function picture(kind, url, title) {
  if (!near(url)) return media(kind, url, title);
  const src = new URL(url).origin === location.origin ? url : `api/picture?${new URLSearchParams({ url, name: title ?? '' })}`;
  const link = () => media(kind, url, title);
  const figure = h('figure', {}, h('img', { src, alt: title ?? 'Image', loading: 'lazy', error: () => figure.replaceWith(link()) }), title ? h('figcaption', { dir }, title) : null);
  return figure;
}

/** media is a link: the page loads nothing from elsewhere. */
function media(kind, url, title) {
  const name = title || String(url).split(/[?#]/)[0].split('/').filter(Boolean).at(-1) || kind;
  return safe(url)
    ? h('a', { class: 'media', href: url, title: url, target: '_blank', rel: 'noreferrer noopener' }, tile(kind, name, new URL(url).host))
    : tile(kind, name, String(url).slice(0, 90));
}

const tile = (kind, name, more) => h('span', { class: 'tile' }, icon(icons[kind]), h('span', {}, h('b', { dir }, name), h('small', { dir }, more)));

function safe(url) {
  try {
    return ['http:', 'https:'].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

/** near are addresses on this computer. */
function near(url) {
  try {
    const { hostname } = new URL(url);
    return safe(url) && (hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname));
  } catch {
    return false;
  }
}

/** formatted shows the little Markdown that chats use: lists and bold words. */
function formatted(markdown) {
  const block = h('div', { class: 'markdown' });
  for (const line of String(markdown).split('\n')) {
    if (line.trim() === '') continue;
    const item = /^\s*[-*]\s+(.*)$/.exec(line);
    const parts = (item ? item[1] : line).split(/\*\*(.+?)\*\*/).map((part, i) => (i % 2 ? h('b', {}, part) : part));
    block.append(h(item ? 'li' : 'p', { dir }, parts));
  }
  return block;
}
