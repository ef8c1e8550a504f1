// The sample that gives intervals: its plan, the filled-in file or label set, and what is in use.

import { app, adapterNow, busy } from "./app.js";
import { $, make } from "./dom.js";
import { savePlan } from "./hectares.js";
import { say } from "./words.js";

let sample = null; // GeoJSON that was filled in, or the id of a label set
let sampleName = "";

export const sampleNow = () => sample;

// sets: label sets that may be one; part(): what the plan is drawn of; changed(): another sample is in use.
export function drawSample(sets, part, changed) {
  const box = $("count-sample");
  box.hidden = adapterNow()?.task === "yield" || !app.overview.adapters.length;
  const size = make("input", { type: "number", min: "2", max: "50000", value: "300", "aria-label": say("sample-size") });
  const name = () => `${app.state.adapter}-sample.geojson`;
  const plan = make("button", { type: "button", class: "small", onclick: () => busy(() => savePlan(part() ?? {}, size.value, name())) }, say("plan"));
  const file = make("input", { type: "file", accept: ".geojson,.json", id: "count-file", class: "hidden" });
  file.addEventListener("change", () => read(file.files[0]));
  const drop = make("label", { class: "drop", for: "count-file" }, sampleName || say("drop-sample"));
  drop.addEventListener("dragover", (e) => e.preventDefault());
  drop.addEventListener("drop", (e) => (e.preventDefault(), read(e.dataTransfer.files[0])));
  const option = (value, text) => make("option", value === sample ? { value, selected: "" } : { value }, text);
  const choice = make("select", { "aria-label": say("sample-set") }, option("", say("sample-set")), ...sets.map((set) => option(set.id, set.name)));
  choice.addEventListener("change", () => use(choice.value || null, ""));
  const without = sample ? make("button", { type: "button", class: "small", onclick: () => use(null, "") }, say("without-sample")) : null;
  box.replaceChildren(
    make("h3", {}, say("intervals")), make("p", { class: "note" }, say("sample-note")), make("div", { class: "actions" }, size, plan),
    file, drop, sets.length ? choice : "", without ?? "",
  );

  async function read(chosen) {
    try {
      use(JSON.parse(await chosen.text()), chosen.name);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      $("count-status").textContent = say("no-json");
    }
  }

  function use(found, named) {
    sample = found;
    sampleName = named;
    drawSample(sets, part, changed);
    changed();
  }
}
