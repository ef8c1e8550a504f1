// The legend: classes with their hectares, or a graded bar.

import { $, make } from "./dom.js";
import { rampCss } from "./ramps.js";
import { className, hectares, number, percent, say } from "./words.js";

export function classLegend(areas, styles, only, onOnly) {
  const largest = Math.max(...areas.classes.map((c) => c.hectares), 1e-9);
  const list = make("ul", { class: only === null ? "" : "only" });
  const order = [...areas.classes.keys()].sort((a, b) => areas.classes[b].hectares - areas.classes[a].hectares);
  for (const i of order) {
    const { hectares: ha } = areas.classes[i];
    const bar = make("span", { class: "bar" }, make("i", { width: `${(100 * ha) / largest}%`, background: styles[i].colour }));
    const row = make(
      "button",
      { type: "button", class: "row", "aria-pressed": String(only === i), onclick: () => onOnly(only === i ? null : i) },
      make("span", { class: "swatch", background: styles[i].colour }),
      make("span", { class: "name" }, className(styles[i])),
      make("span", { class: "amount" }, hectares(ha)),
      bar,
    );
    list.append(make("li", {}, row));
  }
  const title = make("h2", {}, make("span", {}, say("mapped")), make("span", {}, hectares(areas.total_ha)));
  $("legend").replaceChildren(title, list, make("p", { class: "note" }, say("mapped-note")));
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
