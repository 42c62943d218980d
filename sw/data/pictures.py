"""Image files to arrays, with Pillow: decoding, and scaling to a wanted size."""

import numpy as np
from PIL import Image, ImageOps

__all__ = ["SUFFIXES", "ColourFound", "decode", "resize_all"]

#: Ends of names that are taken for images, in lower case.
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp")

_GREY = {"1", "L", "LA", "La"}
_COLOUR = {"RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV"}


class ColourFound(Exception):
    """An image has colours where all before it were grey."""


def decode(file, name, channels=None, size=None):
    """Pixels of an image file, uint8 [C, H, W]; transparency is dropped.

    Parameters
    ----------
    file : binary file
    name : str
        For messages.
    channels : 1, 3 or None
        How many are wanted; ``None``: as the image has them.
    size : (int, int) or None
        Height and width to scale and crop to.

    Raises
    ------
    ColourFound
        If ``channels`` is 1 and the image is not grey.
    ValueError
        Naming the file, if it does not decode, or has more than 8 bits a pixel.
    """
    try:
        image = Image.open(file)
        image.load()
    # What broken files raise is as varied as the formats are.
    except Exception as error:
        raise ValueError(f"{name}: expected an image, got {_reason(error)}: remove or replace it") from None
    if image.mode not in _GREY | _COLOUR:
        raise ValueError(f"{name}: expected 8 bits a pixel, got an image of mode {image.mode}: convert it")
    if channels == 1 and image.mode in _COLOUR:
        raise ColourFound
    if channels is None:
        channels = 1 if image.mode in _GREY else 3
    mode = "L" if channels == 1 else "RGB"
    # A palette with transparency has to lose it in two steps, or Pillow warns.
    if "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")
    if image.mode != mode:
        image = image.convert(mode)
    return _pixels(_fit(image, size))


def resize_all(images, size):
    """``images``, uint8 [n, C, H, W], each scaled and cropped to ``size``."""
    result = np.empty((*images.shape[:2], *size), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
        result[index] = _pixels(_fit(picture, size))
    return result


def _fit(image, size):
    if size is None or image.size == (size[1], size[0]):
        return image
    return ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BILINEAR)


def _pixels(image):
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _reason(error):
    if isinstance(error, Image.UnidentifiedImageError):
        return "something else"
    return f"a broken one ({error})".replace("\n", " ")
