// Where drawing is slow, as it is in software, a map that moves is drawn coarser, and whole again when it rests.

const SLOW = 45; // ms between frames from which on moving is no longer smooth
const FRAMES = 2; // more slow ones than smooth ones
const REST = 200; // ms without a move, and
const STILL = 4; // frames without one
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

// How a deck asks for its canvas: smooth edges cost software half of its frame, and nobody reads the canvas back.
export function canvas() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const facts = gl?.getExtension("WEBGL_debug_renderer_info");
  const drawer = facts ? gl.getParameter(facts.UNMASKED_RENDERER_WEBGL) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return { webgl: { antialias: !SOFTWARE.test(drawer), preserveDrawingBuffer: false } };
}

// Pixels of a canvas to one of the page.
export const sharpness = (coarse) => (coarse ? 0.5 : Math.min(globalThis.devicePixelRatio || 1, 2));

export class Pace {
  // onChange(coarse)
  constructor(onChange) {
    this.onChange = onChange;
    this.coarse = false;
    this.slow = 0;
    this.last = 0; // when the last frame of this move began; 0 at rest
    this.move = 0;
    this.still = 0; // frames since the last move
  }

  moved() {
    this.move = performance.now();
    this.still = 0;
    if (this.last) return;
    this.last = this.move;
    requestAnimationFrame(() => this.frame(true));
  }

  frame(first = false) {
    const now = performance.now();
    // Coarse frames say nothing of whole ones, and the first of a move nothing of its pace.
    if (!first && !this.coarse) this.slow = Math.max(this.slow + (now - this.last > SLOW ? 1 : -1), 0);
    const resting = ++this.still > STILL && now - this.move > REST;
    this.last = resting ? 0 : now;
    this.turn(!resting && this.slow >= FRAMES);
    if (!resting) requestAnimationFrame(() => this.frame());
  }

  turn(coarse) {
    if (coarse === this.coarse) return;
    this.coarse = coarse;
    this.onChange(coarse);
  }
}
