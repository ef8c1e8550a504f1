// Two maps side by side: the second is drawn above the first and cut off at a handle that moves.

import { picture } from "./api.js";
import { app, on } from "./app.js";
import { $ } from "./dom.js";
import { TILE } from "./mercator.js";
import { sharpness } from "./pace.js";
import { say } from "./words.js";

let deck = null;
let share = 0.5;
let Tiles = null;
let Picture = null;

// Draws the map that the state names beside the present one, or puts it away.
export async function compare(style) {
  const { compare: other } = app.state;
  $("swipe").hidden = !other;
  if (!other) {
    deck?.setProps({ layers: [] });
    return;
  }
  const { pictures } = await import("./look.js");
  const [adapter, season] = other.split("/");
  const address = await pictures(adapter, season, style);
  begin();
  deck.setProps({
    initialViewState: { ...app.map.view },
    layers: [
      new Tiles({
        id: "other", data: address, tileSize: TILE, minZoom: 0, maxZoom: 21, opacity: 0.94, maxRequests: 12,
        getTileData: ({ url, signal }) => picture(url, signal), updateTriggers: { getTileData: address }, onTileError: () => {},
        renderSubLayers: (props) => {
          const [[west, south], [east, north]] = props.tile.boundingBox;
          return props.data && new Picture(props, { data: null, image: props.data, bounds: [west, south, east, north] });
        },
      }),
    ],
  });
  $("swipe-left").textContent = `${app.state.adapter} · ${app.state.season}`;
  $("swipe-right").textContent = `${adapter} · ${season}`;
  move(share);
}

function begin() {
  if (deck) return;
  ({ tiles: Tiles, tile: Picture } = app.map.classes);
  deck = app.map.beside = app.map.deckIn($("swipe-map"));
  deck.setProps({ layers: [], controller: false, views: deck.props.views, useDevicePixels: sharpness(false) });
  on("view", (view) => app.state.compare && deck.setProps({ initialViewState: { ...view } }));
  const bar = $("swipe-bar");
  bar.addEventListener("pointerdown", (e) => bar.setPointerCapture(e.pointerId));
  bar.addEventListener("pointermove", (e) => bar.hasPointerCapture(e.pointerId) && move(e.clientX / innerWidth));
  bar.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.2, PageUp: 0.2 }[e.key];
    if (!step) return;
    e.preventDefault();
    move(share + step);
  });
}

function move(to) {
  share = Math.min(Math.max(to, 0.02), 0.98);
  const at = `${(100 * share).toFixed(2)}%`;
  $("swipe").style.setProperty("--at", at);
  $("swipe-bar").setAttribute("aria-valuenow", String(Math.round(100 * share)));
  $("swipe-bar").setAttribute("aria-label", say("swipe"));
}
