// Words in the language of the reader, and numbers as it writes them.

const LANGUAGES = ["es", "en"];

// By language and book, once somebody reads it. A book is `words_es.js` with its like in the other language.
const texts = { es: {}, en: {} };
const books = ["words"];
let language = "es";
let wantedLast = null;

function browserLanguage() {
  return (navigator.languages ?? [navigator.language]).map((l) => l.slice(0, 2)).find((l) => LANGUAGES.includes(l)) ?? "es";
}

// A book that is opened while others are on their way is waited for too: the list grows under the loop.
async function load(name) {
  for (const book of books) texts[name][book] ??= (await import(`./${book}_${name}.js`))[name];
}

// Another book to be read from now on, in whatever language.
export async function open(book) {
  if (!books.includes(book)) books.push(book);
  await load(language);
}

// The whole page in a language; false where another one was asked for meanwhile. Fails where its words cannot be had.
export async function speak(wanted) {
  const chosen = LANGUAGES.includes(wanted) ? wanted : browserLanguage();
  wantedLast = chosen;
  await load(chosen);
  if (wantedLast !== chosen) return false;
  language = chosen;
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = say(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", say(node.dataset.label));
    if (node.tagName === "BUTTON") node.title = say(node.dataset.label);
    if (node.tagName === "INPUT") node.placeholder = say(node.dataset.label);
  }
  for (const node of document.querySelectorAll("[data-language]"))
    node.setAttribute("aria-pressed", String(node.dataset.language === language));
  return true;
}

export const spoken = () => language;
const locale = () => (language === "es" ? "es-CL" : "en");

export const read = (book, key) => texts[language][book][key];

export function say(key, ...values) {
  const text = read("words", key);
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
