// Found fields on the map: drawn, picked, and the corners of the chosen one dragged.

import { app } from "./app.js";
import { accepted, chosen, held, redraw } from "./fields_held.js";

const FOUND = [190, 24, 93];
const KEPT = { light: [20, 110, 90], dark: [120, 214, 178] };
const GRAB = 14; // pixels around a corner
const SIDE = 34; // pixels of a side from which on its middle can be dragged
const SAME = 1e-9; // degrees

let dragged = null; // {from, was, now}: the corner, the fields that have it, and these with it moved

export function drawFields() {
  const moving = new Map(dragged?.now.map((field) => [field.id, field]) ?? []);
  const features = held.fields?.map((field) => moving.get(field.id) ?? field);
  const colour = ({ id }) => (held.accepted.has(id) ? KEPT[app.map.theme()] : FOUND);
  const fill = (field) => [...colour(field), field.id === held.chosen ? 95 : held.accepted.has(field.id) ? 45 : 0];
  app.map.overlay("fields", features?.length ? { type: "FeatureCollection", features } : null, {
    filled: true, getFillColor: fill, getLineColor: (field) => [...colour(field), 255], lineWidthUnits: "pixels",
    getLineWidth: (field) => (field.id === held.chosen ? 3.5 : 1.8),
  });
  drawCorners();
}

function drawCorners() {
  const field = app.map.stroke === stroke ? (dragged?.now.find(({ id }) => id === held.chosen) ?? chosen()) : null;
  const point = ({ place, middle }) => ({ type: "Feature", geometry: { type: "Point", coordinates: place }, properties: { middle } });
  app.map.overlay("corners", field && { type: "FeatureCollection", features: handles(field).map(point) }, {
    filled: true, stroked: true, pointRadiusUnits: "pixels", lineWidthUnits: "pixels", getLineWidth: 1.5, getLineColor: [...FOUND, 255],
    getPointRadius: (f) => (f.properties.middle ? 3.5 : 5), getFillColor: (f) => [255, 255, 255, f.properties.middle ? 170 : 255],
  });
}

// The corners of an outline and the middles of its longer sides: {place, middle, side: [a, b]}.
function handles({ geometry }) {
  const [view] = app.map.deck.getViewports();
  const long = (a, b) => Math.hypot(...[0, 1].map((axis) => view.project(a)[axis] - view.project(b)[axis])) > SIDE;
  return rings(geometry).flatMap((ring) => ring.slice(1).flatMap((b, at) => {
    const a = ring[at];
    const middle = { place: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], middle: true, side: [a, b] };
    return [{ place: b, middle: false }, ...(long(a, b) ? [middle] : [])];
  }));
}

const rings = ({ type, coordinates }) => (type === "MultiPolygon" ? coordinates.flat() : coordinates);
const same = (a, b) => Math.abs(a[0] - b[0]) < SAME && Math.abs(a[1] - b[1]) < SAME;

function redone(field, work) {
  const { type, coordinates } = field.geometry;
  const after = type === "MultiPolygon" ? coordinates.map((polygon) => polygon.map(work)) : coordinates.map(work);
  return { ...field, geometry: { type, coordinates: after } };
}

// Neighbours share corners and sides: what moves of one moves of all.
const withCorner = (field, [a, b], place) =>
  redone(field, (ring) => ring.flatMap((corner, at) => {
    const next = ring[at + 1];
    return next && ((same(corner, a) && same(next, b)) || (same(corner, b) && same(next, a))) ? [corner, place] : [corner];
  }));
const moved = (field, from, to) => redone(field, (ring) => ring.map((corner) => (same(corner, from) ? to : corner)));
const has = ({ geometry }, place) => rings(geometry).some((ring) => ring.some((corner) => same(corner, place)));

const stroke = {
  handle: null,
  takes(at) {
    const field = chosen();
    const [view] = app.map.deck.getViewports();
    const [x, y] = view.project([at.longitude, at.latitude]);
    const far = ({ place }) => Math.hypot(...view.project(place).map((side, axis) => side - [x, y][axis]));
    const near = field ? handles(field).map((handle) => [far(handle), handle]).filter(([away]) => away < GRAB) : [];
    stroke.handle = near.sort((a, b) => a[0] - b[0])[0]?.[1] ?? null;
    return Boolean(stroke.handle);
  },
  begin() {
    const { place, middle, side } = stroke.handle;
    const all = middle ? held.fields.map((field) => withCorner(field, side, place)) : held.fields;
    dragged = { from: place, was: all.filter((field) => has(field, place)), now: [] };
  },
  move({ longitude, latitude }) {
    if (!dragged) return;
    dragged.now = dragged.was.map((field) => moved(field, dragged.from, [longitude, latitude]));
    drawFields();
  },
  end() {
    if (!dragged) return;
    const { now } = dragged;
    const back = () => {
      dragged = null;
      drawFields();
    };
    if (now.length) stroke.done(() => redraw(now).finally(back));
    else back();
  },
  done: (work) => work(), // how a correction is made; see fields.js
};

// Whether corners can be dragged; busy(work) makes a correction and says what went wrong.
export function dragCorners(on, busy) {
  if (busy) stroke.done = busy;
  app.map.hold(on ? stroke : null);
  drawFields();
}

// The sides whose middles can be dragged are others at another zoom.
export const drawAgain = () => dragging() && drawCorners();

export const dragging = () => app.map.stroke === stroke;

// The field at a place, by the even-odd rule over all its rings; null where there is none.
export const fieldAt = (x, y) => held.fields?.find(({ geometry }) => holds(geometry, x, y)) ?? null;

function holds(geometry, x, y) {
  let inside = false;
  for (const ring of rings(geometry))
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [[xi, yi], [xj, yj]] = [ring[i], ring[j]];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
    }
  return inside;
}

export function hideFields() {
  if (dragging()) app.map.hold(null);
  for (const name of ["fields", "corners"]) app.map.overlay(name, null);
}

export const hectaresOf = (fields = accepted()) => fields.reduce((sum, { properties }) => sum + (properties["metrics:area"] ?? 0) / 1e4, 0);
