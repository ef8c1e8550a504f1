// The panel "SQL": a question in the store's own language, its answer as a table, and on the map where it has places.

import { AnswerError, ask, save } from "./api.js";
import { app, busy, on } from "./app.js";
import { $, make } from "./dom.js";
import { boundsOf } from "./mercator.js";
import { margins } from "./screen.js";
import { number, say } from "./words.js";

const LISTED = 200;
const DRAWN = 5000;
const INK = [190, 24, 93];

let running = null;
let last = null; // {columns, rows, count, truncated, seconds}
let question = "";

const quoted = (text) => `'${String(text ?? "").replaceAll("'", "''")}'`;

// Those of docs/sql.md that need no name of a parcel.
const EXAMPLES = {
  "sql-held": () => "SELECT season, table_name, model, res, rows, as_of\nFROM seasons ORDER BY ALL",
  "sql-areas": () => `SELECT comuna_name, best.label AS crop, count(*) AS parcels, sum("metrics:area") / 1e4 AS hectares\nFROM (SELECT *, predict(${quoted(app.state.adapter)}, embedding, embedding_scale) AS best FROM parcels_latest)\nWHERE best.probability > 0.8\nGROUP BY ALL ORDER BY comuna_name, hectares DESC`,
  "sql-doubt": () => `SELECT id, best[1].label AS one, best[2].label AS other,\n  round(best[1].probability - best[2].probability, 3) AS margin, geometry\nFROM (SELECT *, predict_all(${quoted(app.state.adapter)}, embedding, embedding_scale) AS best FROM parcels_latest)\nORDER BY margin LIMIT 50`,
  "sql-seen": () => "SELECT id, n_optical, round(valid_fraction, 2) AS valid, geometry\nFROM parcels_latest ORDER BY valid_fraction LIMIT 50",
  "sql-cells": () => "SELECT h3, round(valid_fraction, 2) AS valid, comuna_name\nFROM cells_latest ORDER BY valid_fraction LIMIT 200",
};

export function openSql() {
  const area = make("textarea", { id: "sql-text", rows: "8", spellcheck: "false", autocapitalize: "off" });
  area.addEventListener("keydown", (e) => {
    if (e.key !== "Enter" || !(e.ctrlKey || e.metaKey)) return;
    e.preventDefault();
    run();
  });
  const examples = make("select", { id: "sql-examples" });
  examples.addEventListener("change", () => {
    area.value = EXAMPLES[examples.value]();
    examples.value = "";
    area.focus();
  });
  $("tab-ask").replaceChildren(
    examples, area, make("div", { class: "actions", id: "sql-actions" }),
    make("p", { class: "note", id: "sql-status", role: "status" }), make("div", { id: "sql-result", class: "scroll", tabindex: "0", role: "region" }),
  );
  area.value = EXAMPLES["sql-areas"]();
  on("language", words);
  on("shown", (tab) => draw(tab === "ask" ? last?.places : null));
  words();
}

function words() {
  $("sql-text").setAttribute("aria-label", say("sql-text"));
  $("sql-result").setAttribute("aria-label", say("table"));
  $("sql-examples").setAttribute("aria-label", say("sql-examples"));
  $("sql-examples").replaceChildren(make("option", { value: "" }, say("sql-examples")), ...Object.keys(EXAMPLES).map((key) => make("option", { value: key }, say(key))));
  actions();
  if (last) show();
}

function actions() {
  const button = (text, onclick, more = {}) => make("button", { type: "button", onclick, ...more }, text);
  const file = (format, name) => button(name, () => busy(() => save(`/sql?f=${format}`, `surco.${format}`, { query: question })));
  $("sql-actions").replaceChildren(
    running ? button(say("sql-stop"), () => running.abort(), { id: "sql-stop" }) : button(say("sql-run"), run, { class: "main", id: "sql-run", title: "Ctrl+Enter" }),
    ...(last && !running ? [file("csv", "CSV"), file("parquet", "Parquet")] : []),
  );
}

async function run() {
  if (running) return;
  running = new AbortController();
  const { signal } = running;
  question = $("sql-text").value.trim().replace(/;\s*$/, "");
  last = null;
  draw(null);
  $("sql-result").replaceChildren();
  say_("sql-running");
  actions();
  const began = performance.now();
  try {
    const answer = await ask("/sql?f=json", { query: question, limit: DRAWN }, signal);
    last = { ...answer, seconds: (performance.now() - began) / 1000 };
    show();
    last.places = await places(answer, signal);
    draw(last.places, true);
  } catch (error) {
    if (error.name === "AbortError") say_("sql-stopped");
    else if (error instanceof AnswerError) say_(null, error.status ? error.message : say("down-text"));
    else throw error;
  } finally {
    running = null;
    actions();
  }
}

function say_(key, text = say(key)) {
  $("sql-status").classList.toggle("wrong", key === null);
  $("sql-status").textContent = text;
}

function show() {
  const { columns, rows, count, truncated, seconds } = last;
  say_("", say("sql-answer", number(count), truncated, number(seconds, 2), Math.min(count, LISTED)));
  const numeric = columns.map(({ type }) => /INT|DOUBLE|FLOAT|DECIMAL/.test(type) && !/\[|STRUCT/.test(type));
  const cell = (value, at) => make("td", numeric[at] ? { class: "amount" } : {}, write(value));
  $("sql-result").replaceChildren(make("table", {},
    make("thead", {}, make("tr", {}, ...columns.map(({ name, type }) => make("th", { scope: "col", title: type }, name)))),
    make("tbody", {}, ...rows.slice(0, LISTED).map((row) => make("tr", {}, ...row.map(cell)))),
  ));
}

function write(value) {
  if (value === null) return "–";
  if (value.coordinates) return value.type;
  return typeof value === "object" ? JSON.stringify(value) : typeof value === "number" ? String(Number(value.toPrecision(7))) : String(value);
}

// Features of a geometry column, or of cells named by a column h3; null where the answer has no places.
async function places({ columns, rows }, signal) {
  const at = columns.findIndex(({ type }) => type.startsWith("GEOMETRY"));
  if (at >= 0) return collection(rows.map((row) => row[at]));
  const cells = columns.find(({ name }) => name === "h3");
  if (!cells || !rows.length) return null;
  const cell = cells.type === "VARCHAR" ? "h3_parse(h3)" : "h3";
  const found = await ask("/sql?f=json", { query: `SELECT h3_boundary(${cell}) AS geometry FROM (${question}) LIMIT ${DRAWN}` }, signal);
  return collection(found.rows.map(([geometry]) => geometry));
}

const collection = (all) => ({ type: "FeatureCollection", features: all.filter(Boolean).map((geometry) => ({ type: "Feature", geometry, properties: {} })) });

function draw(found, fly = false) {
  const box = found && boundsOf(found);
  app.map.overlay("answer", box && found, {
    filled: true, getFillColor: [...INK, 70], getLineColor: [...INK, 255], getLineWidth: 1.5, lineWidthUnits: "pixels", getPointRadius: 4, pointRadiusUnits: "pixels",
  });
  if (box && fly) app.map.fit(box, margins());
}
