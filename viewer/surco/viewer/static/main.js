// The page: begins the map and its parts, in the order in which people see them.

import { get } from "./api.js";
import { app, busy, change, facts, notice, on, tell } from "./app.js";
import { $ } from "./dom.js";
import { openFind } from "./find.js";
import { openKey } from "./keybox.js";
import { openLook } from "./look.js";
import { LandMap } from "./map.js";
import { choose, openPlace } from "./place.js";
import { frame, openScreen } from "./screen.js";
import { writeState } from "./state.js";
import { openTabs } from "./tabs.js";
import { openTip } from "./tip.js";
import { say, speak } from "./words.js";

const LATEST = 4000; // ms after which borders wait no longer for the map
const PANNED = 100; // pixels of an arrow key

const asked = app.state.at; // before the map says where it is

async function start() {
  await speak(app.state.lang);
  try {
    app.map ??= new LandMap($("map"), facts.deck, { basemap: facts.basemap, onPick: picked, onMove: moved, onView: viewed });
  } catch {
    return notice(say("draw-title"), say("draw-text"));
  }
  await busy(async () => {
    [app.overview] = await Promise.all([get(`${facts.api}/overview`), app.map.ready]);
    begin();
    openLook();
    openPlace();
    // The map comes before its borders and names, and these do not wait for the hectares of a country.
    await Promise.race([app.map.pictured, new Promise((resolve) => setTimeout(resolve, LATEST))]);
    await ground();
  }, start);
}

function begin() {
  openScreen();
  openFind();
  openKey();
  openTabs();
  openTip();
  if (asked) app.map.fly(asked, 0);
  else frame(0);
}

// A tool that takes the clicks, as drawing and labelling do, is set here; null is choosing a place.
app.tool = null;

function picked(at) {
  if (app.tool) return app.tool.click(at);
  return choose(at.longitude, at.latitude);
}

function moved(place, x, y) {
  app.tool?.move?.(place, x, y);
}

let later = 0;
function viewed(view) {
  app.state.at = view;
  tell("view", view);
  clearTimeout(later);
  later = setTimeout(() => writeState(app.state), 300);
}

async function ground() {
  app.map.ground.address = `${facts.api}/borders/{z}/{x}/{y}`;
  app.map.draw();
  try {
    app.map.ground.names = (await get(`${facts.api}/names`)).names;
    app.map.draw();
  } catch (error) {
    if (error.name !== "AnswerError") console.info(error.message); // the map is whole without them
  }
}

for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", async () => {
    try {
      if (!(await speak(button.dataset.language))) return;
    } catch {
      return notice(say("down-title"), say("down-text"));
    }
    app.state.lang = button.dataset.language;
    if (app.overview) tell("language");
    writeState(app.state);
  });
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
$("map").addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  const zoom = { "+": 1, "=": 1, "-": -1 }[e.key];
  if (zoom) app.map.fly({ zoom: app.map.view.zoom + zoom }, 200);
  if (e.key in STEPS) app.map.pan(...STEPS[e.key].map((way) => way * PANNED));
  if (zoom || e.key in STEPS) e.preventDefault();
  if (e.key !== "Enter") return;
  const { left, top, width, height } = $("map").getBoundingClientRect();
  picked({ ...app.map.placeAt(left + width / 2, top + height / 2), x: left + width / 2, y: top + height / 2 });
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.map?.draw());
on("adapters", async (name) => {
  app.overview = await get(`${facts.api}/overview`);
  change(name ? { adapter: name } : {});
});

await start();
