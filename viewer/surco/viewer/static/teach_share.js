// Label sets opened and begun, files of labels, saving, sharing by link, and what can be taken home.

import { AnswerError, get, save, write } from "./api.js";
import { app, busy, tell } from "./app.js";
import { $, make } from "./dom.js";
import { boundsOf } from "./mercator.js";
import { margins } from "./screen.js";
import { told } from "./sentences.js";
import { link } from "./state.js";
import { draftName, drafted, fit, forgetFits, learn } from "./teach_fit.js";
import { begin, changeSet, closeSet, lesson, openSet, send } from "./teach_lesson.js";
import { number, say } from "./words.js";

const FAULTS = 8; // of a file, said one by one
const MAP_FORMATS = ["tif", "geojson", "parquet", "fgb"];
const LABEL_FORMATS = ["geojson", "csv", "gpkg", "geoparquet"];

let sets = [];
let sheet = null; // the file whose faults are shown: {file, refused, count, taken}

const button = (id, word, work, more = {}) => make("button", { type: "button", id, "data-t": word, onclick: work, ...more }, say(word));

export async function buildSets() {
  sets = (await get("/labels", { limit: 100 })).sets.filter((set) => set.kind === "class");
  const choice = make("select", { id: "teach-set" });
  choice.addEventListener("change", () => busy(() => (choice.value ? open(choice.value) : leave())));
  return make("label", {}, make("span", { "data-t": "label-set" }, say("label-set")), choice);
}

export function drawSets() {
  const { set } = lesson;
  const listed = set && !sets.some((each) => each.id === set.id) ? [set, ...sets] : sets;
  const option = (value, text) => make("option", value === (set?.id ?? "") ? { value, selected: "" } : { value }, text);
  $("teach-set").replaceChildren(option("", say("set-new")), ...listed.map((each) => option(each.id, each.id === set?.id ? set.name : say("set-of", each.name, number(each.labels)))));
}

export async function open(id, fly = true) {
  await send();
  await openSet(id);
  forgetFits();
  if (drafted() && fly) tell("adapters", draftName());
  const box = fly && boundsOf({ features: [...lesson.labels.values()] });
  if (box) app.map.fit(box, margins(), 900);
}

async function leave() {
  await send();
  closeSet();
  forgetFits();
}

export function buildFile() {
  const input = make("input", { type: "file", id: "teach-file", class: "hidden", accept: ".geojson,.json,.csv,.gpkg,.parquet,.zip" });
  input.addEventListener("change", () => {
    if (input.files[0]) upload(input.files[0]);
    input.value = "";
  });
  const drop = make("label", { class: "teach-drop", for: "teach-file" }, make("span", { "data-t": "file" }, say("file")), input);
  for (const kind of ["dragover", "dragleave", "drop"])
    $("tab-teach").addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) upload(event.dataTransfer.files[0]);
    });
  return [drop, make("div", { id: "teach-faults", role: "alert" })];
}

async function upload(file, faults = "refuse") {
  sheet = null;
  await busy(async () => {
    try {
      if (!lesson.set) await begin(file.name);
      const query = new URLSearchParams({ filename: file.name, season: app.state.season, existing: "replace", faults });
      await write("POST", `/labels/${lesson.set.id}/upload?${query}`, file, { "content-type": "application/octet-stream" });
      await open(lesson.set.id);
      await learn();
    } catch (error) {
      if (!(error instanceof AnswerError) || !error.body.refused) throw error;
      sheet = { file, ...error.body };
    }
  });
  drawFaults();
}

export function drawFaults() {
  if (!sheet) return $("teach-faults").replaceChildren();
  const { file, refused, refused_count: count } = sheet;
  const lines = refused.slice(0, FAULTS).map((one) => make("li", {}, make("b", {}, say("feature", number(one.feature))), ` ${told(one.why, one)}`));
  const more = count > FAULTS ? [make("li", {}, say("more-faults", number(count - FAULTS)))] : [];
  $("teach-faults").replaceChildren(
    make("p", {}, refused.length ? say("faults", file.name, number(count)) : sheet.detail), make("ul", {}, ...lines, ...more),
    make("div", { class: "actions" }, ...(refused.length ? [make("button", { type: "button", onclick: () => upload(file, "skip") }, say("skip-faults"))] : []), make("button", { type: "button", onclick: () => drawFaults((sheet = null)) }, say("key-close"))),
  );
}

