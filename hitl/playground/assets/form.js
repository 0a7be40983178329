// Forms from JSON Schemas: what a bot can say about a session.

import { h } from './dom.js';

const title = (name, schema) => schema['x-zui']?.title || schema.title || name;

const isRequired = (schema, name) => Boolean(schema.required?.includes(name));

/** choices are the values of which one is chosen, if they are few. Of what may be left out, false is another value than none. */
const choices = (schema, required) => schema.enum ?? (schema.type === 'boolean' && !required && schema.default === undefined ? [true, false] : null);

/** fields are the inputs of an object's schema. */
export function fields(schema) {
  return Object.entries(schema?.properties ?? {}).map(([name, s]) => h('label', {},
    `${title(name, s)} `, input(name, s, isRequired(schema, name)), s.description ? h('small', {}, s.description) : null));
}

function input(name, schema, required) {
  const { default: value, minimum: min, maximum: max } = schema;
  const all = choices(schema, required);
  if (all) {
    return h('select', { name }, required ? null : h('option', { value: '' }, '(none)'), all.map((one) => h('option', { value: one, selected: one === value }, String(one))));
  }
  switch (schema.type) {
    case 'boolean': return h('input', { type: 'checkbox', name, checked: value });
    case 'number': case 'integer': return h('input', { type: 'number', name, required, min, max, step: schema.type === 'integer' ? 1 : 'any', value });
    case 'string': return h('input', { name, required: required && schema.minLength > 0, pattern: schema.pattern, maxLength: schema.maxLength ?? 10_000, value });
    default: return h('textarea', { name, rows: 2, placeholder: 'JSON', spellcheck: false, value: value === undefined ? '' : JSON.stringify(value) });
  }
}

/** values is the object that was filled in, or nothing if nothing was. What is required or has a default is sent even if it is empty. */
export function values(schema, place) {
  const object = {};
  for (const [name, s] of Object.entries(schema?.properties ?? {})) {
    const field = place.querySelector(`[name="${CSS.escape(name)}"]`);
    const required = isRequired(schema, name);
    const all = choices(s, required);
    if (all) {
      const at = field.selectedIndex - (required ? 0 : 1);
      if (at >= 0) object[name] = all[at];
    } else if (field.type === 'checkbox') object[name] = field.checked;
    else if (s.type === 'string') {
      if (field.value || required || s.default !== undefined) object[name] = field.value;
    } else if (field.value) object[name] = s.type === 'number' || s.type === 'integer' ? Number(field.value) : parsed(field.value);
  }
  return Object.keys(object).length ? object : undefined;
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return text; }
}
