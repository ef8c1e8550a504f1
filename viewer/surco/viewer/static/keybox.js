// The API key: asked for in words, kept as long as the tab is open.

import { get, key, useKey } from "./api.js";
import { busy, on, tell } from "./app.js";
import { $ } from "./dom.js";
import { say } from "./words.js";

async function describe() {
  const { name, scopes, key: id } = await get("/whoami");
  $("key-state").textContent = id ? say("key-known", name, scopes.join(", ")) : say("key-none", scopes.join(", "));
}

export function openKey() {
  const box = $("key-box");
  $("key-open").addEventListener("click", () => {
    $("key-text").value = key();
    box.showModal();
    busy(describe);
  });
  $("key-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    useKey($("key-text").value.trim());
    $("key-state").textContent = "";
    const known = await busy(async () => {
      await describe();
      return true;
    });
    if (!known) useKey("");
    else box.close();
    tell("key");
  });
  $("key-close").addEventListener("click", () => box.close());
  on("language", () => box.open && busy(describe));
}
