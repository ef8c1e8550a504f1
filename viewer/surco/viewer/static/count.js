// The panel "Count": hectares by class, or the mean of values, of the view, a comuna, a drawn area or everything.

import { AnswerError, get } from "./api.js";
import { adapterNow, app, busy, modelNow, on } from "./app.js";
import { drawSample, sampleNow } from "./count_sample.js";
import { areasShown, valuesShown } from "./count_show.js";
import { $, make } from "./dom.js";
import { drawn, polygonOf, startDrawing } from "./draw.js";
import { openFields } from "./fields.js";
import { areasOf, saveMap, saveTable, valuesOf } from "./hectares.js";
import { margins } from "./screen.js";
import { className, say } from "./words.js";

const STILL = 500; // ms after which a moved view is counted again
const WHERE = ["view", "all", "zone", "box", "polygon"];

let where = "view";
let zone = null; // {comuna} or {region}
let ring = null; // what was drawn
let crop = ""; // "adapter:class" that values are of; "" for all places
let running = null;
let shown = null; // what the table says: [[…cells]], the head first

export async function openCount() {
  $("tab-count").replaceChildren(
    make("div", { class: "segments many", role: "group", id: "count-where" }),
    make("select", { id: "count-zone", hidden: "" }),
    make("select", { id: "count-crop", hidden: "" }),
    make("p", { class: "note", id: "count-status", role: "status" }),
    make("div", { id: "count-result" }),
    make("div", { class: "actions", id: "count-saves" }),
    make("section", { id: "count-sample" }),
    make("section", { id: "count-fields" }),
  );
  $("count-zone").addEventListener("change", (e) => {
    const [kind, name] = e.target.value.split(":");
    zone = { [kind]: name };
    count();
  });
  $("count-crop").addEventListener("change", (e) => {
    crop = e.target.value;
    count();
  });
  let later = 0;
  on("view", () => {
    clearTimeout(later);
    if (where === "view" && open()) later = setTimeout(count, STILL);
  });
  on("state", () => open() && fill());
  on("language", fill);
  on("shown", (tab) => (tab === "count" ? fill() : app.map.overlay("counted", null)));
  await fill();
}

const open = () => app.state.tab === "count";

async function fill() {
  const group = $("count-where");
  group.setAttribute("aria-label", say("count-where"));
  group.replaceChildren(...WHERE.map((name) => make("button", { type: "button", value: name, "aria-pressed": String(name === where), onclick: () => choose(name) }, say(`count-${name}`))));
  zones();
  crops();
  save();
  const { sets } = await get("/labels").catch(() => ({ sets: [] }));
  drawSample(sets, part, count);
  openFields();
  if (app.overview.adapters.length) await count();
  else $("count-status").textContent = say("no-adapter");
}

function choose(name) {
  where = name;
  for (const button of $("count-where").children) button.setAttribute("aria-pressed", String(button.value === name));
  $("count-zone").hidden = name !== "zone";
  app.map.overlay("counted", null);
  app.tool?.end?.();
  if (name !== "box" && name !== "polygon") return count();
  ring = null;
  startDrawing(name, { onDone: (corners) => ((ring = corners), count()), onEnd: (whole) => !whole && open() && choose("view") });
  count();
}

// Regions, each followed by its comunas.
function zones() {
  const regions = new Map();
  for (const [code, [name, , region]] of Object.entries(app.overview.comunas)) regions.set(region, [...(regions.get(region) ?? []), [code, name]]);
  const [kind, chosen] = Object.entries(zone ?? {})[0] ?? [];
  const option = (value, text) => make("option", value === `${kind}:${chosen}` ? { value, selected: "" } : { value }, text);
  const groups = [...regions].map(([region, all]) =>
    make("optgroup", { label: region }, option(`region:${region}`, say("whole-region", region)), ...all.map(([code, name]) => option(`comuna:${code}`, name))),
  );
  $("count-zone").replaceChildren(make("option", { value: "", disabled: "", ...(zone ? {} : { selected: "" }) }, say("choose-zone")), ...groups);
  $("count-zone").setAttribute("aria-label", say("choose-zone"));
  $("count-zone").hidden = where !== "zone";
}

