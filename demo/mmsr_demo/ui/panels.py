"""Small pieces of HTML: progress, findings, tables. Every text from outside is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

from torch import Tensor

from mmsr_core.visualize import heat
from mmsr_core.visualize.colours import to_picture

from ..work.jobs import BatchLine, Comparison
from ..work.progress_stream import ProgressUpdate
from .messages import range_words, score_words, time_words

STAGES: dict[str, str] = {
    "load": "Getting ready",
    "wait": "Waiting for the job before",
    "damage": "Measuring noise and compression",
    "depth": "Looking at depth",
    "kernel": "Measuring the blur",
    "sharpening": "Looking for sharpening",
    "second": "Measuring the second picture",
    "mean": "Restoring",
    "fusion": "Fusing both pictures",
    "flow": "Adding detail",
    "consistency": "Checking against your picture",
    "finish": "Finishing",
    "alpha": "Enlarging the transparency",
    "merge": "Merging both pictures",
    "measure": "Comparing",
    "save": "Saving",
}
"""Stage of the pipeline, or of `run_time`, to words."""
LEAST_BLUR_PX, LEAST_NOISE_255 = 1.0, 5.0
"""The least that the brightest colour of a map stands for: less can hardly be seen in a picture."""
MODALITY_WORDS: dict[str, str] = {
    "lr": "The picture",
    "kernel": "Its blur",
    "depth": "Depth",
    "prompt": "Words",
    "guide": "Guide",
}
"""Modality to words."""


def data_uri(picture: Tensor, quality: int | None = 82) -> str:
    """`(3,H,W)` in 0..1 as a data URI: JPEG, or PNG without a quality."""
    buffer = io.BytesIO()
    if quality is None:
        to_picture(picture).save(buffer, "PNG")
    else:
        to_picture(picture).save(buffer, "JPEG", quality=quality)
    kind = "png" if quality is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def stage_words(stage: str) -> str:
    """A stage in words; a batch puts "2 of 5: " in front."""
    place, _, name = stage.rpartition(": ")
    text = STAGES.get(name, name.capitalize())
    return f"{place} · {text}" if place else text


def running(moment: ProgressUpdate | None, preview: str, title: str = "Working") -> str:
    """Progress of a run: stage, bar, time left, and the picture as far as it is."""
    share = 0.0 if moment is None else moment.share
    stage = title if moment is None else stage_words(moment.stage)
    left = None if moment is None else moment.seconds_left
    note = "" if moment is None else f"{share:.0%}"
    if left is not None:
        note += f" · {time_words(left)} left"
    picture = f'<img src="{preview}" alt="The picture so far">' if preview else ""
    return (
        f'<div class="mm-run" role="status"><div class="mm-run-row"><b>{escape(stage)}</b>'
        f"<span>{note}</span></div>"
        f'<div class="mm-bar"><i style="width:{max(2.0, 100 * share):.1f}%"></i></div>'
        f"{picture}</div>"
    )


def notice(text: str, kind: str = "info") -> str:
    """One line on a quiet ground; `kind` is `info`, `good` or `bad`."""
    return f'<div class="mm-notice mm-{kind}" role="status">{escape(text)}</div>' if text else ""


def empty(title: str, text: str) -> str:
    """What stands where a result will appear."""
    return f'<div class="mm-empty"><b>{escape(title)}</b><p>{escape(text)}</p></div>'


def findings(headline: str, sentences: Sequence[tuple[str, str]], note: str = "") -> str:
    """The words about a picture."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in sentences)
    small = f'<p class="mm-small">{escape(note)}</p>' if note else ""
    return f'<div class="mm-findings"><h3>{escape(headline)}</h3><dl>{rows}</dl>{small}</div>'


def kernel_panel(picture: Tensor, text: str, place: str) -> str:
    """One kernel enlarged, with its shape in words."""
    return (
        f'<figure class="mm-kernel"><img src="{data_uri(picture, None)}" '
        f'alt="The kernel of one point, enlarged"><figcaption><b>{escape(place)}</b>'
        f"<span>{escape(text)}</span><small>What one point of the scene became: 21×21 px of the "
        "result, bright where its light went.</small></figcaption></figure>"
    )


