// The page: reads what the store holds, keeps the state, asks for answers and draws them.

import { ask, AnswerError } from "./answers.js";
import { $, make } from "./dom.js";
import { classLegend, gradedLegend, signatureLegend } from "./legend.js";
import { LandMap } from "./map.js";
import { showPlace } from "./place.js";
import { hexColour, HIGHLIGHT, rampColour } from "./ramps.js";
import { readState, writeState } from "./state.js";
import { chance, className, distance, hectares, monthName, percent, say, speak, spoken } from "./words.js";

const facts = JSON.parse($("facts").textContent);
const get = (path, query) => ask(facts.api, path, query);
const state = readState();
const asked = state.at;
let ground = 0; // which of the store's areas is framed, where it has several apart from each other
const now = { overview: null, places: null, areas: null, alike: null, place: null, values: null, outlines: null, stamp: 0, turn: 0 };
let map = null;
const UNSEEN = [160, 160, 160];

const narrow = () => matchMedia("(max-width: 700px)").matches;
const query = () => ({ season: state.season, adapter: state.adapter, unit: state.unit, res: state.unit === "cells" ? state.res : null });
const seasonNow = () => now.overview.seasons.find((s) => s.name === state.season);
// A map is of one model: that of its classifier.
const modelNow = () => now.overview.adapters.find((a) => a.name === state.adapter)?.model ?? now.overview.defaults.model;
const seasonsNow = () => {
  const held = now.overview.seasons.filter((s) => modelNow() in s.models);
  return held.length ? held : now.overview.seasons;
};
const heldNow = () => seasonNow().models[modelNow()] ?? { cells: [], parcels: 0 };

async function start() {
  speak(state.lang);
  try {
    map ??= new LandMap($("map"), facts.deck, { basemap: facts.basemap, onPick: choose, onHover: hover, onView: moved });
  } catch {
    return notice(say("draw-title"), say("draw-text"));
  }
  await busy(async () => {
    now.overview = await get("overview");
    settle();
    fillChoices();
    await load();
  });
}

// Names in the address that the store does not know fall back to what it has.
function settle() {
  const { adapters, defaults } = now.overview;
  const known = (name, list, fallback) => (list.some((item) => item.name === name) ? name : fallback);
  state.adapter = known(state.adapter, adapters, defaults.adapter);
  const seasons = seasonsNow();
  state.season = known(state.season, seasons, known(defaults.season, seasons, seasons.at(-1)?.name));
  const { cells, parcels } = heldNow();
  const units = [cells.length && "cells", parcels && "parcels"].filter(Boolean);
  state.unit = units.includes(state.unit) ? state.unit : units.includes(defaults.unit) ? defaults.unit : units[0];
  const fitting = cells.filter((c) => c.rows <= now.overview.max_cells);
  state.res = cells.some((c) => String(c.resolution) === state.res) ? state.res : String(fitting.at(-1)?.resolution ?? "");
  const layers = state.adapter ? ["class", "confidence", "ndvi", "colours"] : ["colours", "ndvi"];
  state.layer = layers.includes(state.layer) ? state.layer : layers[0];
  state.month ??= 8;
}

function fillChoices() {
  const { adapters } = now.overview;
  const { cells, parcels } = heldNow();
  const options = (items, chosen) => items.map(([value, text]) => make("option", value === chosen ? { value, selected: "" } : { value }, text));
  $("season").replaceChildren(...options(seasonsNow().map((s) => [s.name, s.name]), state.season));
  const grounds = now.overview.grounds;
  $("ground").replaceChildren(...options(grounds.map(({ name }, i) => [String(i), name[0].toUpperCase() + name.slice(1)]), String(ground)));
  $("ground-field").hidden = grounds.length < 2;
  $("adapter").replaceChildren(...options(adapters.map((a) => [a.name, a.name]), state.adapter));
  $("adapter-field").hidden = adapters.length === 0;
  $("resolution").replaceChildren(...options(cells.map((c) => [String(c.resolution), say("hexagon-of", hectares(c.cell_ha))]), state.res));
  $("resolution-field").hidden = state.unit !== "cells" || cells.length < 2;
  $("unit").hidden = !(cells.length && parcels);
  press("unit", state.unit);
  press("layer", state.layer);
  for (const value of ["class", "confidence"]) $("layer").querySelector(`[value=${value}]`).hidden = !state.adapter;
  $("month-field").hidden = state.layer !== "ndvi";
  $("month").value = state.month;
  $("month-name").textContent = monthName(seasonNow().months[state.month]);
}

