"""The look of the page, and a few words of gradio's own parts.

Fonts come with gradio; nothing is fetched from elsewhere.
"""

from __future__ import annotations

from gradio import I18n
from gradio.themes import Base, LocalFont
from gradio.themes.utils import colors, sizes

from .part_frame import PART_CSS, PART_JS
from .viewer import VIEWER_CSS, VIEWER_JS

TITLE = "MMSR"


def make_theme() -> Base:
    """Calm and neutral, one accent."""
    # Regular and Bold: the SemiBold that gradio ships has a part of the letters only.
    font = [LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"]
    mono = ["ui-monospace", "monospace"]
    return Base(
        primary_hue=colors.teal,
        secondary_hue=colors.teal,
        neutral_hue=colors.slate,
        radius_size=sizes.radius_lg,
        spacing_size=sizes.spacing_md,
        text_size=sizes.text_md,
        font=font,
        font_mono=mono,
    ).set(
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_800",
        color_accent="*primary_700",
        body_background_fill_dark="#0d1117",
        block_border_width="1px",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_background_fill="*background_fill_primary",
        block_label_border_width="0px",
        block_title_text_weight="600",
        block_background_fill_dark="#151b23",
        background_fill_primary_dark="#151b23",
        background_fill_secondary_dark="#10161e",
        border_color_primary_dark="#2a323d",
        input_background_fill_dark="#10161e",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_large_radius="12px",
        button_large_text_weight="600",
        slider_color="*primary_600",
    )


def own_words() -> I18n:
    """Words of gradio's own parts: one that it lacks (for screen readers), and those of a drop."""
    return I18n(
        en={
            "common.complete": "Done",
            "upload_text.drop_file": "Drop pictures here",
            "upload_text.click_to_upload": "tap to choose them",
        }
    )


CSS = (
    """
.gradio-container { max-width: 100% !important; }
.gradio-container > main, .gradio-container .main { max-width: 1180px !important; width: 100%;
  margin: 0 auto !important; padding: 16px 24px 32px !important; }
.gradio-container .wrap > main.contain, main.contain { padding: 0 !important; }
.gradio-container .main > .wrap { padding: 0 !important; }
.html-container { padding: 0 !important; }
.block.hide-container:has(.html-container > .prose:empty):not(.mm-queue) { display: none; }
.mm-queue { min-height: 26px; }
.mm-queue:has(> .wrap.hide), .mm-queue:has(> .wrap.generating) { display: none; }
.mm-queue > .wrap { inset: 0 !important; padding: 0 !important; background: transparent; }
.mm-queue .wrap .progress-text { position: absolute; inset: 0 auto auto 0; transform: none;
  padding: 0 2px; background: none; font-size: 0; visibility: hidden;
  animation: mm-late 0s .6s forwards; }
.mm-queue .progress-text::after { content: attr(data-place); font-family: var(--font);
  font-size: .9rem; color: var(--body-text-color-subdued); }
@keyframes mm-late { to { visibility: visible; } }
.mm-queue .mm-queue { min-height: 0; }
.mm-fit img { width: 100% !important; height: 100% !important; object-fit: contain; }
button.stop { background: transparent !important; color: #dc2626 !important;
  border: 1px solid color-mix(in srgb, #dc2626 55%, transparent) !important; }
.dark button.stop { color: #f87171 !important; }
.mm-weights { gap: 12px !important; }
.tab-container button.selected { color: var(--primary-700) !important; }
.dark .tab-container button.selected { color: var(--primary-400) !important; }
.dark .source-selection .icon.selected { color: var(--primary-400) !important; }
.mm-head { display: flex; align-items: baseline; gap: 14px; flex-wrap: wrap; margin: 2px 0 6px; }
.mm-head h1 { font-size: 1.5rem; font-weight: 700; letter-spacing: -.02em; margin: 0; }
.mm-head p { margin: 0; color: var(--body-text-color-subdued); font-size: 1rem; }
.mm-small { color: var(--body-text-color-subdued); font-size: .86rem; line-height: 1.5;
  margin: 6px 0; }
.gradio-container button.lg, .gradio-container button.md, .mm-segments label { min-height: 44px; }
.mm-columns { gap: 24px !important; align-items: flex-start; }
.mm-side, .mm-main { gap: 14px !important; }
.mm-actions { gap: 12px !important; }
.mm-actions > .form { flex: none !important; width: auto !important; min-width: 0 !important; }
.mm-actions > .form > .block { flex: none !important; width: 110px !important; }
.mm-segments .wrap { gap: 8px !important; }
.mm-segments label { flex: 1 1 auto; justify-content: center; text-align: center; min-width: 56px; }
.mm-segments label input { position: absolute; opacity: 0; pointer-events: none; }
.mm-segments label span { margin: 0 !important; }
.mm-thirds label { flex-basis: 30%; min-height: 38px !important; padding: 4px 8px !important;
  font-size: .88rem; }
.mm-size label { display: flex; align-items: center; gap: 12px; }
.mm-size label > span { flex: none; margin: 0; }
.mm-size label > .input-container { flex: 1; }
.mm-drop img.mm-unseen { visibility: hidden; }
.mm-drop :has(> img.mm-unseen)::after { content: "This browser cannot show the file.";
  position: absolute; top: 50%; left: 50%; width: 190px; transform: translate(-50%, -50%);
  text-align: center; font-size: .9rem; color: var(--body-text-color-subdued); }
.mm-two { gap: 12px !important; flex-wrap: nowrap !important; }
.mm-two > * { min-width: 0 !important; }
.mm-segments label:focus-within { outline: 2px solid var(--primary-500); outline-offset: 2px; }
.mm-segments label.selected { background: var(--primary-700); color: white;
  border-color: var(--primary-700); }
.mm-notice { padding: 10px 14px; border-radius: 10px; font-size: .9rem; line-height: 1.45;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.mm-notice.mm-bad { background: color-mix(in srgb, #dc2626 10%, transparent);
  border-color: color-mix(in srgb, #dc2626 45%, transparent); }
.mm-empty { min-height: 300px; display: flex; flex-direction: column; align-items: center;
  justify-content: center; text-align: center; gap: 4px; padding: 24px; border-radius: 14px;
  border: 1px dashed var(--border-color-primary); color: var(--body-text-color-subdued); }
.mm-empty b { color: var(--body-text-color); font-weight: 600; }
.mm-empty p { margin: 0; max-width: 34em; }
.mm-run { padding: 14px; border-radius: 14px; border: 1px solid var(--border-color-primary);
  background: var(--block-background-fill); }
.mm-run-row { display: flex; justify-content: space-between; gap: 12px; font-size: .95rem; }
.mm-run-row span { color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.mm-bar { height: 6px; border-radius: 3px; background: var(--border-color-primary);
  margin-top: 10px; overflow: hidden; }
.mm-bar i { display: block; height: 100%; border-radius: 3px; background: var(--primary-600);
  transition: width .3s ease; }
.mm-run img { display: block; width: 100%; max-height: 480px; object-fit: contain; margin-top: 14px;
  border-radius: 8px; }
.mm-findings { padding: 16px 18px; border-radius: 14px; background: var(--block-background-fill);
  border: 1px solid var(--border-color-primary); }
.mm-findings h3 { margin: 0 0 10px; font-size: 1.1rem; font-weight: 600; }
.mm-findings dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 18px; margin: 0;
  line-height: 1.5; font-size: .95rem; }
.mm-findings dt { color: var(--body-text-color-subdued); }
.mm-findings dd { margin: 0; }
.mm-kernel { display: flex; gap: 18px; align-items: center; margin: 0; padding: 14px;
  border-radius: 14px; border: 1px solid var(--border-color-primary); }
.mm-kernel img { width: 168px; height: 168px; border-radius: 8px; image-rendering: pixelated; }
.mm-kernel figcaption { display: flex; flex-direction: column; gap: 6px; line-height: 1.45; }
.mm-kernel small { color: var(--body-text-color-subdued); }
.mm-maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 16px; }
.mm-maps figure { margin: 0; }
.mm-maps img { width: 100%; border-radius: 10px; display: block; }
.mm-maps figcaption { display: flex; flex-direction: column; font-size: .9rem; margin-top: 6px; }
.mm-maps span { color: var(--body-text-color-subdued); }
.mm-scores { overflow-x: auto; }
.mm-scores h3 { margin: 2px 0 8px; font-size: 1.1rem; font-weight: 600; }
.mm-scores table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.mm-scores table, .mm-scores tr { border: 0 !important; }
.mm-scores th, .mm-scores td { text-align: left; padding: 9px 12px; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; }
.mm-scores thead th { color: var(--body-text-color-subdued); font-weight: 500; font-size: .88rem; }
.mm-best { font-weight: 700; color: var(--primary-700); }
.dark .mm-best { color: var(--primary-400); }
td.mm-good { color: var(--primary-600); width: 1.5em; } td.mm-bad { color: #dc2626; width: 1.5em; }
.mm-batch td { overflow-wrap: anywhere; vertical-align: top; }
.mm-batch td:nth-child(2) { min-width: 8em; width: 45%; }
.mm-history-frame { gap: 8px !important; }
.mm-history .grid-wrap { max-height: none !important; min-height: 0 !important;
  padding: 34px 8px 8px !important; overflow: hidden !important; }
.mm-history .grid-container { gap: 8px; padding: 0 !important;
  grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)) !important; }
.mm-history .caption-label { inset: auto 0 0 0; max-width: none; padding: 2px 6px; border: 0;
  border-radius: 0; font-size: .7rem; line-height: 1.3; text-align: center; white-space: normal; }
.mm-gallery .grid-wrap { max-height: none !important; }
@media (max-width: 640px) {
  .mm-head { gap: 2px 10px; }
  .mm-empty { min-height: 120px; }
  .mm-findings dl { grid-template-columns: 1fr; gap: 0; }
  .mm-findings dd { margin-bottom: 8px; }
  .mm-maps { grid-template-columns: 1fr 1fr; gap: 12px; }
  .tab-wrapper, .tab-container { height: 44px !important; }
  .tab-container button { height: 44px !important; min-width: 44px; padding: 0 4px !important;
    font-size: .82rem !important; }
  .tab-container.visually-hidden button { height: 1px !important; }
  .source-selection { height: auto !important; }
  .source-selection .icon { width: 44px !important; height: 44px !important; padding: 11px; }
  .label-wrap { padding-block: 13px !important; margin-block: -13px !important; }
  .label-wrap.open { margin-bottom: 0 !important; }
  .mm-size textarea, button.sm.secondary, label:has(> input[type=radio]) {
    min-height: 44px !important; }
  .mm-segments label { min-width: 42px; padding-inline: 6px !important; }
  .mm-thirds label { min-height: 44px !important; }
  .mm-kernel { flex-direction: column; align-items: flex-start; }
  .mm-pair > *, .mm-pair > .form > * { min-width: 100% !important; }
}
"""
    + VIEWER_CSS
    + PART_CSS
)

HEAD = (
    """<style>
@media (max-width: 640px) {
  body .gradio-container .main { padding: 8px 14px 24px !important; }
  body .gradio-container footer .divider { display: none !important; }
  body .gradio-container footer .show-api { display: flex !important; }
  body .gradio-container footer { gap: 20px; }
  body .gradio-container footer button { min-height: 44px; }
}
</style>
<script>
(() => {
  const home = '#restore-picture', lists = '#batch-files';
  const give = (box, files, tries = 20) => {
    const input = box.querySelector('input[type=file]');
    if (!input) {  // What is there is taken away first.
      const away = 'button[aria-label="Remove Image"], button[aria-label="Clear"]';
      if (tries === 20) box.querySelector(away)?.click();
      if (tries > 0) setTimeout(() => give(box, files, tries - 1), 100);
      return;
    }
    const items = new DataTransfer();
    files.forEach((file) => items.items.add(file));
    input.files = items.files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
  };
  const isSeen = (box) => box?.offsetParent;
  // Where a file goes that was dropped beside all: the only place for it that is seen.
  const place = () => {
    const first = document.querySelector(home);
    if (isSeen(first)) return first;
    const all = [...document.querySelectorAll(`.mm-drop, ${lists}`)].filter(isSeen);
    return all.length === 1 ? all[0] : null;
  };
  const pictures = (list) => [...(list || [])].filter((file) => file.type.startsWith('image/'));
  const own = (target) => target?.closest?.('input, textarea, .upload-container, .file-preview');
  const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes('Files');
  addEventListener('paste', (event) => {
    const [file] = pictures(event.clipboardData?.files), box = document.querySelector(home);
    if (file && isSeen(box) && !own(event.target)) give(box, [file]);
  });
  addEventListener('dragover', (event) => { if (hasFiles(event)) event.preventDefault(); });
  const seen = (event) => {
    if (event.target.tagName === 'IMG' && event.target.closest('.mm-drop'))
      event.target.classList.toggle('mm-unseen', event.type === 'error');
  };
  for (const name of ['error', 'load']) addEventListener(name, seen, true);
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    const taken = event.defaultPrevented || own(event.target);
    event.preventDefault();  // Else the browser shows the file in place of the page.
    const box = place(), all = [...event.dataTransfer.files];
    if (!box || taken || box.contains(event.target)) return;
    const files = box.matches(lists) ? all : pictures(all).slice(0, 1);
    if (files.length) give(box, files);
  });
  // The place in the queue, without gradio's clock.
  const said = (text) => {
    const [, at, of] = text.match(/queue: (\\d+)\\/(\\d+)/) || [];
    return at ? `Place ${at} of ${of} in the queue` : '';
  };
  const tell = (node) => {
    const line = (node.parentElement || node).closest?.('.mm-queue .progress-text');
    const words = line && said(line.textContent);
    if (line && line.dataset.place !== words) line.dataset.place = words;
  };
  new MutationObserver((changes) => changes.forEach(({target, addedNodes}) => {
    tell(target);
    addedNodes.forEach((node) => {
      tell(node);
      node.querySelectorAll?.('.progress-text').forEach(tell);
    });
  })).observe(document, {childList: true, characterData: true, subtree: true});
})();
</script>"""
    + f"<script>{VIEWER_JS}{PART_JS}</script>"
)
"""A picture may be dropped or pasted anywhere on the first tab, and dropped anywhere on a tab with
one place for it; beside several places a drop does nothing. What an upload is that the browser
cannot show, as a TIFF, is said in its place. And rules for a phone outside the page's own content:
in `CSS` they would have no effect, since gradio keeps what lies in `@media` to that content. The
viewer's script comes last."""
