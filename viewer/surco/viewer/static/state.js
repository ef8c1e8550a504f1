// What is looked at, kept in the address after '#', so that a link shows the same map again.

const KEYS = ["season", "adapter", "unit", "res", "style", "month", "only", "compare", "pick", "at", "tab", "set", "lang"];

// Longitude, latitude and, of `at`, the zoom.
function place(text, length) {
  const numbers = (text ?? "").split(",").map(Number);
  const whole = numbers.length === length && numbers.every(Number.isFinite);
  return whole && Math.abs(numbers[0]) <= 180 && Math.abs(numbers[1]) <= 85 ? numbers : null;
}

export function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = Object.fromEntries(KEYS.map((key) => [key, given.get(key)]));
  const at = place(state.at, 3);
  state.at = at && { longitude: at[0], latitude: at[1], zoom: Math.min(Math.max(at[2], 1), 20) };
  state.pick = place(state.pick, 2);
  state.month = /^\d+$/.test(state.month ?? "") ? Math.min(Number(state.month), 11) : 8;
  state.only = state.only ? state.only.split("~") : [];
  return state;
}

const written = {
  at: (view) => [view.longitude.toFixed(5), view.latitude.toFixed(5), view.zoom.toFixed(2)].join(","),
  pick: (place) => place.map((degrees) => degrees.toFixed(6)).join(","),
  only: (names) => names.join("~"),
};

export function writeState(state) {
  const given = KEYS.map((key) => [key, state[key] && written[key] ? written[key](state[key]) : state[key]]);
  const kept = given.filter(([, value]) => value !== null && value !== undefined && value !== "");
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

export const link = () => location.href;
