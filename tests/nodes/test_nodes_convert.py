import pytest
import torch


def image(*shape, seed=0, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 5, 7, 3), (3, 8, 3, 4)])
def test_split_then_join_gives_the_image_back(convert, shape):
    original = image(*shape)
    picture = convert.split_image(original)
    assert picture.rgb.shape == (shape[0], 3, shape[1], shape[2])
    assert picture.size == shape[1:3]
    assert torch.equal(convert.join_image(picture.rgb, picture.alpha), original)


def test_channel_order_is_kept(convert):
    original = torch.zeros(1, 2, 3, 4)
    original[..., 1] = 0.25
    original[..., 3] = 0.75
    picture = convert.split_image(original)
    assert picture.rgb[0, :, 1, 2].tolist() == [0.0, 0.25, 0.0]
    assert picture.alpha[0, :, 1, 2].tolist() == [0.75]


def test_grey_becomes_rgb_and_grey_alpha_keeps_its_alpha(convert):
    grey = image(1, 4, 5, 1)
    rgb = convert.split_image(grey).rgb
    assert all(torch.equal(rgb[:, c], grey[..., 0]) for c in range(3))
    two = image(1, 4, 5, 2)
    picture = convert.split_image(two)
    assert torch.equal(picture.rgb[:, 2], two[..., 0])
    assert torch.equal(picture.alpha[:, 0], two[..., 1])


def test_colour_under_transparent_pixels_has_no_influence(convert):
    original = image(1, 9, 8, 4)
    original[..., 3] = (original[..., 3] > 0.5).float()
    other = original.clone()
    other[..., :3] = torch.where(original[..., 3:] > 0, original[..., :3], 0.0)
    one, two = convert.split_image(original), convert.split_image(other)
    assert torch.equal(one.rgb, two.rgb)
    seen = original[..., 3] > 0
    assert torch.equal(one.rgb.movedim(1, -1)[seen], original[..., :3][seen])


def test_half_precision_becomes_float32(convert):
    half = image(1, 3, 3, 4, dtype=torch.float16)
    picture = convert.split_image(half)
    assert picture.rgb.dtype == picture.alpha.dtype == torch.float32
    assert torch.equal(convert.join_image(picture.rgb, picture.alpha).half(), half)


def test_values_outside_the_range_are_clamped(convert):
    picture = convert.split_image(torch.tensor([[[[-0.5, 0.5, 1.5]]]]))
    assert picture.rgb.flatten().tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused_by_name(convert, input_error, bad):
    broken = image(1, 2, 2, 3)
    broken[0, 1, 1, 0] = bad
    with pytest.raises(input_error, match=r"^guide: .*not numbers"):
        convert.split_image(broken, "guide")


@pytest.mark.parametrize("shape", [(1, 4, 4, 5), (1, 0, 4, 3), (4, 4), (1, 1, 2, 4, 3)])
def test_wrong_shapes_are_refused_by_name(convert, input_error, shape):
    with pytest.raises(input_error, match=r"^picture: expected an IMAGE"):
        convert.split_image(torch.zeros(shape), "picture")


def test_something_else_than_a_tensor_is_refused(convert, input_error):
    with pytest.raises(input_error, match=r"^image: .*got str"):
        convert.split_image("cat.png")
    with pytest.raises(input_error, match=r"^mask: .*got NoneType"):
        convert.mask_to_map(None, (2, 2))


def test_alpha_is_resized_to_the_result_and_stays_in_range(convert):
    alpha = torch.zeros(1, 1, 4, 4)
    alpha[..., 2:] = 1.0
    joined = convert.join_image(image(1, 3, 16, 12), alpha)
    assert joined.shape == (1, 16, 12, 4)
    a = joined[..., 3]
    # Bicubic overshoots at an edge: clamping must have caught it, and flat parts stay exact.
    assert a.min() == 0.0
    assert a.max() == 1.0
    assert a[:, :, 0].eq(0).all()
    assert a[:, :, -1].eq(1).all()


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 48), (333, 127)])
def test_an_opaque_picture_stays_opaque(convert, size):
    joined = convert.join_image(torch.zeros(1, 3, *size), torch.ones(1, 1, 16, 12))
    assert joined[..., 3].eq(1).all()


def test_a_picture_without_alpha_gets_none(convert):
    assert convert.split_image(image(1, 2, 2, 3)).alpha is None
    assert convert.join_image(image(1, 3, 2, 2)).shape[-1] == 3


