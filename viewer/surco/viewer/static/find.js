// Finding a place by the name of its comuna, province or region, of an area of the store, or by coordinates.

import { get } from "./api.js";
import { app, busy } from "./app.js";
import { $, make } from "./dom.js";
import { boundsOf } from "./mercator.js";
import { choose } from "./place.js";
import { frame } from "./screen.js";
import { say } from "./words.js";

const WAIT = 60;
const COMUNAS = "/collections/comunas/items";

// "-35.43, -71.65" and "35,43 S 71,65 O": latitude first, as people write it, unless only the other order is on earth.
export function coordinates(text) {
  const found = [...text.matchAll(/(-?\d+(?:[.,]\d+)?)\s*°?\s*([NSEWO])?/gi)];
  if (found.length !== 2 || /[a-zñáéíóú]{2,}/i.test(text)) return null;
  const numbers = found.map(([, digits, side]) => {
    const value = Number(digits.replace(",", "."));
    return /[SWO]/i.test(side ?? "") ? -Math.abs(value) : value;
  });
  const [latitude, longitude] = Math.abs(numbers[0]) > Math.abs(numbers[1]) && numbers[1] < 0 && !found[0][2] && Math.abs(numbers[0]) > 60 ? [numbers[1], numbers[0]] : numbers;
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : null;
}

function suggestions(text) {
  const place = coordinates(text);
  if (place) return [{ label: `${place.latitude}, ${place.longitude}`, go: () => goTo(place) }];
  const grounds = app.overview.grounds.filter((g) => g.name.toLowerCase().includes(text.toLowerCase()));
  const named = (name) => folded(name).includes(folded(text));
  const all = Object.entries(app.overview.comunas);
  const regions = [...new Set(all.map(([, [, , region]]) => region))].filter(named);
  const found = all.filter(([, [name, province]]) => named(name) || named(province)).sort((x, y) => rank(x) - rank(y));
  return [
    ...grounds.map((g) => ({ label: capital(g.name), kind: say("ground"), go: () => frame(700, g.bbox) })),
    ...regions.slice(0, 4).map((name) => ({ label: name, kind: say("region"), go: () => goWithin(`region = '${name.replaceAll("'", "''")}'`) })),
    ...found.slice(0, 7).map(([code, [name, , region]]) => ({ label: name, kind: region, go: () => goWithin(`comuna = ${code}`) })),
  ];

  function rank([, [name]]) {
    return folded(name).startsWith(folded(text)) ? 0 : named(name) ? 1 : 2;
  }
}

const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const capital = (text) => text[0].toUpperCase() + text.slice(1);

async function goWithin(filter) {
  await busy(async () => {
    const found = await get(COMUNAS, { filter, limit: 346 });
    const box = boundsOf(found);
    if (box) app.map.fit(box, {}, 900);
  });
}

function goTo({ longitude, latitude }) {
  app.map.fly({ longitude, latitude, zoom: Math.max(app.map.view.zoom, 13) });
  choose(longitude, latitude, false);
}

export function openFind() {
  const input = $("find");
  const list = $("found");
  let later = 0;
  let items = [];
  let at = -1;
  const mark = (to) => {
    at = items.length ? (to + items.length) % items.length : -1;
    [...list.children].forEach((node, i) => node.setAttribute("aria-selected", String(i === at)));
    if (at < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `found-${at}`);
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  };
  const take = (item) => {
    close();
    input.value = item.label;
    item.go();
  };
  const offer = () => {
    const text = input.value.trim();
    if (text.length < 2) return close();
    items = suggestions(text);
    const rows = items.map((item, i) => {
      const row = make("li", { role: "option", id: `found-${i}` }, make("span", {}, item.label), make("small", {}, item.kind ?? ""));
      row.addEventListener("pointerdown", (e) => e.preventDefault());
      row.addEventListener("click", () => take(item));
      return row;
    });
    list.replaceChildren(...(rows.length ? rows : [make("li", { class: "note" }, say("not-found"))]));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(items.length ? 0 : -1);
  };
  input.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(offer, WAIT);
  });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (e) => {
    if (e.key === "ArrowDown") mark(at + 1);
    else if (e.key === "ArrowUp") mark(at - 1);
    else if (e.key === "Enter" && items[at]) take(items[at]);
    else if (e.key === "Escape") close();
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
}