export function buildSaving() {
  const input = make("input", { id: "teach-save-name", maxlength: "100", pattern: "[A-Za-z0-9._\\-]+", "data-label": "save-name", "aria-label": say("save-name"), placeholder: say("save-name") });
  const form = make("form", { class: "teach-add" }, input, make("button", { class: "small main", "data-t": "save" }, say("save")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value && lesson.set) busy(() => keep(input.value));
  });
  return [form, make("p", { class: "note", id: "teach-saved", role: "status" }), ...buildSharing(), ...buildExports()];
}

// The draft under its own name; the draft itself is not needed any more.
async function keep(name) {
  const told = await fit(name);
  await write("DELETE", `/adapters/${draftName()}`).catch((error) => {
    if (error.status !== 404) throw error;
  });
  $("teach-saved").textContent = say("saved", told.name, number(told.version));
  tell("adapters", told.name);
}

function buildSharing() {
  const crowd = make("input", { type: "checkbox", id: "teach-crowd" });
  crowd.addEventListener("change", () => busy(() => changeSet({ contributions: crowd.checked ? "anyone" : "named" })));
  const text = make("input", { id: "teach-link", readonly: "", hidden: "", "data-label": "link", "aria-label": say("link") });
  return [
    make("div", { class: "actions" }, button("teach-share", "share", () => busy(share))), text,
    make("label", { class: "teach-check" }, crowd, make("span", { "data-t": "crowd" }, say("crowd"))),
  ];
}

async function share() {
  if (!lesson.set) return;
  if (!lesson.set.public) await changeSet({ public: true });
  $("teach-link").hidden = false;
  $("teach-link").value = link();
  $("teach-link").select();
  await navigator.clipboard?.writeText(link()).catch(() => {}); // the link stands there to be copied by hand
}

function buildExports() {
  const { state } = app;
  const rows = () => ({ unit: state.unit, ...(state.unit === "cells" ? { res: state.res } : {}) });
  const map = () => `/maps/${encodeURIComponent(state.adapter)}/${state.season}`;
  const ask = (path, query) => `${path}?${new URLSearchParams(query)}`;
  const file = (what) => `${(state.adapter ?? "surco").replace(/[^\w.-]/g, "_")}-${what}`;
  const kinds = {
    "export-map": [MAP_FORMATS, (f) => save(ask(`${map()}/export`, { f, ...rows() }), `${file(state.season)}.${f}`)],
    "export-labels": [LABEL_FORMATS, (f) => save(`/labels/${lesson.set.id}/export?f=${f}`, `${lesson.set.id}.${f}`)],
    "export-adapter": [["zip"], () => save(`/adapters/${encodeURIComponent(state.adapter)}/bundle`, file("adapter.zip"))],
    "export-areas": [["csv"], () => save(ask(`${map()}/areas`, { f: "csv", ...rows() }), file("areas.csv"))],
  };
  const parts = Object.entries(kinds).map(([word, [formats, work]]) => {
    const buttons = formats.map((f) => make("button", { type: "button", class: "small", value: `${word} ${f}`, onclick: () => busy(() => work(f)) }, f));
    return make("div", { class: "teach-export" }, make("span", { "data-t": word }, say(word)), ...buttons);
  });
  return [make("div", { id: "teach-exports" }, ...parts)];
}

export function drawSaving() {
  const mine = lesson.set?.may === "own";
  $("teach-share").disabled = !lesson.set || !(mine || lesson.set.public);
  $("teach-crowd").disabled = !mine;
  $("teach-crowd").checked = lesson.set?.contributions === "anyone";
  for (const node of $("teach-exports").querySelectorAll("[value^=export-labels]")) node.disabled = !lesson.set;
  for (const node of $("teach-exports").querySelectorAll("button:not([value^=export-labels])")) node.disabled = !app.state.adapter;
}
