// Colours for widths and for modalities. Pure functions.

// 17 equally spaced stops of viridis (CC0; Smith, van der Walt and Firing), as in mmsr_core.
const VIRIDIS =
  "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725"
    .split(" ")
    .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));

/** Colour of t in 0..1 (clamped) as [r, g, b], 0..255. */
export function viridis(t) {
  const clamped = Math.min(1, Math.max(0, Number.isFinite(t) ? t : 0));
  const position = clamped * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(position), VIRIDIS.length - 2);
  const share = position - below;
  return VIRIDIS[below].map((v, i) => Math.round(v + share * (VIRIDIS[below + 1][i] - v)));
}

/** The same as a CSS colour. */
export const viridisCss = (t) => `rgb(${viridis(t).join(",")})`;

/** One colour per modality, told apart in both themes and by most colour-blind people. */
export const MODALITY_COLOURS = {
  lr: "#4477aa",
  kernel: "#ee6677",
  depth: "#228833",
  prompt: "#ccbb44",
  guide: "#aa3377",
  prior: "#66ccee",
  faithful: "#bbbbbb",
};

/** Colour of a modality, known or not. */
export const modalityColour = (name) => MODALITY_COLOURS[name] ?? "#888888";

/** Stretches the grey values in RGBA pixels to 0..255, in place; the range they had, in 0..1. */
export function stretchPixels(pixels) {
  let low = 255;
  let high = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    low = Math.min(low, pixels[i]);
    high = Math.max(high, pixels[i]);
  }
  for (let i = 0; i < pixels.length; i += 4) {
    pixels[i] = high > low ? Math.round((255 * (pixels[i] - low)) / (high - low)) : 128;
  }
  return { low: low / 255, high: high / 255 };
}

/** Replaces the grey values in RGBA pixels by viridis, in place. */
export function colourisePixels(pixels) {
  const table = Array.from({ length: 256 }, (_, i) => viridis(i / 255));
  for (let i = 0; i < pixels.length; i += 4) {
    const [r, g, b] = table[pixels[i]];
    pixels[i] = r;
    pixels[i + 1] = g;
    pixels[i + 2] = b;
  }
  return pixels;
}
