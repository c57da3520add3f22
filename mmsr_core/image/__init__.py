"""Reading, writing and resizing of pictures. Everything on disk is written atomically."""

from .atomic import atomic_path, atomic_write_bytes, atomic_write_text
from .contrast import is_narrow_grey, stretch_narrow_grey
from .luma import limit_chroma, luminance
from .reading import (
    DEFAULT_MAX_OUTPUT_PIXELS,
    DEFAULT_MAX_PIXELS,
    INPUT_SUFFIXES,
    LoadedImage,
    check_output_size,
    load_image,
    read_size,
)
from .registration import SensorShift, moved_back, register, sensor_shift
from .resize import resize_alpha, resize_bicubic
from .smoothing import smooth
from .target import TargetSize
from .transparency import has_transparency, parse_colour, spread_colour
from .writing import (
    OUTPUT_SUFFIXES,
    can_be_deep,
    check_can_hold,
    check_can_make_folder,
    check_output_suffix,
    check_writable_folder,
    ground_of,
    ground_words,
    make_folder,
    save_image,
)

__all__ = [
    "DEFAULT_MAX_OUTPUT_PIXELS",
    "DEFAULT_MAX_PIXELS",
    "INPUT_SUFFIXES",
    "OUTPUT_SUFFIXES",
    "LoadedImage",
    "SensorShift",
    "TargetSize",
    "atomic_path",
    "atomic_write_bytes",
    "atomic_write_text",
    "can_be_deep",
    "check_can_hold",
    "check_can_make_folder",
    "check_output_size",
    "check_output_suffix",
    "check_writable_folder",
    "ground_of",
    "ground_words",
    "has_transparency",
    "is_narrow_grey",
    "limit_chroma",
    "load_image",
    "luminance",
    "make_folder",
    "moved_back",
    "parse_colour",
    "read_size",
    "register",
    "resize_alpha",
    "resize_bicubic",
    "save_image",
    "sensor_shift",
    "smooth",
    "spread_colour",
    "stretch_narrow_grey",
]
