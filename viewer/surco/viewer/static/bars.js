// Amounts as horizontal bars, each with its interval where there is one.

import { makeSvg } from "./dom.js";

const [WIDTH, ROW, TOP, THICK] = [282, 31, 13, 8];

// rows: {name, colour, value, low, high, text}; low and high null where there is no interval; title: what is shown.
export function bars(rows, title) {
  const most = Math.max(...rows.map((row) => Math.max(row.value, row.high ?? 0)), 1e-9);
  const x = (value) => (Math.max(value, 0) / most) * (WIDTH - 2) + 1;
  const spelled = `${title}: ${rows.map((row) => `${row.name} ${row.text}`).join("; ")}`;
  const svg = makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${rows.length * ROW}`, class: "bars", role: "img", "aria-label": spelled });
  rows.forEach((row, at) => {
    const y = at * ROW;
    const middle = y + TOP + 4 + THICK / 2;
    svg.append(
      makeSvg("text", { x: 0, y: y + TOP }, row.name.length > 30 ? `${row.name.slice(0, 29)}…` : row.name),
      makeSvg("text", { x: WIDTH, y: y + TOP, "text-anchor": "end", class: "amount" }, row.text),
      makeSvg("rect", { class: "under", x: 0, y: middle - THICK / 2, width: WIDTH, height: THICK, rx: 2 }),
      makeSvg("rect", { x: 0, y: middle - THICK / 2, width: Math.max(x(row.value), 1), height: THICK, rx: 2, fill: row.colour }),
    );
    if (row.low === null || row.high === null) return;
    const [low, high] = [x(row.low), x(row.high)];
    const path = `M${low} ${middle}H${high}M${low} ${middle - 5}v10M${high} ${middle - 5}v10`;
    svg.append(makeSvg("path", { class: "halo", d: path }), makeSvg("path", { class: "whisker", d: path }));
  });
  return svg;
}
