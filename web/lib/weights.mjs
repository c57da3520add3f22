// Modality weights as bars, and the report as rows. Pure functions.

const ORDER = ["lr", "kernel", "depth", "prompt", "guide", "prior", "faithful"];

/** Names in a fixed order: known ones first, others by name. */
export function sorted(names) {
  const rank = (name) => {
    const at = ORDER.indexOf(name);
    return at < 0 ? ORDER.length : at;
  };
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** One bar per step: segments [{name, share}], shares adding up to 1, zeros left out. */
export function bars(steps) {
  return steps.map((step) => {
    const total = Object.values(step).reduce((sum, v) => sum + Math.max(v, 0), 0);
    if (!(total > 0)) return [];
    return sorted(Object.keys(step))
      .map((name) => ({ name, share: Math.max(step[name], 0) / total }))
      .filter((segment) => segment.share > 0.0005);
  });
}

/** Names that occur in any step. */
export const namesIn = (steps) => sorted(new Set(steps.flatMap((step) => Object.keys(step))));

/** The report as [key, value] rows; keys are those of `words`. */
export function reportRows(report) {
  if (!report) return [];
  const blur = report.blur_sigma_px ?? {};
  const consistency = report.consistency_db ?? {};
  const rows = [
    ["agreement", agreement(consistency, report.unexplained_std)],
    ["blurWidth", `${number(blur.min, 1)} – ${number(blur.max, 1)} px`],
    ["noise", `${number(report.noise_std * 255, 1)} / 255`],
    ["jpeg", report.jpeg_quality > 97 ? "–" : number(report.jpeg_quality, 0)],
    ...(report.sharpening > 0 ? [["sharpening", number(report.sharpening, 2)]] : []),
    ["size", `${size(report.input_size)} → ${size(report.output_size)}`],
    ["time", `${number(report.total_seconds, 1)} s, ${report.device ?? "–"}, ${report.dtype ?? "–"}`],
    ["memory", memory(report.peak_memory_mb)],
  ];
  return rows.concat((report.notes ?? []).map((note) => ["note", note]));
}

/**
 * What agrees better with a picture than its noise and JPEG damage allow has kept them, as plain
 * enlarging does: then the result is held against the damage.
 */
function agreement({ before, after }, damage) {
  const allowed = -20 * Math.log10(damage);
  const other = before > allowed ? `noise, JPEG ${number(allowed, 1)}` : `bicubic ${number(before, 1)}`;
  return `${number(after, 1)} dB (${other})`;
}

/** Megabytes in words. */
export function memory(megabytes) {
  if (!(megabytes > 0)) return "–";
  return megabytes >= 1000 ? `${number(megabytes / 1000, 2)} GB` : `${number(megabytes, 0)} MB`;
}

const size = (pair) => (Array.isArray(pair) ? pair.join("×") : "–");

function number(value, digits) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}
