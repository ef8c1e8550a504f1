// The parts of the left card: look, teach, count, ask. Each is loaded when it is first opened.

import { app, busy, on, tell } from "./app.js";
import { $ } from "./dom.js";
import { writeState } from "./state.js";

const LOADERS = {
  look: null,
  teach: () => import("./teach.js").then((part) => part.openTeach()),
  count: () => import("./count.js").then((part) => part.openCount()),
  ask: () => import("./sql.js").then((part) => part.openSql()),
};
const opened = new Set(["look"]);

export async function show(name) {
  const tab = name in LOADERS ? name : "look";
  app.state.tab = tab === "look" ? null : tab;
  for (const button of $("tabs").children) {
    const chosen = button.value === tab;
    button.setAttribute("aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    $(`tab-${button.value}`).hidden = !chosen;
  }
  app.tool?.end?.();
  app.tool = null;
  writeState(app.state);
  tell("shown", tab);
  if (opened.has(tab)) return;
  opened.add(tab);
  await busy(LOADERS[tab]);
}

export function openTabs() {
  $("tabs").addEventListener("click", (e) => e.target.value && show(e.target.value));
  $("tabs").addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const all = [...$("tabs").children];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    show(next.value);
  });
  on("tab", show);
  show(app.state.tab ?? "look");
}
