// Sentences of the server, in the language of the reader: by the code that comes with them, else as they are.

import { number, open, percent, read } from "./words.js";

await open("sentences");

// How sentences write what stands in them.
const write = {
  n: (value) => number(value),
  some: (value) => number(value, Number.isInteger(value) ? 0 : 1),
  share: percent,
  ha: (value) => number(value, 1),
};

// said: {code, values} that the server sends beside its words; named: how a class is called.
export function told(words, said, named = (name) => name) {
  const text = said && read("sentences", said.code);
  if (!text) return words;
  const values = { ...said.values };
  if (values.name !== undefined) values.name = named(values.name);
  if (Array.isArray(values.names)) values.names = values.names.map(named);
  return typeof text === "function" ? text(values, write) : text;
}
