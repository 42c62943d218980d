"""What every data set is, wherever it came from."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Dataset"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Images as they came, 8 bits a pixel, in two parts that share no image.

    Raises
    ------
    ValueError
        Naming the member that does not fit, what was expected and what came.
    """

    #: uint8 [n, C, H, W], in memory or mapped from a file.
    train_images: np.ndarray
    #: int64 [n], places in ``classes``.
    train_labels: np.ndarray
    #: uint8 [n, C, H, W]; never used for training or calibration.
    test_images: np.ndarray
    #: int64 [n].
    test_labels: np.ndarray
    #: Name of each label.
    classes: tuple[str, ...]
    #: For reports and messages.
    name: str

    def __post_init__(self):
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if images.ndim != 4 or images.dtype != np.uint8 or images.shape[1:] != self.shape:
                raise ValueError(
                    f"{self.name}: expected {part}_images of uint8 [n, C, H, W], one shape for both parts, "
                    f"got {images.dtype} {list(images.shape)}"
                )
            if labels.shape != (len(images),) or labels.dtype != np.int64:
                raise ValueError(
                    f"{self.name}: expected {part}_labels of int64 [{len(images)}], "
                    f"got {labels.dtype} {list(labels.shape)}"
                )
            if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
                raise ValueError(
                    f"{self.name}: expected {part}_labels from 0 to {len(self.classes) - 1}, "
                    f"got {labels.min()} to {labels.max()}"
                )

    @property
    def shape(self):
        """C, H and W."""
        return self.train_images.shape[1:]
