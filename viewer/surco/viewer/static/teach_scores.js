// How good the map is on labels that were held out: against plain methods, by class, by number of labels.

import { $, make, makeSvg } from "./dom.js";
import { fits } from "./teach_fit.js";
import { lesson } from "./teach_lesson.js";
import { className, number, percent, say } from "./words.js";

const WIDTH = 264;
const NAMES = 96;
const ROW = 22;
const CURVE = 118;

// Sentences of surco.adapters.evaluate.
const SPLITS = [
  [/^(\d+) folds of whole groups: (\d+) labels in (\d+) groups/, "split-folds"],
  [/^not evaluated: .*needed to hold any out/, "split-near"],
  [/^not evaluated: fewer than two of/, "split-once"],
];

export function drawScores() {
  const told = fits.at(-1)?.told;
  $("teach-scored").hidden = !told;
  if (!told) return;
  const { split, scores, baselines } = told.scores;
  const parts = [make("p", { class: "note" }, splitWords(split))];
  if (scores) parts.unshift(headline(scores), versus(scores, baselines));
  if (new Set(fits.filter((fit) => fit.told.scores.scores).map((fit) => fit.labels)).size > 1) parts.push(heading("curve-title"), curve());
  if (scores) parts.push(heading("by-class"), table(scores), heading("confusion"), confusion(scores), make("p", { class: "note" }, say("confusion-note")));
  $("teach-scores").replaceChildren(...parts);
}

const heading = (word) => make("h2", {}, say(word));
const nameOf = (name) => (lesson.styles.has(name) ? className(lesson.styles.get(name)) : name);
const interval = ({ value, low, high }) => say("interval-words", percent(value), percent(low ?? value), percent(high ?? value));

function splitWords(text) {
  for (const [pattern, word] of SPLITS) {
    const found = pattern.exec(text);
    if (found) return say(word, ...found.slice(1));
  }
  return text;
}

function headline({ accuracy, macro_f1: f1 }) {
  const fact = (word, score) => [make("dt", {}, say(word)), make("dd", {}, make("b", {}, percent(score.value)), ` ${percent(score.low ?? score.value)} – ${percent(score.high ?? score.value)}`)];
  return make("dl", { class: "facts" }, ...fact("accuracy", accuracy), ...fact("macro-f1", f1));
}

function plot(height, words, kind) {
  return makeSvg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: `curve ${kind}`, role: "img", "aria-label": words });
}

// This map and the plain methods, each a point with its interval.
function versus(scores, baselines) {
  const rows = [[say("this-map"), scores.accuracy], ...Object.entries(baselines).filter(([, each]) => each).map(([name, each]) => [say(`plain-${name.split(" ")[0]}`) ?? name, each.accuracy])];
  const x = (value) => NAMES + value * (WIDTH - NAMES - 8);
  const height = rows.length * ROW + 16;
  const svg = plot(height, rows.map(([name, score]) => `${name}: ${interval(score)}`).join("; "), "versus");
  for (const tick of [0, 0.5, 1]) {
    svg.append(makeSvg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 0, y2: height - 14 }));
    svg.append(makeSvg("text", { x: x(tick), y: height - 3, "text-anchor": tick === 1 ? "end" : "middle" }, percent(tick)));
  }
  rows.forEach(([name, score], at) => {
    const y = at * ROW + ROW / 2;
    svg.append(makeSvg("text", { x: 0, y: y + 3.5, class: at ? "" : "ours" }, name));
    if (score.low !== null) svg.append(makeSvg("line", { class: "span", x1: x(score.low), x2: x(score.high), y1: y, y2: y }));
    svg.append(makeSvg("circle", { class: at ? "dot plain" : "dot", cx: x(score.value), cy: y, r: 4 }));
  });
  return svg;
}

