// The few words on the panels, in the languages of the node definitions. Pure.

const WORDS = {
  en: {
    measured: "measured", idle: "no effect", blur: "Kernels", report: "Report", compare: "Compare", weights: "Weights",
    empty: "Run the workflow to see the result here.",
    gone: "The last result is gone. Run the workflow again.",
    click: "Click a place to see its kernel.",
    width: "width of the kernels, px of the result",
    noWeights: "Nothing was sampled: no weights at 0 steps.",
    step: "step", map: "map", none: "none",
    sharpness: "sharpness", kernels: "kernels used", difference: "difference from the input",
    range: "{low} to {high} px of the result, mean {mean}",
    together: "{range} (blur and shrinking together)",
    reduced: "{range} (of the picture reduced by {by}: blur and shrinking together)",
    levels: "{n} of 255", levelsAndDb: "{n} of 255 grey levels ({db} dB)",
    damageAlone: "noise and JPEG damage alone {n} ({db} dB)",
    bicubic: "plain enlarging {n} ({db} dB)",
    noise: "noise", jpeg: "JPEG quality", sharpening: "sharpening", size: "size",
    time: "time", memory: "peak memory", note: "note",
    input: "input", restored: "restored", "result, degraded again": "result, degraded again",
    hint: "Drag the line; wheel zooms, drag pans, double click resets.",
    lr: "picture", kernel: "blur", depth: "depth", prompt: "prompt", guide: "second sensor",
    prior: "other upscaler", faithful: "restored", upscaled: "other upscaler", merged: "merged",
    examplesAdded: "Example pictures were put into ComfyUI's input folder: {names}. Choose your own in Load Image.",
    examplesFailed: "These example pictures could not be put into ComfyUI's input folder: {names}. Choose your own in Load Image.",
  },
  zh: {
    measured: "测量", idle: "不起作用", blur: "模糊核", report: "报告", compare: "对比", weights: "权重",
    empty: "运行工作流后在此显示结果。",
    gone: "上次的结果已不存在，请重新运行工作流。",
    click: "点击某处查看该处的模糊核。",
    width: "模糊核宽度（结果像素）",
    noWeights: "未采样：0 步时没有权重。",
    step: "步", map: "图", none: "无",
    sharpness: "清晰度", kernels: "所用模糊核", difference: "与输入的差异",
    range: "{low} 到 {high} 结果像素，平均 {mean}",
    together: "{range}（模糊与缩小合计）",
    reduced: "{range}（图像先缩小到 1/{by}：模糊与缩小合计）",
    levels: "{n}（共 255 级）", levelsAndDb: "255 级灰度中的 {n}（{db} dB）",
    damageAlone: "仅噪声与 JPEG 损伤 {n}（{db} dB）",
    bicubic: "普通放大 {n}（{db} dB）",
    noise: "噪声", jpeg: "JPEG 质量", sharpening: "锐化", size: "尺寸",
    time: "时间", memory: "峰值内存", note: "备注",
    input: "输入", restored: "复原", "result, degraded again": "结果再退化",
    hint: "拖动分割线；滚轮缩放，拖动平移，双击还原。",
    lr: "图像", kernel: "模糊", depth: "深度", prompt: "提示", guide: "第二传感器",
    prior: "其他放大器", faithful: "复原", upscaled: "其他放大器", merged: "合并",
    examplesAdded: "示例图片已放入 ComfyUI 的 input 文件夹：{names}。可在“加载图像”中选择自己的图片。",
    examplesFailed: "无法将这些示例图片放入 ComfyUI 的 input 文件夹：{names}。请在“加载图像”中选择自己的图片。",
  },
  ja: {
    measured: "測定", idle: "効果なし", blur: "カーネル", report: "レポート", compare: "比較", weights: "重み",
    empty: "ワークフローを実行すると結果がここに表示されます。",
    gone: "前回の結果はもうありません。もう一度実行してください。",
    click: "場所をクリックするとそのカーネルを表示します。",
    width: "カーネルの幅（結果の px）",
    noWeights: "サンプリングなし：0 ステップでは重みはありません。",
    step: "ステップ", map: "マップ", none: "なし",
    sharpness: "鮮明さ", kernels: "使用カーネル", difference: "入力との差",
    range: "結果の {low}～{high} px、平均 {mean}",
    together: "{range}（ぼけと縮小の合計）",
    reduced: "{range}（{by} 分の 1 に縮小した画像のもの：ぼけと縮小の合計）",
    levels: "255 階調中 {n}", levelsAndDb: "255 階調中 {n}（{db} dB）",
    damageAlone: "ノイズと JPEG 劣化のみ {n}（{db} dB）",
    bicubic: "通常の拡大 {n}（{db} dB）",
    noise: "ノイズ", jpeg: "JPEG 品質", sharpening: "シャープ化", size: "サイズ",
    time: "時間", memory: "最大メモリ", note: "備考",
    input: "入力", restored: "復元", "result, degraded again": "結果を再劣化",
    hint: "線をドラッグ。ホイールで拡大、ドラッグで移動、ダブルクリックで戻す。",
    lr: "画像", kernel: "ぼけ", depth: "深度", prompt: "プロンプト", guide: "第2センサー",
    prior: "他のアップスケーラー", faithful: "復元", upscaled: "他のアップスケーラー", merged: "統合",
    examplesAdded: "サンプル画像を ComfyUI の input フォルダーに入れました：{names}。自分の画像は「画像を読み込む」で選べます。",
    examplesFailed: "サンプル画像を ComfyUI の input フォルダーに入れられませんでした：{names}。「画像を読み込む」で自分の画像を選んでください。",
  },
};

