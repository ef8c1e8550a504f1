// Drawing on the map: a rectangle by two clicks, or a polygon or line by as many as it takes.

import { app } from "./app.js";
import { $ } from "./dom.js";
import { say } from "./words.js";

const INK = [190, 24, 93];
const DOUBLE = 2000; // ms in which a double click that ended a drawing may still reach a map that is drawn slowly, and would zoom it
const CLOSING = 14; // pixels from the first corner at which a click closes an outline
const NEAR = 1e-7; // degrees: the clicks of a double click are one corner

// kind: "box", "polygon" or "line"; onDone([[longitude, latitude], …] without repeating the first), onEnd(whole) before that and after a cancel.
export function startDrawing(kind, { onDone, onEnd }) {
  app.tool?.end?.();
  const corners = [];
  let at = null;
  const show = () => {
    const path = at ? [...corners, at] : corners;
    const ring = kind === "box" && path.length === 2 ? rectangle(...path) : path;
    app.map.overlay("drawing", path.length ? lineOf(ring, kind) : null, drawn);
  };
  const end = (whole = false) => {
    app.map.overlay("drawing", null);
    setTimeout(() => app.tool || app.map.doubleClickZooms(true), DOUBLE);
    app.map.cursor = null;
    removeEventListener("keydown", keys, true);
    $("map").removeEventListener("dblclick", finish);
    $("hint").hidden = true;
    if (app.tool === tool) app.tool = null;
    onEnd(whole);
  };
  const finish = () => {
    if (corners.length < (kind === "polygon" ? 3 : 2)) return;
    end(true);
    onDone(kind === "box" ? rectangle(...corners) : corners);
  };
  const keys = (e) => {
    if (e.key === "Escape") end();
    else if (document.activeElement !== $("map")) return;
    else if (e.key === "Enter") finish();
    else if (e.key === " ") add(middle());
    else if (e.key === "Backspace") corners.pop();
    else return;
    show();
    e.preventDefault();
    e.stopPropagation();
  };
  const add = ({ longitude, latitude }) => {
    const last = corners.at(-1);
    if (last && Math.hypot(last[0] - longitude, last[1] - latitude) < NEAR) return;
    if (kind === "polygon" && corners.length > 2 && pixels(corners[0], [longitude, latitude]) < CLOSING) return finish();
    corners.push([longitude, latitude]);
    show();
    if (kind === "box" && corners.length === 2) finish();
  };
  const move = (place) => {
    at = place && corners.length ? [place.longitude, place.latitude] : null;
    show();
  };
  const tool = { click: add, move, end };
  app.tool = tool;
  app.map.doubleClickZooms(false);
  app.map.cursor = "crosshair";
  addEventListener("keydown", keys, true);
  $("map").addEventListener("dblclick", finish);
  $("hint").textContent = say(`draw-${kind}`);
  $("hint").hidden = false;
  $("map").focus({ preventScroll: true });
}

// Props of a layer that shows what was drawn.
export const drawn = {
  filled: true, getFillColor: [...INK, 30], stroked: true, getLineColor: [...INK, 255], getLineWidth: 2, lineWidthUnits: "pixels",
  pointRadiusUnits: "pixels", getPointRadius: 4,
};

export const polygonOf = (ring) => ({ type: "Polygon", coordinates: [[...ring, ring[0]]] });

const rectangle = ([x0, y0], [x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];

function lineOf(ring, kind) {
  if (ring.length === 1) return { type: "Point", coordinates: ring[0] };
  return ring.length === 2 || kind === "line" ? { type: "LineString", coordinates: ring } : polygonOf(ring);
}

function pixels(a, b) {
  const [[x0, y0], [x1, y1]] = [a, b].map((place) => app.map.deck.getViewports()[0].project(place));
  return Math.hypot(x1 - x0, y1 - y0);
}

function middle() {
  const { left, top, width, height } = $("map").getBoundingClientRect();
  return app.map.placeAt(left + width / 2, top + height / 2);
}
