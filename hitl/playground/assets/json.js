// Showing JSON: indented, with colours, and JSON within its texts unpacked.

const large = 120_000; // Characters beyond which colours cost more than they are worth.

/** pretty shows a body: JSON if it is, else the text. Numbers, keys and their order are as they were sent. */
export function pretty(text) {
  const all = document.createDocumentFragment();
  if (!isJSON(text)) all.append(text);
  else if (text.length > large) all.append([...pieces(text, 0)].map(([, piece]) => piece).join(''));
  else {
    for (const [kind, piece] of pieces(text, 0)) {
      if (kind) mark(all, kind, piece);
      else all.append(piece);
    }
  }
  return all;
}

function isJSON(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},:]|[^\s[\]{},:"]+/g;

const deep = 50; // Levels beyond which nothing is indented any more: of thousands, the blanks would fill the memory.

/** pieces indents JSON. It goes by the text, since a parsed number has lost its last digits, and a parsed object its order. */
function* pieces(text, depth) {
  const tokens = text.match(token);
  const line = () => `\n${'  '.repeat(Math.min(depth, deep))}`;
  const begins = (t) => t === '{' || t === '[', ends = (t) => t === '}' || t === ']';
  for (const [i, t] of tokens.entries()) {
    const next = tokens[i + 1];
    if (begins(t)) {
      yield ['', t];
      depth++;
      if (!ends(next)) yield ['', line()];
    } else if (ends(t)) {
      depth--;
      if (!begins(tokens[i - 1])) yield ['', line()];
      yield ['', t];
    } else if (t === ',') yield ['', `,${line()}`];
    else if (t === ':') yield ['', ': '];
    else if (!t.startsWith('"')) yield ['literal', t];
    else {
      const value = JSON.parse(t);
      if (next === ':') yield ['key', JSON.stringify(value)];
      else if (/^\s*[[{]/.test(value) && isJSON(value)) {
        yield ['packed', 'JSON in a text: '];
        yield* pieces(value, depth);
      } else yield ['string', JSON.stringify(value)];
    }
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
