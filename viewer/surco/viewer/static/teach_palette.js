// The classes with their numbers, named here; the tools; and what is to be said of the map.

import { get } from "./api.js";
import { adapterNow, app, busy } from "./app.js";
import { $, make } from "./dom.js";
import { fits, standing } from "./teach_fit.js";
import { addClasses, canUndo, counts, lesson, setClasses, undo } from "./teach_lesson.js";
import { modeNow, setMode } from "./teach_tools.js";
import { className, number, percent, say, spoken } from "./words.js";

const KEYED = 9;

let known = []; // styles of the land covers that have a colour of their own

// take(name): what a click on a class does.
export function drawPalette(take) {
  const there = counts();
  const rows = lesson.names.map((name, at) => classRow(name, at, there.get(name) ?? 0, take));
  $("teach-classes").replaceChildren(...rows);
  $("teach-hint").textContent = lesson.names.length ? "" : say("teach-hint");
  $("teach-hint").hidden = lesson.names.length > 0;
  const { name, task, classes } = adapterNow() ?? {};
  const offer = !lesson.names.length && task !== "yield" && classes?.length;
  $("teach-borrow").hidden = !offer;
  if (offer) $("teach-borrow").textContent = say("teach-borrow", name);
}

function classRow(name, at, count, take) {
  const style = lesson.styles.get(name);
  const digit = at < KEYED ? String(at + 1) : "";
  const row = make(
    "button", { type: "button", class: "row", "aria-pressed": String(name === lesson.active), title: name, onclick: () => take(name) },
    make("kbd", {}, digit), make("span", { class: "swatch", background: style.colour }),
    make("span", { class: "name" }, className(style)), make("span", { class: "amount" }, number(count)),
  );
  const drop = () => busy(() => setClasses(lesson.names.filter((other) => other !== name)));
  const remove = make("button", { type: "button", class: "quiet close tiny", "aria-label": say("teach-drop", className(style)), onclick: drop });
  return make("li", {}, row, count ? null : remove);
}

function buildTools() {
  const kinds = [["click", "C"], ["paint", "P"], ["erase", "E"]];
  const buttons = kinds.map(([kind, key]) => make("button", { type: "button", value: kind, "data-t": `mode-${kind}`, "aria-keyshortcuts": key, title: key, onclick: () => setMode(kind) }, say(`mode-${kind}`)));
  const back = make("button", { type: "button", id: "teach-undo", class: "small", "data-t": "undo", "aria-keyshortcuts": "Control+Z", title: "Ctrl+Z", onclick: undo }, say("undo"));
  return make("div", { class: "teach-tools" }, make("div", { class: "segments", id: "teach-modes", role: "group", "aria-label": say("teach-tools"), "data-label": "teach-tools" }, ...buttons), back);
}

function buildAdding() {
  const input = make("input", { id: "teach-name", list: "teach-known", autocomplete: "off", maxlength: "200", "data-label": "teach-add", "aria-label": say("teach-add"), placeholder: say("teach-add") });
  const form = make("form", { class: "teach-add" }, input, make("button", { class: "small", "data-t": "add" }, say("add")), make("datalist", { id: "teach-known" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    add(input.value.trim());
    input.value = "";
  });
  return form;
}

function add(text) {
  if (!text) return;
  const same = (word) => word.toLowerCase() === text.toLowerCase();
  const name = known.find((style) => [style.name, style.es, style.en].some(same))?.name ?? text;
  busy(async () => {
    await addClasses([name]);
    lesson.active = name;
    drawPalette(takeActive);
  });
}

let takeActive = () => {};

export async function buildPalette(take) {
  takeActive = take;
  const borrow = make("button", { type: "button", id: "teach-borrow", class: "small", onclick: () => busy(() => addClasses(adapterNow().classes.map((style) => style.name))) });
  const list = make("ul", { id: "teach-classes", class: "teach-classes", "aria-label": say("teach-classes"), "data-label": "teach-classes" });
  known = (await get("/api/styles")).styles;
  return [list, make("p", { class: "note", id: "teach-hint" }), borrow, buildAdding(), buildTools(), make("p", { id: "teach-standing", class: "teach-standing", role: "status" })];
}

export function drawTools() {
  for (const button of $("teach-modes").children) button.setAttribute("aria-pressed", String(button.value === modeNow()));
  $("teach-undo").disabled = !canUndo();
  const names = known.map((style) => make("option", { value: style[spoken()] }));
  $("teach-known").replaceChildren(...names);
}

export function drawStanding() {
  const [state, ...values] = standing;
  const accuracy = fits.at(-1)?.told.scores.scores?.accuracy;
  const sure = state === "taught" && accuracy ? say("standing-accuracy", percent(accuracy.value), percent(accuracy.low), percent(accuracy.high)) : null;
  $("teach-standing").dataset.state = state;
  $("teach-standing").replaceChildren(say(`standing-${state}`, ...values), ...(sure ? [make("b", {}, sure)] : []));
}
