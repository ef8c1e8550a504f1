// The tab "Teach": give a few labels, see the map learn.

import { get } from "./api.js";
import { app, busy, notice, on } from "./app.js";
import { $, make } from "./dom.js";
import { clear } from "./place.js";
import { forgetFits } from "./teach_fit.js";
import { lesson, mayChange } from "./teach_lesson.js";
import { buildPalette, drawPalette, drawStanding, drawTools } from "./teach_palette.js";
import { answer, asking, buildAsked, buildQueue, drawQueue, skip, stop } from "./teach_queue.js";
import { buildReview, drawPeople, drawReview, forgetChecks } from "./teach_review.js";
import { drawScores } from "./teach_scores.js";
import { buildFile, buildSaving, buildSets, drawFaults, drawSaving, drawSets, open } from "./teach_share.js";
import { openTools, takeClicks } from "./teach_tools.js";
import { say } from "./words.js";

let allowed = false;

export async function openTeach() {
  await build();
  openTools(take, skip);
  on("shown", (tab) => tab === "teach" && begin());
  on("lesson", () => {
    drawSets();
    drawPalette(take);
    drawTools();
    drawReview();
    drawSaving();
  });
  on("standing", drawStanding);
  on("mode", drawTools);
  on("classless", () => notice(say("classless-title"), say("classless-text")));
  on("fit", () => {
    forgetChecks();
    drawScores();
    drawReview();
  });
  on("state", () => app.tool?.teaches && (drawPalette(take), drawSaving()));
  on("key", () => busy(ask));
  on("language", draw);
  await ask();
  if (app.state.set) await open(app.state.set, !app.state.at);
  else forgetFits();
  draw();
  if (app.state.tab === "teach") begin();
}

async function build() {
  const part = (id, word, nodes, more = {}) =>
    make("details", { id, class: "teach-part", ...more }, make("summary", {}, make("span", { "data-t": word }, say(word)), ...(id === "teach-suspects-part" ? [make("b", { id: "teach-suspicious" })] : [])), make("div", {}, ...nodes));
  const refused = make("div", { id: "teach-refused", class: "teach-refused", hidden: "" }, make("p", { "data-t": "may-not" }, say("may-not")), make("button", { type: "button", class: "main small", "data-t": "may-key", onclick: () => $("key-open").click() }, say("may-key")));
  $("tab-teach").replaceChildren(
    refused, await buildSets(),
    make("div", { id: "teach-giving", class: "panel" }, buildAsked(), ...(await buildPalette(take)), buildQueue(), ...buildFile()),
    make("section", { id: "teach-scored", hidden: "" }, make("details", { class: "teach-part", open: "" }, make("summary", {}, make("span", { "data-t": "scores" }, say("scores"))), make("div", { id: "teach-scores" }))),
    part("teach-suspects-part", "review", buildReview()),
    part("teach-saving-part", "keep-and-share", buildSaving()),
  );
}

// What the caller may do decides what is offered.
async function ask() {
  const { scopes, key } = await get("/whoami");
  lesson.me = key;
  allowed = scopes.includes("admin") || (scopes.includes("label") && scopes.includes("train"));
  allow();
}

function allow() {
  const free = allowed && mayChange();
  $("teach-refused").hidden = free;
  $("teach-refused").firstElementChild.textContent = say(allowed ? "may-only-read" : "may-not");
  $("teach-refused").firstElementChild.dataset.t = allowed ? "may-only-read" : "may-not";
  $("teach-giving").classList.toggle("barred", !free);
  $("teach-giving").toggleAttribute("inert", !free);
  $("teach-save-name").form.hidden = !free;
}

function begin() {
  clear();
  takeClicks(stop);
  allow();
}

function take(name) {
  lesson.active = name;
  if (asking()) answer(name);
  drawPalette(take);
}

function draw() {
  drawSets();
  drawPalette(take);
  drawTools();
  drawStanding();
  drawQueue();
  drawScores();
  drawReview();
  drawPeople();
  drawFaults();
  drawSaving();
}
