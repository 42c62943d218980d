"""What a network makes of the pixels of an image, in real numbers and in the integers that the accelerator reads."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Pixels", "pixels_of"]

_PIXEL_HIGH = 255


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The image that a network reads: what it sees of a pixel 0..255 is ``(pixel - offset[c]) * gain[c]``.

    Where all offsets are 0 and all gains are equal, the accelerator reads the pixels as they are. Otherwise it reads signed
    8-bit integers, so that the zeros of padding mean what they meant in training; the host makes them.

    Raises
    ------
    ValueError
        If numbers of channels differ, a size is below 1 or a gain not above 0.
    """

    #: C, H and W.
    channels: int
    height: int
    width: int
    #: Per channel, in units of a pixel, 0..255.
    offset: tuple[float, ...]
    #: Per channel, above 0.
    gain: tuple[float, ...]

    def __post_init__(self):
        if min(self.shape) < 1 or not len(self.offset) == len(self.gain) == self.channels:
            raise ValueError(
                f"expected {self.channels} channels, offsets and gains of a {self.height}x{self.width} image, "
                f"got {len(self.offset)} offsets and {len(self.gain)} gains"
            )
        if not all(gain > 0 for gain in self.gain):
            raise ValueError(f"expected gains above 0, got {self.gain}")

    @property
    def shape(self):
        return (self.channels, self.height, self.width)

    @property
    def signed(self):
        """Whether the integers are -128..127 and not the pixels themselves."""
        return any(self.offset) or len(set(self.gain)) > 1

    @property
    def scale(self):
        """Real value of one unit of the integers."""
        if not self.signed:
            return self.gain[0]
        return (
            max(
                max(offset, _PIXEL_HIGH - offset) * gain
                for offset, gain in zip(self.offset, self.gain, strict=True)
            )
            / 127
        )

    def integers(self, images):
        """Integers that the accelerator reads of ``images``, uint8 [n, C, H, W], as int64."""
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[1:] != self.shape or images.dtype != np.uint8:
            raise ValueError(
                f"expected images [n, {', '.join(map(str, self.shape))}] of uint8, got {list(images.shape)} of {images.dtype}"
            )
        if not self.signed:
            return images.astype(np.int64)
        offset, gain = (np.array(part)[:, None, None] for part in (self.offset, self.gain))
        return np.floor((images - offset) * (gain / self.scale) + 0.5).clip(-128, 127).astype(np.int64)


def pixels_of(channels, height, width, mean=None, std=None):
    """Pixels of a network that was trained to read ``(pixel / 255 - mean) / std``.

    Parameters
    ----------
    channels, height, width : int
        Of the image.
    mean, std : sequence of float, or float, or None
        By channel, or the same for all, where a white pixel is 1, as torchvision's ``Normalize`` has them; by default 0 and 1.

    Raises
    ------
    ValueError
        If there are not as many as channels, or a ``std`` is not above 0.
    """
    mean = _by_channel("mean", channels, 0.0 if mean is None else mean)
    std = _by_channel("std", channels, 1.0 if std is None else std)
    if min(std) <= 0:
        raise ValueError(f"expected std above 0, got {std}; give the std that the network was trained with")
    return Pixels(
        channels=channels,
        height=height,
        width=width,
        offset=tuple(_PIXEL_HIGH * value for value in mean),
        gain=tuple(1 / (_PIXEL_HIGH * value) for value in std),
    )


def _by_channel(name, channels, values):
    values = (values,) if isinstance(values, (int, float)) else values
    values = tuple(map(float, values)) * (channels if len(values) == 1 else 1)
    if len(values) != channels:
        raise ValueError(
            f"expected one {name}, or {channels}, one for each channel, got {len(values)}; give as many as there are channels"
        )
    return values
