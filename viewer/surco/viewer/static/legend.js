// The legend: classes with their hectares, or a graded bar.

import { $, make } from "./dom.js";
import { rampCss } from "./ramps.js";
import { className, hectares, ineTitle, number, percent, say } from "./words.js";

// areas: the answer to /areas; styles: classes of the map; only: the class singled out, or null; onOnly(class or null).
export function classLegend(areas, styles, only, onOnly) {
  const largest = Math.max(...areas.classes.map((c) => c.hectares), 1e-9);
  const row = (i) => classRow(areas.classes[i].hectares, largest, styles[i], only === i, () => onOnly(only === i ? null : i));
  const title = make("h2", {}, make("span", {}, say("mapped")), make("span", {}, hectares(areas.total_ha)));
  const grouped = styles.some((style) => style.ine);
  const parts = grouped ? groups(areas, styles).map((group) => groupOf(group, row, styles)) : [listOf(byArea(areas, styles.keys()), row)];
  const list = make("div", { class: only === null ? "" : "only" }, ...parts);
  const source = grouped ? [make("p", { class: "note" }, say("ine-note"))] : [];
  $("legend").replaceChildren(title, ...source, list, make("p", { class: "note" }, say("mapped-note")));
}

const byArea = (areas, rows) => [...rows].sort((a, b) => areas.classes[b].hectares - areas.classes[a].hectares);
const listOf = (rows, row) => make("ul", {}, ...rows.map((i) => make("li", {}, row(i))));

// Classes by INE's third level, the largest first; those without a class of it come last.
function groups(areas, styles) {
  const found = new Map();
  for (const i of byArea(areas, styles.keys())) {
    const name = styles[i].ine?.name ?? "";
    const group = found.get(name) ?? { ine: styles[i].ine, rows: [], hectares: 0 };
    group.rows.push(i);
    group.hectares += areas.classes[i].hectares;
    found.set(name, group);
  }
  return [...found.values()].sort((a, b) => Boolean(b.ine) - Boolean(a.ine) || b.hectares - a.hectares);
}

function groupOf({ ine, rows, hectares: area }, row, styles) {
  const name = ine ? className(ine) : say("ine-none");
  // A class that is INE's own says its name itself.
  const own = rows.length === 1 && className(styles[rows[0]]) === name;
  const parts = [make("span", {}, name), make("span", { class: "amount" }, hectares(area))];
  const head = own ? [] : [make("h3", { class: "group", title: ineTitle(ine) }, ...parts)];
  return make("section", {}, ...head, listOf(rows, row));
}

function classRow(area, largest, style, pressed, onclick) {
  return make(
    "button",
    { type: "button", class: "row", "aria-pressed": String(pressed), onclick },
    make("span", { class: "swatch", background: style.colour }),
    make("span", { class: "name" }, className(style)),
    make("span", { class: "amount" }, hectares(area)),
    make("span", { class: "bar" }, make("i", { width: `${(100 * area) / largest}%`, background: style.colour })),
  );
}

export function gradedLegend(name) {
  const ticks = name === "ndvi" ? [0, 0.3, 0.6, 0.9].map((v) => number(v, v ? 1 : 0)) : [0, 0.5, 1].map(percent);
  $("legend").replaceChildren(
    make("h2", {}, say(`${name}-title`)),
    make("div", { class: "ramp", background: rampCss(name) }),
    make("div", { class: "ticks" }, ...ticks.map((tick) => make("span", {}, tick))),
    make("p", { class: "note" }, say(`${name}-note`)),
  );
}

export function signatureLegend(hasAdapter) {
  const note = make("p", { class: "note" }, say("colours-note"));
  const hint = hasAdapter ? null : make("p", { class: "note" }, say("no-adapter"));
  $("legend").replaceChildren(...[make("h2", {}, say("colours-title")), note, hint].filter(Boolean));
}
