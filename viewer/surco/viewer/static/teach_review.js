// Labels that look wrong, what was said and what is likelier; corrected or confirmed here. Where people differ.

import { get } from "./api.js";
import { app, busy, modelNow } from "./app.js";
import { $, make } from "./dom.js";
import { told } from "./sentences.js";
import { fits } from "./teach_fit.js";
import { apply, lesson, mayChange, said } from "./teach_lesson.js";
import { flyTo } from "./teach_queue.js";
import { ring } from "./teach_tools.js";
import { className, number, percent, say } from "./words.js";

const LISTED = 12;
const CONFLICTS = 6;

let checked = null; // of /check, until the next fit
let chosen = null; // id of the label looked at
let people = null; // of /agreement

export function buildReview() {
  const check = make("button", { type: "button", class: "small", "data-t": "check", onclick: () => busy(checkAll) }, say("check"));
  const agree = make("button", { type: "button", class: "small", "data-t": "agree", onclick: () => busy(compare) }, say("agree"));
  return [make("div", { id: "teach-suspects" }), make("div", { class: "actions" }, check, agree), make("div", { id: "teach-people" })];
}

export function forgetChecks() {
  checked = null;
}

async function checkAll() {
  if (!lesson.set) return drawReview();
  const { season, unit } = app.state;
  const found = await get(`/labels/${lesson.set.id}/check`, { season, unit, model: modelNow() });
  const ranked = found.suspects?.ranked.filter((one) => one.flagged || one.likely !== one.given) ?? [];
  checked = { worst: ranked.map((one) => ({ ...one, label: one.feature })), warnings: found.findings };
  drawReview();
  return true;
}

// Labels that somebody confirmed, with a confidence of 1, are not asked about again.
function suspects() {
  const worst = checked?.worst ?? fits.at(-1)?.told.suspects?.worst ?? [];
  return worst.filter(({ label, given }) => {
    const { class: now, confidence } = lesson.labels.get(label)?.properties ?? {};
    return now === given && confidence !== 1;
  });
}

export function drawReview() {
  const open = suspects();
  const warnings = checked?.warnings ?? fits.at(-1)?.told.warnings ?? [];
  $("teach-suspicious").textContent = open.length ? number(open.length) : "";
  const none = fits.length || checked ? say("no-suspects") : say("suspects-later");
  $("teach-suspects").replaceChildren(
    open.length ? make("ul", { class: "teach-list" }, ...open.slice(0, LISTED).map(suspect)) : make("p", { class: "note" }, none),
    ...warnings.map((warning) => make("p", { class: "note warned" }, told(warning.text, warning))),
  );
}

const named = (name) => (lesson.styles.has(name) ? className(lesson.styles.get(name)) : name);

function suspect(one) {
  const swatch = (name) => make("span", { class: "swatch", background: lesson.styles.get(name)?.colour ?? "var(--fill)" });
  const words = say("suspect", named(one.given), named(one.likely), percent(one.likely_probability));
  const row = make("button", { type: "button", class: "row", "aria-expanded": String(chosen === one.label), onclick: () => look(one.label) }, swatch(one.given), make("span", { class: "name wraps" }, words), swatch(one.likely));
  if (chosen !== one.label || !mayChange()) return make("li", {}, row);
  const correct = make("button", { type: "button", class: "main", onclick: () => settle(one, { class: one.likely, confidence: null }) }, say("correct", named(one.likely)));
  const confirm = make("button", { type: "button", onclick: () => settle(one, { confidence: 1 }) }, say("confirm", named(one.given)));
  return make("li", {}, row, make("div", { class: "actions" }, correct, confirm));
}

function look(id) {
  chosen = chosen === id ? null : id;
  const label = lesson.labels.get(id);
  ring(chosen ? label : null);
  if (chosen) flyTo(label);
  drawReview();
}

function settle({ label }, changes) {
  chosen = null;
  ring(null);
  apply([said(lesson.labels.get(label), changes)]);
}

async function compare() {
  people = lesson.set ? await get(`/labels/${lesson.set.id}/agreement`, { conflicts: CONFLICTS }) : null;
  drawPeople();
  return true;
}

export function drawPeople() {
  if (!people) return $("teach-people").replaceChildren();
  const { people: count, places_of_several: several, agreement, krippendorff_alpha: alpha, conflicts } = people;
  if (!several) return $("teach-people").replaceChildren(make("p", { class: "note" }, say("alone", number(count))));
  const sure = alpha.low === null ? number(alpha.value, 2) : `${number(alpha.value, 2)} (${number(alpha.low, 2)} – ${number(alpha.high, 2)})`;
  $("teach-people").replaceChildren(
    make("p", { class: "note" }, say("agreement", number(count), number(several), percent(agreement), sure)),
    make("ul", { class: "teach-list" }, ...conflicts.features.map(conflict)),
  );
}

function conflict({ geometry, properties }) {
  const text = properties.votes.map(({ who, class: name }) => `${who}: ${named(name)}`).join(" · ");
  const go = () => {
    ring({ geometry });
    flyTo({ geometry });
  };
  return make("li", {}, make("button", { type: "button", class: "row", onclick: go }, make("span", { class: "name wraps" }, text)));
}
