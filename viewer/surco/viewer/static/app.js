// What all parts of the page share: the state, the store's overview, the map, and news of changes.

import { AnswerError } from "./api.js";
import { $ } from "./dom.js";
import { readState, writeState } from "./state.js";
import { say } from "./words.js";

export const facts = JSON.parse($("facts").textContent);

export const app = {
  state: readState(), // what the address says; see state.js
  overview: null, // of /api/overview
  map: null, // the LandMap
  place: null, // what was clicked; see place.js
};

// News: "state" (something that is drawn changed), "place", "language", "tab" (wanted), "shown" (a tab), "view", "adapters".
const hub = new EventTarget();
export const tell = (what, detail) => hub.dispatchEvent(new CustomEvent(what, { detail }));
export const on = (what, work) => hub.addEventListener(what, (event) => work(event.detail));

export function change(changes) {
  Object.assign(app.state, changes);
  writeState(app.state);
  tell("state", changes);
}

export const seasonNow = () => app.overview.seasons.find((s) => s.name === app.state.season);
export const adapterNow = () => app.overview.adapters.find((a) => a.name === app.state.adapter) ?? null;
export const modelNow = () => adapterNow()?.model ?? app.overview.defaults.model;
export const heldNow = () => seasonNow()?.models[modelNow()] ?? { cells: [], parcels: 0 };
// Which rows are meant, as the server's routes name them.
export const tableNow = () => ({
  season: app.state.season,
  res: app.state.unit === "cells" ? Number(app.state.res) || null : null,
  model: modelNow(),
});
export const styleOf = (name) => adapterNow()?.classes.find((style) => style.name === name) ?? null;
export const narrow = () => matchMedia("(max-width: 760px)").matches;

let working = 0;

// Shows that something is under way, and says in words what went wrong; null where it did.
export async function busy(work, retry = null) {
  working += 1;
  $("busy").classList.add("on");
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError") return null;
    if (!(error instanceof AnswerError)) throw error;
    if (error.status === 0) notice(say("down-title"), say("down-text"), retry);
    else notice(say("problem-title"), error.message, retry);
    return null;
  } finally {
    working -= 1;
    if (!working) $("busy").classList.remove("on");
  }
}

let again = null;

export function notice(title, text, retry = null) {
  again = retry;
  $("notice-title").textContent = title;
  $("notice-text").textContent = text;
  $("retry").textContent = say(retry ? "retry" : "understood");
  $("notice").hidden = false;
  $("retry").focus();
}

$("retry").addEventListener("click", () => {
  $("notice").hidden = true;
  const work = again;
  again = null;
  work?.();
});
