// Fields on demand: an area is drawn, the server finds its fields, a person accepts those that are right and corrects others.

import { AnswerError, follow } from "./api.js";
import { app, on } from "./app.js";
import { $, make, replaceAround } from "./dom.js";
import { startDrawing } from "./draw.js";
import { accept, accepted, begin, canUndo, choose, chosen, held, join, part, remove, say as tellOf, undo } from "./fields_held.js";
import { dragCorners, dragging, drawAgain, drawFields, fieldAt, hectaresOf, hideFields } from "./fields_map.js";
import { saveGeoJson, saveLabels, saveParquet } from "./fields_save.js";
import { boundsOf } from "./mercator.js";
import { margins } from "./screen.js";
import { told } from "./sentences.js";
import { hectares, number, percent, say } from "./words.js";

const BEYOND = 120; // metres
const MADE = /^[0-9a-f]{16}(-\d+)?$/; // ids that the server gave
const METRES = 110_574; // a degree of latitude

let running = null; // AbortController of a search
let joining = false; // the next click names the field to join
let opened = false;
let typed = null; // the input with text that no change has told of yet
// What is about to take the focus or a click is not replaced meanwhile.
let [leaving, pressing, waiting] = [false, false, false];

const button = (word, onclick, more = {}) => make("button", { type: "button", id: `fields-${word}`, onclick, ...more }, say(word));
const status = (text, wrong = false) => {
  $("fields-status").textContent = text;
  $("fields-status").classList.toggle("wrong", wrong);
};

export function openFields() {
  $("count-fields").replaceChildren(
    make("h3", {}, say("fields")), make("p", { class: "note" }, say("fields-note")),
    make("div", { class: "actions" }, button("find-fields", draw, { class: "small" })),
    make("div", { id: "fields-running", hidden: "" }), make("p", { class: "note", id: "fields-status", role: "status" }), make("div", { id: "fields-found" }),
  );
  if (!opened) {
    on("fields", showInTurn);
    on("view", drawAgain);
    on("shown", (tab) => (tab === "count" && held.fields ? take() : hideFields()));
    document.addEventListener("keydown", pressed);
    document.addEventListener("pointerdown", ({ target }) => (pressing = Boolean(target.closest?.("#count-fields"))), true);
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => ((pressing = false), setTimeout(showWaiting)), true);
  }
  opened = true;
  if (held.fields) take();
}

function draw() {
  running?.abort();
  begin(null);
  status("");
  startDrawing("box", { onDone: find, onEnd: () => {} });
}

// Fields that the drawn box would cut are looked for beyond it; those whose middle is outside are left out again.
async function find(corners) {
  const [west, south, east, north] = boundsOf({ type: "LineString", coordinates: corners });
  const [x, y] = [BEYOND / (METRES * Math.cos((south * Math.PI) / 180)), BEYOND / METRES];
  const inside = ({ geometry }) => {
    const [left, bottom, right, top] = boundsOf(geometry);
    return left + right > 2 * west && left + right < 2 * east && bottom + top > 2 * south && bottom + top < 2 * north;
  };
  const asked = { bbox: [west - x, south - y, east + x, north + y], season: app.state.season };
  running = new AbortController();
  wait({ part: "start", done: 0, total: 0, seconds: 0 });
  try {
    const found = await follow("/boundaries?f=steps", asked, (step) => step.part && wait(step), running.signal);
    const fields = found.features?.filter(inside) ?? [];
    if (found.refused || !fields.length) status(told(found.refused, found.refused ? found : { code: "fields-none" }), true);
    else {
      begin(fields);
      take();
      $("count-fields").scrollIntoView({ block: "start" });
    }
  } catch (error) {
    if (error.name === "AbortError") status(say("fields-cancelled"));
    else if (error instanceof AnswerError) status(error.status ? error.message : say("down-text"), true);
    else throw error;
  } finally {
    running = null;
    $("fields-running").hidden = true;
  }
}

function wait({ part: name, done, total, seconds }) {
  status("");
  const box = $("fields-running");
  if (box.hidden || !box.firstChild) {
    box.replaceChildren(make("progress", { "aria-label": say("find-fields") }), make("span", {}), button("cancel", () => running?.abort(), { class: "small" }));
    box.hidden = false;
    box.scrollIntoView({ block: "nearest" });
  }
  const [bar, text] = box.children;
  if (total > 1) Object.assign(bar, { max: total, value: done });
  else bar.removeAttribute("value");
  text.textContent = `${say(`fields-${name}`)}${total > 1 ? ` ${number(done)}/${number(total)}` : ""} · ${number(seconds)} s`;
}

// The map's clicks choose fields.
function take() {
  app.tool?.end?.();
  app.tool = { edits: true, click: pick, end: () => ((joining = false), hideFields()) };
  show();
}

function pick({ longitude, latitude }) {
  typed?.blur(); // a click on the map leaves the focus where it is
  const field = fieldAt(longitude, latitude);
  const one = chosen();
  if (!joining || !field || !one || field.id === one.id) return choose(field?.id ?? null);
  joining = false;
  correct(() => join([one, field]));
}

