// Showing JSON: indented, with colours, and JSON within its texts unpacked.

const large = 120_000; // Characters beyond which colours cost more than they are worth.

/** pretty shows a body: JSON if it is, else the text. */
export function pretty(text) {
  const all = document.createDocumentFragment();
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    all.append(text);
    return all;
  }
  if (text.length > large) all.append(JSON.stringify(value, null, 2));
  else write(all, value, '');
  return all;
}

function write(all, value, indent) {
  if (Array.isArray(value)) return list(all, value.map((item) => [null, item]), '[', ']', indent);
  if (value && typeof value === 'object') return list(all, Object.entries(value), '{', '}', indent);
  if (typeof value !== 'string') return mark(all, 'literal', String(value));
  const inner = unpacked(value);
  if (inner === undefined) return mark(all, 'string', JSON.stringify(value));
  mark(all, 'packed', 'JSON in a text: ');
  write(all, inner, indent);
}

function list(all, items, begin, end, indent) {
  all.append(begin);
  items.forEach(([key, item], i) => {
    all.append(i ? ',\n' : '\n', `${indent}  `);
    if (key !== null) {
      mark(all, 'key', JSON.stringify(key));
      all.append(': ');
    }
    write(all, item, `${indent}  `);
  });
  all.append(items.length ? `\n${indent}${end}` : end);
}

function unpacked(text) {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function mark(all, kind, text) {
  const span = document.createElement('span');
  span.className = kind;
  span.textContent = text;
  all.append(span);
}

/**
 * curl is a command for a shell that sends a request again, through this page's server: it puts in the secrets that the command names
 * without knowing them.
 */
export function curl({ row, method, request }) {
  const quote = (text) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const lines = [`curl -X ${method} ${quote(new URL(`api/replay/${row.seq}`, document.baseURI).href)}`];
  for (const [name, value] of request.header) {
    if (/^(content-length|accept-encoding|connection|upgrade|expect|x-bp-signature)$/i.test(name)) continue;
    lines.push(`-H ${quote(value ? `${name}: ${value}` : `${name};`)}`);
  }
  if (request.body) { // To curl it is a form, unless it has a type or is said to have none.
    if (!request.header.some(([name]) => /^content-type$/i.test(name))) lines.push("-H 'Content-Type:'");
    lines.push(`--data-raw ${quote(request.body)}`);
  }
  return lines.join(' \\\n  ');
}
