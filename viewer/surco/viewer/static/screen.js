// The room that cards leave to the map, the scale, and moving to what the store holds.

import { app, narrow, on } from "./app.js";
import { $ } from "./dom.js";
import { distance } from "./words.js";

// What the cards leave free of the map, in pixels.
export function margins() {
  const card = $("controls").getBoundingClientRect();
  const panel = $("place").getBoundingClientRect();
  if (narrow()) return { left: 12, right: 12, top: 64, bottom: Math.max(card.height, panel.height) + 16 };
  return { left: card.right + 20, right: (panel.left > card.left ? panel.width : 0) + 24, top: 24, bottom: 24 };
}

export function frame(milliseconds = 700, bbox = app.overview.grounds[0]?.bbox ?? app.overview.bbox) {
  app.map.fit(bbox, margins(), milliseconds);
  drawScale();
}

export function drawScale() {
  const step = app.map.metresPerPixel();
  const wanted = step * 90;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= wanted) ?? power;
  const bar = $("scale").firstElementChild;
  bar.style.width = `${length / step}px`;
  bar.textContent = distance(length);
}

export function openScreen() {
  on("view", drawScale);
  on("language", drawScale);
  $("home").addEventListener("click", () => frame(700, app.overview.bbox));
  $("zoom-in").addEventListener("click", () => app.map.fly({ zoom: app.map.view.zoom + 1 }, 250));
  $("zoom-out").addEventListener("click", () => app.map.fly({ zoom: app.map.view.zoom - 1 }, 250));
  $("fold").addEventListener("click", fold);
}

export function fold(to = null) {
  const folded = $("controls").classList.toggle("folded", typeof to === "boolean" ? to : undefined);
  $("fold").setAttribute("aria-expanded", String(!folded));
}
