"""Training of any network on any data set: settings, loop, augmentation, distillation, checkpoints, accuracy."""

from .evaluation import accuracy, logits
from .loop import train
from .repeat import repeatable
from .run import EpochRecord, check_classes
from .settings import Distillation, TrainingSettings

__all__ = [
    "Distillation",
    "EpochRecord",
    "TrainingSettings",
    "accuracy",
    "check_classes",
    "logits",
    "repeatable",
    "train",
]
