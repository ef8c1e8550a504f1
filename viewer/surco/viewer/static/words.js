// Words in the language of the reader, and numbers as it writes them.

import { en } from "./words_en.js";
import { es } from "./words_es.js";

const TEXTS = { es, en };

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
    if (node.tagName === "INPUT") node.placeholder = say(node.dataset.label);
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
