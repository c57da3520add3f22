import assert from "node:assert/strict";
import { test } from "node:test";

import { colourisePixels, modalityColour, stretchPixels, viridis } from "../../web/lib/colours.mjs";
import { tabsOf } from "../../web/lib/panel.mjs";
import { keyOf, recall, remember, viewPath } from "../../web/lib/store.mjs";
import { bars, memory, namesIn, reportRows, tabTitle } from "../../web/lib/weights.mjs";
import { dictionary, LANGUAGES, sentencesOf, sharpnessWords, wordsOf } from "../../web/lib/words.mjs";

class Memory {
  #data = new Map();
  get length() { return this.#data.size; }
  key(i) { return [...this.#data.keys()][i] ?? null; }
  getItem(key) { return this.#data.get(key) ?? null; }
  setItem(key, value) { this.#data.set(key, String(value)); }
  removeItem(key) { this.#data.delete(key); }
}

const node = (id, graph = "g") => ({ id, comfyClass: "MMSR_Upscale", graph: { id: graph } });
const file = { filename: "a b&c.json", subfolder: "mmsr", type: "temp" };

test("a remade node finds its result, another one does not", () => {
  const storage = new Memory();
  remember(storage, node(3), file);
  assert.deepEqual(recall(storage, node("3")), file); // ids are strings in newer frontends
  assert.equal(recall(storage, node(4)), null);
  assert.equal(recall(storage, node(3, "other")), null);
  assert.equal(keyOf({ id: -1, graph: { id: "g" } }), null);
  assert.equal(keyOf({ id: 1 }), null);
});

test("two workflows of one template do not show each other's results", () => {
  const storage = new Memory();
  remember(storage, node(3), file, "workflows/a.json");
  assert.deepEqual(recall(storage, node(3), "workflows/a.json"), file);
  assert.equal(recall(storage, node(3), "workflows/a (2).json"), null);
  assert.equal(recall(storage, node(3)), null);
});

test("what is stored stays bounded, and rubbish is no result", () => {
  const storage = new Memory();
  storage.setItem("someone else", "x");
  for (let i = 0; i < 300; i++) remember(storage, node(i), file);
  assert.ok(storage.length <= 202);
  assert.equal(storage.getItem("someone else"), "x");
  assert.deepEqual(recall(storage, node(299)), file);
  storage.setItem(keyOf(node(5)), "{broken");
  assert.equal(recall(storage, node(5)), null);
});

test("a storage that refuses does not break the node", () => {
  const full = { length: 0, key: () => null, setItem: () => { throw new Error("full"); } };
  remember(full, node(1), file);
  assert.equal(recall({ getItem: () => { throw new Error("no"); } }, node(1)), null);
});

test("addresses are escaped", () => {
  assert.equal(viewPath(file), "/view?filename=a+b%26c.json&subfolder=mmsr&type=temp");
});

test("bars add up to one in a fixed order", () => {
  const steps = [{ depth: 1, lr: 2, kernel: 1, prompt: 0 }, { zeta: 1, lr: -1 }, {}];
  const made = bars(steps);
  assert.deepEqual(made[0].map((s) => s.name), ["lr", "kernel", "depth"]);
  for (const bar of made.slice(0, 2)) {
    assert.ok(Math.abs(bar.reduce((sum, s) => sum + s.share, 0) - 1) < 1e-9);
  }
  assert.deepEqual(made[2], []);
  assert.deepEqual(namesIn(steps), ["lr", "kernel", "depth", "prompt", "zeta"]);
});

test("the report's tab says how many notes are in it", () => {
  const word = dictionary("en");
  assert.equal(tabTitle("report", { report: { notes: ["one", "two"] } }, word), "Report (2)");
  assert.equal(tabTitle("report", { report: {} }, word), "Report");
  assert.equal(tabTitle("compare", { report: { notes: ["one"] } }, word), "Compare");
});

test("the report becomes rows, whatever is missing", () => {
  const report = {
    input_size: [160, 120], output_size: [640, 480], consistency_db: { before: 30, after: 58.26 },
    blur_sigma_px: { min: 1.24, max: 3.3, mean: 2 }, noise_std: 2 / 255, jpeg_quality: 80,
    scale: 4, sharpness: { words: "Sharp everywhere: no blur was found." }, total_seconds: 1.234, device: "cpu", dtype: "float32", peak_memory_mb: 1834,
    notes: ["tile halved to 128"],
  };
  const rowsOf = (more, locale = "en") =>
    Object.fromEntries(reportRows({ ...report, ...more }, dictionary(locale)));
  const rows = rowsOf({});
  assert.deepEqual(Object.keys(rows).slice(0, 5), [
    "sharpness", "kernels", "noise", "jpeg", "difference",
  ]);
  assert.equal(rows.sharpness, "Sharp everywhere: no blur was found.");
  assert.equal(
    rows.kernels, "1.2 to 3.3 px of the result, mean 2.0 (blur and shrinking together)",
  );
  assert.equal(rowsOf({ scale: 1 }).kernels, "1.2 to 3.3 px of the result, mean 2.0");
  assert.equal(
    rowsOf({ scale: 1, kernel_scale: 4 }).kernels,
    "1.2 to 3.3 px of the result, mean 2.0 (of the picture reduced by 4: blur and shrinking together)",
  );
  assert.equal(rowsOf({ scale: 4, kernel_scale: 4 }).kernels, rows.kernels);
  assert.match(rowsOf({ scale: 1, kernel_scale: 4 }, "ja").kernels, /4 分の 1/);
  const narrow = { min: 0.3, max: 0.4, mean: 0.3 };
  assert.ok("kernels" in rowsOf({ blur_sigma_px: narrow }));
  assert.ok(!("kernels" in rowsOf({ blur_sigma_px: narrow, scale: 1 })), "they change nothing");
  assert.equal(
    rows.difference, "0.3 of 255 grey levels (58.3 dB); plain enlarging 8.1 (30.0 dB)",
  );
  const noisy = { consistency_db: { before: 32.1, after: 28.4 }, unexplained_std: 9.8 / 255 };
  assert.equal(
    rowsOf(noisy).difference,
    "9.7 of 255 grey levels (28.4 dB); noise and JPEG damage alone 9.8 (28.3 dB)",
  );
  const clean = { consistency_db: { before: 30, after: 40 }, unexplained_std: 0 };
  assert.match(rowsOf(clean).difference, /plain enlarging/);
  assert.equal(rows.noise, "2.0 of 255");
  const errors = { noise_std: 0.5 / 255, jpeg_quality: 3.4 };
  const sure = rowsOf({ errors });
  assert.equal(sure.noise, "2.0 ± 0.5 of 255");
  assert.equal(sure.jpeg, "80 ± 3.4");
  assert.equal(rows.jpeg, "80");
  assert.equal(rowsOf({ jpeg_quality: 100 }).jpeg, "none");
  assert.equal(rowsOf({ jpeg_quality: 100 }, "ja").jpeg, "なし");
  assert.ok(!("sharpening" in rows), "only where there was any");
  assert.equal(rowsOf({ sharpening: 0.2 }).sharpening, "0.20");
  assert.equal(rows.memory, "1.83 GB");
  assert.equal(rows.note, "tile halved to 128");
  assert.deepEqual(reportRows(null, dictionary("en")), []);
  for (const language of LANGUAGES) {
    const values = reportRows({}, dictionary(language)).map(([, value]) => value);
    assert.ok(values.every((value) => !/NaN|undefined|[{}]/.test(value)), language);
    const full = rowsOf({ sharpening: 0.2 }, language);
    assert.ok(Object.values(full).every((value) => !/NaN|undefined|[{}]/.test(value)), language);
  }
  assert.equal(memory(0), "–");
});

const sharpness = (more) => ({
  level: "soft", blur_px: 0.62, from_px: 0.41, to_px: 0.9, softest_region_px: 0.84,
  sharpest_region_px: 0.2, words: "Soft everywhere: the blur is about 0.6 px of the picture.", ...more,
});

test("how sharp a picture is is said in the panel's language", () => {
  const said = (language, more) => sharpnessWords(sharpness(more), dictionary(language));
  assert.equal(said("en"), sharpness().words);
  assert.equal(said("fr"), sharpness().words);
  assert.equal(said("zh"), "整体模糊：模糊约为输入图像的 0.6 像素（预计 0.4 到 0.9）。");
  assert.equal(said("ja"), "全体：ぼけ。ぼけは入力画像の約 0.6 px（見込み 0.4～0.9）。");
  const words = "Soft towards the top: about 0.8 px of the picture, 0.2 px where it is sharpest.";
  assert.equal(said("zh", { words }), "靠近上边缘模糊：约为输入图像的 0.8 像素；最清晰处 0.2 像素。");
  const most = "Softest in the top left corner: about 0.2 px of the picture, 0.1 px where it is sharpest.";
  assert.match(said("ja", { level: "sharp", words: most }), /^左上の隅：最もぼけている。/);
  const none = { level: "sharp", blur_px: 0.01, words: "Sharp everywhere: no blur was found." };
  assert.equal(said("ja", none), "全体に鮮明：ぼけは見つかりませんでした。");
  const far = "Sharp everywhere, as far as its noise lets one tell: the blur is probably below 0.9 px.";
  assert.match(said("zh", { ...none, words: far }), /^整体清晰：.*噪声掩盖了一部分。$/);
  const unknown = "How sharp it is cannot be told: its noise and compression hide it.";
  assert.match(said("ja", { level: "unknown", words: unknown }), /判断できません、ノイズと圧縮で/);
  const given = { from_px: null, to_px: null, words: "Its blur was not measured: the kernels were given." };
  assert.match(said("zh", given), /给定/);
  assert.doesNotMatch(said("zh", { from_px: null, to_px: null }), /预计|null|NaN/);
});

test("the library's sentence is shown where the numbers say nothing known", () => {
  const word = dictionary("ja");
  assert.equal(sharpnessWords(undefined, word), undefined);
  assert.equal(sharpnessWords({ words: "A sentence." }, word), "A sentence.");
  assert.equal(sharpnessWords(sharpness({ level: "of the future" }), word), sharpness().words);
});

test("the languages have the same sentences", () => {
  const keys = (value) =>
    typeof value === "string" ? Boolean(value.trim()) : Object.fromEntries(Object.entries(value).map(([k, v]) => [k, keys(v)]));
  assert.deepEqual(keys(sentencesOf("ja")), keys(sentencesOf("zh")));
});

test("tabs follow what there is to see", () => {
  const names = (view) => tabsOf(view).map(([name]) => name);
  assert.deepEqual(names({ view: "kernels" }), ["blur", "report"]);
  assert.deepEqual(names({ view: "compare", report: {} }), ["compare", "weights", "report"]);
  assert.deepEqual(names({ view: "compare", report: null }), ["compare", "report"]);
  const merged = { view: "compare", report: null, steps: [{ prior: 0.4, faithful: 0.6 }] };
  assert.deepEqual(names(merged), ["compare", "weights", "report"]);
  assert.deepEqual(names({ view: "of the future" }), []);
});

test("every language has every word", () => {
  const keys = Object.keys(wordsOf("en")).sort();
  for (const language of LANGUAGES) {
    assert.deepEqual(Object.keys(wordsOf(language)).sort(), keys, language);
    assert.ok(Object.values(wordsOf(language)).every((word) => word.trim()), language);
  }
  assert.equal(dictionary("ja-JP")("depth"), "深度");
  assert.equal(dictionary("fr")("depth"), "depth");
  assert.equal(dictionary(undefined)("no such word"), "no such word");
});

test("colours run from dark to bright and stay in range", () => {
  assert.deepEqual(viridis(0), [0x44, 0x01, 0x54]);
  assert.deepEqual(viridis(1), [0xfd, 0xe7, 0x25]);
  assert.deepEqual(viridis(NaN), viridis(0));
  assert.deepEqual(viridis(7), viridis(1));
  const pixels = Uint8ClampedArray.from([0, 0, 0, 255, 255, 255, 255, 128]);
  assert.deepEqual([...colourisePixels(pixels)], [0x44, 1, 0x54, 255, 0xfd, 0xe7, 0x25, 128]);
  assert.notEqual(modalityColour("lr"), modalityColour("depth"));
});

test("maps are stretched to the range they have, and a flat one stays flat", () => {
  const pixels = Uint8ClampedArray.from([51, 0, 0, 255, 102, 0, 0, 255, 77, 0, 0, 255]);
  assert.deepEqual(stretchPixels(pixels), { low: 0.2, high: 0.4 });
  assert.deepEqual([pixels[0], pixels[4], pixels[8]], [0, 255, 130]);
  const flat = Uint8ClampedArray.from([9, 9, 9, 255]);
  stretchPixels(flat);
  assert.equal(flat[0], 128);
});
