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

/** Languages there are words for. */
export const LANGUAGES = Object.keys(WORDS);

/** Every word of a language, for the test of completeness. */
export const wordsOf = (language) => ({ ...WORDS[language] });

/** A function from key to word; English where the language or the word is missing. */
export function dictionary(locale) {
  const language = String(locale ?? "en").slice(0, 2).toLowerCase();
  const own = WORDS[language] ?? WORDS.en;
  return (key) => own[key] ?? WORDS.en[key] ?? key;
}

/** Fills values into the places `{name}` of a text. */
export const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
