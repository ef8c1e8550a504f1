// Accepted fields taken home: as parcels in a file, or as a label set that maps are taught with.

import { get, save, saveBlob, write } from "./api.js";
import { app } from "./app.js";
import { accepted } from "./fields_held.js";
import { say } from "./words.js";

const AT_ONCE = 5000;

const collection = () => ({ type: "FeatureCollection", features: accepted() });

export const saveGeoJson = () => saveBlob(new Blob([JSON.stringify(collection())], { type: "application/geo+json" }), "fields.geojson");
export const saveParquet = () => save("/boundaries/file?f=parquet", "fields.parquet", collection());

// Fields whose crop is known, each a label of that class. Gives the set's name and how many there are; null for none.
export async function saveLabels() {
  const known = accepted().filter(({ properties }) => properties["crop:name"]);
  if (!known.length) return null;
  const { key } = await get("/whoami");
  const name = say("fields-set", new Date());
  // A set that nobody's key owns is public: without a key it could not be found again.
  const wish = { name, kind: "class", season: app.state.season, public: key === null };
  const set = (await write("POST", "/labels", wish)).body;
  const label = ({ id, geometry, properties }) => ({
    type: "Feature", geometry, properties: { class: properties["crop:name"], note: id, season: app.state.season, source: "Surco" },
  });
  for (let at = 0; at < known.length; at += AT_ONCE)
    await write("POST", `/labels/${set.id}/items`, { type: "FeatureCollection", features: known.slice(at, at + AT_ONCE).map(label) });
  return { name, count: known.length };
}
