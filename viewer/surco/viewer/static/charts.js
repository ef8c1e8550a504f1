// Small charts: the season's NDVI as a curve, a value with its interval.

import { makeSvg } from "./dom.js";
import { monthName, number } from "./words.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [296, 112, 26, 18, 6];

// values: 12 numbers -1..1 or null where the month was not seen; months: 12 times "2024-05".
export function ndviCurve(values, months, label) {
  const x = (i) => LEFT + ((WIDTH - LEFT - 6) * i) / (values.length - 1);
  const floor = Math.min(0, ...values.filter((v) => v !== null));
  const y = (v) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (v - floor) / (1 - floor));
  const svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": spell(values, months, label) });
  for (const v of [0, 0.5, 1]) {
    svg.append(makeSvg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(v), y2: y(v) }));
    svg.append(makeSvg("text", { x: LEFT - 6, y: y(v) + 3.5, "text-anchor": "end" }, number(v, v === 0.5 ? 1 : 0)));
  }
  months.forEach((month, i) => svg.append(makeSvg("text", { x: x(i), y: HEIGHT - 3, "text-anchor": "middle" }, monthName(month, "narrow"))));
  const seen = values.map((v, i) => [i, v]).filter(([, v]) => v !== null);
  seen.slice(1).forEach(([i, v], n) => {
    const [before, last] = seen[n];
    const kind = i - before > 1 ? "gap" : "line";
    svg.append(makeSvg("line", { class: kind, x1: x(before), y1: y(last), x2: x(i), y2: y(v) }));
  });
  for (const [i, v] of seen) {
    const dot = makeSvg("circle", { class: "dot", cx: x(i), cy: y(v), r: 2.6 });
    dot.append(makeSvg("title", {}, `${monthName(months[i])}: ${number(v, 2)}`));
    svg.append(dot);
  }
  return svg;
}

function spell(values, months, label) {
  const parts = values.map((v, i) => (v === null ? null : `${monthName(months[i])} ${number(v, 2)}`));
  return `${label}: ${parts.filter(Boolean).join(", ")}`;
}

// A value with its interval on a line.
export function intervalBar(value, low, high, unit) {
  const finite = [low, high].every(Number.isFinite);
  const [from, to] = finite ? [low - (high - low) * 0.3, high + (high - low) * 0.3] : [value - 1, value + 1];
  const x = (v) => ((v - from) / (to - from)) * WIDTH;
  const text = finite ? `${number(value, 2)} ${unit} (${number(low, 2)} – ${number(high, 2)})` : `${number(value, 2)} ${unit}`;
  const svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} 34`, class: "curve", role: "img", "aria-label": text });
  svg.append(makeSvg("line", { class: "grid", x1: 0, x2: WIDTH, y1: 12, y2: 12 }));
  if (finite) svg.append(makeSvg("line", { class: "span", x1: x(low), x2: x(high), y1: 12, y2: 12 }));
  svg.append(makeSvg("circle", { class: "dot", cx: x(value), cy: 12, r: 4 }), makeSvg("text", { x: WIDTH / 2, y: 32, "text-anchor": "middle" }, text));
  return svg;
}
