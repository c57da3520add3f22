"""Two pictures of one size behind a divider: moved with a pointer or the keys, zoomed and panned.

The page's script finds every viewer by its classes, so a viewer is plain HTML and needs no set-up.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import quote

ZOOMS: tuple[tuple[str, str], ...] = (("Fit", "0"), ("100 %", "1"), ("200 %", "2"))
"""Words on a button, and px of the screen for a px of the picture; 0 fits the picture in."""


def file_url(path: Path) -> str:
    """Where the server hands out a file of the workspace, relative to the page."""
    return f"gradio_api/file={quote(path.as_posix())}"


def before_after(
    before: Path,
    after: Path,
    size: tuple[int, int],
    labels: tuple[str, str] = ("Before", "After"),
) -> str:
    """A viewer for two pictures of one size.

    Args:
        before: the picture on the left of the divider.
        after: the one on its right.
        size: their height and width.
        labels: what they are called.
    """
    height, width = size
    one, two = (escape(label) for label in labels)
    buttons = "".join(
        f'<button type="button" data-zoom="{zoom}" aria-pressed="{str(zoom == "0").lower()}">'
        f"{text}</button>"
        for text, zoom in ZOOMS
    )
    halves = "".join(
        f'<div class="mm-half"><img src="{escape(file_url(path))}" alt="{name}" draggable="false">'
        f"<span>{name}</span></div>"
        for path, name in ((before, one), (after, two))
    )
    return (
        f'<div class="mm-view" role="group" aria-label="{one} and {two}" '
        f'style="--w:{width};--h:{height}">'
        f'<div class="mm-view-bar" role="toolbar" aria-label="Zoom">{buttons}'
        '<button type="button" data-full>Full screen</button></div>'
        f'<div class="mm-frame" data-width="{width}" data-height="{height}" tabindex="-1" '
        'role="group" aria-label="Enlarged picture: the arrow keys move it">'
        f'{halves}<div class="mm-divider" role="slider" tabindex="0" aria-orientation="horizontal" '
        f'aria-label="Divider: left of it {one}, right of it {two}" aria-valuemin="0" '
        'aria-valuemax="100" aria-valuenow="50" aria-valuetext="50 %"><i></i></div></div></div>'
    )


VIEWER_CSS = """
.mm-view { container-type: inline-size; display: flex; flex-direction: column; gap: 8px; }
.mm-view-bar { display: flex; flex-wrap: wrap; gap: 6px; }
.mm-view-bar button { min-height: 44px; min-width: 44px; padding: 0 12px; border-radius: 8px;
  font-size: .86rem; margin: 0 !important; font-weight: 400; cursor: pointer;
  color: var(--body-text-color); background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); }
.mm-view-bar button[aria-pressed=true] { color: white; background: var(--primary-700);
  border-color: var(--primary-700); }
.mm-view-bar button[data-full] { margin-left: auto; }
.mm-view-bar button:focus-visible, .mm-frame:focus-visible {
  outline: 2px solid var(--primary-500); outline-offset: 2px; }
.mm-frame { --cut: 50%; position: relative; container-type: size; overflow: hidden;
  border-radius: 10px; background: var(--background-fill-secondary); touch-action: pan-y;
  height: max(120px, min(640px, max(280px, 100vh - 298px), 100cqw * var(--h) / var(--w)));
  user-select: none; -webkit-user-select: none; cursor: ew-resize; }