function press(group, value) {
  for (const button of $(group).children) button.setAttribute("aria-pressed", String(button.value === value));
}

async function load() {
  const turn = ++now.turn;
  const { parcels } = heldNow();
  const [places, areas, outlines] = await Promise.all([
    get("map", query()),
    state.adapter ? get("areas", query()) : null,
    state.unit === "cells" && parcels ? get("map", { ...query(), unit: "parcels", res: null }) : null,
  ]);
  if (turn !== now.turn) return;
  Object.assign(now, { places, areas, outlines, place: null, alike: null });
  now.rows = new Map(places.id.map((id, row) => [id, row]));
  await loadValues();
  const row = now.rows.get(state.id);
  if (row !== undefined) await choose(row, false);
  else clear();
}

async function loadValues() {
  const { layer } = state;
  const turn = now.turn;
  let values = null;
  if (layer === "ndvi") values = (await get("ndvi", { ...query(), month: state.month })).ndvi;
  if (layer === "colours") values = (await get("colours", query())).rgb;
  if (turn === now.turn && layer === state.layer) now.values = values;
}

function paint() {
  if (!now.places) return;
  const nearby = now.alike && new Map(now.alike.items.map((item, at) => [now.rows.get(item.id), 1 - at / now.alike.items.length]));
  const selected = now.place ? now.rows.get(now.place.id) ?? null : null;
  now.stamp += 1;
  legend();
  fillChoices();
  begin();
  map.draw({
    unit: state.unit, places: now.places, outlines: now.outlines, selected, stamp: now.stamp,
    colour: (row) => (nearby ? nearColour(row, selected, nearby) : [...groundColour(row), alpha(row)]),
  });
  document.body.classList.toggle("chosen", now.place !== null);
  writeState(state);
}

// The first view waits for the legend, whose height says how much of a small screen the map has.
function begin() {
  if (now.begun) return;
  now.begun = true;
  if (asked) map.fly(asked, 0);
  else frame(0);
}

function groundColour(row) {
  const { layer } = state;
  if (layer === "class") return palette()[now.places.class[row]] ?? UNSEEN;
  if (layer === "confidence") return rampColour("confidence", now.places.probability[row] / 100);
  if (layer === "ndvi") return rampColour("ndvi", (now.values?.[row] ?? 0) / 90);
  return now.values ? now.values.slice(3 * row, 3 * row + 3) : UNSEEN;
}

function palette() {
  now.places.palette ??= now.places.classes.map((style) => hexColour(style.colour));
  return now.places.palette;
}

function alpha(row) {
  if (state.layer === "ndvi" && (now.values?.[row] ?? null) === null) return 0;
  if (state.layer === "class" && isolated() !== null && now.places.class[row] !== isolated()) return 26;
  return 222;
}

function isolated() {
  const at = now.places.classes.findIndex((style) => style.name === state.only);
  return at < 0 ? null : at;
}

function nearColour(row, selected, nearby) {
  if (row === selected) return [...groundColour(row), 255];
  if (nearby.has(row)) return [...HIGHLIGHT, Math.round(70 + 175 * nearby.get(row))];
  return [...groundColour(row), Math.min(alpha(row), 44)];
}

function legend() {
  if (state.layer === "colours") signatureLegend(Boolean(state.adapter));
  else if (state.layer !== "class") gradedLegend(state.layer);
  else classLegend(now.areas, now.places.classes, isolated(), (only) => change({ only: only === null ? null : now.places.classes[only].name }, "paint"));
}

async function choose(row, focus = true) {
  if (row === null) return clear();
  const id = now.places.id[row];
  const turn = ++now.turn;
  await busy(async () => {
    const [place, alike] = await Promise.all([get("place", { ...query(), id }), get("similar", { ...query(), id, k: 40 })]);
    if (turn !== now.turn) return;
    Object.assign(now, { place, alike });
    state.id = id;
    tell();
    paint();
    map.reveal(place.lon, place.lat, margins());
    if (focus) $("place-title").focus({ preventScroll: true });
  });
}

const tell = () => showPlace(now.place, now.alike, now.places.classes, (item) => {
  choose(now.rows.get(item.id));
});

function clear() {
  now.turn += 1;
  Object.assign(now, { place: null, alike: null });
  state.id = null;
  $("place").hidden = true;
  paint();
}

