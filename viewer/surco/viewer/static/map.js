// The deck.gl map: pictures of the server's tiles, the country's outlines, and what is drawn over them.
// The deck and its layer classes come from the JSON that pydeck wrote.

import { picture } from "./api.js";
import { Ground } from "./ground.js";
import { degrees, TILE, world } from "./mercator.js";
import { canvas, Pace, sharpness } from "./pace.js";
import { listenToStrokes } from "./strokes.js";

export class LandMap {
  // hooks: onPick({longitude, latitude, x, y}), onMove({longitude, latitude} or null, x, y), onView(view)
  constructor(container, specification, { basemap, onPick, onMove, onView }) {
    this.specification = { ...specification, deviceProps: canvas() };
    this.deck = this.deckIn(container);
    if (!this.deck) throw new Error("no deck");
    this.beside = null; // a second deck that moves with this one
    this.container = container;
    this.classes = Object.fromEntries(this.deck.props.layers.map((layer) => [layer.id, layer.constructor]));
    this.flight = this.deck.props.initialViewState.transitionInterpolator;
    this.view = { longitude: -71, latitude: -35, zoom: 5 };
    this.basemap = basemap;
    this.onView = onView;
    this.picture = null; // {address, mark}
    this.faded = false;
    this.ground = new Ground(this);
    this.overlays = new Map(); // name → props of a GeoJsonLayer
    this.pace = new Pace((coarse) => {
      for (const deck of [this.deck, this.beside]) deck?.setProps({ useDevicePixels: sharpness(coarse) });
    });
    // Before it has drawn once, a deck forgets the views that it is given.
    this.ready = new Promise((resolve) => (this.drewOnce = resolve));
    this.pictured = new Promise((resolve) => (this.drewPicture = resolve));
    this.deck.setProps({
      layers: [], initialViewState: this.view,
      useDevicePixels: sharpness(false),
      // A tile layer hands `visible` on to new tiles only.
      layerFilter: ({ layer }) => !this.pace.coarse || !layer.id.startsWith("lines"),
      getCursor: ({ isDragging }) => this.cursor ?? (isDragging ? "grabbing" : "grab"),
      onHover: ({ coordinate, x, y }) => onMove(coordinate ? { longitude: coordinate[0], latitude: coordinate[1] } : null, x, y),
      onViewStateChange: ({ viewState }) => {
        this.view = { longitude: viewState.longitude, latitude: viewState.latitude, zoom: viewState.zoom };
        this.pace.moved();
        this.onView(this.view);
        if (this.ground.isOld()) this.draw();
      },
      onAfterRender: () => this.noteDrawn(),
    });
    this.listen(onPick);
    listenToStrokes(this);
  }

  deckIn(container) {
    return globalThis.createDeck({ container, jsonInput: this.specification, tooltip: false });
  }

  // The browser's own click, not deck.gl's: that one is a tap of at most a quarter of a second, counted while it draws,
  // and so is lost where drawing is slow.
  listen(onPick) {
    let down = null;
    this.container.addEventListener("pointerdown", (e) => (down = [e.clientX, e.clientY]), true);
    this.container.addEventListener("click", (e) => {
      if (!down || Math.hypot(e.clientX - down[0], e.clientY - down[1]) > 5) return;
      onPick({ ...this.placeAt(e.clientX, e.clientY), x: e.clientX, y: e.clientY, shift: e.shiftKey });
    });
  }

  // Off while a double click means something else.
  doubleClickZooms(on) {
    const [view] = this.deck.getViews ? this.deck.getViews() : this.deck.props.views;
    this.deck.setProps({ views: [new view.constructor({ ...view.props, controller: { doubleClickZoom: on } })] });
  }

  // While held, a drag does not move the map: stroke's begin(at), move(at) and end() hear of it. null lets the map go.
  hold(stroke) {
    this.stroke = stroke;
  }

  placeAt(clientX, clientY) {
    const { left, top } = this.container.getBoundingClientRect();
    const [longitude, latitude] = this.deck.getViewports()[0].unproject([clientX - left, clientY - top]);
    return { longitude, latitude };
  }

  // address: of pictures with {z}, {x} and {y}; mark: what the container says when they are drawn.
  show(address, mark) {
    this.picture = { address, mark };
    this.draw();
  }

  // The pictures stand back behind what is drawn over them.
  fade(faded) {
    this.faded = faded;
    this.draw();
  }

  // data: GeoJSON or null; props: of deck.gl's GeoJsonLayer.
  overlay(name, data, props = {}) {
    if (data) this.overlays.set(name, { data, ...props });
    else this.overlays.delete(name);
    this.draw();
  }