.mm-frame.mm-zoomed { touch-action: none; cursor: grab; }
.mm-half { position: absolute; inset: 0; overflow: hidden; }
.mm-half + .mm-half { clip-path: inset(0 0 0 var(--cut)); }
.mm-half img { position: absolute; max-width: none !important; margin: 0 !important;
  border-radius: 0 !important; top: 50%; left: 50%; transform: translate(-50%, -50%);
  width: min(100cqw, 100cqh * var(--w) / var(--h));
  height: min(100cqh, 100cqw * var(--h) / var(--w));
  background: repeating-conic-gradient(#cbd5e1 0 25%, #f1f5f9 0 50%) 0 0 / 20px 20px; }
.mm-zoomed .mm-half img { top: var(--y); left: var(--x); transform: none; width: var(--pw);
  height: var(--ph); }
.mm-frame.mm-pixels .mm-half img { image-rendering: pixelated; }
.mm-half span { position: absolute; top: 10px; left: 10px; padding: 2px 9px; border-radius: 6px;
  font-size: .8rem; color: white; background: rgb(15 23 42 / 70%); pointer-events: none; }
.mm-half + .mm-half span { left: auto; right: 10px; }
.mm-divider { position: absolute; top: 0; bottom: 0; left: var(--cut); width: 44px;
  margin-left: -22px; cursor: ew-resize; touch-action: none; outline: none; }
.mm-divider::before { content: ""; position: absolute; top: 0; bottom: 0; left: 21px; width: 2px;
  background: white; box-shadow: 0 0 3px rgb(15 23 42 / 70%); }
.mm-divider i { position: absolute; top: 50%; left: 4px; width: 36px; height: 36px;
  margin-top: -18px; border-radius: 50%; background: var(--primary-700); border: 2px solid white;
  box-shadow: 0 0 4px rgb(15 23 42 / 60%); }
.mm-divider i::before, .mm-divider i::after { content: ""; position: absolute; top: 10px;
  border: 6px solid transparent; }
.mm-divider i::before { left: 1px; border-right-color: white; }
.mm-divider i::after { right: 1px; border-left-color: white; }
.mm-divider:focus-visible i { outline: 3px solid var(--primary-400); outline-offset: 2px; }
.mm-view:fullscreen, .mm-view.mm-full { padding: 12px; background: var(--body-background-fill); }
.mm-view.mm-full { position: fixed; inset: 0; z-index: 1000; }
.mm-view:fullscreen .mm-frame, .mm-view.mm-full .mm-frame { height: auto; flex: 1; }
"""
"""The look of a viewer. A px of the picture is sharp-edged from 200 % on. The 298 px leave room for
what stands above it and for the button below."""

VIEWER_JS = """
(() => {
  const states = new WeakMap();
  const of = (frame) => {
    if (!states.has(frame)) states.set(frame, {cut: 50, zoom: 0, x: 0, y: 0});
    return states.get(frame);
  };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const side = (frame, name) => Number(frame.dataset[name]) / devicePixelRatio;
  const fit = (frame) => Math.min(
    frame.clientWidth / side(frame, 'width'), frame.clientHeight / side(frame, 'height'));

  const draw = (frame) => {
    const now = of(frame), divider = frame.querySelector('[role=slider]');
    const set = (name, value) => frame.style.setProperty(name, value);
    set('--cut', now.cut + '%');
    divider.setAttribute('aria-valuenow', Math.round(now.cut));
    divider.setAttribute('aria-valuetext', Math.round(now.cut) + ' %');
    frame.classList.toggle('mm-zoomed', now.zoom > 0);
    frame.classList.toggle('mm-pixels', now.zoom >= 2);
    frame.tabIndex = now.zoom > 0 ? 0 : -1;
    if (now.zoom) {
      const [width, height] = ['width', 'height'].map((name) => side(frame, name) * now.zoom);
      const held = (at, room, length) => length <= room
        ? (room - length) / 2 : clamp(at, room - length, 0);
      now.x = held(now.x, frame.clientWidth, width);
      now.y = held(now.y, frame.clientHeight, height);
      set('--x', now.x + 'px'); set('--y', now.y + 'px');
      set('--pw', width + 'px'); set('--ph', height + 'px');
    }
    for (const button of frame.parentElement.querySelectorAll('[data-zoom]'))
      button.setAttribute('aria-pressed', Number(button.dataset.zoom) === now.zoom);
  };

  // Zooms so that the place (x, y) of the frame stays where it is.
  const zoom = (frame, wanted, x, y) => {
    const now = of(frame), least = fit(frame), from = now.zoom || least;
    if (!now.zoom) {
      now.x = (frame.clientWidth - side(frame, 'width') * least) / 2;
      now.y = (frame.clientHeight - side(frame, 'height') * least) / 2;
    }
    now.x = x - (x - now.x) * wanted / from;
    now.y = y - (y - now.y) * wanted / from;
    now.zoom = wanted;
    draw(frame);
  };
  const freely = (frame, ratio, x, y) => {
    const least = fit(frame), from = of(frame).zoom || least;
    const wanted = clamp(from * ratio, 0, 16);
    if (wanted > least) zoom(frame, wanted, x, y);
    else { of(frame).zoom = 0; draw(frame); }
  };
  const middle = (frame) => [frame.clientWidth / 2, frame.clientHeight / 2];
  const pan = (frame, dx, dy) => {
    const now = of(frame), {x, y} = now;
    now.x += dx; now.y += dy;
    draw(frame);
    return now.x !== x || now.y !== y;
  };
  const cut = (frame, value) => { of(frame).cut = clamp(value, 0, 100); draw(frame); };

  let drag = null;
  const fingers = new Map();
  const inside = (frame, event) => {
    const box = frame.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const cutAt = (frame, event) => cut(frame, 100 * inside(frame, event)[0] / frame.clientWidth);
  const spread = () => {
    const [one, two] = [...fingers.values()];
    return [Math.hypot(one[0] - two[0], one[1] - two[1]),
      (one[0] + two[0]) / 2, (one[1] + two[1]) / 2];
  };
  addEventListener('pointerdown', (event) => {
    const frame = event.target.closest?.('.mm-frame');
    if (!frame || event.button) return;
    if (fingers.size && drag?.frame !== frame) fingers.clear();
    fingers.set(event.pointerId, inside(frame, event));
    const divider = frame.querySelector('[role=slider]');
    const moves = !of(frame).zoom || divider.contains(event.target);
    drag = {frame, moves, at: [event.clientX, event.clientY]};
    frame.setPointerCapture(event.pointerId);
    (moves ? divider : frame).focus({preventScroll: true, focusVisible: false});
    if (moves && event.pointerType === 'mouse') cutAt(frame, event);
    event.preventDefault();
  });
  addEventListener('pointermove', (event) => {
    if (!drag || !fingers.has(event.pointerId)) return;
    const {frame, at} = drag;
    if (fingers.size === 2) {
      const [before] = spread();
      fingers.set(event.pointerId, inside(frame, event));
      const [after, x, y] = spread();
      if (before > 0) freely(frame, after / before, x, y);
      return;
    }
    fingers.set(event.pointerId, inside(frame, event));
    if (drag.moves) cutAt(frame, event);
    else pan(frame, event.clientX - at[0], event.clientY - at[1]);
    drag.at = [event.clientX, event.clientY];
  });
  for (const end of ['pointerup', 'pointercancel']) addEventListener(end, (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (end === 'pointerup' && drag?.moves && !fingers.size) cutAt(drag.frame, event);
    drag = null;
    fingers.clear();
  });
  addEventListener('wheel', (event) => {
    const frame = event.target.closest?.('.mm-frame');
    if (!frame) return;
    if (event.ctrlKey) {
      freely(frame, Math.exp(-event.deltaY / 300), ...inside(frame, event));
      event.preventDefault();
    } else if (of(frame).zoom && pan(frame, -event.deltaX, -event.deltaY)) event.preventDefault();
  }, {passive: false});
  addEventListener('click', (event) => {
    const button = event.target.closest?.('.mm-view-bar button');
    const view = button?.closest('.mm-view');
    if (!view) return;
    const frame = view.querySelector('.mm-frame');
    if (button.dataset.zoom === '0') { of(frame).zoom = 0; draw(frame); }
    else if (button.dataset.zoom) zoom(frame, Number(button.dataset.zoom), ...middle(frame));
    else if (document.fullscreenElement) document.exitFullscreen();
    else if (view.requestFullscreen) view.requestFullscreen();
    else { view.classList.toggle('mm-full'); again(); }
  });
  addEventListener('keydown', (event) => {
    const frame = event.target.closest?.('.mm-frame');
    if (!frame || event.altKey || event.ctrlKey || event.metaKey) return;
    const now = of(frame), step = event.shiftKey ? 10 : 2;
    const moves = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    }[event.key];
    if (event.key === '+') freely(frame, 1.25, ...middle(frame));
    else if (event.key === '-') freely(frame, 0.8, ...middle(frame));
    else if (event.key === '0') { now.zoom = 0; draw(frame); }
    else if (event.target === frame) {
      if (!moves || !now.zoom) return;
      pan(frame, -60 * moves[0], -60 * moves[1]);
    }
    else if (moves) cut(frame, now.cut + step * (moves[0] - moves[1]));
    else if (event.key === 'PageUp' || event.key === 'PageDown')
      cut(frame, now.cut + (event.key === 'PageUp' ? 10 : -10));
    else if (event.key === 'Home') cut(frame, 0);
    else if (event.key === 'End') cut(frame, 100);
    else return;
    event.preventDefault();
  });
  const again = () => {
    document.querySelectorAll('.mm-view').forEach((view) => {
      const large = view === document.fullscreenElement || view.classList.contains('mm-full');
      view.querySelector('[data-full]').textContent = large ? 'Close' : 'Full screen';
    });
    document.querySelectorAll('.mm-frame').forEach((frame) => {
      if (frame.clientWidth) draw(frame);
    });
  };
  addEventListener('resize', again);
  addEventListener('fullscreenchange', again);
})();
"""
"""The viewer's behaviour: for every viewer on the page, whenever it came there."""
