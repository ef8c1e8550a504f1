// The panel of a chosen place: its classes, its season, what was observed, and what is most like it.

import { ndviCurve } from "./charts.js";
import { $, make } from "./dom.js";
import { chance, className, distance, hectares, ineTitle, number, percent, say } from "./words.js";

const SHOWN = 8;
const CLASSES = 6;
const WORTH_SAYING = 0.005;

// place: the answer to /place; alike: the answer to /similar; styles: classes of the map; onGo(item): a neighbour is chosen.
export function showPlace(place, alike, styles, onGo) {
  $("place-title").replaceChildren(
    say(place.unit === "cells" ? "cell" : "parcel"),
    make("small", {}, `${place.id} · ${position(place)}`),
  );
  const parts = [lead(place, styles), chances(place, styles), season(place), quality(place), neighbours(place, alike, styles, onGo)];
  $("place-body").replaceChildren(...parts.filter(Boolean));
  $("place-body").scrollTop = 0;
  $("place").hidden = false;
}

function lead(place, styles) {
  const best = place.probabilities && place.probabilities.indexOf(Math.max(...place.probabilities));
  const style = best === null ? null : styles[best];
  const facts = [hectares(place.area_ha), style && say("sure", chance(place.probabilities[best]))];
  const ine = style?.ine ? make("small", {}, ineTitle(style.ine)) : null;
  const said = place.said ? make("small", {}, `${say("said")}: ${place.said}`) : null;
  return make(
    "div",
    { class: "lead" },
    style && make("span", { class: "swatch", background: style.colour }),
    make("div", {}, make("b", {}, className(style)), make("small", {}, facts.filter(Boolean).join(" · ")), ine, said),
  );
}

function chances(place, styles) {
  if (!place.probabilities) return null;
  const order = [...place.probabilities.keys()].sort((a, b) => place.probabilities[b] - place.probabilities[a]);
  const likely = order.filter((i, at) => at === 0 || place.probabilities[i] >= WORTH_SAYING);
  const list = make("ol");
  for (const i of likely.slice(0, CLASSES)) {
    const share = place.probabilities[i];
    list.append(
      make(
        "li",
        { class: "row" },
        make("span", { class: "swatch", background: styles[i].colour }),
        make("span", { class: "name" }, className(styles[i])),
        make("span", { class: "amount" }, chance(share)),
        make("span", { class: "bar" }, make("i", { width: `${100 * share}%`, background: styles[i].colour })),
      ),
    );
  }
  return make("section", {}, make("h3", {}, say("classes")), list);
}

function season(place) {
  const seen = place.ndvi.some((value) => value !== null);
  const content = seen ? ndviCurve(place.ndvi, place.months, "NDVI") : make("p", { class: "note" }, say("no-curve"));
  return make("section", {}, make("h3", {}, say("curve")), content);
}

function quality(place) {
  const { n_pixels: pixels, valid_fraction: valid, n_optical: optical, n_radar: radar } = place.quality;
  const all = [["pixels", pixels, number], ["valid", valid, percent], ["optical", optical, number], ["radar", radar, number], ["comuna", place.address.length ? place.address : null, (names) => names.join(", ")]];
  const rows = all.filter(([, value]) => value !== null).map(([key, value, write]) => [key, write(value)]);
  const facts = make("dl", { class: "facts" });
  for (const [key, value] of rows) facts.append(make("dt", {}, say(key)), make("dd", {}, value));
  return make("section", {}, make("h3", {}, say("quality")), facts);
}

function neighbours(place, alike, styles, onGo) {
  if (!alike.items.length) return null;
  const list = make("ol", { class: "alike" });
  for (const item of alike.items.slice(0, SHOWN)) {
    const style = item.class === null ? null : styles[item.class];
    const away = say("away", distance(metres(place, item)));
    list.append(
      make(
        "li",
        {},
        make(
          "button",
          { type: "button", class: "row", onclick: () => onGo(item) },
          make("span", { class: "swatch", background: style ? style.colour : "var(--fill)" }),
          make("span", { class: "name" }, `${style ? className(style) : item.id} · ${away}`),
          make("span", { class: "amount" }, percent(item.similarity)),
        ),
      ),
    );
  }
  return make("section", {}, make("h3", {}, say("alike")), list, make("p", { class: "note" }, say("alike-note")));
}

function position({ lon, lat }) {
  const part = (value, positive, negative) => `${number(Math.abs(value), 4)}° ${value < 0 ? negative : positive}`;
  return `${part(lat, "N", "S")}, ${part(lon, say("east"), say("west"))}`;
}

// Great-circle distance in metres (haversine, mean Earth radius 6,371,008.8 m).
function metres(a, b) {
  const radians = Math.PI / 180;
  const h =
    Math.sin(((b.lat - a.lat) * radians) / 2) ** 2 +
    Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(((b.lon - a.lon) * radians) / 2) ** 2;
  return 2 * 6371008.8 * Math.asin(Math.sqrt(h));
}
