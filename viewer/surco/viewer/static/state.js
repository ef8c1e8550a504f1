// What is looked at, kept in the address after '#', so that a link shows the same map again.

const KEYS = ["season", "adapter", "unit", "res", "layer", "month", "only", "id", "at", "lang"];

export function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const state = Object.fromEntries(KEYS.map((key) => [key, given.get(key)]));
  const at = (state.at ?? "").split(",").map(Number);
  const whole = at.length === 3 && at.every(Number.isFinite) && Math.abs(at[0]) <= 180 && Math.abs(at[1]) <= 85;
  state.at = whole ? { longitude: at[0], latitude: at[1], zoom: Math.min(Math.max(at[2], 1), 20) } : null;
  state.month = /^\d+$/.test(state.month ?? "") ? Math.min(Number(state.month), 11) : null;
  return state;
}

export function writeState(state) {
  const view = state.at;
  const at = view && [view.longitude.toFixed(5), view.latitude.toFixed(5), view.zoom.toFixed(2)].join(",");
  const given = KEYS.map((key) => [key, key === "at" ? at : state[key]]);
  const kept = given.filter(([, value]) => value !== null && value !== undefined && value !== "");
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}
