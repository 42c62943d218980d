"""What there is by name, what it was trained to see of an image, and weights from files."""

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..layers import Pixels
from ..pixels import pixels_of
from .densenet import DenseNet
from .digits import Digits
from .lenet import LeNet5, LeNet300
from .mobilenet import MobileNetV1
from .resnet import ResNet18
from .resnet_cifar import CifarResNet
from .resnet_tiny import TinyResNet
from .squeezenet import SqueezeNet
from .vgg import VGG16

__all__ = ["build", "load_weights", "names", "pixels_for", "read_state"]

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_CIFAR = {"mean": (0.4914, 0.4822, 0.4465), "std": (0.2470, 0.2435, 0.2616)}


@dataclass(frozen=True)
class _Entry:
    #: Takes the options of ``build``.
    make: Callable[..., nn.Module]
    #: C, H and W, and ``mean`` and ``std`` of ``pixels_of``.
    image: tuple[int, int, int]
    statistics: dict


_NETWORKS = {
    "densenet": _Entry(DenseNet, (3, 32, 32), _CIFAR),
    "digits": _Entry(Digits, (1, 28, 28), {}),
    "lenet-300-100": _Entry(LeNet300, (1, 28, 28), {}),
    "lenet-5": _Entry(LeNet5, (1, 28, 28), {}),
    "mobilenetv1": _Entry(MobileNetV1, (3, 224, 224), _IMAGENET),
    "resnet8": _Entry(TinyResNet, (3, 32, 32), {"mean": 0.0, "std": 1 / 255}),
    "resnet18": _Entry(ResNet18, (3, 224, 224), _IMAGENET),
    "resnet20": _Entry(lambda **options: CifarResNet(3, **options), (3, 32, 32), _IMAGENET),
    "resnet56": _Entry(lambda **options: CifarResNet(9, **options), (3, 32, 32), _IMAGENET),
    "squeezenet": _Entry(SqueezeNet, (3, 227, 227), _IMAGENET),
    "vgg16": _Entry(VGG16, (3, 32, 32), _CIFAR),
}


def names():
    """Names that ``build`` knows."""
    return tuple(_NETWORKS)


def build(name, *, weights=None, **options):
    """A network by name, its weights drawn from torch's global random state, or from a file.

    Parameters
    ----------
    name : str
        One of ``names()``.
    weights : str, Path or None
        As for ``load_weights``.
    options
        ``classes``, by default what the network is known for; ``size``, of ``mobilenetv1`` and ``resnet18``: 224, or 32 for the form
        with fewer strides that CIFAR-10 is trained with; ``growth`` and ``blocks`` of ``densenet``.

    Returns
    -------
    nn.Module
        In training mode; takes images [n, C, H, W], normalised as ``pixels_for`` says.

    Raises
    ------
    ValueError
        If the name, an option or the weights do not fit.
    """
    entry = _entry(name)
    try:
        module = entry.make(**options)
    except TypeError:
        raise ValueError(
            f"network {name}: expected options that it has, got {', '.join(options)}; see sw.zoo.build"
        ) from None
    if weights is not None:
        load_weights(module, weights)
    return module


def pixels_for(name, *, size=None) -> Pixels:
    """What a network by name was trained to see of an image of ``size`` x ``size``, by default of its usual size."""
    entry = _entry(name)
    channels, height, width = entry.image
    return pixels_of(channels, size or height, size or width, **entry.statistics)


def read_state(path):
    """The tensors of a state dict by name, from a file of ``torch.save``; code in it is refused, never run.

    Parameters
    ----------
    path : str or Path
        Of the state dict by itself or under ``"state_dict"``, its names with or without ``module.`` before them.

    Raises
    ------
    ValueError
        If the file holds no such thing.
    OSError
        If it cannot be read.
    """
    try:
        # What is warned of is refused.
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(Path(path), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: expected a state dict of torch.save, got other things than tensors, whose loading could run code; "
            "save module.state_dict()"
        ) from error
    except OSError:
        raise
    except Exception as error:
        # What the errors of a pickle say helps nobody.
        lines = str(error).splitlines() if isinstance(error, RuntimeError) else []
        got = lines[0] if lines else "something else"
        raise ValueError(
            f"{path}: expected a state dict of torch.save, got {got}; save module.state_dict()"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path}: expected a state dict, got something else; save module.state_dict()")
    return {name.removeprefix("module."): value for name, value in state.items()}


def load_weights(module, path):
    """Puts a state dict from a file into a module.

    Parameters
    ----------
    module : nn.Module
    path : str or Path
        As ``torch.save`` writes it: a state dict, by itself or under ``"state_dict"``, its names with or without ``module.``
        before them.

    Raises
    ------
    ValueError
        If the file holds no such thing, or a name or shape is not the module's.
    OSError
        If it cannot be read.
    """
    state = read_state(path)
    own = module.state_dict()
    # Files of older PyTorch do not count batches.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    wrong = [
        f"{name} {tuple(value.shape)}"
        for name, value in state.items()
        if name not in own or own[name].shape != value.shape
    ]
    if missing or wrong:
        raise ValueError(
            f"{path}: expected the {len(own)} tensors of {type(module).__name__}, got {len(missing)} missing "
            f"({', '.join(missing[:2])}) and {len(wrong)} that do not fit ({', '.join(wrong[:2])}); give the weights of this network"
        )
    module.load_state_dict(state, strict=False)


def _entry(name):
    if name not in _NETWORKS:
        raise ValueError(f"expected a network from {', '.join(names())}, got {name!r}")
    return _NETWORKS[name]
