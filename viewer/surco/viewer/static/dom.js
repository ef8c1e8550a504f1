// Building elements without HTML strings: what comes from the server is only ever text.

export const $ = (id) => document.getElementById(id);

export function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "class") node.className = value;
    else if (name === "onclick") node.addEventListener("click", value);
    else if (name === "background" || name === "width") node.style.setProperty(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function makeSvg(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// The children of `root` give way to `nodes`, around the input `kept`: what is being typed there stays.
// `nodes` hold an element of its id in its place.
export function replaceAround(root, nodes, kept) {
  const made = new DocumentFragment();
  made.append(...nodes);
  let like = made.getElementById(kept.id);
  for (let old = kept; old !== root; [old, like] = [old.parentNode, like.parentNode]) {
    const beside = [...like.parentNode.childNodes];
    for (const node of [...old.parentNode.childNodes]) if (node !== old) node.remove();
    old.before(...beside.slice(0, beside.indexOf(like)));
    old.after(...beside.slice(beside.indexOf(like) + 1));
  }
}
