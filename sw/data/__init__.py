"""Data sets for training and testing: labelled images, 8 bits a pixel, as numpy arrays."""

from .dataset import Dataset
from .load import load_dataset
from .mnist import load_mnist

__all__ = ["Dataset", "load_dataset", "load_mnist"]
