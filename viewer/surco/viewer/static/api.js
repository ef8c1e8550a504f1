// Requests to our own server. A refusal is an AnswerError whose words can be shown as they are.

const KEPT = 80;
const STORED = "surco-key";

export class AnswerError extends Error {
  constructor(status, text, body = {}) {
    super(text);
    this.status = status; // 0 where no answer came
    this.body = body; // the problem document
  }
}

// The API key lives as long as the tab does; it is sent to our own server only.
export const key = () => sessionStorage.getItem(STORED) ?? "";
export function useKey(text) {
  if (text) sessionStorage.setItem(STORED, text);
  else sessionStorage.removeItem(STORED);
  kept.clear();
}

function headers(more = {}) {
  return key() ? { authorization: `Bearer ${key()}`, ...more } : more;
}

// Left-out parameters are those that are null, undefined or empty.
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new AnswerError(0, "");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const { told } = await import("./sentences.js");
  throw new AnswerError(response.status, told(body.detail ?? `${response.status} ${response.statusText}`, body), body);
}

const kept = new Map();

// GET as JSON; the same question is asked once, as long as nothing was written.
export function get(path, query) {
  const whole = address(path, query);
  if (!kept.has(whole)) {
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
    const answer = answered(whole, { headers: headers({ accept: "application/json" }) }).then((r) => r.json());
    kept.set(whole, answer);
    answer.catch(() => kept.delete(whole));
  }
  return kept.get(whole);
}

// POST as a question that changes nothing.
export async function ask(path, body, signal) {
  const response = await answered(path, {
    method: "POST", body: JSON.stringify(body), signal,
    headers: headers({ "content-type": "application/json", accept: "application/json" }),
  });
  return response.json();
}

// POST whose answer comes in lines of JSON: each(line) hears of every one, and the last is given back.
export async function follow(path, body, each, signal) {
  const asked = { method: "POST", body: JSON.stringify(body), signal };
  const response = await answered(path, { ...asked, headers: headers({ "content-type": "application/json", accept: "application/x-ndjson" }) });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let [held, last] = ["", null];
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new AnswerError(0, "");
    });
    if (done) return last;
    const lines = (held + value).split("\n");
    held = lines.pop();
    for (const line of lines) each((last = JSON.parse(line)));
  }
}

// A write: what was kept may be old afterwards.
export async function write(method, path, body, more = {}) {
  const json = body !== undefined && !(body instanceof Blob);
  const response = await answered(path, {
    method, body: json ? JSON.stringify(body) : body,
    headers: headers({ accept: "application/json", ...(json ? { "content-type": "application/json" } : {}), ...more }),
  });
  kept.clear();
  const text = await response.text();
  return { body: text ? JSON.parse(text) : null, etag: response.headers.get("etag") };
}

export async function picture(path, signal) {
  const response = await answered(path, { headers: headers({ accept: "image/png" }), signal });
  return response.status === 204 ? null : createImageBitmap(await response.blob());
}

export async function bytes(path, signal) {
  const response = await answered(path, { headers: headers(), signal });
  return response.status === 204 ? null : response.arrayBuffer();
}

// Downloads go through a request, so that the key comes along; the browser keeps them on its disk.
// body: of a question that is too large for an address.
export async function save(path, name, body) {
  const asked = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await answered(path, { ...asked, headers: headers(body === undefined ? {} : { "content-type": "application/json" }) });
  saveBlob(await response.blob(), name);
}

export function saveBlob(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
