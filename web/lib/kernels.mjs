// Geometry of the kernel-field view: which place is where, and its ellipse. Pure functions.
//
// A view holds `rows` x `cols` places, row by row: `major`, `minor` (standard deviations in px of
// the result), `angle` (radians, from right towards down), `peak` (largest value of the kernel).
// The atlas picture holds each kernel, scaled to its peak, as 21x21 pixels at its place.

export const KERNEL_SIZE = 21;

/** Blur width at place i: the geometric mean of the two axes. */
export const widthAt = (view, i) => Math.sqrt(view.major[i] * view.minor[i]);

/** Width of the last colour, half a pixel at least. The first one is 0: narrow looks narrow. */
export function widest(view) {
  let found = 0.5;
  for (let i = 0; i < view.rows * view.cols; i++) found = Math.max(found, widthAt(view, i));
  return found;
}

/** Rectangle {x, y, width, height} of a picture fitted into a box, in the middle. */
export function fitInto(width, height, boxWidth, boxHeight) {
  const factor = Math.min(boxWidth / width, boxHeight / height);
  const size = [width * factor, height * factor];
  return {
    x: (boxWidth - size[0]) / 2,
    y: (boxHeight - size[1]) / 2,
    width: size[0],
    height: size[1],
  };
}

/** Every how many places an ellipse is drawn, so that they stay `apart` px from each other. */
export function strideFor(count, length, apart = 26) {
  const stride = Math.ceil((apart * count) / Math.max(length, 1));
  return Math.min(Math.max(1, stride), Math.max(1, count)); // a tiny picture shows one at least
}

/** Middle of place i inside `rect`. */
export function placeCentre(view, i, rect) {
  const row = Math.floor(i / view.cols);
  const col = i % view.cols;
  return [
    rect.x + ((col + 0.5) / view.cols) * rect.width,
    rect.y + ((row + 0.5) / view.rows) * rect.height,
  ];
}

/** Ellipse {x, y, rx, ry, angle} of place i, every one enlarged by `factor`. */
export function ellipseAt(view, i, rect, factor) {
  const [x, y] = placeCentre(view, i, rect);
  const least = 0.6;
  return {
    x,
    y,
    rx: Math.max(view.major[i] * factor, least),
    ry: Math.max(view.minor[i] * factor, least),
    angle: view.angle[i],
  };
}

/** How much to enlarge ellipses so that the largest one just fits its cell. */
export function ellipseFactor(view, cell) {
  const largest = Math.max(...view.major.slice(0, view.rows * view.cols), 1e-3);
  return (0.46 * cell) / largest;
}

/** Index of the place under (x, y), or -1 outside of `rect`. */
export function placeAt(view, x, y, rect) {
  const col = Math.floor(((x - rect.x) / rect.width) * view.cols);
  const row = Math.floor(((y - rect.y) / rect.height) * view.rows);
  if (col < 0 || row < 0 || col >= view.cols || row >= view.rows) return -1;
  return row * view.cols + col;
}

/** Source rectangle of place i's kernel in the atlas. */
export function atlasRect(view, i) {
  const row = Math.floor(i / view.cols);
  const col = i % view.cols;
  return { x: col * KERNEL_SIZE, y: row * KERNEL_SIZE, width: KERNEL_SIZE, height: KERNEL_SIZE };
}

/** A few words about place i. */
export function describe(view, i) {
  const degrees = Math.round((view.angle[i] * 180) / Math.PI);
  const [major, minor] = [view.major[i], view.minor[i]];
  const turn = major > 1.1 * minor ? `, ${degrees}°` : "";
  return `σ ${major.toFixed(1)} × ${minor.toFixed(1)} px${turn}`;
}
