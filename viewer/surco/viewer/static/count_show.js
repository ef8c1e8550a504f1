// What was counted, as bars with intervals, a table and notes. A table is [[…cells]], its head first.

import { styleOf } from "./app.js";
import { bars } from "./bars.js";
import { make } from "./dom.js";
import { told } from "./sentences.js";
import { className, hectares, number, percent, say } from "./words.js";

const COMUNAS = 12; // drawn as bars; the table has all
const NONE = "–";

// found: of areasOf; sampled: whether a sample was sent. {parts: elements, table}
export function areasShown({ areas, method, notes, accuracy, said }, sampled) {
  // A sample may say nothing of this part; its notes then say why.
  const used = sampled && areas.some((row) => row.area_ha !== null);
  const rows = areas.map((row) => ({ ...row, style: styleOf(row.class), ha: used ? row.area_ha : row.mapped_ha }));
  rows.sort((a, b) => b.ha - a.ha);
  const total = rows.reduce((sum, row) => sum + (row.ha ?? 0), 0);
  const named = (row) => (row.style ? className(row.style) : row.class);
  const interval = (row) => (used && row.low_ha !== null ? ` (${number(row.low_ha)}–${number(row.high_ha)})` : "");
  const chart = rows.filter((row) => row.ha > 0).map((row) => ({
    name: named(row), colour: row.style?.colour ?? "var(--soft)", value: row.ha, low: used ? row.low_ha : null, high: used ? row.high_ha : null, text: hectares(row.ha) + interval(row),
  }));
  const head = used ? ["class", "area-ha", "low-ha", "high-ha", "mapped-ha"] : ["class", "mapped-ha"];
  const figures = (row) => (used ? [row.area_ha, row.low_ha, row.high_ha, row.mapped_ha] : [row.mapped_ha]);
  const table = [head.map((key) => say(`column-${key}`)), ...rows.map((row) => [named(row), ...figures(row).map((value) => write(value, 1))])];
  const title = say(used ? "estimated" : "counted");
  const spoken = sampled ? [method, ...notes].map((text) => told(text, said[text])) : [];
  const parts = [
    heading(title, hectares(total)), chart.length ? bars(chart, title) : null, tableOf(table),
    note(say(used ? "estimate-note" : "count-note")), sure(accuracy), ...spoken.map(note), ...(sampled ? ofClasses(rows, named, said) : []),
  ];
  return { parts: parts.filter(Boolean), table };
}

// What is to be said of some classes, after their names; of all, without.
function ofClasses(rows, named, said) {
  return [...new Set(rows.map((row) => row.note).filter(Boolean))].map((text) => {
    const some = rows.filter((row) => row.note === text);
    const words = told(text, said[text]);
    return note(some.length === rows.length ? words : `${some.map(named).join(", ")}: ${words}`);
  });
}

function sure(accuracy) {
  const { overall } = accuracy ?? {};
  if (!overall) return null;
  const between = overall.low != null ? ` (${percent(overall.low)}–${percent(overall.high)})` : "";
  return note(`${say("accuracy")}: ${percent(overall.value)}${between} · ${say("places", number(accuracy.units))}`);
}

// found: of valuesOf by comuna; seasons: [{season, row}], the present one among them.
export function valuesShown({ rows: [total, ...comunas], target_unit: unit, notes, said }, seasons) {
  if (!total?.places) return { parts: [note(say("nothing-there"))], table: null };
  const between = (row, by = 1, digits = 1) => (row.mean_of_lows == null ? "" : ` (${number(by * row.mean_of_lows, digits)}–${number(by * row.mean_of_highs, digits)})`);
  const bar = (name, row) => ({ name, colour: "var(--accent)", value: row.mean, low: row.mean_of_lows, high: row.mean_of_highs, text: `${number(row.mean, 1)} ${unit}${between(row)}` });
  const [amount] = unit.split("/");
  const made = `${number(total.total)} ${amount}${between(total, total.hectares, 0)}`;
  const facts = [["production", made], ["area", hectares(total.hectares)], ["parcels-or-cells", number(total.places)]];
  const parts = [
    heading(say("mean"), `${number(total.mean, 2)} ${unit}`), bars([bar(say("mean-range"), total)], say("mean")),
    make("dl", { class: "facts" }, ...facts.flatMap(([key, text]) => [make("dt", {}, say(key)), make("dd", {}, text)])),
    ...(seasons.length > 1 ? [make("h3", {}, say("by-season")), bars(seasons.map(({ season, row }) => bar(season, row)), say("by-season")), note(say("seasons-note"))] : []),
    ...(comunas.length > 1 ? [make("h3", {}, say("by-comuna")), bars(largest(comunas).map((row) => bar(row.domain, row)), say("by-comuna"))] : []),
  ];
  const table = valueTable([total, ...comunas], seasons, amount, unit);
  parts.push(tableOf(table), ...notes.map((text) => note(told(text, said[text]))));
  return { parts, table };
}

const largest = (rows) => [...rows].sort((a, b) => b.hectares - a.hectares).slice(0, COMUNAS);

function valueTable(rows, seasons, amount, unit) {
  const head = [say("column-part"), `${say("mean")}, ${unit}`, say("column-from"), say("column-to"), `${say("production")}, ${amount}`, say("column-ha"), say("parcels-or-cells")];
  const line = (name, row) => [name, write(row.mean, 2), write(row.mean_of_lows, 2), write(row.mean_of_highs, 2), write(row.total), write(row.hectares, 1), write(row.places)];
  const others = seasons.length > 1 ? seasons.map(({ season, row }) => line(season, row)) : [];
  return [head, ...rows.map((row, at) => line(at ? row.domain : say("total"), row)), ...others];
}

const write = (value, digits = 0) => (value === null || value === undefined ? NONE : number(value, digits));
const note = (text) => make("p", { class: "note" }, text);
const heading = (text, amount) => make("h2", { class: "sum" }, make("span", {}, text), make("b", {}, amount));

function tableOf([head, ...rows]) {
  const column = (text) => make("th", { scope: "col" }, text);
  const line = (row) => make("tr", {}, make("th", { scope: "row" }, row[0]), ...row.slice(1).map((text) => make("td", {}, text)));
  return make("details", {}, make("summary", {}, say("table")), make("table", {}, make("thead", {}, make("tr", {}, ...head.map(column))), make("tbody", {}, ...rows.map(line))));
}