// Accuracy by number of labels, of the fits of this session; of equal numbers the latest.
function curve() {
  const scored = fits.filter((fit) => fit.told.scores.scores);
  const points = [...new Map(scored.map((fit) => [fit.labels, fit.told.scores.scores.accuracy])).entries()].sort((a, b) => a[0] - b[0]);
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const x = (labels) => 30 + ((labels - first) / Math.max(last - first, 1)) * (WIDTH - 44);
  const y = (value) => 6 + (1 - value) * (CURVE - 26);
  const words = points.map(([labels, score]) => say("curve-words", number(labels), interval(score))).join("; ");
  const svg = plot(CURVE, words, "learning");
  for (const tick of [0, 0.5, 1]) {
    svg.append(makeSvg("line", { class: "grid", x1: 30, x2: WIDTH, y1: y(tick), y2: y(tick) }));
    svg.append(makeSvg("text", { x: 26, y: y(tick) + 3.5, "text-anchor": "end" }, percent(tick)));
  }
  const band = [...points.map(([n, s]) => [n, s.high ?? s.value]), ...points.toReversed().map(([n, s]) => [n, s.low ?? s.value])];
  svg.append(makeSvg("polygon", { class: "band", points: band.map(([n, v]) => `${x(n)},${y(v)}`).join(" ") }));
  svg.append(makeSvg("polyline", { class: "line", points: points.map(([n, s]) => `${x(n)},${y(s.value)}`).join(" ") }));
  for (const [n, s] of points) svg.append(makeSvg("circle", { class: "dot", cx: x(n), cy: y(s.value), r: 2.6 }));
  for (const n of first === last ? [first] : [first, last]) svg.append(makeSvg("text", { x: x(n), y: CURVE - 3, "text-anchor": n === first ? "start" : "end" }, say("so-many-labels", number(n))));
  return svg;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

function table({ classes, confusion: rows }) {
  const head = [say("column-class"), say("right"), say("found"), say("labels")].map((text) => make("th", { scope: "col" }, text));
  const body = classes.map((name, at) => {
    const [hit, given, taken] = [rows[at][at], sum(rows[at]), sum(rows.map((row) => row[at]))];
    const share = (of) => (of ? percent(hit / of) : "–");
    return make("tr", {}, make("th", { scope: "row", title: name }, nameOf(name)), ...[share(taken), share(given), number(given)].map((text) => make("td", {}, text)));
  });
  return make("table", { class: "teach-table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

// Rows are what labels say, columns what the map says; the darker, the larger the share of the row.
function confusion({ classes, confusion: rows }) {
  const side = Math.min((WIDTH - NAMES) / classes.length, 26);
  const mixed = rows.flatMap((row, i) => row.map((n, j) => [i, j, n])).filter(([i, j, n]) => i !== j && n > 0).sort((a, b) => b[2] - a[2]);
  const words = mixed.length ? mixed.slice(0, 8).map(([i, j, n]) => say("mixed", nameOf(classes[i]), nameOf(classes[j]), number(n))).join("; ") : say("never-mixed");
  const svg = plot(classes.length * side + 16, words, "confusion");
  classes.forEach((name, i) => {
    const text = nameOf(name);
    svg.append(makeSvg("text", { x: 0, y: 16 + (i + 0.5) * side + 3.5 }, `${i + 1} ${text.length > 14 ? `${text.slice(0, 13)}…` : text}`));
    svg.append(makeSvg("text", { x: NAMES + (i + 0.5) * side, y: 10, "text-anchor": "middle" }, String(i + 1)));
    const all = sum(rows[i]);
    rows[i].forEach((n, j) => {
      const box = makeSvg("rect", { class: i === j ? "hit" : "miss", x: NAMES + j * side + 0.5, y: 16 + i * side + 0.5, width: side - 1, height: side - 1, rx: 2, "fill-opacity": n ? 0.15 + (0.85 * n) / all : 0.05 });
      box.append(makeSvg("title", {}, say("mixed", text, nameOf(classes[j]), number(n))));
      svg.append(box);
      if (n && side > 15) svg.append(makeSvg("text", { x: NAMES + (j + 0.5) * side, y: 16 + (i + 0.5) * side + 3.5, "text-anchor": "middle", class: n / all > 0.45 ? "on" : "" }, number(n)));
    });
  });
  return svg;
}
