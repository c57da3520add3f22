"""The extension in real WebUIs: what Extras, img2img and hires fix do with it."""

import threading
import time

import numpy as np
import pytest
from PIL import Image
from webui_server import decoded, encoded

pytestmark = pytest.mark.comfy


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB")).astype(int)


def test_it_loads_without_complaint_and_is_listed(webui):
    names = [entry["name"] for entry in webui.get("/sdapi/v1/upscalers")]
    assert {"MMSR faithful", "MMSR balanced", "MMSR crisp"} <= set(names)
    assert "Error loading script" not in webui.log
    assert "some-other_name" not in [line for line in webui.log.splitlines() if "Traceback" in line]
    scripts = webui.get("/sdapi/v1/scripts")
    assert "hold to the input (mmsr)" in scripts["img2img"]
    assert "hold to the input (mmsr)" in scripts["txt2img"]


@pytest.mark.parametrize(
    ("scale", "size"), [(1, (40, 32)), (2, (80, 64)), (4, (160, 128)), (1.5, (56, 48))]
)
def test_sizes(webui, photo, scale, size):
    made = webui.extra(photo, upscaling_resize=scale)
    assert made.size == size  # the host rounds down to multiples of 8
    plain = photo.resize(size, Image.Resampling.LANCZOS)
    assert 0 < np.abs(pixels(made) - pixels(plain)).mean() < 20


def test_scale_to_a_size(webui, photo):
    made = webui.extra(
        photo, resize_mode=1, upscaling_resize_w=120, upscaling_resize_h=96, upscaling_crop=True
    )
    assert made.size == (120, 96)


def test_presets_differ_and_repeat(webui, photo):
    made = {
        preset: pixels(webui.extra(photo, upscaler_1=f"MMSR {preset}", upscaling_resize=2))
        for preset in ("faithful", "crisp")
    }
    assert not np.array_equal(made["faithful"], made["crisp"])


def test_alpha_is_kept(host, webui, photo):
    if host.name == "Forge Classic":
        pytest.skip("the host itself drops alpha in Extras")
    cut = photo.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(photo.size))
    made = webui.extra(cut, upscaling_resize=2)
    assert made.mode == "RGBA"
    alpha = np.asarray(made)[..., 3]
    assert alpha[0].mean() < 20
    assert alpha[-1].mean() > 235


def test_progress_rises_and_an_interruption_leaves_nothing_behind(webui, photo):
    large = photo.resize((320, 256))
    seen, made = [], {}

    def run():
        made["picture"] = webui.extra(large, upscaling_resize=4, upscaler_1="MMSR crisp")

    thread = threading.Thread(target=run)
    thread.start()
    words = set()
    while thread.is_alive() and len(seen) < 400:
        state = webui.get("/sdapi/v1/progress?skip_current_image=true")
        seen.append(state["progress"])
        words.add(state.get("textinfo"))
        if 0.2 < state["progress"] < 1:
            webui.post("/sdapi/v1/interrupt")
        time.sleep(0.1)
    thread.join()
    rising = [share for share in seen if 0.01 < share < 1]
    assert len(rising) > 1
    assert rising == sorted(rising)
    assert any(text and text.startswith("MMSR:") for text in words)
    plain = large.resize(made["picture"].size, Image.Resampling.LANCZOS)
    assert np.abs(pixels(made["picture"]) - pixels(plain)).max() <= 1
    again = webui.extra(photo, upscaling_resize=2, upscaler_1="MMSR crisp")
    small = photo.resize(again.size, Image.Resampling.LANCZOS)
    assert np.abs(pixels(again) - pixels(small)).max() > 1


def img2img(webui, photo, hold: list | None, **settings):
    given = {
        "init_images": [encoded(photo)], "prompt": "a street", "steps": 4, "width": 64,
        "height": 64, "denoising_strength": 0.8, "seed": 3, "sampler_name": "Euler",
        "cfg_scale": 1.0,
    } | settings  # fmt: skip
    if hold is not None:
        given["alwayson_scripts"] = {"Hold to the input (MMSR)": {"args": hold}}
    reply = webui.post("/sdapi/v1/img2img", given)
    return decoded(reply["images"][0]), reply["info"]


