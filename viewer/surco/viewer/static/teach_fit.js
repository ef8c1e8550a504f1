// From labels to a map: sent, fitted, drawn again; one at a time, and what came meanwhile in the next.

import { AnswerError, write } from "./api.js";
import { adapterNow, app, modelNow, on, tell } from "./app.js";
import { counts, lesson, send, waiting } from "./teach_lesson.js";

const LEAST_CLASSES = 2;

// Of this session and set: {labels, told (the server's answer)}, the latest last.
export let fits = [];
// What is to be said of the map: ["state", ...what its words need].
export let standing = ["start"];

let running = null;
let again = false;

export const draftName = () => `draft-${lesson.set.id}`;
export const drafted = () => Boolean(lesson.set) && app.overview.adapters.some((adapter) => adapter.name === draftName());

function stand(...words) {
  standing = words;
  tell("standing");
}

// Learns from the labels as they are now; ends when the map has been asked for.
export function learn() {
  again = true;
  running ??= round().finally(() => (running = null));
  return running;
}

async function round() {
  while (again) {
    again = false;
    try {
      await once();
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      stand(waiting() ? "unsent" : "refused", error.message || null);
    }
  }
}

async function once() {
  const { labels, classes } = await send();
  if (classes < LEAST_CLASSES) return stand("few", labels, LEAST_CLASSES - classes);
  stand("learning");
  const told = await fit(draftName());
  fits.push({ labels, told });
  stand("taught", labels, classes);
  tell("fit");
  if (adapterNow()?.name !== told.name) Object.assign(app.state, { style: "class", only: [], compare: null });
  tell("adapters", told.name);
}

export async function fit(name) {
  const { season, unit } = app.state;
  return (await write("POST", "/adapters", { name, labels: lesson.set.id, season, unit, model: modelNow() })).body;
}

export function forgetFits() {
  fits = [];
  stand(lesson.labels.size ? "opened" : "start", lesson.labels.size, counts().size);
  tell("fit");
}

on("lesson", (labelled) => labelled && learn());
addEventListener("beforeunload", (event) => waiting() && event.preventDefault());