/** How sharp a picture is, in sentences. In English the library says it, with all its reasons. */
const SENTENCES = {
  zh: {
    levels: { sharp: "清晰", "slightly soft": "略微模糊", soft: "模糊", "very soft": "非常模糊" },
    places: {
      "towards the left edge": "靠近左边缘", "towards the right edge": "靠近右边缘",
      "towards the top": "靠近上边缘", "towards the bottom": "靠近下边缘",
      "in the top left corner": "左上角", "in the top right corner": "右上角",
      "in the bottom left corner": "左下角", "in the bottom right corner": "右下角",
      "in the middle": "中央", "around the edges": "四周",
    },
    causes: { noise: "噪声", compression: "压缩", "noise and compression": "噪声和压缩" },
    given: "模糊未经测量：模糊核是给定的。",
    unknown: "无法判断清晰度{cause}。",
    none: "处处清晰：未发现模糊。",
    even: "整体{level}：模糊约为输入图像的 {blur} 像素{expected}{cause}。",
    place: "{place}{level}：约为输入图像的 {softest} 像素；最清晰处 {sharpest} 像素。",
    softest: "最模糊",
    expected: "（预计 {from} 到 {to}）",
    cause: "，{cause}掩盖了一部分",
  },
  ja: {
    levels: { sharp: "鮮明", "slightly soft": "ややぼけ", soft: "ぼけ", "very soft": "強いぼけ" },
    places: {
      "towards the left edge": "左端寄り", "towards the right edge": "右端寄り",
      "towards the top": "上端寄り", "towards the bottom": "下端寄り",
      "in the top left corner": "左上の隅", "in the top right corner": "右上の隅",
      "in the bottom left corner": "左下の隅", "in the bottom right corner": "右下の隅",
      "in the middle": "中央", "around the edges": "周辺部",
    },
    causes: { noise: "ノイズ", compression: "圧縮", "noise and compression": "ノイズと圧縮" },
    given: "ぼけは測定していません（カーネルは指定されたものです）。",
    unknown: "鮮明さは判断できません{cause}。",
    none: "全体に鮮明：ぼけは見つかりませんでした。",
    even: "全体：{level}。ぼけは入力画像の約 {blur} px{expected}{cause}。",
    place: "{place}：{level}。入力画像の約 {softest} px、最も鮮明な所で {sharpest} px。",
    softest: "最もぼけている",
    expected: "（見込み {from}～{to}）",
    cause: "、{cause}で一部は隠れています",
  },
};
/** Below this blur, px of the picture, none is said to be found. */
const NO_BLUR_FOUND_PX = 0.05;

/** Languages there are words for. */
export const LANGUAGES = Object.keys(WORDS);

/** Every word of a language, for the test of completeness. */
export const wordsOf = (language) => ({ ...WORDS[language] });

/** A function from key to word; English where the language or the word is missing. */
export function dictionary(locale) {
  const language = String(locale ?? "en").slice(0, 2).toLowerCase();
  const own = WORDS[language] ?? WORDS.en;
  const word = (key) => own[key] ?? WORDS.en[key] ?? key;
  word.sentences = SENTENCES[language];
  return word;
}

/** Fills values into the places `{name}` of a text. */
export const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/**
 * How sharp a picture is, in the dictionary's language: from the report's numbers, and from the place
 * and the cause that its English sentence names.
 *
 * @param sharpness of a report: `Sharpness.to_dict`
 * @param word a dictionary
 */
export function sharpnessWords(sharpness, word) {
  const english = sharpness?.words;
  const own = word.sentences;
  if (!own || !english) return english;
  const { level, blur_px: blur, from_px: from, to_px: to } = sharpness;
  if (english.includes("kernels were given")) return own.given;
  const named = /its (noise and compression|noise|compression) (?:hides?|lets?) /.exec(english)?.[1];
  const cause = named ? filled(own.cause, { cause: own.causes[named] }) : "";
  if (level === "unknown") return filled(own.unknown, { cause });
  const px = (value) => (Number.isFinite(value) ? value.toFixed(1) : null);
  const [softest, sharpest] = [px(sharpness.softest_region_px), px(sharpness.sharpest_region_px)];
  if (!(level in own.levels) || px(blur) === null) return english;
  const place = Object.keys(own.places).find((one) => english.includes(` ${one}:`));
  if (place && softest !== null && sharpest !== null) {
    const name = level === "sharp" ? own.softest : own.levels[level];
    return filled(own.place, { place: own.places[place], level: name, softest, sharpest });
  }
  if (level === "sharp" && blur < NO_BLUR_FOUND_PX && !named) return own.none;
  const known = px(from) !== null && px(to) !== null;
  const expected = known ? filled(own.expected, { from: px(from), to: px(to) }) : "";
  return filled(own.even, { level: own.levels[level], blur: px(blur), expected, cause });
}

/** The sentences of a language, for the test of completeness. */
export const sentencesOf = (language) => SENTENCES[language];
