// The deck.gl map. The deck and its layer classes come from the JSON that pydeck wrote; colours come from a function.

import { HIGHLIGHT } from "./ramps.js";

const TILE = 512;

export class LandMap {
  constructor(container, specification, { basemap, onPick, onHover, onView }) {
    this.deck = globalThis.createDeck({ container, jsonInput: specification, tooltip: false });
    if (!this.deck) throw new Error("no deck");
    this.container = container;
    this.classes = Object.fromEntries(this.deck.props.layers.map((layer) => [layer.id, layer.constructor]));
    this.flight = this.deck.props.initialViewState.transitionInterpolator;
    this.view = { longitude: -71, latitude: -35, zoom: 5 };
    this.basemap = basemap;
    this.onView = onView;
    this.drawing = null;
    this.deck.setProps({
      pickingRadius: 2,
      layers: [],
      initialViewState: this.view,
      useDevicePixels: Math.min(globalThis.devicePixelRatio || 1, 2),
      getCursor: ({ isDragging, isHovering }) => (isDragging ? "grabbing" : isHovering ? "pointer" : "grab"),
      onHover: (info) => onHover(this.rowOf(info), info.x, info.y),
      onViewStateChange: ({ viewState }) => {
        this.view = { longitude: viewState.longitude, latitude: viewState.latitude, zoom: viewState.zoom };
        this.onView(this.view);
      },
      onAfterRender: () => this.noteDrawn(),
    });
    this.listen(onPick);
  }

  // The browser's own click, not deck.gl's: that one is a tap of at most a quarter of a second, counted while it draws,
  // and so is lost where drawing is slow.
  listen(onPick) {
    let down = null;
    this.container.addEventListener("pointerdown", (e) => (down = [e.clientX, e.clientY]), true);
    this.container.addEventListener("click", (e) => {
      if (!down || Math.hypot(e.clientX - down[0], e.clientY - down[1]) > 5) return;
      const { left, top } = this.container.getBoundingClientRect();
      onPick(this.rowOf(this.deck.pickObject({ x: e.clientX - left, y: e.clientY - top, radius: 2 })));
    });
  }

  // drawing: {unit, places, outlines, colour(i) -> rgba, selected, stamp}
  draw(drawing) {
    this.drawing = drawing;
    this.container.dataset.drawn = "";
    const layers = drawing.unit === "cells" ? this.cellLayers(drawing) : this.parcelLayers(drawing, true);
    this.deck.setProps({ layers: [this.groundLayer(), ...layers] });
  }

  cellLayers({ places, colour, stamp, selected, outlines }) {
    const { cells: Cells } = this.classes;
    const layers = [
      new Cells({
        id: "cells", data: places.id, getHexagon: (id) => id, extruded: false, stroked: false, pickable: true,
        getFillColor: (_, { index }) => colour(index), updateTriggers: { getFillColor: stamp },
      }),
    ];
    if (outlines) layers.push(...this.parcelLayers({ places: outlines, selected: null }, false));
    if (selected !== null)
      layers.push(new Cells({
        id: "selected-cell", data: [places.id[selected]], getHexagon: (id) => id, highPrecision: true, extruded: false,
        filled: false, stroked: true, lineWidthUnits: "pixels", getLineWidth: 3, getLineColor: [...HIGHLIGHT, 255],
      }));
    return layers;
  }

  parcelLayers({ places, colour, stamp, selected }, filled) {
    const { parcels: Parcels } = this.classes;
    const ink = this.ink();
    places.parts ??= places.polygons.flatMap((parts, row) => parts.map((rings) => ({ rings, row })));
    const common = { getPolygon: (part) => part.rings, lineWidthUnits: "pixels", extruded: false };
    const layers = [
      new Parcels({
        ...common, id: filled ? "parcels" : "outlines", data: places.parts, filled, pickable: filled,
        stroked: true, getLineWidth: 1, getLineColor: [...ink, filled ? 90 : 120],
        getFillColor: filled ? (part) => colour(part.row) : [0, 0, 0, 0],
        updateTriggers: { getFillColor: stamp, getLineColor: ink },
      }),
    ];
    if (selected !== null)
      layers.push(new Parcels({
        ...common, id: "selected-parcel", data: places.parts.filter((part) => part.row === selected),
        filled: false, stroked: true, getLineWidth: 3, getLineColor: [...HIGHLIGHT, 255],
      }));
    return layers;
  }

  groundLayer() {
    if (!this.basemap) return null;
    const { basemap: Tiles, tile: Picture } = this.classes;
    return new Tiles({
      id: "ground", data: this.basemap, maxZoom: 19, tileSize: 256,
      renderSubLayers: (props) => {
        const [[west, south], [east, north]] = props.tile.boundingBox;
        return new Picture(props, { data: null, image: props.data, bounds: [west, south, east, north] });
      },
    });
  }

  ink() {
    return matchMedia("(prefers-color-scheme: dark)").matches ? [222, 224, 214] : [48, 54, 44];
  }

  rowOf(info) {
    if (!info || info.index < 0 || !info.layer) return null;
    return info.layer.id === "parcels" ? info.object.row : info.index;
  }

  rowAtCentre() {
    const { clientWidth: x, clientHeight: y } = this.container;
    return this.rowOf(this.deck.pickObject({ x: x / 2, y: y / 2, radius: 4 }));
  }

  noteDrawn() {
    const layers = this.deck.props.layers.filter(Boolean);
    if (this.drawing && layers.length && layers.every((layer) => layer.isLoaded)) this.container.dataset.drawn = this.drawing.unit;
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

  // bbox: west, south, east, north in degrees; margins in pixels.
  fit([west, south, east, north], { left = 0, right = 0, top = 0, bottom = 0 }, milliseconds = 700) {
    const width = Math.max(this.container.clientWidth - left - right, 80);
    const height = Math.max(this.container.clientHeight - top - bottom, 80);
    const [x0, y0] = world(west, north);
    const [x1, y1] = world(east, south);
    const scale = Math.min(width / Math.max(x1 - x0, 1e-6), height / Math.max(y1 - y0, 1e-6)) * 0.94;
    const zoom = Math.min(Math.log2(scale), 17);
    const size = 2 ** zoom;
    const [longitude, latitude] = degrees(
      (x0 + x1) / 2 + (right - left) / 2 / size,
      (y0 + y1) / 2 + (bottom - top) / 2 / size,
    );
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

  metresPerPixel() {
    return (40075016.686 * Math.cos((this.view.latitude * Math.PI) / 180)) / (TILE * 2 ** this.view.zoom);
  }
}

// Web Mercator on a world of 512 by 512.
function world(longitude, latitude) {
  const y = Math.log(Math.tan(Math.PI / 4 + (latitude * Math.PI) / 360));
  return [((longitude + 180) / 360) * TILE, ((1 - y / Math.PI) / 2) * TILE];
}

function degrees(x, y) {
  const latitude = (Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / TILE))) * 180) / Math.PI;
  return [(x / TILE) * 360 - 180, latitude];
}