// A correction by the server: what went wrong is said here.
async function correct(work) {
  status("");
  try {
    await work();
  } catch (error) {
    if (!(error instanceof AnswerError)) throw error;
    status(error.status ? error.message : say("down-text"), true);
    show();
  }
}

function showInTurn() {
  waiting = true;
  showWaiting();
}

function showWaiting() {
  if (waiting && !leaving && !pressing) show();
}

function show() {
  waiting = false;
  if (!$("fields-found")) return;
  if (app.tool?.edits) drawFields();
  else hideFields();
  if (!held.fields) return $("fields-found").replaceChildren();
  const [all, kept, focused] = [held.fields, accepted(), document.activeElement?.id];
  const name = (id, at) => (MADE.test(id) ? say("field-nth", number(at + 1)) : id);
  const text = (field, at) => `${held.accepted.has(field.id) ? "✓ " : ""}${name(field.id, at)} · ${hectares(hectaresOf([field]))}`;
  const option = (field, at) => make("option", field.id === held.chosen ? { value: field.id, selected: "" } : { value: field.id }, text(field, at));
  const choice = make("select", { id: "fields-choice", "aria-label": say("fields-choice") }, make("option", { value: "" }, say("fields-choice")), ...all.map(option));
  choice.addEventListener("change", () => (choose(choice.value || null), chosen() && fly(chosen())));
  const off = kept.length ? {} : { disabled: "" };
  const nodes = [
    make("p", {}, make("b", {}, say("fields-found", number(all.length), hectares(hectaresOf(all)))), ` · ${say("fields-accepted", number(kept.length))}`),
    choice, card(chosen()),
    make("div", { class: "actions" },
      button("accept-all", () => accept(held.fields.map((field) => field.id), true), kept.length < all.length ? {} : { disabled: "" }),
      button("undo", undo, canUndo() ? { title: "Ctrl+Z" } : { disabled: "" }), button("put-away", () => ((app.tool = null), begin(null), status("")))),
    make("h4", {}, say("fields-saves", hectares(hectaresOf(kept)))),
    make("div", { class: "actions" },
      button("as-parcels", () => correct(saveParquet), off), make("button", { type: "button", onclick: saveGeoJson, ...off }, "GeoJSON"), button("as-labels", () => correct(labels), off)),
    make("p", { class: "note" }, say("fields-table")),
  ].filter(Boolean);
  if (typed && typed === document.activeElement && chosen()) return replaceAround($("fields-found"), nodes, typed);
  $("fields-found").replaceChildren(...nodes);
  if (focused && focused !== "map") $(focused)?.focus({ preventScroll: true });
}

function card(field) {
  if (!field) return make("p", { class: "note" }, say("fields-how"));
  const { properties: about, id } = field;
  const yes = held.accepted.has(id);
  const sure = about.confidence == null ? say("by-hand") : say("field-sure", percent(about.confidence));
  const input = (key, value, work) => {
    const node = make("input", { type: "text", maxlength: "120", value, autocomplete: "off", id: key });
    node.addEventListener("input", () => (typed = node));
    node.addEventListener("change", () => {
      if (!chosen()) return;
      [typed, leaving] = [null, true];
      work(node.value.trim());
      setTimeout(() => ((leaving = false), showWaiting())); // when the focus has moved on
    });
    return make("label", {}, make("span", {}, say(key)), node);
  };
  const renamed = (name) => {
    if (name && !tellOf(chosen(), { id: name })) status(say("name-taken"), true);
    showInTurn();
  };
  return make("div", { class: "field-card" },
    make("p", {}, `${hectares(hectaresOf([field]))} · ${sure}`),
    make("div", { class: "fields" }, input("field-name", id, renamed), input("field-crop", about["crop:name"] ?? "", (crop) => tellOf(chosen(), { crop: crop || null }))),
    make("div", { class: "actions" },
      button(yes ? "accept-not" : "accept", () => accept([chosen().id], !yes), yes ? {} : { class: "main" }),
      button("corners", () => (dragging() || fly(chosen()), dragCorners(!dragging(), correct), show()), { "aria-pressed": String(dragging()) }),
      button("split", () => divide(chosen())), button("join", () => ((joining = !joining), show()), { "aria-pressed": String(joining) }), button("delete-field", () => remove(chosen()))),
    dragging() || joining ? make("p", { class: "note" }, say(joining ? "join-how" : "corners-how")) : null,
  );
}

function divide(field) {
  const again = () => (take(), choose(field.id));
  startDrawing("line", { onDone: (line) => correct(() => part(field, line)), onEnd: again });
}

function fly({ geometry }) {
  const [west, south, east, north] = boundsOf(geometry);
  const [x, y] = [east - west, north - south];
  app.map.fit([west - x, south - y, east + x, north + y], margins(), 500);
}

async function labels() {
  const made = await saveLabels();
  status(made ? say("fields-labelled", number(made.count), made.name) : say("fields-uncropped"), !made);
}

function pressed(event) {
  if (!app.tool?.edits || event.target.matches?.("input, textarea, select")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
  else if (event.key === "Delete" && chosen()) remove(chosen());
  else return;
  event.preventDefault();
}
