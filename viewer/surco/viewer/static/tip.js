// What lies under a resting mouse, in a word: its class and certainty, or its value and interval.

import { AnswerError, ask } from "./api.js";
import { adapterNow, app, on, styleOf } from "./app.js";
import { $, make } from "./dom.js";
import { chance, className, number, percent, say } from "./words.js";

const REST = 150; // ms

let later = 0;
let running = null;

function away() {
  clearTimeout(later);
  running?.abort();
  $("tip").hidden = true;
}

async function tell(x, y) {
  running = new AbortController();
  const { signal } = running;
  const { longitude, latitude } = app.map.placeAt(x, y);
  const { adapter, unit, season } = app.state;
  try {
    const { answers } = await ask(`/adapters/${encodeURIComponent(adapter)}/predict`, { points: [[longitude, latitude]], unit, season }, signal);
    if (!signal.aborted && answers[0]?.answer) show(answers[0].answer, x, y);
  } catch (error) {
    // Nothing there, or moved on. A mouse at rest asked no question that a failure had to answer.
    if (error.name !== "AbortError" && !(error instanceof AnswerError)) throw error;
  }
}

function show(answer, x, y) {
  const style = answer.class ? styleOf(answer.class) : null;
  const { unit, coverage } = adapterNow() ?? {};
  const bounded = Number.isFinite(answer.low) && Number.isFinite(answer.high);
  const between = bounded ? say("value-between", `${number(answer.low, 2)} – ${number(answer.high, 2)} ${unit ?? ""}`, percent(coverage ?? 0)) : say("value-unbounded");
  const [title, text] = "value" in answer ? [`${number(answer.value, 2)} ${unit ?? ""}`, between] : [style ? className(style) : answer.class ?? say("unknown"), say("sure", chance(answer.probability ?? 0))];
  const tip = $("tip");
  tip.replaceChildren(make("b", {}, title), text);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.min(x + 14, innerWidth - width - 8)}px`;
  tip.style.top = `${y + 18 + height > innerHeight ? y - height - 10 : y + 18}px`;
}

export function openTip() {
  const map = $("map");
  map.addEventListener("pointermove", (e) => {
    away();
    if (e.pointerType !== "mouse" || e.buttons || app.tool || !app.state.adapter) return;
    later = setTimeout(() => tell(e.clientX, e.clientY), REST);
  });
  for (const event of ["pointerleave", "pointerdown", "wheel"]) map.addEventListener(event, away, { passive: true });
  addEventListener("keydown", away);
  on("view", away);
}
