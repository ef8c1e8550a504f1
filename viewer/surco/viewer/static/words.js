// Spanish and English words, and numbers as each language writes them.

const TEXTS = {
  es: {
    east: "E", west: "O",
    map: "Mapa. Flechas para mover, más y menos para acercar, Enter para elegir el lugar del centro.",
    controls: "Opciones del mapa", language: "Idioma", unit: "Unidad", layer: "Capa", tools: "Acercar y alejar",
    "zoom-in": "Acercar", "zoom-out": "Alejar", home: "Ver todo", place: "Lugar elegido", fold: "Mostrar u ocultar las opciones",
    season: "Temporada", ground: "Zona", adapter: "Clasificador", parcels: "Potreros", cells: "Hexágonos", detail: "Detalle",
    "layer-class": "Clase", "layer-confidence": "Certeza", "layer-colours": "Huella", month: "Mes:",
    loading: "Cargando el mapa", clear: "Cerrar y limpiar (Escape)", retry: "Intentar de nuevo",
    mapped: "Superficie mapeada", ha: "ha",
    "mapped-note": "Contada desde el mapa; no es una estimación muestral.",
    "ine-note": "Agrupada por la leyenda del INE, nivel 3", "ine-none": "Sin clase en la leyenda del INE",
    ine: (...levels) => `INE: ${levels.join(" › ")}`,
    "confidence-title": "Certeza de la clase", "confidence-note": "Probabilidad de la clase más probable.",
    "ndvi-title": "Verdor de la vegetación (NDVI)", "ndvi-note": "Sin color: el lugar no se vio ese mes.",
    "colours-title": "Huella del suelo en colores",
    "colours-note": "Lugares de color parecido se comportaron parecido durante la temporada (tres componentes principales).",
    "no-adapter": "Aún no hay un clasificador en este almacén: el mapa muestra las huellas. Cree uno con «surco adapters fit».",
    cell: "Hexágono", parcel: "Potrero", unknown: "Sin clasificar", sure: (p) => `${p} de certeza`,
    said: "Declarado", classes: "Probabilidad por clase", curve: "NDVI durante la temporada", quality: "Qué se observó",
    "no-curve": "No hay observaciones de NDVI en este lugar.",
    pixels: "Píxeles", valid: "Datos utilizables", optical: "Fechas ópticas", radar: "Fechas de radar", area: "Superficie", comuna: "Comuna",
    alike: "Lo más parecido", "alike-note": "Más intenso en el mapa: más parecido.", away: (d) => `a ${d}`,
    "hexagon-of": (a) => `Hexágonos de ${a}`,
    "down-title": "No hay respuesta del servidor", "down-text": "Compruebe que «surco serve» siga funcionando y que haya conexión.",
    "problem-title": "El servidor no pudo responder", "draw-title": "No se puede dibujar el mapa",
    "draw-text": "Este navegador no ofrece WebGL 2. Actívelo o pruebe con otro navegador.",
  },
  en: {
    east: "E", west: "W",
    map: "Map. Arrow keys to move, plus and minus to zoom, Enter to choose the place in the middle.",
    controls: "Map options", language: "Language", unit: "Unit", layer: "Layer", tools: "Zoom",
    "zoom-in": "Zoom in", "zoom-out": "Zoom out", home: "Show everything", place: "Chosen place", fold: "Show or hide the options",
    season: "Season", ground: "Area", adapter: "Classifier", parcels: "Parcels", cells: "Hexagons", detail: "Detail",
    "layer-class": "Class", "layer-confidence": "Certainty", "layer-colours": "Signature", month: "Month:",
    loading: "Loading the map", clear: "Close and clear (Escape)", retry: "Try again",
    mapped: "Mapped area", ha: "ha",
    "mapped-note": "Counted from the map; not a survey estimate.",
    "ine-note": "Grouped by the legend of INE Chile, level 3", "ine-none": "No class in INE's legend",
    ine: (...levels) => `INE: ${levels.join(" › ")}`,
    "confidence-title": "Certainty of the class", "confidence-note": "Probability of the most likely class.",
    "ndvi-title": "Greenness of vegetation (NDVI)", "ndvi-note": "No colour: the place was not seen in that month.",
    "colours-title": "The land's signature as colours",
    "colours-note": "Places of similar colour behaved alike through the season (three principal components).",
    "no-adapter": "There is no classifier in this store yet, so the map shows signatures. Make one with “surco adapters fit”.",
    cell: "Hexagon", parcel: "Parcel", unknown: "Not classified", sure: (p) => `${p} certain`,
    said: "Declared", classes: "Probability by class", curve: "NDVI through the season", quality: "What was observed",
    "no-curve": "No NDVI was observed here.",
    pixels: "Pixels", valid: "Usable data", optical: "Optical dates", radar: "Radar dates", area: "Area", comuna: "Comuna",
    alike: "Most like it", "alike-note": "Stronger on the map: more alike.", away: (d) => `${d} away`,
    "hexagon-of": (a) => `Hexagons of ${a}`,
    "down-title": "The server does not answer", "down-text": "Check that “surco serve” is still running and that you are connected.",
    "problem-title": "The server could not answer", "draw-title": "The map cannot be drawn",
    "draw-text": "This browser does not offer WebGL 2. Switch it on or try another browser.",
  },
};

let language = "es";

export function browserLanguage() {
  return (navigator.languages ?? [navigator.language]).map((l) => l.slice(0, 2)).find((l) => l in TEXTS) ?? "es";
}

export function speak(wanted) {
  language = wanted in TEXTS ? wanted : browserLanguage();
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = say(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", say(node.dataset.label));
    if (node.tagName === "BUTTON") node.title = say(node.dataset.label);
  }
  for (const node of document.querySelectorAll("[data-language]"))
    node.setAttribute("aria-pressed", String(node.dataset.language === language));
}

export const spoken = () => language;
const locale = () => (language === "es" ? "es-CL" : "en");

export function say(key, ...values) {
  const text = TEXTS[language][key];
  return typeof text === "function" ? text(...values) : text;
}

export const className = (style) => (style ? style[language] : say("unknown"));

// A class of INE's legend in words, after the level above where that is known.
export function ineTitle(ine) {
  if (!ine) return say("ine-none");
  return say("ine", ...[ine[`above_${language}`], className(ine)].filter(Boolean));
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

export const percent = (share) =>
  new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(share);

// A probability: never said to be certain or impossible when it is not.
export function chance(share) {
  if (share > 0.99) return `> ${percent(0.99)}`;
  return share < 0.01 && share > 0 ? `< ${percent(0.01)}` : percent(share);
}

export const hectares = (ha) => `${number(ha, ha === 0 || ha >= 10 ? 0 : ha < 1 ? 2 : 1)} ${say("ha")}`;

export const distance = (metres) =>
  metres < 950 ? `${number(Math.round(metres / 10) * 10)} m` : `${number(metres / 1000, metres < 9500 ? 1 : 0)} km`;

export function monthName(yearMonth, style = "long") {
  const [year, month] = yearMonth.split("-").map(Number);
  const options = style === "long" ? { month: "long", year: "numeric" } : { month: "narrow" };
  return new Intl.DateTimeFormat(locale(), { ...options, timeZone: "UTC" }).format(Date.UTC(year, month - 1, 15));
}
