// Where drawing is slow, as it is in software, a map that moves is drawn coarser, and whole again when it rests.

const SLOW = 45; // ms between frames from which on moving is no longer smooth
const FRAMES = 2; // more slow ones than smooth ones
const REST = 200; // ms without a move, and
const STILL = 4; // frames without one

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
