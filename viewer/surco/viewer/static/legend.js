// The legend: classes with their hectares, filtered, sorted and singled out; or a graded bar.

import { get } from "./api.js";
import { adapterNow, app, change } from "./app.js";
import { $, make } from "./dom.js";
import { className, hectares, ineTitle, number, percent, say } from "./words.js";

const MANY = 9; // classes from which on a filter helps

let sorting = "area";
let filter = "";
let shown = null; // what the legend was last made of: {style, legend, areas}

export async function showLegend(style) {
  const { state } = app;
  const rows = { unit: state.unit, res: state.unit === "cells" ? state.res : null };
  const path = state.adapter ? `/maps/${encodeURIComponent(state.adapter)}/${state.season}` : null;
  const legend = path ? await get(`${path}/legend`, { style, ...rows }) : { kind: style, entries: [] };
  shown = { style, legend, areas: null };
  draw();
  if (legend.kind !== "classes") return;
  const mine = shown;
  // Hectares of a country take a little; the colours do not wait for them.
  const { areas } = await get(`${path}/areas`, { f: "json", ...rows });
  mine.areas = new Map(areas.filter((row) => row.domain === "total").map((row) => [row.class, row.mapped_ha]));
  if (mine === shown) draw();
}

function draw() {
  const { legend, style } = shown;
  if (legend.kind === "classes") classes();
  else if (style === "pca") note("pca-title", "pca-note", !app.state.adapter && "no-adapter");
  else graded(legend, style);
}

function classes() {
  const styles = (adapterNow()?.classes ?? []).filter((style) => className(style).toLowerCase().includes(filter));
  const { areas } = shown;
  const area = (style) => areas?.get(style.name) ?? 0;
  const order = [...styles].sort((a, b) => (sorting === "area" && areas ? area(b) - area(a) : className(a).localeCompare(className(b))));
  const total = areas && [...areas.values()].reduce((sum, ha) => sum + ha, 0);
  const largest = Math.max(...order.map(area), 1e-9);
  const row = (style) => make("li", {}, classRow(style, areas ? area(style) : null, largest));
  const list = make("div", { class: app.state.only.length ? "only" : "" }, ...grouped(order, area, row));
  $("legend").replaceChildren(
    make("h2", {}, make("span", {}, say("mapped")), make("span", {}, total === null ? "…" : hectares(total))),
    ...tools(),
    list,
    make("p", { class: "note" }, say("mapped-note")),
  );
}

function tools() {
  if ((adapterNow()?.classes.length ?? 0) < MANY) return [];
  const input = make("input", { type: "search", id: "legend-filter", placeholder: say("legend-filter"), "aria-label": say("legend-filter") });
  input.value = filter;
  input.addEventListener("input", () => {
    filter = input.value.trim().toLowerCase();
    classes();
    $("legend-filter").focus();
  });
  const other = sorting === "area" ? "name" : "area";
  const sort = make("button", { type: "button", class: "small", onclick: () => ((sorting = other), classes()) }, say(`sort-${other}`));
  const all = make("button", { type: "button", class: "small", onclick: () => change({ only: [] }) }, say("show-all"));
  return [make("div", { class: "legend-tools" }, input, sort, ...(app.state.only.length ? [all] : []))];
}

// By INE's third level where the classes have one and are sorted by area.
function grouped(order, area, row) {
  if (sorting !== "area" || !order.some((style) => style.ine)) return [make("ul", {}, ...order.map(row))];
  const groups = new Map();
  for (const style of order) {
    const name = style.ine?.name ?? "";
    const group = groups.get(name) ?? { ine: style.ine, styles: [], area: 0 };
    group.styles.push(style);
    group.area += area(style);
    groups.set(name, group);
  }
  const sorted = [...groups.values()].sort((a, b) => Boolean(b.ine) - Boolean(a.ine) || b.area - a.area);
  const source = make("p", { class: "note" }, say("ine-note"));
  return [source, ...sorted.map((group) => section(group, row))];
}

function section({ ine, styles, area }, row) {
  const name = ine ? className(ine) : say("ine-none");
  // A class that is INE's own says its name itself.
  const own = styles.length === 1 && className(styles[0]) === name;
  const head = make("h3", { class: "group", title: ineTitle(ine) }, make("span", {}, name), make("span", { class: "amount" }, hectares(area)));
  return make("section", {}, own ? null : head, make("ul", {}, ...styles.map(row)));
}

function classRow(style, area, largest) {
  const { only } = app.state;
  const pressed = only.includes(style.name);
  const onclick = () => change({ only: pressed ? only.filter((name) => name !== style.name) : [...only, style.name] });
  return make(
    "button",
    { type: "button", class: "row", "aria-pressed": String(pressed), onclick, title: style.name },
    make("span", { class: "swatch", background: style.colour }),
    make("span", { class: "name" }, className(style)),
    make("span", { class: "amount" }, area === null ? "" : hectares(area)),
    make("span", { class: "bar" }, make("i", { width: `${(100 * (area ?? 0)) / largest}%`, background: style.colour })),
  );
}

function graded(legend, style) {
  const name = style.split(":")[0];
  const entries = legend.entries.filter((entry) => entry.colour && Number.isFinite(Number(entry.value)));
  const stops = entries.map((entry) => entry.colour).join(", ");
  const share = name === "probability" || name === "uncertainty";
  const unit = legend.unit ? ` ${legend.unit}` : "";
  const write = (value) => (share && !unit ? percent(value) : `${number(value, Number.isInteger(value) ? 0 : 1)}${unit}`);
  const ends = entries.length ? [entries[0], entries[entries.length >> 1], entries.at(-1)] : [];
  $("legend").replaceChildren(
    make("h2", {}, say(`${name}-title`)),
    make("div", { class: "ramp", background: `linear-gradient(90deg, ${stops})` }),
    make("div", { class: "ticks" }, ...ends.map((entry) => make("span", {}, write(Number(entry.value))))),
    make("p", { class: "note" }, say(`${name}-note`)),
  );
}

function note(title, ...lines) {
  const notes = lines.filter(Boolean).map((key) => make("p", { class: "note" }, say(key)));
  $("legend").replaceChildren(make("h2", {}, say(title)), ...notes);
}
