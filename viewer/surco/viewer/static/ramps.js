// Graded colours. Each ramp gets steadily darker, so it reads without telling hues apart.

const RAMPS = {
  confidence: [[233, 226, 210], [176, 190, 178], [96, 146, 160], [44, 92, 130], [24, 44, 84]],
  ndvi: [[232, 220, 192], [200, 200, 138], [132, 172, 92], [58, 128, 74], [16, 72, 52]],
};

export const HIGHLIGHT = [190, 24, 93];

export function rampColour(name, share) {
  const stops = RAMPS[name];
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((v, i) => Math.round(v + (stops[low + 1][i] - v) * (at - low)));
}

export const rampCss = (name) => `linear-gradient(90deg, ${RAMPS[name].map((c) => `rgb(${c.join(" ")})`).join(", ")})`;

export const hexColour = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
