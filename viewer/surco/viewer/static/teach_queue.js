// Which places to label next: flown to one after the other, each with the reason.

import { get } from "./api.js";
import { app, busy } from "./app.js";
import { $, make } from "./dom.js";
import { boundsOf } from "./mercator.js";
import { margins } from "./screen.js";
import { told } from "./sentences.js";
import { draftName, drafted } from "./teach_fit.js";
import { classify, isLabelled, lesson } from "./teach_lesson.js";
import { ring, rowsOf } from "./teach_tools.js";
import { className, percent, say } from "./words.js";

const AT_A_TIME = 6;
const TRIED = 90; // places of the view that a first choice is made among
const AROUND = 3; // how many times its own size of a place's surroundings is shown

let queue = []; // {row, reason, said, predicted, probability}; reason null before there is a map
let at = 0;
export const asking = () => at < queue.length;

export function buildQueue() {
  const start = make("button", { type: "button", id: "teach-next", class: "main small", "data-t": "next-start", onclick: begin }, say("next-start"));
  return start;
}

export const buildAsked = () => make("div", { id: "teach-asked", class: "teach-asked", role: "status", hidden: "" });

async function begin() {
  const found = await busy(drafted() ? helpful : different);
  if (!found) return;
  queue = found;
  at = 0;
  show();
}

// The places whose labels would help the draft most; the server says why.
async function helpful() {
  const bbox = app.map.bounds(margins()).map((degree) => degree.toFixed(6)).join(",");
  const { features } = await get(`/adapters/${draftName()}/next`, { count: AT_A_TIME, bbox, season: app.state.season });
  const rows = await rowsOf({ ids: features.map((feature) => feature.id) });
  const about = new Map(features.map(({ id, properties }) => [id, properties]));
  return rows.filter((row) => !isLabelled(row)).map((row) => {
    const { reason, reason_said: said, predicted, probability } = about.get(row.id);
    return { row, reason, said, predicted, probability };
  });
}

// Before there is an adapter: places of the view whose vectors differ most from each other and from what is labelled.
async function different() {
  const [west, south, east, north] = app.map.bounds(margins());
  const points = Array.from({ length: TRIED }, () => [west + Math.random() * (east - west), south + Math.random() * (north - south)]);
  const rows = (await rowsOf({ points }, { vectors: "float" })).filter((row) => row.embedding && !isLabelled(row));
  const taken = rows.splice(0, 1);
  while (rows.length && taken.length < AT_A_TIME) {
    const nearest = rows.map((row) => Math.max(...taken.map((other) => likeness(row.embedding, other.embedding))));
    taken.push(...rows.splice(nearest.indexOf(Math.min(...nearest)), 1));
  }
  return taken.map((row) => ({ row, reason: null }));
}

function likeness(a, b) {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b) || 1);
}

function show() {
  const asked = queue[at];
  $("teach-next").hidden = Boolean(asked);
  $("teach-asked").hidden = !queue.length;
  ring(asked?.row ?? null);
  drawQueue();
  if (!asked) return;
  $("choices").scrollTop = 0;
  flyTo(asked.row);
}

export function drawQueue() {
  const asked = queue[at];
  if (!asked) return $("teach-asked").replaceChildren(make("p", {}, queue.length ? say("next-done") : say("next-none")));
  const guess = lesson.styles.get(asked.predicted);
  const said = asked.predicted ? make("p", { class: "note" }, say("next-guess", guess ? className(guess) : asked.predicted, percent(asked.probability))) : null;
  $("teach-asked").replaceChildren(
    make("p", {}, make("b", {}, say("next-of", at + 1, queue.length))), make("p", {}, why(asked)), ...[said].filter(Boolean),
    make("p", { class: "note" }, say("next-how")),
    make("div", { class: "actions" }, button("next-skip", skip, "S"), button("next-stop", stop)),
  );
}

const button = (word, work, key = null) => make("button", { type: "button", onclick: work, ...(key ? { title: key, "aria-keyshortcuts": key } : {}) }, say(word));

export function flyTo({ geometry }) {
  const [west, south, east, north] = boundsOf(geometry);
  const [x, y] = [Math.max(east - west, 1e-4) * AROUND, Math.max(north - south, 1e-4) * AROUND];
  app.map.fit([west - x, south - y, east + x, north + y], margins(), 900);
}

// The class of the place that is asked for; then the next.
export function answer(name) {
  classify([queue[at].row], name);
  skip();
}

export function skip() {
  if (!asking()) return;
  at += 1;
  show();
}

export function stop() {
  queue = [];
  at = 0;
  show();
}

const named = (name) => (lesson.styles.has(name) ? className(lesson.styles.get(name)) : name);

function why({ reason, said }) {
  return reason ? told(reason, said, named) : say("why-different");
}
