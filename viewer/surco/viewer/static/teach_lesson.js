// What is being taught: a label set's labels as people give them here, with their way back and their way to the server.

import { AnswerError, get, write } from "./api.js";
import { app, tell } from "./app.js";
import { writeState } from "./state.js";
import { say } from "./words.js";

const AT_ONCE = 5000;

export const lesson = {
  set: null, // the label set's facts; null until the first label
  labels: new Map(), // id → GeoJSON feature
  names: [], // classes in the order of their numbers
  styles: new Map(), // name → style
  active: null, // name of the class that a click gives
  me: null, // id of the caller's key; null without one
};

const outbox = new Map(); // id → feature that the server shall keep, or null
const stored = new Set(); // ids of labels that the server has
let past = []; // steps that undo takes back, each {step, was: [id, what it was] of every label changed}

export const waiting = () => outbox.size;
export const canUndo = () => past.length > 0;
export const mayChange = () => !lesson.set || lesson.set.may !== "read";
const mayAll = () => !lesson.set || ["own", "write"].includes(lesson.set.may);
const prefix = () => `${lesson.me ?? "anyone"}~`;
const path = () => `/labels/${encodeURIComponent(lesson.set.id)}`;

// changes: [id, feature or null] each; step: what belongs together, null where undo shall not take it back.
// News "lesson" tells whether labels, and not only classes, are others.
export function apply(changes, step = {}) {
  const real = changes.filter(([id, after]) => after || lesson.labels.has(id));
  if (!real.length) return;
  const was = real.map(([id]) => [id, lesson.labels.get(id) ?? null]);
  if (step && past.at(-1)?.step === step) past.at(-1).was.unshift(...was);
  else if (step) past.push({ step, was });
  for (const [id, after] of real) {
    if (after) lesson.labels.set(id, after);
    else lesson.labels.delete(id);
    outbox.set(id, after);
  }
  tell("lesson", true);
}

export function undo() {
  const last = past.pop();
  if (last) apply(last.was, null);
}

// rows: of `/embeddings`, each {id, geometry}. What a file said of the place is changed, what somebody else said is not.
export function classify(rows, name, step) {
  apply(rows.flatMap((row) => {
    const there = labelsAt(row).find((label) => !label.properties.place || label.id.startsWith(prefix()));
    if (there?.properties.class === name) return [];
    return [there ? said(there, { class: name, confidence: null }) : fresh(row, name)];
  }), step);
}

export function erase(rows, step) {
  const mine = (label) => mayAll() || label.id.startsWith(prefix());
  apply(rows.flatMap(labelsAt).filter(mine).map((label) => [label.id, null]), step);
}

export const said = (label, changes) => [label.id, { ...label, properties: { ...label.properties, ...changes } }];

function fresh(row, name) {
  const id = prefix() + row.id.replace(/[/?#%\\]/g, "_");
  const properties = { class: name, place: row.id, season: app.state.season, source: "Surco" };
  return [id, { type: "Feature", id, geometry: row.geometry, properties }];
}

function labelsAt(row) {
  return [...lesson.labels.values()].filter(({ properties, geometry }) =>
    properties.place ? properties.place === row.id : inside(row.geometry, anchor(geometry)));
}

export const isLabelled = (row) => labelsAt(row).length > 0;

// A point of the label: itself, or the mean of its outer ring's corners.
export function anchor({ type, coordinates }) {
  if (type === "Point") return coordinates;
  const ring = type === "Polygon" ? coordinates[0] : coordinates[0][0];
  return [0, 1].map((axis) => ring.slice(1).reduce((sum, corner) => sum + corner[axis], 0) / (ring.length - 1));
}

function inside({ type, coordinates }, [x, y]) {
  const ring = type === "Polygon" ? coordinates[0] : coordinates[0][0];
  return ring.reduce((is, [ax, ay], at) => {
    const [bx, by] = ring[(at + 1) % ring.length];
    return ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !is : is;
  }, false);
}

export function counts() {
  const found = new Map();
  for (const { properties } of lesson.labels.values()) found.set(properties.class, (found.get(properties.class) ?? 0) + 1);
  return found;
}

// Sends what is waiting; what could not be sent goes on waiting. Gives how many labels and classes the server has then.
export async function send() {
  if (outbox.size && !lesson.set) await begin();
  const batch = [...outbox];
  const held = { labels: lesson.labels.size, classes: counts().size };
  const kept = batch.map(([, feature]) => feature).filter(Boolean);
  for (let at = 0; at < kept.length; at += AT_ONCE) {
    const features = kept.slice(at, at + AT_ONCE);
    await write("POST", `${path()}/items?existing=replace`, { type: "FeatureCollection", features });
  }
  for (const { id } of kept) stored.add(id);
  for (const [id, feature] of batch) if (!feature && stored.delete(id)) await remove(id);
  for (const [id, feature] of batch) if (outbox.get(id) === feature) outbox.delete(id);
  return held;
}

async function remove(id) {
  try {
    await write("DELETE", `${path()}/items/${encodeURIComponent(id)}`, undefined, { "if-match": "*" });
  } catch (error) {
    if (!(error instanceof AnswerError) || error.status !== 404) throw error; // it is gone, as it should be
  }
}

// A set that nobody's key owns is public: without a key it could not be found again.
export async function begin(name = say("set-name", new Date())) {
  const wish = { name, kind: "class", season: app.state.season, public: lesson.me === null };
  lesson.set = (await write("POST", "/labels", wish)).body;
  remember();
}

export async function changeSet(changes) {
  lesson.set = { ...lesson.set, ...(await write("PATCH", path(), changes, { "if-match": "*" })).body };
  tell("lesson", false);
}

export async function openSet(id) {
  const set = await get(`/labels/${encodeURIComponent(id)}`);
  const labels = new Map();
  for (let page = `/labels/${encodeURIComponent(id)}/items?f=geojson&limit=10000`; page; ) {
    const { features, links } = await get(page);
    for (const feature of features) labels.set(feature.id, feature);
    page = links.find((each) => each.rel === "next")?.href;
  }
  Object.assign(lesson, { set, labels, names: [], active: null });
  forget();
  await addClasses([...counts()].sort((a, b) => b[1] - a[1]).map(([name]) => name));
}

export function closeSet() {
  Object.assign(lesson, { set: null, labels: new Map() });
  forget();
  tell("lesson", false);
}

function forget() {
  outbox.clear();
  stored.clear();
  for (const id of lesson.labels.keys()) stored.add(id);
  past = [];
  remember();
}

function remember() {
  app.state.set = lesson.set?.id ?? null;
  writeState(app.state);
}

export async function addClasses(names) {
  const all = [...new Set([...lesson.names, ...names])];
  await setClasses(all);
}

// The server says which colour and which words a class has.
export async function setClasses(names) {
  const query = new URLSearchParams(names.map((name) => ["name", name]));
  const { styles } = names.length ? await get(`/api/styles?${query}`) : { styles: [] };
  lesson.names = names;
  lesson.styles = new Map(styles.map((style) => [style.name, style]));
  if (!names.includes(lesson.active)) lesson.active = names[0] ?? null;
  tell("lesson", false);
}
