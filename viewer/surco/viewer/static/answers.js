// Questions to the server. A failure is an Answer error whose words can be shown as they are.

export class AnswerError extends Error {
  constructor(kind, text) {
    super(text);
    this.kind = kind;
  }
}

const kept = new Map();

export async function ask(base, path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const address = `${base}/${path}?${new URLSearchParams(given)}`;
  if (!kept.has(address)) {
    if (kept.size > 60) kept.delete(kept.keys().next().value);
    kept.set(address, fetchJson(address));
    kept.get(address).catch(() => kept.delete(address));
  }
  return kept.get(address);
}

async function fetchJson(address) {
  let response;
  try {
    response = await fetch(address, { headers: { accept: "application/json" } });
  } catch {
    throw new AnswerError("down", "");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new AnswerError("problem", body.detail ?? `${response.status} ${response.statusText}`);
  return body;
}
