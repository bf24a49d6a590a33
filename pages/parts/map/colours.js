// What a cell of the trainability map looks like.  Three ramps that share no colour: trainings that train, those that diverge, and those
// whose loss is no number at the end.  Beside the boundary one side is palest and the other darkest, whatever the eye makes of hues.

const RAMPS = [ // from the boundary outwards; `to` is what stands at the far end
  { name: "trained", at: [[222, 235, 247], [66, 146, 198], [8, 48, 107]], near: "1", to: "0.001", words: "trained: mean loss in units of the first" },
  { name: "diverged", at: [[77, 24, 0], [204, 76, 2], [254, 196, 79]], near: "1", to: "10⁶", words: "diverged: the same mean, a step counted as 10⁶ at most" },
  { name: "nonfinite", at: [[63, 0, 82], [136, 65, 157], [224, 160, 214]], near: "late", to: "early", words: "diverged until the loss was no number" },
];
const CAP = 1e6;

// which ramp, and how far from the boundary, from 0 to 1
function toneOf(value, final) {
  if (typeof final !== "number") return [2, Math.max(0, Math.min(1, value / CAP))];
  return value > 1 ? [1, Math.min(1, Math.log10(value) / 6)] : [0, Math.min(1, Math.max(0, -Math.log10(value) / 3))];
}

function colourOf(value, final) {
  const [ramp, far] = toneOf(value, final), { at } = RAMPS[ramp], i = far < 0.5 ? 0 : 1;
  return at[i].map((one, k) => Math.round(one + (at[i + 1][k] - one) * (2 * far - i)));
}

// a tile as a picture of one pixel a cell, the largest y on top
function pictured({ x, y, value, final }) {
  const canvas = Object.assign(document.createElement("canvas"), { width: x.length, height: y.length });
  const pen = canvas.getContext("2d"), pixels = pen.createImageData(x.length, y.length);
  value.forEach((one, n) => {
    const row = y.length - 1 - Math.floor(n / x.length), at = 4 * (row * x.length + (n % x.length));
    pixels.data.set([...colourOf(one, final[n]), 255], at);
  });
  pen.putImageData(pixels, 0, 0);
  return canvas;
}

const rampOf = ({ at }) => `linear-gradient(to right, ${at.map((one) => `rgb(${one.join(",")})`).join(",")})`;
