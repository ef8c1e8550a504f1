// What the server says of a part of a map: hectares by class, means of values, and the map itself as a file.
// A part is {} (all), {bbox}, {comuna}, {region} or {ring}: a drawn polygon, which is sent along.

import { address, ask, get, save } from "./api.js";
import { adapterNow, app } from "./app.js";
import { polygonOf } from "./draw.js";

const path = (what, season = app.state.season) => `/maps/${encodeURIComponent(app.state.adapter)}/${season}/${what}`;
const rows = () => ({ unit: app.state.unit, res: app.state.unit === "cells" ? app.state.res : null });
const isYield = () => adapterNow()?.task === "yield";

// The part as parameters, and as what has to be sent along; null where nothing has.
const named = ({ ring, ...rest }) => rest;
function along(part, sample = null) {
  const body = { ...(typeof sample === "object" ? sample : {}), ...(part.ring ? { within: polygonOf(part.ring) } : {}) };
  return Object.keys(body).length ? body : null;
}

const answer = (to, query, body, signal) => (body ? ask(address(to, query), body, signal) : get(to, query));

// {areas: [{class, mapped_ha, area_ha, low_ha, high_ha}], method, notes, said, accuracy}; sample: GeoJSON, or the name of a label set.
export async function areasOf(part, sample, signal) {
  const query = { ...named(part), ...rows(), f: "json", sample: typeof sample === "string" ? sample : null };
  const found = await answer(path("areas"), query, along(part, sample), signal);
  return { ...found, areas: found.areas.filter((row) => row.domain === "total") };
}

// {rows: [{domain, places, hectares, mean, total, mean_of_lows, mean_of_highs}], target_unit, coverage, notes, said} of a
// yield adapter, the total first; crop: "adapter:class", or "" for all places.
export const valuesOf = (part, { crop = "", season, by = "none" } = {}, signal) =>
  answer(path("values", season), { ...named(part), ...rows(), f: "json", crop, by }, along(part), signal);

export function saveTable(part, sample, crop, name) {
  const more = isYield() ? { crop, by: "comuna" } : { sample: typeof sample === "string" ? sample : null };
  const to = address(path(isYield() ? "values" : "areas"), { ...named(part), ...rows(), f: "csv", ...more });
  return save(to, name, along(part, sample) ?? undefined);
}

export const saveMap = (part, format, name) =>
  save(address(path("export"), { ...named(part), ...rows(), f: format, geometry: "polygon" }), name, along(part) ?? undefined);

export const savePlan = (part, size, name) =>
  save(address(path("areas/plan"), { ...named(part), ...rows(), size }), name, along(part) ?? undefined);