@pytest.mark.parametrize("size", [(1, 1), (6, 9), (31, 17)])
def test_depth_of_any_size_is_stretched_and_fitted(convert, size):
    ramp = torch.linspace(0.2, 0.6, 12).reshape(1, 1, 12, 1).expand(1, 9, 12, 3)
    depth = convert.depth_from_image(ramp, size)
    assert depth.shape == (1, 1, *size)
    assert depth.min() >= 0
    assert depth.max() <= 1
    same = convert.depth_from_image(ramp, (9, 12))
    assert same.min().item() == pytest.approx(0, abs=1e-6)
    assert same.max().item() == pytest.approx(1, abs=1e-6)
    assert (same.diff(dim=-1) >= 0).all(), "bright must stay near"
    assert (same[..., 0] < same[..., -1]).all()


def test_flat_depth_has_no_opinion(convert):
    depth = convert.depth_from_image(torch.full((2, 3, 3, 3), 0.9), (5, 5))
    assert depth.eq(0.5).all()


def test_mask_of_any_size(convert):
    mask = torch.zeros(8, 8)
    mask[:, 4:] = 2.0
    fitted = convert.mask_to_map(mask, (2, 2))
    assert fitted.shape == (1, 1, 2, 2)
    assert fitted[..., 0].max() < 0.3
    assert fitted[..., 1].min() > 0.7
    assert fitted.max() <= 1


def test_pick_serves_one_item_to_all_and_refuses_other_counts(convert, input_error):
    one, three = torch.zeros(1, 1, 2, 2), torch.arange(3.0).reshape(3, 1, 1, 1)
    assert convert.pick(None, 1, 3, "depth") is None
    assert convert.pick(one, 2, 3, "depth").shape[0] == 1
    assert convert.pick(three, 2, 3, "depth").item() == 2
    with pytest.raises(input_error, match=r"^depth: has 3 items, but the image batch has 2"):
        convert.pick(three, 0, 2, "depth")


def test_batches_of_estimates_are_picked_the_same_way(payloads, input_error):
    batch = payloads.DegradationBatch(("a", "b"))
    assert [batch.pick(i, 2) for i in range(2)] == ["a", "b"]
    assert payloads.DegradationBatch(("a",)).pick(4, 5) == "a"
    with pytest.raises(input_error, match=r"^degradation: was made for 2 pictures"):
        batch.pick(0, 3)


def test_one_blur_for_a_batch_of_measurements(payloads):
    from mmsr_core.degradation import constant_kernel_field, isotropic_gaussian
    from mmsr_core.pipeline import DegradationEstimate

    fields = [constant_kernel_field(isotropic_gaussian(s, 2), 3, 4, 2) for s in (1.0, 2.0)]
    measured = payloads.DegradationBatch(
        tuple(
            DegradationEstimate(fields[0], None, torch.tensor([n]), torch.tensor([90.0]))
            for n in (0.01, 0.02)
        )
    )
    made = measured.with_field(fields[1])
    assert [float(item.noise_std) for item in made.items] == pytest.approx([0.01, 0.02])
    assert all(item.kernel_field is fields[1] for item in made.items)
    assert measured.items[0].kernel_field is fields[0]


def test_transparency_goes_from_load_image_to_the_size_of_the_result(convert):
    """Load Image splits alpha off as a MASK: white is transparent."""
    clear = torch.zeros(1, 6, 8)
    clear[:, :, 4:] = 1.0
    plain = convert.split_image(image(1, 6, 8, 3))
    given = convert.with_transparency(plain, clear)
    made = convert.transparency_mask(given.alpha, 1, (6, 8))
    assert torch.equal(made, clear)
    assert torch.equal(given.rgb[..., :4], plain.rgb[..., :4]), "what is seen stays"
    other = image(1, 6, 8, 3, seed=1)
    other[:, :, :4] = plain.rgb.movedim(1, -1)[:, :, :4]
    hidden = convert.with_transparency(convert.split_image(other), clear)
    assert torch.equal(hidden.rgb, given.rgb), "what is hidden has no influence"


@pytest.mark.parametrize("mask", [None, torch.zeros(64, 64)])
def test_a_picture_without_transparency_has_a_black_mask(convert, mask):
    """Load Image gives a black mask of 64 by 64 then."""
    picture = convert.split_image(image(2, 5, 7, 3))
    same = convert.with_transparency(picture, mask)
    assert torch.equal(same.rgb, picture.rgb)
    assert torch.equal(convert.transparency_mask(same.alpha, 2, (5, 7)), torch.zeros(2, 5, 7))


def test_a_mask_is_black_only_where_nothing_is_white(convert):
    mask = torch.zeros(2, 3, 3)
    assert convert.is_black(mask)
    mask[1, 2, 2] = 0.01
    assert not convert.is_black(mask)