def weight_panel(step: Mapping[str, Tensor], prompt_mask: Tensor | None = None) -> str:
    """The router's weights at one step: where each piece of evidence was used, and how much."""
    if not step:
        return empty(
            "No weights to show",
            "They exist when detail is added: restore with Balanced or Crisp.",
        )
    figures = []
    for name, weights in step.items():
        figures.append(_share_figure(weights, MODALITY_WORDS.get(name, name)))
    if prompt_mask is not None:
        figures.append(_share_figure(prompt_mask, "Where the words apply"))
    return (
        '<p class="mm-small">When detail is added, the network looks at several things: your '
        "picture, the blur that was measured in it, how far away things are, and your words. The "
        "maps show how much each counted at every place (brighter is more; together they are "
        "100 %). They say nothing about how good the result is.</p>"
        f'<div class="mm-maps">{"".join(figures)}</div>'
    )


def followed_panel(weights: Tensor) -> str:
    """Where another upscaler's picture was followed: `(h,w)` in 0..1; empty where nowhere."""
    if not bool((weights > 0).any()):
        return ""
    return (
        '<p class="mm-small">The brighter, the more was taken of the other picture: from dark (0 %)'
        f' to yellow (100 %).</p><div class="mm-maps">'
        f"{_share_figure(weights, 'Where it was followed')}</div>"
    )


def damage_panel(noise: Tensor | None, blur: Tensor | None) -> str:
    """Blur and noise at every place; empty where they were not measured by place.

    A little of either stays dark: the colours end at `LEAST_BLUR_PX` and `LEAST_NOISE_255` or more.

    Args:
        noise: `(h,w)` std in 8-bit units.
        blur: `(h,w)` std in px of the picture.
    """
    if noise is None or blur is None:
        return ""
    figures = ""
    for values, name, unit, least in (
        (blur, "Blur by place", "px of your picture", LEAST_BLUR_PX),
        (noise, "Noise by place", "of 255 levels", LEAST_NOISE_255),
    ):
        high = max(float(values.max()), least)
        said = f"{range_words(values, unit)}. Yellow is {high:.1f}."
        figures += _figure(heat(values, 0.0, high), name, said)
    return (
        '<p class="mm-small">What your picture suffers from, measured at every place by itself: '
        "the brighter, the more, from 0 (dark) to yellow. Flat places say little about the blur."
        f'</p><div class="mm-maps">{figures}</div>'
    )


def _share_figure(weights: Tensor, name: str) -> str:
    return _figure(heat(weights, 0.0, 1.0), name, f"{weights.mean():.0%} on average")


def _figure(picture: Tensor, name: str, amount: str) -> str:
    return (
        f'<figure><img src="{data_uri(picture, None)}" alt="{escape(name)}">'
        f"<figcaption><b>{escape(name)}</b><span>{amount}</span></figcaption></figure>"
    )


def score_table(result: Comparison) -> str:
    """PSNR, SSIM and LPIPS of both pictures; the better value of each is marked."""
    columns = (("PSNR ↑", "psnr_db", "{:.2f} dB", 1), ("SSIM ↑", "ssim", "{:.4f}", 1),
               ("LPIPS ↓", "lpips", "{:.3f}", -1))  # fmt: skip
    shown = [c for c in columns if all(getattr(s, c[1]) is not None for s in result.scores)]
    head = "".join(f"<th>{title}</th>" for title, *_ in shown)
    body = ""
    for score in result.scores:
        cells = ""
        for _, name, form, sign in shown:
            values = [sign * getattr(s, name) for s in result.scores]
            best = sign * getattr(score, name) == max(values) and len(set(values)) > 1
            text = form.format(getattr(score, name))
            cells += f'<td class="{"mm-best" if best else ""}">{text}</td>'
        body += f"<tr><th>{escape(score.name)}</th>{cells}</tr>"
    note = f'<p class="mm-small">{escape(result.note)}</p>' if result.note else ""
    title = escape(score_words(*(score.psnr_db for score in result.scores)))
    return (
        f'<div class="mm-scores"><h3>{title}</h3><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
        '<p class="mm-small">How close each is to the good picture: ↑ higher is closer, ↓ lower is '
        "closer, the better value is marked. PSNR and SSIM are taken on the brightness (Y) in 8 "
        f"bits, without a border as wide as the scale.</p>{note}</div>"
    )


def batch_table(lines: Sequence[BatchLine]) -> str:
    """What became of every file of a batch."""
    rows = "".join(
        f'<tr><td class="mm-{"good" if line.result else "bad"}">{"✓" if line.result else "✗"}</td>'
        f"<td>{escape(line.name)}</td><td>{escape(line.message)}</td></tr>"
        for line in lines
    )
    return f'<div class="mm-scores"><table class="mm-batch"><tbody>{rows}</tbody></table></div>'
