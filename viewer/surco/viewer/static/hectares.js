// What the server says of a part of a map: hectares by class, means of values, and the map itself as a file.
// A part is {} (all), {bbox}, {comuna}, {region} or {ring}: a drawn polygon, which only SQL can cut out.

import { address, ask, get, save } from "./api.js";
import { adapterNow, app, tableNow } from "./app.js";

const path = () => `/maps/${encodeURIComponent(app.state.adapter)}/${app.state.season}`;
const rows = () => ({ unit: app.state.unit, res: app.state.unit === "cells" ? app.state.res : null });
const isYield = () => adapterNow()?.task === "yield";
const quoted = (text) => `'${String(text).replaceAll("'", "''")}'`;

// {areas: [{class, mapped_ha, area_ha, low_ha, high_ha}], method, notes, accuracy}; sample: GeoJSON, or the name of a label set.
export async function areasOf(part, sample, signal) {
  if (part.ring) return { areas: await sql(part.ring, "areas", signal), notes: [], accuracy: null };
  const query = { ...part, ...rows(), f: "json" };
  const found = await (typeof sample === "string" || !sample
    ? get(`${path()}/areas`, { ...query, sample })
    : ask(address(`${path()}/areas`, query), sample, signal));
  return { ...found, areas: found.areas.filter((row) => row.domain === "total") };
}

// {rows: [{mean, total, hectares, mean_of_lows, mean_of_highs}], target_unit, coverage, notes} of a yield adapter.
export async function valuesOf(part, signal) {
  if (part.ring) return { rows: await sql(part.ring, "values", signal), target_unit: adapterNow().unit ?? "", notes: [] };
  return get(`${path()}/values`, { ...part, ...rows(), f: "json" });
}

export function saveTable(part, sample, name) {
  if (part.ring) return save("/sql?f=csv", name, { query: within(part.ring, isYield() ? "values" : "areas") });
  const set = typeof sample === "string" ? sample : null;
  const to = address(`${path()}/${isYield() ? "values" : "areas"}`, { ...part, ...rows(), f: "csv", sample: set });
  return save(to, name, sample && !set ? sample : undefined);
}

export function saveMap(part, format, name) {
  if (part.ring) return save(`/sql?f=${format}`, name, { query: within(part.ring, "rows") });
  return save(address(`${path()}/export`, { ...part, ...rows(), f: format, geometry: "polygon" }), name);
}

export const savePlan = (part, size, name) => save(address(`${path()}/areas/plan`, { ...part, ...rows(), size }), name);

async function sql(ring, kind, signal) {
  const { columns, rows: found } = await ask("/sql?f=json", { query: within(ring, kind) }, signal);
  return found.map((row) => Object.fromEntries(columns.map(({ name }, at) => [name, row[at]])));
}

// Parcels count with the share that lies within, cells where their centre does, as with a box.
function within(ring, kind) {
  const corners = [...ring, ring[0]].map(([lon, lat]) => `${lon.toFixed(7)} ${lat.toFixed(7)}`).join(", ");
  const shape = `ST_MakeValid(ST_GeomFromText('POLYGON((${corners}))'))`;
  const { season, res, model } = tableNow();
  const cells = app.state.unit === "cells";
  const hectares = cells ? "h3_hectares(h3)" : `"metrics:area" / 1e4 * ST_Area(ST_Intersection(geometry, ${shape})) / ST_Area(geometry)`;
  const answer = `${isYield() ? "predict_value" : "predict"}(${quoted(app.state.adapter)}, embedding, embedding_scale)`;
  const place = cells ? "h3_string(h3) AS h3, h3_boundary(h3) AS geometry" : "id, geometry";
  const held = `season = ${quoted(season)} AND model = ${quoted(model)}${cells ? ` AND res = ${res}` : ""}`;
  const from = `(SELECT ${place}, ${answer} AS best, ${hectares} AS ha FROM ${app.state.unit} WHERE ${held} AND ST_Intersects(geometry, ${shape}))`;
  if (kind === "rows") return `SELECT * EXCLUDE (best), unnest(best) FROM ${from}`;
  if (kind === "areas") return `SELECT best.label AS class, sum(ha) AS mapped_ha FROM ${from} WHERE best.label IS NOT NULL GROUP BY ALL`;
  const mean = (of) => `sum(ha * best.${of}) / sum(ha)`;
  return `SELECT count(*) AS places, sum(ha) AS hectares, ${mean("value")} AS mean, sum(ha * best.value) AS total,
    ${mean("low")} AS mean_of_lows, ${mean("high")} AS mean_of_highs FROM ${from} WHERE best.value IS NOT NULL`;
}
