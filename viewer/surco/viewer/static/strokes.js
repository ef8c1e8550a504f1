// Drags of the pointer that are not the map's: while `map.stroke` is set, its begin(at), move(at) and end() hear of them.
// A stroke with takes(at) leaves the map those that it does not take.

export function listenToStrokes(map) {
  let drawing = false;
  const heard = (event, work) => {
    if (!event.isPrimary || !(drawing || (map.stroke && event.type === "pointerdown" && event.button === 0))) return;
    const at = { ...map.placeAt(event.clientX, event.clientY), x: event.clientX, y: event.clientY };
    if (!drawing && map.stroke.takes && !map.stroke.takes(at)) return;
    event.stopPropagation(); // the deck's controller never hears of it
    work(at);
  };
  const on = (kind, work) => map.container.addEventListener(kind, (event) => heard(event, work), true);
  on("pointerdown", (at) => {
    drawing = true;
    map.stroke.begin(at);
  });
  on("pointermove", (at) => map.stroke?.move(at));
  const end = () => {
    drawing = false;
    map.stroke?.end();
  };
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) on(kind, end);
}
