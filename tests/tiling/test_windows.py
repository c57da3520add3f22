"""Windows of derived canvases are cut from one whole that does not depend on them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmsr_core.tiling import Span, Tile, bicubic_window, grid_window


def span(low: int, high: int) -> Span:
    return Span(low, high, low, high)


def picture(h: int, w: int, channels: int = 2) -> torch.Tensor:
    return torch.rand((1, channels, h, w), generator=torch.Generator().manual_seed(h * w))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8, 16])
@pytest.mark.parametrize("size", [(9, 13), (1, 1), (2, 5)])
def test_bicubic_windows_equal_the_whole_enlargement(scale: int, size: tuple[int, int]) -> None:
    h, w = size
    lr = picture(h, w)
    exact = F.interpolate(lr.double(), scale_factor=scale, mode="bicubic")
    rest = 15  # the canvas is padded to a multiple of 16
    exact = F.pad(exact, (0, rest, 0, rest), mode="replicate").float()
    generator = torch.Generator().manual_seed(scale)
    for _ in range(12):
        spans = []
        for length in (h * scale + rest, w * scale + rest):
            a, b = sorted(torch.randint(0, length + 1, (2,), generator=generator).tolist())
            spans.append(span(a, max(b, a + 1)) if a < length else span(length - 1, length))
        rows, cols = spans
        got = bicubic_window(lr, scale, rows, cols)
        torch.testing.assert_close(got, exact[..., rows.window, cols.window], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [3, 4, 7])
def test_far_from_the_origin_a_pixel_is_the_same_in_every_window(scale: int) -> None:
    lr = picture(2, 2100, 1)
    rows, end = span(0, 2), 2100 * scale
    whole = bicubic_window(lr, scale, rows, span(0, end))
    for low in range(end - 900, end - 300, 111):
        part = bicubic_window(lr, scale, rows, span(low, low + 300))
        assert torch.equal(part, whole[..., low : low + 300])


@pytest.mark.parametrize(
    ("scale", "size"), [(1, (16, 24)), (2, (6, 10)), (8, (3, 5)), (3, (8, 12))]
)
def test_grid_window_is_bilinear_on_the_same_centres(scale: int, size: tuple[int, int]) -> None:
    lr_pixels = picture(*size)
    cells = tuple(v * scale // 4 for v in size)
    whole = F.interpolate(lr_pixels, size=cells, mode="bilinear", align_corners=False)
    for low in range(cells[1]):
        tile = Tile(span(0, cells[0]), span(low, min(low + 5, cells[1])))
        got = grid_window(lr_pixels, scale, tile)
        torch.testing.assert_close(got, whole[..., tile.cols.window], atol=1e-6, rtol=0)


def test_grid_window_copies_at_scale_4() -> None:
    lr_pixels = picture(7, 9)
    got = grid_window(lr_pixels, 4, Tile(span(2, 7), span(0, 9)))
    assert torch.equal(got, lr_pixels[..., 2:7, :])


def test_grid_window_repeats_the_last_lr_pixel_beyond_the_border() -> None:
    lr_pixels = picture(7, 9)
    got = grid_window(lr_pixels, 4, Tile(span(5, 12), span(8, 12)))
    assert torch.equal(got[..., 2:, :], lr_pixels[..., 6:7, 8:9].expand(-1, -1, 5, 4))