def test_img2img_is_held(webui, photo):
    square = photo.resize((32, 32))
    plain, _ = img2img(webui, square, None)
    off, _ = img2img(webui, square, [False, 1.0, 0.0, 1.0, "measured"])
    led, info = img2img(webui, square, [True, 1.0, 0.0, 1.0, "measured"])
    quick, _ = img2img(webui, square, [True, 1.0, 0.0, 1.0, "quick"])
    # The host draws the first latents anew each time: runs differ by a trace.
    trace, moved, pulled = (np.abs(pixels(plain) - pixels(p)).mean() for p in (off, led, quick))
    assert trace < moved
    assert pulled > 20 * trace
    assert "MMSR hold strength: 1.0" in info
    assert "MMSR hold mode: measured" in info


def test_sd_upscale_takes_the_upscaler(host, webui, photo):
    """The host's script enlarges with it, then repaints in tiles."""
    heading = [] if host.name == "Forge Classic" else [None]
    made, _ = img2img(
        webui, photo.resize((64, 64)), None, script_name="sd upscale",
        script_args=[*heading, 16, "MMSR faithful", 2.0], denoising_strength=0.1,
    )  # fmt: skip
    assert made.size == (128, 128)


def test_hires_fix_with_the_upscaler_and_held(webui):
    given = {
        "prompt": "a street", "steps": 2, "width": 64, "height": 64, "seed": 3, "enable_hr": True,
        "hr_scale": 2, "hr_upscaler": "MMSR faithful", "hr_second_pass_steps": 2,
        "denoising_strength": 0.5, "sampler_name": "Euler", "cfg_scale": 1.0, "hr_cfg": 1.0,
        "hr_additional_modules": ["Use same choices"],
    }  # fmt: skip
    plain = webui.post("/sdapi/v1/txt2img", given)
    hold = {"Hold to the input (MMSR)": {"args": [True, 1.0, 0.0, 1.0, "measured"]}}
    led = webui.post("/sdapi/v1/txt2img", given | {"alwayson_scripts": hold})
    pictures = [decoded(reply["images"][0]) for reply in (plain, led)]
    assert [p.size for p in pictures] == [(128, 128)] * 2
    assert not np.array_equal(*map(pixels, pictures))


def test_extras_after_hires_fix_and_the_other_way_round(webui, photo):
    """One runs in inference mode, the other with gradients on."""
    first = webui.extra(photo, upscaling_resize=2)
    test_hires_fix_with_the_upscaler_and_held(webui)
    assert np.array_equal(pixels(first), pixels(webui.extra(photo, upscaling_resize=2)))


def through_extras(webui, image: Image.Image, **controls) -> dict:
    """A picture through the Extras tab's scripts, with the controls of ours (see probe/)."""
    return webui.post("/probe/extras", {"image": encoded(image), "controls": controls})


def test_the_controls_of_extras_do_what_they_say(webui, photo):
    off = through_extras(webui, photo)
    assert np.array_equal(pixels(decoded(off["image"])), pixels(photo))
    made = through_extras(webui, photo, enable=True, scale=1.5, show_blur=True)
    assert decoded(made["image"]).size == (60, 48)
    assert len(made["extras"]) == 1
    assert "px of the result" in made["info"]["MMSR"]
    sized = through_extras(webui, photo, enable=True, longest_side=100)
    assert max(decoded(sized["image"]).size) == 100
    told = through_extras(webui, photo, enable=True, noise=20.0, jpeg_quality=100, blur=1.0)
    assert "noise 20.0" in told["info"]["MMSR"]
    sharp = through_extras(webui, photo, enable=True, scale=4, sharpening=0.4)
    assert "sharpened by a camera or an editor (amount 0.40)" in sharp["info"]["MMSR"]
    kept = through_extras(webui, photo, enable=True, noise=20.0, denoise=0.0)
    assert not np.array_equal(pixels(decoded(told["image"])), pixels(decoded(kept["image"])))


def test_nothing_went_wrong_on_the_way(webui):
    assert "MMSR could not restore" not in webui.log
    assert "Error running process_before_every_sampling" not in webui.log
