// Modality weights as bars, and the report as rows. Pure functions.

import { filled, sharpnessWords } from "./words.mjs";

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

// The library's numbers, as a test checks.
/** Kernels below this width, at scale 1, change nothing. */
const NO_BLUR_PX = 0.45;
/** From above this quality on there is no JPEG damage. */
const NO_JPEG_QUALITY = 97;

/**
 * The report as [key, value] rows in the order of its text; keys are those of `word`, see words.mjs.
 */
export function reportRows(report, word) {
  if (!report) return [];
  const sharpness = sharpnessWords(report.sharpness, word);
  const widths = report.blur_sigma_px ?? {};
  const plain = (report.kernel_scale ?? report.scale) === 1 && widths.max < NO_BLUR_PX;
  const errors = report.errors ?? {};
  const noise = giveOrTake(report.noise_std * 255, errors.noise_std * 255, 1);
  const quality = giveOrTake(report.jpeg_quality, errors.jpeg_quality, 0);
  const rows = [
    ...(sharpness ? [["sharpness", sharpness]] : []),
    ...(plain ? [] : [["kernels", kernelsUsed(widths, report, word)]]),
    ["noise", filled(word("levels"), { n: noise })],
    ["jpeg", report.jpeg_quality > NO_JPEG_QUALITY ? word("none") : quality],
    ...(report.sharpening > 0 ? [["sharpening", number(report.sharpening, 2)]] : []),
    ["difference", difference(report.consistency_db ?? {}, report.unexplained_std, word)],
    ["size", `${size(report.input_size)} → ${size(report.output_size)}`],
    ["time", `${number(report.total_seconds, 1)} s, ${report.device ?? "–"}, ${report.dtype ?? "–"}`],
    ["memory", memory(report.peak_memory_mb)],
  ];
  return rows.concat((report.notes ?? []).map((note) => ["note", note]));
}

/** The name of a tab; the report's says how many notes are in it. */
export function tabTitle(name, view, word) {
  const notes = name === "report" ? (view?.report?.notes ?? []).length : 0;
  return notes ? `${word(name)} (${notes})` : word(name);
}

/** A number with its expected error, where it has one. */
const giveOrTake = (value, error, digits) =>
  number(value, digits) + (Number.isFinite(error) ? ` ± ${number(error, Math.max(1, digits))}` : "");

/**
 * Widths of the kernels as a range. They hold the shrinking, too, unless their scale is 1: that of
 * the run, or a larger one where the picture was reduced first.
 */
function kernelsUsed({ min, max, mean }, { scale, kernel_scale: own = scale }, word) {
  const [low, high, middle] = [min, max, mean].map((width) => number(width, 1));
  const range = filled(word("range"), { low, high, mean: middle });
  if (own !== scale) return filled(word("reduced"), { range, by: own / scale });
  return scale === 1 ? range : filled(word("together"), { range });
}

/**
 * How far the result, degraded again, is from the picture. What agrees better with it than its noise
 * and JPEG damage allow has kept them, as plain enlarging does: then the result is held against the
 * damage.
 */
function difference({ before, after }, damage, word) {
  const allowed = -20 * Math.log10(damage);
  const [other, db] = before > allowed ? ["damageAlone", allowed] : ["bicubic", before];
  const own = filled(word("levelsAndDb"), levelsAndDb(after));
  return `${own}; ${filled(word(other), levelsAndDb(db))}`;
}

/** An agreement in dB, and as grey levels of 255. */
const levelsAndDb = (db) => ({ n: number(255 * 10 ** (-db / 20), 1), db: number(db, 1) });

/** Megabytes in words. */
export function memory(megabytes) {
  if (!(megabytes > 0)) return "–";
  return megabytes >= 1000 ? `${number(megabytes / 1000, 2)} GB` : `${number(megabytes, 0)} MB`;
}

const size = (pair) => (Array.isArray(pair) ? pair.join("×") : "–");

function number(value, digits) {
  return Number.isFinite(value) ? value.toFixed(digits) : "–";
}