  draw() {
    this.container.dataset.drawn = "";
    const shapes = [...this.overlays].map(([name, props]) => new this.classes.shapes({ id: `over-${name}`, ...props }));
    this.deck.setProps({
      layers: [this.baseLayer(), this.ground.land(), this.pictureLayer(), this.ground.lines(), ...shapes, this.ground.texts()],
    });
  }

  pictureLayer() {
    if (!this.picture) return null;
    const { tiles: Tiles, tile: Picture } = this.classes;
    const { address } = this.picture;
    return new Tiles({
      id: "picture", data: address, tileSize: TILE, minZoom: 0, maxZoom: 21, opacity: this.faded ? 0.12 : 1,
      // Tiles of another address stay until those of this one have come.
      refinementStrategy: "best-available", maxRequests: 12, maxCacheSize: 300,
      getTileData: ({ url, signal }) => picture(url, signal),
      updateTriggers: { getTileData: address },
      renderSubLayers: (props) => pictureOf(Picture, props),
      onTileError: () => {},
    });
  }

  baseLayer() {
    if (!this.basemap) return null;
    const { tiles: Tiles, tile: Picture } = this.classes;
    return new Tiles({
      id: "base", data: this.basemap, maxZoom: 19, tileSize: 256,
      renderSubLayers: (props) => pictureOf(Picture, props),
    });
  }

  theme() {
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  noteDrawn() {
    this.drewOnce();
    if (this.pace.coarse) return;
    // Land and borders may come later than what is asked for.
    const layers = this.deck.props.layers.filter((layer) => layer && !["land", "lines"].includes(layer.id));
    if (!layers.length || !layers.every((layer) => layer.isLoaded)) return;
    this.container.dataset.drawn = this.picture?.mark ?? "";
    if (this.picture) this.drewPicture();
  }

  fly(target, milliseconds = 700) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches || milliseconds === 0;
    const view = { ...this.view, ...target };
    const how = still ? {} : { transitionDuration: milliseconds, transitionInterpolator: this.flight };
    this.deck.setProps({ initialViewState: { ...view, ...how } });
    if (!still) return;
    this.view = view;
    this.onView(view);
  }

  // Moves by so many pixels to the right and down.
  pan(right, down) {
    const [x, y] = world(this.view.longitude, this.view.latitude);
    const size = 2 ** this.view.zoom;
    const [longitude, latitude] = degrees(x + right / size, y + down / size);
    this.fly({ longitude, latitude }, 0);
  }

  // bbox: west, south, east, north in degrees; margins in pixels.
  fit([west, south, east, north], { left = 0, right = 0, top = 0, bottom = 0 }, milliseconds = 700) {
    const width = Math.max(this.container.clientWidth - left - right, 80);
    const height = Math.max(this.container.clientHeight - top - bottom, 80);
    const [x0, y0] = world(west, north);
    const [x1, y1] = world(east, south);
    const scale = Math.min(width / Math.max(x1 - x0, 1e-6), height / Math.max(y1 - y0, 1e-6)) * 0.94;
    const zoom = Math.min(Math.log2(scale), 17);
    const size = 2 ** zoom;
    const [longitude, latitude] = degrees((x0 + x1) / 2 + (right - left) / 2 / size, (y0 + y1) / 2 + (bottom - top) / 2 / size);
    this.fly({ longitude, latitude, zoom }, milliseconds);
  }

  // Flies to a place only if it is outside the part of the map that the margins leave free.
  reveal(longitude, latitude, { left = 0, right = 0, top = 0, bottom = 0 }) {
    const [x, y] = this.deck.getViewports()[0].project([longitude, latitude]);
    const { clientWidth: width, clientHeight: height } = this.container;
    if (x > left && x < width - right && y > top && y < height - bottom) return;
    const size = 2 ** this.view.zoom;
    const [wx, wy] = world(longitude, latitude);
    const [lon, lat] = degrees(wx + (right - left) / 2 / size, wy + (bottom - top) / 2 / size);
    this.fly({ longitude: lon, latitude: lat }, 450);
  }

  // West, south, east and north of what the margins leave free.
  bounds({ left = 0, right = 0, top = 0, bottom = 0 } = {}) {
    const { clientWidth: width, clientHeight: height } = this.container;
    const viewport = this.deck.getViewports()[0];
    const [west, north] = viewport.unproject([left, top]);
    const [east, south] = viewport.unproject([width - right, height - bottom]);
    return [west, south, east, north];
  }

  metresPerPixel() {
    return (40075016.686 * Math.cos((this.view.latitude * Math.PI) / 180)) / (TILE * 2 ** this.view.zoom);
  }
}

function pictureOf(Picture, props) {
  const [[west, south], [east, north]] = props.tile.boundingBox;
  return props.data && new Picture(props, { data: null, image: props.data, bounds: [west, south, east, north] });
}