// Null where it is not yet said which part is meant.
function part() {
  if (where === "all") return {};
  if (where === "zone") return zone;
  if (where === "polygon") return ring && { ring };
  const [west, south, east, north] = where === "view" ? app.map.bounds(margins()) : ring ? [...ring[0], ...ring[2]] : [];
  if (west === undefined) return null;
  const sides = [Math.max(Math.min(west, east), -180), Math.max(Math.min(south, north), -90), Math.min(Math.max(west, east), 180), Math.min(Math.max(south, north), 90)];
  return { bbox: sides.map((side) => side.toFixed(6)).join(",") };
}

async function count() {
  const asked = part();
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  shown = null;
  save();
  if (ring && where !== "view") app.map.overlay("counted", polygonOf(ring), drawn);
  if (!asked) {
    $("count-result").replaceChildren();
    $("count-status").textContent = where === "zone" ? say("choose-zone") : "";
    return;
  }
  $("count-status").textContent = say("counting");
  $("count-status").classList.remove("wrong");
  try {
    const made = adapterNow().task === "yield" ? await values(asked, signal) : areasShown(await areasOf(asked, sampleNow(), signal), sampleNow());
    if (signal.aborted) return;
    shown = made.table;
    $("count-status").textContent = "";
    $("count-result").replaceChildren(...made.parts);
    save();
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    if (!(error instanceof AnswerError)) throw error;
    $("count-result").replaceChildren();
    $("count-status").classList.add("wrong");
    $("count-status").textContent = error.status ? error.message : say("down-text");
  }
}

// Of this season by comuna, and of the other seasons that the store has, the same part.
async function values(asked, signal) {
  const others = app.overview.seasons.filter((s) => modelNow() in s.models && s.name !== app.state.season);
  const whole = (season) => valuesOf(asked, { crop, season }, signal).then(({ rows: [row] }) => ({ season, row }), absent);
  const [found, ...seasons] = await Promise.all([valuesOf(asked, { crop, by: "comuna" }, signal), ...others.map((s) => whole(s.name))]);
  const all = [...seasons.filter(Boolean), { season: app.state.season, row: found.rows[0] }];
  return valuesShown(found, all.sort((a, b) => a.season.localeCompare(b.season)));
}

// Of a season without anything there.
function absent(error) {
  if (error instanceof AnswerError && error.status === 404) return null;
  throw error;
}

// What a map of classes of the same model says grows where.
function crops() {
  const maps = adapterNow()?.task === "yield" ? app.overview.adapters.filter((a) => a.classes.length && a.model === modelNow()) : [];
  const known = maps.flatMap((map) => map.classes.map((style) => [`${map.name}:${style.name}`, `${className(style)} · ${map.name}`]));
  if (!known.some(([value]) => value === crop)) crop = "";
  const option = (value, text) => make("option", value === crop ? { value, selected: "" } : { value }, text);
  $("count-crop").replaceChildren(option("", say("every-place")), ...known.map(([value, text]) => option(value, text)));
  $("count-crop").setAttribute("aria-label", say("which-crop"));
  $("count-crop").hidden = !known.length;
}

function save() {
  const name = `${app.state.adapter}-${app.state.season}`;
  const asked = part();
  const button = (text, work) => make("button", { type: "button", onclick: () => busy(work), ...(shown ? {} : { disabled: "" }) }, text);
  const copy = button(say("copy"), async () => {
    await navigator.clipboard.writeText(shown.map((row) => row.join("\t")).join("\n"));
    $("count-status").textContent = say("copied");
  });
  $("count-saves").replaceChildren(
    copy,
    button("CSV", () => saveTable(asked, sampleNow(), crop, `${name}.csv`)),
    button(say("map-as", "GeoParquet"), () => saveMap(asked, "parquet", `${name}.parquet`)),
    button(say("map-as", "GeoJSON"), () => saveMap(asked, "geojson", `${name}.geojson`)),
  );
}
