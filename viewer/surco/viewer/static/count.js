// The panel "Count": hectares by class, or the mean of values, of the view, a comuna, a drawn area or everything.

import { AnswerError, get } from "./api.js";
import { adapterNow, app, busy, on, styleOf } from "./app.js";
import { bars } from "./bars.js";
import { $, make } from "./dom.js";
import { drawn, polygonOf, startDrawing } from "./draw.js";
import { openFields } from "./fields.js";
import { areasOf, saveMap, savePlan, saveTable, valuesOf } from "./hectares.js";
import { margins } from "./screen.js";
import { className, hectares, number, percent, say } from "./words.js";

const STILL = 500; // ms after which a moved view is counted again
const WHERE = ["view", "all", "zone", "box", "polygon"];

let where = "view";
let zone = null; // {comuna} or {region}
let ring = null; // what was drawn
let sample = null; // GeoJSON that was filled in, or the name of a label set
let sampleName = "";
let running = null;
let shown = null; // what the table says: [[…cells]], the head first

export async function openCount() {
  $("tab-count").replaceChildren(
    make("div", { class: "segments many", role: "group", id: "count-where" }),
    make("select", { id: "count-zone", hidden: "" }),
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
  save();
  sampling(await get("/labels").catch(() => ({ sets: [] })));
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
    const used = sample && !asked.ring ? sample : null;
    const made = adapterNow().task === "yield" ? values(await valuesOf(asked, signal)) : areas(await areasOf(asked, used, signal), used);
    if (signal.aborted) return;
    $("count-status").textContent = "";
    $("count-result").replaceChildren(...made.filter(Boolean));
    save();
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    if (!(error instanceof AnswerError)) throw error;
    $("count-result").replaceChildren();
    $("count-status").classList.add("wrong");
    $("count-status").textContent = error.status ? error.message : say("down-text");
  }
}

function areas({ areas: found, method, notes, accuracy }, sampled) {
  // A sample may say nothing of this part; its notes then say why.
  const used = sampled && found.some((row) => row.area_ha !== null);
  const said = sampled ? [...new Set([method, ...notes, ...found.map((row) => row.note)].filter(Boolean))] : [];
  const rows = found.map((row) => ({ ...row, style: styleOf(row.class), ha: used ? row.area_ha : row.mapped_ha }));
  rows.sort((a, b) => b.ha - a.ha);
  const total = rows.reduce((sum, row) => sum + (row.ha ?? 0), 0);
  const interval = (row) => (used && row.low_ha !== null ? ` (${number(row.low_ha)}–${number(row.high_ha)})` : "");
  const named = (row) => (row.style ? className(row.style) : row.class);
  const chart = rows.filter((row) => row.ha > 0).map((row) => ({
    name: named(row), colour: row.style?.colour ?? "var(--soft)", value: row.ha, low: used ? row.low_ha : null, high: used ? row.high_ha : null, text: hectares(row.ha) + interval(row),
  }));
  const head = used ? ["class", "area-ha", "low-ha", "high-ha", "mapped-ha"] : ["class", "mapped-ha"];
  const digits = (value) => (value === null ? "–" : number(value, 1));
  shown = [head.map((key) => say(`column-${key}`)), ...rows.map((row) => [named(row), ...(used ? [row.area_ha, row.low_ha, row.high_ha, row.mapped_ha] : [row.mapped_ha]).map(digits)])];
  const { overall } = accuracy ?? {};
  const sure = overall?.low != null ? ` (${percent(overall.low)}–${percent(overall.high)})` : "";
  return [
    heading(say(used ? "estimated" : "counted"), hectares(total)),
    chart.length ? bars(chart, say(used ? "estimated" : "counted")) : null,
    table(),
    make("p", { class: "note" }, used ? say("estimate-note") : say(sample && ring && where === "polygon" ? "polygon-note" : "count-note")),
    overall ? make("p", { class: "note" }, `${say("accuracy")}: ${percent(overall.value)}${sure} · ${say("places", number(accuracy.units))}`) : null,
    ...said.map((text) => make("p", { class: "note", lang: "en" }, text)),
  ];
}