function hover(row, x, y) {
  const tip = $("tip");
  tip.hidden = row === null || matchMedia("(hover: none)").matches;
  if (tip.hidden) return;
  const { places } = now;
  const style = places.classes[places.class?.[row]];
  const near = now.alike?.items.find((item) => item.id === places.id[row]);
  const lines = [
    style ? `${chance(places.probability[row] / 100)} · ${hectares(places.area_ha[row])}` : hectares(places.area_ha[row]),
    state.layer === "ndvi" && now.values?.[row] !== null ? `NDVI ${(now.values[row] / 100).toLocaleString(spoken())}` : null,
    near ? `${say("alike")}: ${percent(near.similarity)}` : null,
  ];
  const title = style ? className(style) : say(state.unit === "cells" ? "cell" : "parcel");
  tip.replaceChildren(make("b", {}, title), ...lines.filter(Boolean).map((text) => make("div", {}, text)));
  tip.style.left = `${Math.min(x + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(y + 14, innerHeight - tip.offsetHeight - 8)}px`;
}

let later = 0;
function moved(view) {
  state.at = view;
  $("tip").hidden = true;
  drawScale();
  clearTimeout(later);
  later = setTimeout(() => writeState(state), 250);
}

function drawScale() {
  const step = map.metresPerPixel();
  const wanted = step * 90;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= wanted) ?? power;
  const bar = $("scale").firstElementChild;
  bar.style.width = `${length / step}px`;
  bar.textContent = distance(length);
}

// What the cards leave free of the map, in pixels.
function margins() {
  const card = $("controls").getBoundingClientRect();
  const panel = $("place").getBoundingClientRect();
  if (narrow()) return { left: 12, right: 12, top: 20, bottom: Math.max(card.height, panel.height) + 16 };
  return { left: card.right + 20, right: panel.width + 24, top: 24, bottom: 24 };
}

function frame(milliseconds) {
  map.fit(now.overview.grounds[ground]?.bbox ?? now.overview.bbox, margins(), milliseconds);
  drawScale();
}

// what: "load" asks for the places anew, "values" for the layer's values only, "paint" for nothing.
async function change(change, what) {
  Object.assign(state, change);
  settle();
  fillChoices();
  await busy(async () => {
    if (what === "load") await load();
    else if (what === "values") await loadValues();
    if (what !== "load") paint();
  });
}

async function busy(work) {
  $("busy").classList.add("on");
  $("notice").hidden = true;
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    if (error.kind === "down") notice(say("down-title"), say("down-text"));
    else notice(say("problem-title"), error.message);
  } finally {
    $("busy").classList.remove("on");
  }
}

function notice(title, text) {
  $("notice-title").textContent = title;
  $("notice-text").textContent = text;
  $("notice").hidden = false;
  $("retry").focus();
}

function wire() {
  $("ground").addEventListener("change", (e) => {
    ground = Number(e.target.value);
    frame(700);
  });
  $("season").addEventListener("change", (e) => change({ season: e.target.value }, "load"));
  $("adapter").addEventListener("change", (e) => change({ adapter: e.target.value, only: null }, "load"));
  $("resolution").addEventListener("change", (e) => change({ res: e.target.value, id: null }, "load"));
  $("unit").addEventListener("click", (e) => e.target.value && change({ unit: e.target.value, id: null }, "load"));
  $("layer").addEventListener("click", (e) => e.target.value && change({ layer: e.target.value }, "values"));
  $("month").addEventListener("input", (e) => change({ month: Number(e.target.value) }, "values"));
  $("clear").addEventListener("click", clear);
  $("retry").addEventListener("click", start);
  $("home").addEventListener("click", () => frame(700));
  $("zoom-in").addEventListener("click", () => map.fly({ zoom: map.view.zoom + 1 }, 250));
  $("zoom-out").addEventListener("click", () => map.fly({ zoom: map.view.zoom - 1 }, 250));
  $("fold").addEventListener("click", fold);
  $("map").addEventListener("keydown", (e) => e.key === "Enter" && choose(map.rowAtCentre()));
  addEventListener("keydown", (e) => e.key === "Escape" && now.places && clear());
  for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => relabel(button.dataset.language));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

function fold() {
  const folded = $("controls").classList.toggle("folded");
  $("fold").setAttribute("aria-expanded", String(!folded));
}

function relabel(language) {
  state.lang = language;
  speak(language);
  if (!now.overview) return;
  if (now.place) tell();
  drawScale();
  paint();
}

wire();
await start();
