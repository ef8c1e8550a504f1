// The panel "Look": which season, map, rows and style are drawn; comparison with another map.

import { get } from "./api.js";
import { adapterNow, app, busy, change, heldNow, on, seasonNow, tableNow } from "./app.js";
import { $, make } from "./dom.js";
import { showLegend } from "./legend.js";
import { compare } from "./swipe.js";
import { hectares, monthName, say } from "./words.js";

const CLASS_STYLES = ["class", "probability", "uncertainty"];
const VALUE_STYLES = ["value", "uncertainty"];
const TABLE_STYLES = ["ndvi", "pca", "quality"];
const BARE_STYLES = ["pca", "ndvi", "quality"]; // of a store without adapters

export const stylesNow = () => {
  const adapter = adapterNow();
  if (!adapter) return BARE_STYLES;
  return [...(adapter.task === "yield" ? VALUE_STYLES : CLASS_STYLES), ...TABLE_STYLES];
};

// Names in the address that the store does not know fall back to what it has.
export function settle() {
  const { state, overview } = app;
  const { adapters, seasons, defaults } = overview;
  const known = (name, list, fallback) => (list.some((item) => item.name === name) ? name : fallback);
  state.adapter = known(state.adapter, adapters, defaults.adapter);
  const model = adapterNow()?.model ?? defaults.model;
  const held = seasons.filter((s) => model in s.models);
  const usable = held.length ? held : seasons;
  state.season = known(state.season, usable, known(defaults.season, usable, usable.at(-1)?.name));
  const { cells, parcels } = heldNow();
  const units = [cells.length && "cells", parcels && "parcels"].filter(Boolean);
  state.unit = units.includes(state.unit) ? state.unit : units.includes(defaults.unit) ? defaults.unit : units[0];
  state.res = cells.some((c) => String(c.resolution) === state.res) ? state.res : String(cells.at(-1)?.resolution ?? "");
  state.style = stylesNow().includes(state.style) ? state.style : stylesNow()[0];
  if (state.style !== "class") state.only = [];
  return usable;
}

// The server's own address of the pictures of a map, pinned to its content so that a browser keeps them.
export async function pictures(adapter, season, style) {
  const path = adapter ? `/maps/${encodeURIComponent(adapter)}/${season}/tilejson` : `/tiles/embedding/${season}/tilejson`;
  const rows = adapter ? { unit: app.state.unit, res: tableNow().res } : { ...tableNow(), season: null, unit: app.state.unit };
  const described = await get(path, { f: "png", style, ...rows });
  const { pathname, searchParams } = new URL(described.tiles[0].replaceAll("{", "%7B").replaceAll("}", "%7D"));
  const template = decodeURIComponent(pathname).replace("{y}.png", "{y}@2x.png");
  return `${template}?${searchParams}`;
}

const styleName = () => (app.state.style === "ndvi" ? `ndvi:${app.state.month}` : app.state.style);

let turn = 0;
async function draw() {
  const mine = ++turn;
  const { state, overview } = app;
  if (!overview.seasons.length) return;
  await busy(async () => {
    const single = state.style === "class" && state.only.length ? `:${state.only.join("~")}` : "";
    const address = await pictures(state.adapter, state.season, styleName() + single);
    if (mine !== turn) return;
    app.map.show(address, `${state.unit} ${state.style}`);
    await Promise.all([legend(), compare(styleName())]);
  }, draw);
}

// Hectares of a country cost the server seconds: they are asked for when the legend is seen.
let unseen = false;
function legend() {
  unseen = $("tab-look").hidden;
  return unseen ? null : showLegend(styleName());
}

function fill() {
  const usable = settle();
  const { state, overview } = app;
  const { cells, parcels } = heldNow();
  options("season", usable.map((s) => [s.name, s.as_of ? `${s.name} → ${s.as_of}` : s.name]), state.season);
  options("adapter", overview.adapters.map((a) => [a.name, a.name]), state.adapter);
  $("adapter-field").hidden = !overview.adapters.length;
  options("resolution", cells.map((c) => [String(c.resolution), say("hexagon-of", hectares(c.cell_ha))]), state.res);
  $("resolution-field").hidden = state.unit !== "cells" || cells.length < 2;
  $("unit").hidden = !(cells.length && parcels);
  const others = usable.flatMap((s) => overview.adapters.filter((a) => a.model in s.models).map((a) => `${a.name}/${s.name}`));
  const here = `${state.adapter}/${state.season}`;
  const pairs = others.filter((other) => other !== here).map((other) => [other, other.replace("/", " · ")]);
  options("compare", [["", say("compare-none")], ...pairs], state.compare ?? "");
  $("compare-field").hidden = !pairs.length;
  press("unit", state.unit);
  for (const button of $("style").children) button.hidden = !stylesNow().includes(button.value);
  press("style", state.style);
  $("month-field").hidden = state.style !== "ndvi";
  $("month").value = state.month;
  $("month-name").textContent = seasonNow() ? monthName(seasonNow().months[state.month]) : "";
}

function options(id, items, chosen) {
  $(id).replaceChildren(...items.map(([value, text]) => make("option", value === chosen ? { value, selected: "" } : { value }, text)));
}

function press(group, value) {
  for (const button of $(group).children) button.setAttribute("aria-pressed", String(button.value === value));
}

export function openLook() {
  $("season").addEventListener("change", (e) => change({ season: e.target.value }));
  $("adapter").addEventListener("change", (e) => change({ adapter: e.target.value, only: [] }));
  $("resolution").addEventListener("change", (e) => change({ res: e.target.value }));
  $("unit").addEventListener("click", (e) => e.target.value && change({ unit: e.target.value }));
  $("style").addEventListener("click", (e) => e.target.value && change({ style: e.target.value }));
  $("month").addEventListener("input", (e) => change({ month: Number(e.target.value) }));
  $("compare").addEventListener("change", (e) => change({ compare: e.target.value || null }));
  on("state", () => {
    fill();
    draw();
  });
  on("language", () => {
    fill();
    legend();
  });
  on("shown", (tab) => tab === "look" && unseen && busy(legend));
  fill();
  return draw();
}
