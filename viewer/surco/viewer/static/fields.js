// Fields on demand: an area is drawn, the server finds the parcels in it, a person keeps those that are right.

import { AnswerError, ask, save, saveBlob } from "./api.js";
import { app, busy } from "./app.js";
import { $, make } from "./dom.js";
import { startDrawing } from "./draw.js";
import { hectares, number, say } from "./words.js";

const LINE = [214, 69, 20];

let asked = null; // the body of the question
let found = null; // a FeatureCollection; what was deleted is gone from it
let chosen = null;
let whole = true;

export function openFields() {
  const begin = make("button", { type: "button", class: "small", onclick: draw }, say("find-fields"));
  $("count-fields").replaceChildren(make("h3", {}, say("fields")), make("p", { class: "note" }, say("fields-note")), make("div", { class: "actions" }, begin), make("p", { class: "note", id: "fields-status", role: "status" }), make("div", { id: "fields-found" }));
  if (found) show();
}

function draw() {
  put(null);
  startDrawing("box", { onDone: find, onEnd: () => {} });
}

async function find(corners) {
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  asked = { bbox: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] };
  say_("searching");
  try {
    put(await ask("/boundaries?f=geojson", asked));
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    $("fields-status").textContent = error.status ? error.message : say("down-text");
  }
}

const say_ = (key) => ($("fields-status").textContent = say(key));

function put(collection) {
  found = collection;
  chosen = null;
  whole = true;
  $("fields-status").textContent = "";
  if (found) app.tool = { click: pick, end: () => app.map.overlay("fields", null) };
  show();
}

function show() {
  const line = (feature) => (feature === chosen ? [...LINE, 255] : [...LINE, 200]);
  app.map.overlay("fields", found && { ...found }, { filled: true, getFillColor: (f) => [...LINE, f === chosen ? 110 : 0], getLineColor: line, getLineWidth: 2, lineWidthUnits: "pixels", updateTriggers: { getFillColor: chosen } });
  if (!found) return $("fields-found").replaceChildren();
  const area = found.features.reduce((sum, { properties }) => sum + (properties["metrics:area"] ?? 0) / 1e4, 0);
  const button = (text, onclick, off = false) => make("button", { type: "button", onclick, ...(off ? { disabled: "" } : {}) }, text);
  const geojson = () => saveBlob(new Blob([JSON.stringify(found)], { type: "application/geo+json" }), "fields.geojson");
  $("fields-found").replaceChildren(
    make("p", {}, `${say("fields-found", number(found.features.length))} · ${hectares(area)}`),
    make("p", { class: "note" }, say("fields-edit")),
    make("div", { class: "actions" }, button(say("delete-field"), remove, !chosen), button("GeoJSON", geojson), button("GeoParquet", () => busy(() => save("/boundaries?f=parquet", "fields.parquet", asked)), !whole), button(say("put-away"), () => ((app.tool = null), put(null)))),
  );
}

function remove() {
  found.features = found.features.filter((feature) => feature !== chosen);
  chosen = null;
  whole = false;
  show();
}

function pick({ longitude, latitude }) {
  chosen = found.features.find(({ geometry }) => holds(geometry, longitude, latitude)) ?? null;
  show();
}

// By the even-odd rule over all rings.
function holds({ type, coordinates }, x, y) {
  const rings = type === "MultiPolygon" ? coordinates.flat() : coordinates;
  let inside = false;
  for (const ring of rings)
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [[xi, yi], [xj, yj]] = [ring[i], ring[j]];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
    }
  return inside;
}
