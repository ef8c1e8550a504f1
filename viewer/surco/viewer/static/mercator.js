// Web Mercator on a world of 512 by 512.

export const TILE = 512;

export function world(longitude, latitude) {
  const y = Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360));
  return [((longitude + 180) / 360) * TILE, ((1 - y / Math.PI) / 2) * TILE];
}

export function degrees(x, y) {
  const latitude = (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / TILE))) * 180) / Math.PI;
  return [(x / TILE) * 360 - 180, latitude];
}

// West, south, east, north of any GeoJSON geometry or collection; null where it has no point.
export function boundsOf(geojson) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  const walk = (node) => {
    if (typeof node[0] === "number") {
      box[0] = Math.min(box[0], node[0]);
      box[1] = Math.min(box[1], node[1]);
      box[2] = Math.max(box[2], node[0]);
      box[3] = Math.max(box[3], node[1]);
    } else node.forEach(walk);
  };
  const features = geojson.features ?? [geojson.type === "Feature" ? geojson : { geometry: geojson }];
  for (const { geometry } of features) if (geometry) walk(geometry.coordinates);
  return Number.isFinite(box[0]) ? box : null;
}

// Great-circle distance in metres of two {lon, lat} (haversine, mean Earth radius 6,371,008.8 m).
export function metres(a, b) {
  const radians = Math.PI / 180;
  const h =
    Math.sin(((b.lat - a.lat) * radians) / 2) ** 2 +
    Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(((b.lon - a.lon) * radians) / 2) ** 2;
  return 2 * 6371008.8 * Math.asin(Math.sqrt(h));
}
