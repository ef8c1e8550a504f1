// A chosen place: what it is, how it grew, how well it was seen, and what is most like it.

import { ask, AnswerError } from "./api.js";
import { adapterNow, app, busy, change, narrow, on, styleOf, tableNow, tell } from "./app.js";
import { intervalBar, ndviCurve } from "./charts.js";
import { $, make } from "./dom.js";
import { hexagons } from "./hexagons.js";
import { metres } from "./mercator.js";
import { margins } from "./screen.js";
import { chance, className, distance, hectares, ineTitle, number, percent, say } from "./words.js";

const ALIKE = 40;
const LISTED = 8;
const CLASSES = 6;
const WORTH_SAYING = 0.005;
export const MARK = [190, 24, 93];

let running = null;
let within = "country"; // where similar places are looked for

export async function choose(longitude, latitude, focus = true) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  await busy(async () => {
    const place = await read(longitude, latitude, signal);
    if (signal.aborted) return;
    if (!place) return clear();
    app.place = place;
    change({ pick: [longitude, latitude] });
    show();
    app.map.overlay("place", place.feature, { filled: false, stroked: true, getLineColor: [...MARK, 255], lineWidthUnits: "pixels", getLineWidth: 3 });
    app.map.reveal(place.lon, place.lat, margins());
    if (focus) $("place-title").focus({ preventScroll: true });
    tell("place", place);
    await alike(place, signal);
  });
}

export function clear() {
  running?.abort();
  app.place = null;
  $("place").hidden = true;
  document.body.classList.remove("chosen");
  for (const name of ["place", "alike"]) app.map?.overlay(name, null);
  app.map?.fade(false);
  change({ pick: null });
  tell("place", null);
}

// Everything about the cell or parcel at a place; null where the store has none.
export async function read(longitude, latitude, signal) {
  const { unit } = app.state;
  const points = [[longitude, latitude]];
  const question = { points, table: unit, columns: ["all"], vectors: "none", ...tableNow() };
  const [{ embeddings: [row] }, said] = await Promise.all([ask("/embeddings?f=json", question, signal), predicted({ points }, signal)]);
  if (!row?.found) return null;
  if (unit === "cells") await hexagons([row]);
  const address = app.overview.comunas[row.comuna] ?? [];
  return {
    ...row, unit, address, lon: row.lon ?? longitude, lat: row.lat ?? latitude,
    feature: { type: "Feature", geometry: row.geometry, properties: {} },
    answer: said?.[0]?.answer ?? null,
    hectares: row["metrics:area"] ? row["metrics:area"] / 1e4 : cellHectares(),
  };
}

function cellHectares() {
  const season = app.overview.seasons.find((s) => s.name === app.state.season);
  const held = season?.models[tableNow().model];
  return held?.cells.find((c) => String(c.resolution) === app.state.res)?.cell_ha ?? null;
}

async function predicted(which, signal) {
  const { adapter, unit, season } = app.state;
  if (!adapter) return null;
  try {
    return (await ask(`/adapters/${encodeURIComponent(adapter)}/predict`, { ...which, unit, season }, signal)).answers;
  } catch (error) {
    if (error instanceof AnswerError && error.status === 404) return null; // nothing there
    throw error;
  }
}

async function alike(place, signal) {
  const where = within === "view" ? { bbox: app.map.bounds(margins()) } : within === "region" && place.address[2] ? { region: place.address[2] } : {};
  const question = { like: [place.id], table: place.unit, k: ALIKE, ...tableNow(), ...where };
  const found = await ask("/search?f=geojson", question, signal);
  const ids = found.features.map((feature) => feature.id);
  const classes = ids.length ? await predicted({ ids }, signal) : [];
  if (signal.aborted) return;
  place.alike = found.features.map((feature, at) => ({ ...feature.properties, name: classes?.[at]?.answer?.class ?? null }));
  place.found = { exact: found.exact, recall: found.recall, compared: found.compared };
  const strength = (feature) => 70 + 175 * (1 - found.features.indexOf(feature) / found.features.length);
  app.map.overlay("alike", found, { getFillColor: (f) => [...MARK, strength(f)], stroked: false, lineWidthUnits: "pixels" });
  app.map.fade(true);
  show();
}

function show() {
  const { place } = app;
  const kind = say(place.unit === "cells" ? "cell" : "parcel");
  $("place-title").replaceChildren(kind, make("small", {}, `${place.id} · ${position(place)}`));
  const parts = [lead(place), chances(place), season(place), quality(place), neighbours(place)];
  const scrolled = $("place-body").scrollTop;
  $("place-body").replaceChildren(...parts.filter(Boolean));
  $("place-body").scrollTop = scrolled;
  $("place").hidden = false;
  document.body.classList.add("chosen");
}

