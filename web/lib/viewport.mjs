// Zoom, pan and the slider of the before/after view. Pure functions on plain state.
//
// State: {zoom, x, y, split}: zoom 1 shows the whole picture in the box; (x, y) is the point of the
// picture (0..1) in the middle of the box; split is where the line stands (0..1 of the box).

export const MAX_ZOOM = 32;

export const initial = () => ({ zoom: 1, x: 0.5, y: 0.5, split: 0.5 });

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Rectangle of the whole picture in the box, at this zoom. */
export function pictureRect(state, size, box) {
  const fit = Math.min(box.width / size.width, box.height / size.height);
  const width = size.width * fit * state.zoom;
  const height = size.height * fit * state.zoom;
  return {
    x: box.width / 2 - state.x * width,
    y: box.height / 2 - state.y * height,
    width,
    height,
  };
}

/** Keeps the picture from leaving the box: the middle of the box shows some of it. */
export function settle(state, size, box) {
  const zoom = clamp(state.zoom, 1, MAX_ZOOM);
  const rect = pictureRect({ ...state, zoom }, size, box);
  const half = (length, whole) => (length <= whole ? 0.5 : whole / (2 * length));
  const [hx, hy] = [half(rect.width, box.width), half(rect.height, box.height)];
  return {
    zoom,
    x: clamp(state.x, hx, 1 - hx),
    y: clamp(state.y, hy, 1 - hy),
    split: clamp(state.split, 0, 1),
  };
}

/** Zooms by `factor` with the point under (px, py) staying where it is. */
export function zoomAt(state, factor, px, py, size, box) {
  const before = pictureRect(state, size, box);
  const [u, v] = [(px - before.x) / before.width, (py - before.y) / before.height];
  const zoom = clamp(state.zoom * factor, 1, MAX_ZOOM);
  const after = pictureRect({ ...state, zoom }, size, box);
  return settle(
    {
      ...state,
      zoom,
      x: u - (px - box.width / 2) / after.width,
      y: v - (py - box.height / 2) / after.height,
    },
    size,
    box,
  );
}

/** Moves the picture by (dx, dy) px of the box. */
export function pan(state, dx, dy, size, box) {
  const rect = pictureRect(state, size, box);
  return settle(
    { ...state, x: state.x - dx / rect.width, y: state.y - dy / rect.height },
    size,
    box,
  );
}

/** Moves the line to px of the box. */
export const splitAt = (state, px, box) => ({ ...state, split: clamp(px / box.width, 0, 1) });

/** Whether a press at px takes the line rather than the picture. */
export const nearSplit = (state, px, box, reach = 12) =>
  Math.abs(px - state.split * box.width) <= reach;
