"""The published bicubic row of Kodak24 p2 must come out of these functions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mmsr_core.metrics import Lpips, psnr, round_to_uint8, ssim

SHARED = os.environ.get("MMSR_SHARED")


def _read(path):
    with Image.open(path) as picture:
        array = np.asarray(picture.convert("RGB")).copy()
    return torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255


@pytest.mark.skipif(not SHARED, reason="MMSR_SHARED (benchmark data) is not set")
def test_bicubic_row_of_p2():
    shared = Path(str(SHARED))
    published = json.loads((shared / "peers" / "kodak24.json").read_text())["p2"]["bicubic"]
    lpips = Lpips.from_folder(shared / "metrics")
    rows = []
    for path in sorted((shared / "data" / "kodak24").glob("*.png")):
        hr, lr = _read(path), _read(shared / "peers" / "kodak24" / "p2" / path.name)
        up = F.interpolate(lr, scale_factor=4, mode="bicubic", align_corners=False)
        up = round_to_uint8(up)
        with torch.no_grad():
            distance = lpips(up, hr)
        rows.append(
            torch.stack(
                [
                    psnr(up, hr, crop=4)[0],
                    psnr(up, hr, crop=4, channel="rgb")[0],
                    ssim(up, hr, crop=4)[0],
                    distance[0].double(),
                ]
            )
        )
    assert len(rows) == 24
    mean = torch.stack(rows).mean(dim=0).tolist()
    assert mean[0] == pytest.approx(published["psnr_y"], abs=0.005)
    assert mean[1] == pytest.approx(published["psnr_rgb"], abs=0.005)
    assert mean[2] == pytest.approx(published["ssim_y"], abs=0.0005)
    assert mean[3] == pytest.approx(published["lpips"], abs=0.001)