function lead(place) {
  const { answer } = place;
  const style = answer?.class ? styleOf(answer.class) : null;
  const size = place.hectares === null ? null : hectares(place.hectares);
  const value = answer && "value" in answer ? `${number(answer.value, 2)} ${adapterNow()?.unit ?? ""}` : null;
  const facts = [size, style && say("sure", chance(answer.probability))].filter(Boolean).join(" · ");
  const title = style ? className(style) : value ?? (adapterNow() ? say("unknown") : place.address[0] ?? say("unknown"));
  const said = place["crop:name"] ? make("small", {}, `${say("said")}: ${place["crop:name"]}`) : null;
  const where = place.address.length ? make("small", {}, place.address.join(", ")) : null;
  const swatch = style ? make("span", { class: "swatch", background: style.colour }) : null;
  const ine = style?.ine ? make("small", {}, ineTitle(style.ine)) : null;
  return make("div", { class: "lead" }, swatch, make("div", {}, make("b", {}, title), make("small", {}, facts), ine, said, where));
}

function chances({ answer }) {
  if (!answer) return null;
  if ("value" in answer) return make("section", {}, make("h3", {}, say("interval")), intervalBar(answer.value, answer.low, answer.high, adapterNow()?.unit ?? ""));
  const likely = Object.entries(answer.probabilities).filter(([, share], at) => at === 0 || share >= WORTH_SAYING);
  const rows = likely.slice(0, CLASSES).map(([name, share]) => {
    const style = styleOf(name);
    const colour = style?.colour ?? "var(--soft)";
    return make(
      "li", { class: "row" }, make("span", { class: "swatch", background: colour }), make("span", { class: "name" }, style ? className(style) : name),
      make("span", { class: "amount" }, chance(share)), make("span", { class: "bar" }, make("i", { width: `${100 * share}%`, background: colour })),
    );
  });
  return make("section", {}, make("h3", {}, say("classes")), make("ol", {}, ...rows));
}

function season(place) {
  const months = app.overview.seasons.find((s) => s.name === app.state.season)?.months ?? [];
  const seen = place.ndvi?.some((value) => value !== null);
  const values = place.ndvi?.map((value) => (value === null ? null : value / 100));
  return make("section", {}, make("h3", {}, say("curve")), seen ? ndviCurve(values, months, "NDVI") : make("p", { class: "note" }, say("no-curve")));
}

function quality(place) {
  const rows = [["pixels", place.n_pixels, number], ["valid", place.valid_fraction, percent], ["optical", place.n_optical, number], ["radar", place.n_radar, number]];
  const facts = make("dl", { class: "facts" });
  for (const [key, value, write] of rows) if (value !== null && value !== undefined) facts.append(make("dt", {}, say(key)), make("dd", {}, write(value)));
  return make("section", {}, make("h3", {}, say("quality")), facts);
}

function neighbours(place) {
  const choice = make("select", { "aria-label": say("within") });
  for (const name of ["country", "region", "view"]) choice.append(make("option", name === within ? { value: name, selected: "" } : { value: name }, say(`within-${name}`)));
  choice.addEventListener("change", () => {
    within = choice.value;
    running = new AbortController();
    busy(() => alike(place, running.signal));
  });
  const head = make("h3", {}, make("span", {}, say("alike")), choice);
  if (!place.alike) return make("section", {}, head, make("p", { class: "note" }, say("searching")));
  const list = make("ol", { class: "alike" }, ...place.alike.slice(0, LISTED).map((item) => neighbour(place, item)));
  const how = place.found.exact ? say("exact", number(place.found.compared)) : say("indexed", percent(place.found.recall));
  return make("section", {}, head, list, make("p", { class: "note" }, `${say("alike-note")} ${how}`));
}

function neighbour(place, item) {
  const style = item.name ? styleOf(item.name) : null;
  const away = say("away", distance(metres(place, item)));
  const onclick = () => choose(item.lon, item.lat);
  return make("li", {}, make(
    "button", { type: "button", class: "row", onclick },
    make("span", { class: "swatch", background: style?.colour ?? "var(--fill)" }),
    make("span", { class: "name" }, `${style ? className(style) : item.id} · ${away}`),
    make("span", { class: "amount" }, percent(item.similarity)),
  ));
}

function position({ lon, lat }) {
  const part = (value, positive, negative) => `${number(Math.abs(value), 4)}° ${value < 0 ? negative : positive}`;
  return `${part(lat, "N", "S")}, ${part(lon, say("east"), say("west"))}`;
}

export function openPlace() {
  $("clear").addEventListener("click", clear);
  on("language", () => app.place && show());
  on("state", (changes) => {
    const asks = ["season", "adapter", "unit", "res"].some((key) => key in changes);
    if (asks && app.state.pick) choose(...app.state.pick, false);
  });
  addEventListener("keydown", (e) => e.key === "Escape" && app.place && clear());
  if (app.state.pick) return choose(...app.state.pick, !narrow());
  return null;
}
