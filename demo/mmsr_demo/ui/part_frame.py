"""A frame over an uploaded picture: the part that a trial run restores."""

from __future__ import annotations

from html import escape

from ..work.parts import Part


def part_note(part: Part | None, middle: bool) -> str:
    """Which part is tried, in words, and its place for `DRAW_PART`; empty without a picture.

    Args:
        part: the part.
        middle: it was not chosen.
    """
    if part is None:
        return ""
    shares = "" if part.is_all else ",".join(f"{share:.5f}" for share in part.shares)
    hint = "" if part.is_all else " Click your picture to choose another place."
    return (
        f'<p class="mm-small" data-part="{shares}">Try on a part: '
        f"{escape(part.words(middle))}, in seconds.{hint}</p>"
    )


DRAW_PART = "(html) => { window.mmsrDrawPart?.(html); }"
"""Draws the frame that `part_note` names."""

PART_CSS = """
#restore-picture .image-frame { position: relative; }
.mm-part { position: absolute; pointer-events: none; border: 2px solid white; border-radius: 2px;
  outline: 2px dashed var(--primary-700); outline-offset: -2px; box-sizing: border-box;
  min-width: 12px; min-height: 12px; }
"""

PART_JS = """
(() => {
  let shares = null;
  const draw = () => {
    document.querySelectorAll('.mm-part').forEach((old) => old.remove());
    const image = document.querySelector('#restore-picture .image-frame img');
    if (!shares || !image) return;
    if (!image.naturalWidth) { image.addEventListener('load', draw, {once: true}); return; }
    const {naturalWidth: width, naturalHeight: height, clientWidth, clientHeight} = image;
    const scale = Math.min(1, clientWidth / width, clientHeight / height);
    const left = image.offsetLeft + (clientWidth - width * scale) / 2;
    const top = image.offsetTop + (clientHeight - height * scale) / 2;
    const [first, start, last, end] = shares;
    const frame = Object.assign(document.createElement('div'), {className: 'mm-part'});
    const px = (value) => value + 'px';
    Object.assign(frame.style, {
      left: px(left + start * width * scale), top: px(top + first * height * scale),
      width: px((end - start) * width * scale), height: px((last - first) * height * scale),
    });
    image.parentElement.append(frame);
  };
  window.mmsrDrawPart = (html) => {
    const found = /data-part="([^"]+)"/.exec(html || '');
    shares = found && found[1].split(',').map(Number);
    setTimeout(draw, 100);
  };
  addEventListener('resize', draw);
})();
"""
"""The frame is drawn again when the window changes."""
