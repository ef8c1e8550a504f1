// Found fields and their corrections: what is there, which are accepted, and the way back.

import { ask } from "./api.js";
import { tell } from "./app.js";

const STEPS = 60; // that can be taken back

export const held = {
  fields: null, // GeoJSON features with ids; null before any were found
  accepted: new Set(), // ids
  chosen: null, // id
};
let past = [];

export const canUndo = () => past.length > 0;
export const chosen = () => held.fields?.find(({ id }) => id === held.chosen) ?? null;
export const accepted = () => held.fields?.filter(({ id }) => held.accepted.has(id)) ?? [];

// features null: nothing is held any more.
export function begin(features) {
  past = [];
  Object.assign(held, { fields: features, accepted: new Set(), chosen: null });
  tell("fields");
}

export function choose(id) {
  held.chosen = id;
  tell("fields");
}

function step(changes) {
  past = [...past.slice(1 - STEPS), { ...held }];
  Object.assign(held, changes);
  tell("fields");
}

export function undo() {
  if (!past.length) return;
  Object.assign(held, past.pop());
  tell("fields");
}

export function accept(ids, yes) {
  const after = new Set(held.accepted);
  for (const id of ids) if (yes) after.add(id); else after.delete(id);
  step({ accepted: after });
}

// The fields of `was` give way to those of `made`, which are accepted where all of `was` were.
function put(was, made, which) {
  const gone = new Set(was.map(({ id }) => id));
  const after = new Set([...held.accepted].filter((id) => !gone.has(id)));
  if (was.length && was.every(({ id }) => held.accepted.has(id))) for (const { id } of made) after.add(id);
  // What is new stands where the first of what it comes from stood.
  const first = held.fields.findIndex(({ id }) => gone.has(id));
  const fields = held.fields.flatMap((field, at) => (at === first ? made : gone.has(field.id) ? [] : [field]));
  step({ fields, accepted: after, chosen: which });
}

export const remove = (field) => put([field], [], null);

// A new id, or what grows there; false where another field has that id.
export function say(field, { id = field.id, crop = field.properties["crop:name"] }) {
  if (id !== field.id && held.fields.some((other) => other.id === id)) return false;
  const { "crop:name": old, ...properties } = field.properties;
  put([field], [{ ...field, id, properties: crop ? { ...properties, "crop:name": crop } : properties }], id);
  return true;
}

const corrected = async (how, features, more = {}) => (await ask("/boundaries/edit", { do: how, features, ...more })).features;

export async function part(field, line) {
  const taken = held.fields.map(({ id }) => id);
  put([field], await corrected("split", [field], { line, taken }), field.id);
}

export async function join(fields) {
  const [made] = await corrected("merge", fields);
  put(fields, [made], made.id);
}

// moved: fields of new outlines, of which each was told apart by its id.
export async function redraw(moved) {
  const made = new Map((await corrected("redraw", moved)).map((field) => [field.id, field]));
  step({ fields: held.fields.map((field) => made.get(field.id) ?? field) });
}