function values({ rows: [row], target_unit: unit, notes }) {
  if (!row?.places) return [make("p", { class: "note" }, say("nothing-there"))];
  const write = (value, digits = 2) => (value === null || value === undefined ? "–" : `${number(value, digits)} ${unit}`);
  shown = [["", say("value")], [say("mean"), write(row.mean)], [say("mean-between"), `${write(row.mean_of_lows)} – ${write(row.mean_of_highs)}`], [say("total"), number(row.total)], [say("area"), hectares(row.hectares)], [say("parcels-or-cells"), number(row.places)]];
  return [heading(say("mean"), write(row.mean)), table(true), make("p", { class: "note" }, say("mean-note")), ...notes.map((text) => make("p", { class: "note", lang: "en" }, text))];
}

const heading = (text, amount) => make("h2", { class: "sum" }, make("span", {}, text), make("b", {}, amount));

function table(opened = false) {
  const [head, ...rows] = shown;
  const cells = (row, tag) => row.map((text, at) => make(at ? tag : "th", { scope: at ? "col" : "row" }, text));
  const line = (row) => make("tr", {}, make("th", { scope: "row" }, row[0]), ...row.slice(1).map((text) => make("td", {}, text)));
  return make("details", opened ? { open: "" } : {}, make("summary", {}, say("table")), make("table", {}, make("thead", {}, make("tr", {}, ...cells(head, "th"))), make("tbody", {}, ...rows.map(line))));
}

function save() {
  const name = `${app.state.adapter}-${app.state.season}`;
  const asked = part();
  const used = asked?.ring ? null : sample;
  const button = (text, work) => make("button", { type: "button", onclick: () => busy(work), ...(shown ? {} : { disabled: "" }) }, text);
  const copy = button(say("copy"), async () => {
    await navigator.clipboard.writeText(shown.map((row) => row.join("\t")).join("\n"));
    $("count-status").textContent = say("copied");
  });
  $("count-saves").replaceChildren(
    copy,
    button("CSV", () => saveTable(asked, used, `${name}.csv`)),
    button(say("map-as", "GeoParquet"), () => saveMap(asked, "parquet", `${name}.parquet`)),
    button(say("map-as", "GeoJSON"), () => saveMap(asked, "geojson", `${name}.geojson`)),
  );
}

function sampling({ sets }) {
  const box = $("count-sample");
  box.hidden = adapterNow()?.task === "yield" || !app.overview.adapters.length;
  const size = make("input", { type: "number", min: "2", max: "50000", value: "300", "aria-label": say("sample-size") });
  const plan = make("button", { type: "button", class: "small", onclick: () => busy(() => savePlan(part() ?? {}, size.value, `${app.state.adapter}-sample.geojson`)) }, say("plan"));
  const file = make("input", { type: "file", accept: ".geojson,.json", id: "count-file", class: "hidden" });
  file.addEventListener("change", () => read(file.files[0]));
  const drop = make("label", { class: "drop", for: "count-file" }, sampleName || say("drop-sample"));
  drop.addEventListener("dragover", (e) => e.preventDefault());
  drop.addEventListener("drop", (e) => (e.preventDefault(), read(e.dataTransfer.files[0])));
  const choice = make("select", { "aria-label": say("sample-set") }, make("option", { value: "" }, say("sample-set")), ...sets.map(({ name }) => make("option", name === sample ? { value: name, selected: "" } : { value: name }, name)));
  choice.addEventListener("change", () => use(choice.value || null, choice.value));
  const without = sample ? make("button", { type: "button", class: "small", onclick: () => use(null, "") }, say("without-sample")) : null;
  box.replaceChildren(make("h3", {}, say("intervals")), make("p", { class: "note" }, say("sample-note")), make("div", { class: "actions" }, size, plan), file, drop, sets.length ? choice : "", without ?? "");

  async function read(chosen) {
    try {
      await use(JSON.parse(await chosen.text()), chosen.name);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      $("count-status").textContent = say("no-json");
    }
  }

  function use(found, name) {
    sample = found;
    sampleName = name;
    sampling({ sets });
    return count();
  }
}
