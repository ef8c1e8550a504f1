// What clicks, drags and keys do on the map while teaching, and the labels drawn over it.

import { ask } from "./api.js";
import { app, busy, on, tableNow, tell } from "./app.js";
import { hexagons } from "./hexagons.js";
import { MARK } from "./place.js";
import { classify, erase, lesson, undo } from "./teach_lesson.js";

const STEP = 7; // pixels between two places that a stroke asks for
const PAUSE = 180; // milliseconds between two questions of a stroke

let mode = "click"; // or "paint", "erase"
export const modeNow = () => mode;

// Rows at places, [longitude, latitude] each, or of ids: {id, geometry (a polygon), …}; each row once, without those that
// the table does not have.
export async function rowsOf(which, more = {}) {
  const question = { ...which, table: app.state.unit, columns: ["geometry"], vectors: "none", ...tableNow(), ...more };
  const { embeddings } = await ask("/embeddings?f=json", question);
  const found = embeddings.filter((row) => row.found);
  return app.state.unit === "parcels" ? [...new Map(found.map((row) => [row.id, row])).values()] : hexagons(found);
}

export function setMode(to) {
  mode = to;
  app.map.hold(mode === "click" ? null : stroke);
  app.map.cursor = app.tool && "crosshair";
  tell("mode");
}

async function use(points, step) {
  const rows = await busy(() => rowsOf({ points }));
  if (!rows?.length) return;
  if (mode === "erase") erase(rows, step);
  else if (lesson.active) classify(rows, lesson.active, step);
  else tell("classless");
}

// A drag of the pointer: places are asked for while it goes on.
const stroke = { places: [], last: null, timer: 0, step: null, begin, move, end };

function begin(at) {
  Object.assign(stroke, { last: null, step: {} });
  move(at);
}

function move({ longitude, latitude, x, y }) {
  if (stroke.last && Math.hypot(x - stroke.last[0], y - stroke.last[1]) < STEP) return;
  stroke.last = [x, y];
  stroke.places.push([longitude, latitude]);
  stroke.timer ||= setTimeout(flush, PAUSE);
}

function end() {
  clearTimeout(stroke.timer);
  flush();
}

function flush() {
  stroke.timer = 0;
  const places = stroke.places.splice(0);
  if (places.length) use(places, stroke.step);
}

export function drawLabels() {
  const dark = app.map.theme() === "dark";
  const colour = ({ properties }) => rgb(lesson.styles.get(properties.class)?.colour ?? "#888888");
  const features = [...lesson.labels.values()];
  app.map.overlay("labels", features.length ? { type: "FeatureCollection", features } : null, {
    filled: true, stroked: true, getFillColor: (f) => [...colour(f), 225], getLineColor: dark ? [255, 255, 255, 235] : [28, 30, 26, 235],
    lineWidthUnits: "pixels", getLineWidth: 1.6, pointRadiusUnits: "pixels", getPointRadius: 6,
  });
}

export function ring(row) {
  app.map.overlay("ring", row && { type: "Feature", geometry: row.geometry, properties: {} }, {
    filled: false, stroked: true, getLineColor: [...MARK, 255], lineWidthUnits: "pixels", getLineWidth: 4,
    pointRadiusUnits: "pixels", getPointRadius: 9,
  });
}

const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

// keys: of letters and digits to what they do.
function pressed(event, keys) {
  if (!app.tool?.teaches || event.target.matches?.("input, textarea, select") || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  const held = event.ctrlKey || event.metaKey;
  if (held && key === "z") undo();
  else if (!held && !event.altKey && key in keys) keys[key]();
  else return;
  event.preventDefault();
}

// take(name): what a digit's class does; skip(): what S does.
export function openTools(take, skip) {
  const keys = { 0: () => setMode("erase"), e: () => setMode("erase"), p: () => setMode("paint"), c: () => setMode("click"), s: skip };
  for (let digit = 1; digit <= 9; digit += 1) keys[digit] = () => lesson.names[digit - 1] && take(lesson.names[digit - 1]);
  document.addEventListener("keydown", (event) => pressed(event, keys));
  on("lesson", () => app.tool?.teaches && drawLabels());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.tool?.teaches && drawLabels());
}

// The map's clicks are ours until another part takes them.
export function takeClicks(stopped) {
  app.tool = {
    teaches: true,
    // A stroke has heard of its click already; Enter, which says nothing of Shift, is none.
    click: ({ longitude, latitude, shift }) => (mode === "click" || shift === undefined) && use([[longitude, latitude]]),
    end() {
      app.map.hold(null);
      app.map.cursor = null;
      for (const name of ["labels", "ring"]) app.map.overlay(name, null);
      stopped();
    },
  };
  setMode(mode);
  drawLabels();
}
