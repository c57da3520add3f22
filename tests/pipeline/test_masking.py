import pytest
import torch

from mmsr_core.errors import InputError, ShapeError
from mmsr_core.image import resize_bicubic
from mmsr_core.pipeline import load_pipeline, restored_within
from mmsr_core.pipeline.masking import BLACK_MASK
from tests.helpers import tiny_pipeline_folder


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """An input `(1,3,20,24)` and its restoration by tiny networks at scale 2."""
    pipe = load_pipeline(tiny_pipeline_folder(tmp_path_factory.mktemp("m") / "tiny"), "cpu")
    lr = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    return lr, pipe(lr, scale=2, steps=0)


def plain(lr):
    return resize_bicubic(lr, (40, 48))


def test_white_is_the_restoration_and_black_the_plain_enlargement(case):
    lr, output = case
    for feather in (0.0, 3.0, 9.0):
        white = restored_within(output, lr, torch.ones(1, 1, 5, 7), feather)
        assert torch.equal(white.images, output.images)
        assert white.report == output.report
        black = restored_within(output, lr, torch.zeros(1, 1, 64, 64), feather)
        assert torch.equal(black.images, plain(lr))
        assert black.report.notes[0] == BLACK_MASK
        assert BLACK_MASK in black.report.summary()


def test_no_mask_changes_nothing(case):
    lr, output = case
    assert restored_within(output, lr, None, 4.0) is output


def test_the_edge_is_soft_and_what_is_far_from_it_is_exact(case):
    lr, output = case
    mask = torch.zeros(1, 1, 40, 48)
    mask[..., 24:] = 1
    hard = restored_within(output, lr, mask, 0.0).images
    assert torch.equal(hard[..., :24], plain(lr)[..., :24])
    assert torch.equal(hard[..., 24:], output.images[..., 24:])
    soft = restored_within(output, lr, mask, 2.0).images
    assert torch.equal(soft[..., :17], plain(lr)[..., :17])
    assert torch.equal(soft[..., 31:], output.images[..., 31:])
    low = torch.minimum(plain(lr), output.images) - 1e-6
    high = torch.maximum(plain(lr), output.images) + 1e-6
    assert ((soft >= low) & (soft <= high)).all()
    differs = (plain(lr) - output.images)[..., 23].abs().max()
    assert differs > 1e-3, "there is something to see at the edge"
    assert not torch.equal(soft[..., 23], plain(lr)[..., 23])


def test_it_fits_a_result_of_another_size(case):
    lr, output = case
    small = output.resized((30, 36))
    made = restored_within(small, lr, torch.ones(1, 1, 40, 48), 1.0)
    assert made.images.shape == (1, 3, 30, 36)
    assert made.report.output_size == (36, 30)


def test_wrong_values_are_named(case):
    lr, output = case
    with pytest.raises(InputError, match="feather_px"):
        restored_within(output, lr, torch.ones(1, 1, 4, 4), -1.0)
    with pytest.raises(ShapeError, match="mask"):
        restored_within(output, lr, torch.ones(3, 1, 4, 4))
