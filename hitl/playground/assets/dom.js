// Making elements. Text only ever becomes text: nothing on this page is parsed as HTML.

/** h makes an element: attributes, properties and listeners by name, children as nodes or texts. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (name === 'class') element.className = value;
    else if (name in element && name !== 'list') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const svg = 'http://www.w3.org/2000/svg';

/** icon draws lines on a grid of 20 by 20. */
export function icon(path) {
  const element = document.createElementNS(svg, 'svg');
  element.setAttribute('viewBox', '0 0 20 20');
  element.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(svg, 'path');
  line.setAttribute('d', path);
  element.append(line);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** perFrame runs work once before the next frame, however often it is asked for. */
export function perFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** initials stand for a person without a picture. */
export function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return (words.length > 1 ? words[0][0] + words.at(-1)[0] : name.slice(0, 2)).toUpperCase();
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

export const timeOf = (at) => clock.format(new Date(at));

/** grow lets a text field be as high as its text. One that is not in sight has no height, and keeps that of the stylesheet. */
export function grow(field) {
  field.style.height = '';
  if (field.scrollHeight) field.style.height = `${Math.min(field.scrollHeight, 160)}px`;
}

/**
 * away hides or disables a part, or gives it back. Whoever works with the keyboard and is there goes on at the next place, and not at the top of
 * the page.
 */
export function away(part, how, is, next) {
  const here = part.contains(document.activeElement) && document.activeElement.matches(':focus-visible');
  part[how] = is;
  if (is && here) next.focus();
}

/** submitOnEnter sends a form with Enter; Shift and Enter begin a new line. The field grows with what is written. */
export function submitOnEnter(field) {
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    field.form.requestSubmit();
  });
  field.addEventListener('input', () => grow(field));
  new ResizeObserver(perFrame(() => grow(field))).observe(field); // It has come into sight, or is narrower now.
}
