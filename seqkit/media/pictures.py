"""Pictures of text lines, in any form that people have them, before the graph: read, checked and made upright.

Convention: what is broken, too large or no still picture is found here, and named. Left out: what is on it (`image.py`).
"""

import contextlib
import io
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")  # Pillow's other readers are not for strangers' bytes
EXIF_ORIENTATION = 0x0112
PIXELS = 50_000_000  # largest picture
LONGEST = 250  # no line is so many times as wide as high

# What TensorFlow decodes as Pillow does; all else is encoded again.
PLAIN = {("JPEG", "L"), ("JPEG", "RGB"), ("MPO", "RGB"), *(("PNG", mode) for mode in ("L", "LA", "RGB", "RGBA"))}


def read_picture(item, label):
    """Decodes one picture, so that what is broken is found before the graph.

    Args:
        item: as of `ImageFrontend.collate`.
        label: how errors name it, such as "Item 3".

    Returns:
        `(picture, source)`: a `PIL.Image`, upright; and the file's bytes, or None where TensorFlow would not decode them
        to this picture, which then is of mode L or RGB.

    Raises:
        ValueError: the item is no picture of a line.
    """
    source = None
    if isinstance(item, (str, os.PathLike)):
        label = f"{label} ({Path(item).name})"
        try:
            source = Path(item).read_bytes()
        except (OSError, ValueError) as error:
            raise ValueError(f"{label}: expected the path of a picture; received {str(item)!r}: {error}.") from None
    elif isinstance(item, (bytes, bytearray, memoryview)):
        source = bytes(item)
    elif hasattr(item, "__array__") and not isinstance(item, Image.Image):
        item = _from_array(np.asarray(item), label)
    elif not isinstance(item, Image.Image):
        raise ValueError(
            f"{label}: expected a picture (path, bytes of a PNG or JPEG file, PIL image or array); "
            f"received {type(item).__name__} {item!r:.80}."
        )
    with _whole(label):
        picture = item if source is None else Image.open(io.BytesIO(source), formats=FORMATS)
    _check_size(*picture.size, label)
    with _whole(label):
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)  # MPO: a photograph and its previews
    if frames != 1:
        raise ValueError(f"{label}: expected a still picture; received {frames} frames. Pass one of them as an array.")
    with _whole(label):
        upright = picture if picture.getexif().get(EXIF_ORIENTATION, 1) == 1 else ImageOps.exif_transpose(picture)
        plain = (picture.format, picture.mode) in PLAIN and "transparency" not in picture.info
        if source is not None and plain and upright is picture:
            decode(source)  # TensorFlow refuses what lacks its last byte, Pillow does not
            return picture, source
        upright.load()
    return _flat(upright, label), None


def decode(file):
    """A PNG or JPEG file's bytes -> `(height, width, channels)` uint8."""
    return tf.io.decode_image(file, channels=0, expand_animations=False)


@contextlib.contextmanager
def _whole(label):
    """Says of whatever Pillow or TensorFlow raise that the picture is broken."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{label}: expected at most {PIXELS:,} pixels; received far more. Make it smaller.") from None
    except Exception as error:
        raise ValueError(
            f"{label}: expected a whole picture (PNG, JPEG, BMP, TIFF or WebP); "
            f"it is of another kind, cut off or damaged: {error}"
        ) from None


def _check_size(width, height, label):
    received = f"received {width} x {height} (width x height)"
    if not width or not height:
        raise ValueError(f"{label}: expected a picture with pixels; {received}.")
    if width * height > PIXELS:
        raise ValueError(f"{label}: expected at most {PIXELS:,} pixels; {received}. Make it smaller.")
    if max(width / height, height / width) > LONGEST:
        raise ValueError(f"{label}: expected a text line, one side at most {LONGEST} times the other; {received}.")


def _flat(picture, label):
    """A `PIL.Image` of any mode -> one of mode L or RGB, over white paper."""
    if picture.mode[0] in "IF":
        return _from_array(np.asarray(picture), label)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _from_array(values, label):
    """An array of any usual form -> a `PIL.Image` of mode L, RGB or RGBA."""
    shape = values.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(f"{label}: expected an array (height, width) or (height, width, 1, 3 or 4); received {shape}.")
    if values.dtype.kind not in "buif":
        raise ValueError(f"{label}: expected an array of numbers; received dtype {values.dtype}.")
    _check_size(shape[1], shape[0], label)
    low, high = float(values.min()), float(values.max())
    highest = 65535 if values.dtype.kind in "ui" else 255
    if not (low >= 0 and high <= highest):  # so written that NaN is refused too
        raise ValueError(
            f"{label}: expected integers from 0 to 255 or 65535, or floats from 0 to 1 or 255; "
            f"received {values.dtype} from {low:g} to {high:g}."
        )
    if high > 255:
        values = values / 257.0
    elif high <= 1 and values.dtype.kind in "bf":
        values = values * 255.0
    return Image.fromarray(np.rint(values).astype(np.uint8).reshape(shape[:2] if shape[2:] == (1,) else shape))
