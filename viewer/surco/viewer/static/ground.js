// What lies under and over the pictures: land, borders, names. In software a frame costs its corners before all else, so
// the server's tiles hold as many as a zoom can show, and only names near the view are drawn.

import { get } from "./api.js";
import { degrees, TILE, world } from "./mercator.js";

const DEEPEST = 9; // of the server's tiles
const AROUND = 0.5; // of the view's sides: names so far beyond it are drawn
const INK = { light: [70, 76, 66], dark: [178, 184, 176] };
const LAND = { light: [250, 248, 241], dark: [30, 34, 36] };
const HALO = { light: [250, 248, 241, 230], dark: [24, 27, 29, 230] };

export class Ground {
  constructor(map) {
    this.map = map;
    this.address = null; // of the tiles of land and borders, once they may be drawn
    this.names = []; // {name, position, rank}
    this.drawn = null; // which names are: {rank, box}
  }

  land() {
    return this.map.basemap ? null : this.shapes("land", (theme) => ({ stroked: false, getFillColor: LAND[theme] }));
  }

  lines() {
    return this.shapes("lines", (theme) => ({ lineWidthUnits: "pixels", getLineColor: [...INK[theme], 90], getLineWidth: 1.2 }));
  }

  shapes(part, look) {
    if (!this.address) return null;
    const { tiles: Tiles, shapes: Shapes } = this.map.classes;
    const theme = this.map.theme();
    return new Tiles({
      id: part, data: this.address, tileSize: TILE, minZoom: 0, maxZoom: DEEPEST, refinementStrategy: "best-available",
      getTileData: ({ url }) => get(url),
      renderSubLayers: ({ id, data }) => data?.[part] && new Shapes({ id, data: data[part], pickable: false, ...look(theme) }),
      updateTriggers: { renderSubLayers: theme },
      onTileError: () => {}, // the map is whole without them
    });
  }

  texts() {
    const { zoom } = this.map.view;
    const rank = rankAt(zoom);
    this.drawn = { rank, box: this.box(AROUND) };
    const shown = this.names.filter((name) => name.rank === rank && within(this.drawn.box, name.position));
    if (!shown.length) return null; // a deck warns of an atlas without letters
    const theme = this.map.theme();
    return new this.map.classes.names({
      id: "names", data: shown, getText: (name) => name.name, getPosition: (name) => name.position, pickable: false,
      getSize: rank === "region" ? 12 : Math.min(4 + Math.round(zoom), 13), getColor: [...INK[theme], 235],
      fontFamily: "system-ui, 'DejaVu Sans', sans-serif", fontWeight: 600, characterSet: this.letters(),
      fontSettings: { sdf: true, fontSize: 44, buffer: 6, radius: 11, cutoff: 0.2 }, outlineWidth: 3, outlineColor: HALO[theme],
    });
  }

  // All letters at once: their picture is not made anew for each name that comes into view.
  letters() {
    this.alphabet ??= [...new Set(this.names.map((name) => name.name).join(""))];
    return this.alphabet;
  }

  // Whether the view has left the names that are drawn behind.
  isOld() {
    if (!this.names.length) return false;
    if (this.drawn.rank !== rankAt(this.map.view.zoom)) return true;
    const [[west, south, east, north], [w, s, e, n]] = [this.box(0), this.drawn.box];
    return west < w || south < s || east > e || north > n || e - w > 4 * (east - west);
  }

  // West, south, east and north of the view and so much of its sides around it; the deck's own viewport is not there
  // while a flight begins.
  box(around) {
    const { view, container } = this.map;
    const [x, y] = world(view.longitude, view.latitude);
    const [right, down] = [container.clientWidth, container.clientHeight].map((side) => (side * (0.5 + around)) / 2 ** view.zoom);
    return [...degrees(x - right, y + down), ...degrees(x + right, y - down)];
  }
}

const rankAt = (zoom) => (zoom < 4 ? null : zoom < 6.6 ? "region" : "comuna");
const within = ([west, south, east, north], [x, y]) => x >= west && x <= east && y >= south && y <= north;
