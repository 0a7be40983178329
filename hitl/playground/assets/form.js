// Forms from JSON Schemas: what a bot can say about a session.

import { h } from './dom.js';

const title = (name, schema) => schema['x-zui']?.title || schema.title || name;

/** fields are the inputs of an object's schema. */
export function fields(schema) {
  return Object.entries(schema?.properties ?? {}).map(([name, s]) => h('label', {},
    `${title(name, s)} `, input(name, s, schema.required?.includes(name)), s.description ? h('small', {}, s.description) : null));
}

function input(name, schema, required) {
  if (schema.enum) {
    return h('select', { name, required }, required ? null : h('option', { value: '' }, '(none)'), schema.enum.map((value) => h('option', { value }, String(value))));
  }
  switch (schema.type) {
    case 'boolean': return h('input', { type: 'checkbox', name });
    case 'number': case 'integer': return h('input', { type: 'number', name, required, step: schema.type === 'integer' ? 1 : 'any' });
    case 'string': return h('input', { name, required, pattern: schema.pattern, maxLength: schema.maxLength ?? 10_000 });
    default: return h('textarea', { name, rows: 2, placeholder: 'JSON', spellcheck: false });
  }
}

/** values is the object that was filled in, or nothing if nothing was. */
export function values(schema, place) {
  const object = {};
  for (const [name, s] of Object.entries(schema?.properties ?? {})) {
    const field = place.querySelector(`[name="${CSS.escape(name)}"]`);
    if (field.type === 'checkbox') { if (field.checked) object[name] = true; continue; }
    if (field.value === '') continue;
    object[name] = s.enum ? s.enum.find((value) => String(value) === field.value)
      : s.type === 'number' || s.type === 'integer' ? Number(field.value)
        : s.type === 'string' ? field.value : parsed(field.value);
  }
  return Object.keys(object).length ? object : undefined;
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return text; }
}
