"""Channel pruning: LASSO chooses the channels that a convolution reads, least squares fit its weights to those that stay.

Source: Y. He, X. Zhang and J. Sun, "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017. There the penalty is searched for; here
the whole path of solutions is computed at once (B. Efron et al., "Least Angle Regression", 2004), which gives every number of channels. Where several convolutions
read the channels, as behind a residual sum, one choice is made for all of them.
"""

import copy
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch

from ...model import Affine, DenseConvolution, gain_and_offset
from ...training import TrainingSettings
from ..shares import check_shares
from ..shrinking import shrink
from .groups import channel_groups, group_shares
from .removal import silenced
from .samples import sample_inputs, sample_sums

__all__ = [
    "LassoSettings",
    "Parts",
    "choose_channels",
    "fit_weights",
    "prune_by_lasso",
    "readable_groups",
    "sum_parts",
    "with_fewer_inputs",
]

_TUNING = TrainingSettings(epochs=10, rate=0.001, augmentation="crop-flip")
#: Windows that the choice looks at; the fit takes all.
_CHOSEN_BY = 400


@dataclass(frozen=True, kw_only=True)
class LassoSettings:
    """What channel pruning by LASSO is told; samples are those of the authors' code.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    #: Share of the output channels of each group of layers that go, rounded down; one always stays.
    sparsity: float = 0.5
    #: Shares of single groups instead, by the name of any layer; 0 leaves a group alone.
    layers: dict[str, float] = field(default_factory=dict)
    #: Training images, and places in each, that sums are compared at.
    images: int = 500
    points: int = 10
    #: Of the places.
    seed: int = 0
    #: Training of what is left.
    tuning: TrainingSettings = _TUNING

    def __post_init__(self):
        check_shares("channels", self.sparsity, self.layers)
        for name in ("images", "points"):
            if getattr(self, name) < 1:
                raise ValueError(f"expected at least one of {name}, got {getattr(self, name)}")


def prune_by_lasso(network, settings, run):
    """Prune channels of a trained ``network``, which stays as it is, and train what is left; recorded in ``run``."""
    made = run.phase("lasso", with_fewer_inputs, network, settings, run.dataset)
    return run.train("lasso-tune", made, settings.tuning)


def readable_groups(network):
    """Every ``ChannelGroup`` of a network with the names of the convolutions that read its channels, in order: pairs.

    Fixed ones are among them; at least one is not.

    Raises
    ------
    ValueError
        If there is none.
    """
    units = [layer for layer, _ in network.units() if layer.groups == 1]
    found = []
    for group in channel_groups(network):
        readers = [layer for layer in units if layer.input in group.places]
        if not all(layer.fixed for layer in readers):
            found.append((group, [layer.name for layer in readers]))
    if not found:
        raise ValueError("expected a layer whose channels a convolution reads, got none")
    return found


@torch.no_grad()
def with_fewer_inputs(network, settings, dataset):
    """``network`` with the channels that ``settings`` leave, group after group: what reads them is fitted to the sums of the whole network, from what those before it give now.

    Raises
    ------
    ValueError
        If a share is given for a layer that cannot lose channels.
    """
    found = readable_groups(network)
    shares = group_shares([group for group, _ in found], settings.sparsity, settings.layers)
    whole = copy.deepcopy(network).eval()
    made = whole
    for (group, readers), share in zip(found, shares, strict=True):
        gone = min(int(share * group.count), group.count - 1)
        if gone:
            made = _fewer(made, whole, group, readers, group.count - gone, settings, dataset)
    return shrink(made, exact=False).network


def _fewer(network, whole, group, readers, count, settings, dataset):
    """``network``, in which what went before is silent, without all but ``count`` channels of a group."""
    samples = {"images": settings.images, "points": settings.points, "seed": settings.seed}

    def windows(made, name):
        return sample_inputs(made, made.unit(name).layer, dataset, **samples)

    wanted = {name: sample_sums(windows(whole, name), whole.unit(name).kernel()) for name in readers}
    parts = []
    for name in readers:
        unit = network.unit(name)
        heard = gain_and_offset(unit.normalise)[0] != 0
        places = group.places[unit.layer.input]
        parts.append(sum_parts(windows(network, name), unit.kernel()[heard], wanted[name][:, heard], places))
    stays = torch.zeros(group.count, dtype=torch.bool)
    stays[choose_channels(parts, count)] = True
    made = silenced(network, [(group, stays)])
    for name in readers:
        unit = made.unit(name)
        if not unit.layer.fixed:
            kept = group.stays(unit.layer.input, stays)
            made = made.replaced({name: _fitted(unit, windows(made, name), wanted[name], kept)})
    return made


def _fitted(unit, windows, wanted, kept):
    """A unit that reads only the channels ``kept``, bool [C], and comes closest to sums ``wanted``."""
    weights, offsets = fit_weights(windows[:, kept], wanted)
    kernel = torch.zeros_like(unit.kernel())
    kernel[:, kept] = weights.reshape(len(weights), -1, *unit.layer.kernel).to(kernel)
    normalise = copy.deepcopy(unit.normalise)
    if isinstance(normalise, Affine):
        normalise.offset += normalise.gain * offsets.to(normalise.offset)
    else:
        normalise.running_mean -= offsets.to(normalise.running_mean)
    return DenseConvolution(unit.layer, kernel, normalise)


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What channels add to the sums of a convolution, in products over all sums; float64, sums of all squares of ``wanted`` are 1."""

    #: Of every two channels, [G, G].
    gram: np.ndarray
    #: Of every channel and what is wanted, [G].
    products: np.ndarray


def sum_parts(windows, kernel, wanted, places):
    """``Parts`` of the channels of a group in the sums of a convolution.

    Parameters
    ----------
    windows : Tensor
        float64 [n, C, R * S].
    kernel : Tensor
        [K, C, R, S].
    wanted : Tensor
        float64 [n, K].
    places : Tensor
        int64 [C]: which of the group each channel is; -1 is none, and stays.
    """
    step = max(1, len(windows) // _CHOSEN_BY)
    windows, wanted = windows[::step], wanted[::step]
    every = torch.einsum("nct,kct->nkc", windows, kernel.detach().double().flatten(2)).flatten(0, 1)
    ours = places >= 0
    parts = every.new_zeros(len(every), int(places.max()) + 1).index_add(1, places[ours], every[:, ours])
    left = wanted.flatten() - every[:, ~ours].sum(1)
    scale = left.square().sum().clamp(min=torch.finfo(left.dtype).tiny)
    return Parts(gram=(parts.T @ parts / scale).numpy(), products=(parts.T @ left / scale).numpy())


def choose_channels(parts, count):
    """Channels, int64 [count] in order, whose parts of all sums, each at a weight of its own, come closest to what is wanted.

    Parameters
    ----------
    parts : list
        ``Parts`` of each convolution that reads them; each counts as much.
    count : int
        From 1 to G.
    """
    gram, products = sum(part.gram for part in parts), sum(part.products for part in parts)
    # Below 1, the rounding of two channels that are the same is too: the path tells them from two that are not.
    scale = max(np.trace(gram), np.finfo(float).tiny)
    gram, products = gram / scale, products / scale
    # It takes a second to import, and other methods do without it.
    from sklearn.linear_model import lars_path_gram

    with warnings.catch_warnings():
        # Of channels that are the same, or 0, the path leaves out all but one, and says so.
        warnings.simplefilter("ignore")
        _, _, path = lars_path_gram(products, gram, n_samples=len(gram), method="lasso")
    numbers = np.count_nonzero(path, axis=0)
    enough = np.flatnonzero(numbers >= count)
    # Where the path ends before, channels that it left out follow by what they add to the sums.
    weights = path[:, enough[0] if len(enough) else numbers.argmax()]
    energy = np.diag(gram)
    order = np.lexsort((-energy, -np.abs(weights) * np.sqrt(energy)))
    return torch.from_numpy(np.sort(order[:count]))


def fit_weights(windows, wanted):
    """Weights [K, C * R * S] and offsets [K], float64, by which windows [n, C, R * S] come closest to sums ``wanted`` [n, K]."""
    rows = windows.flatten(1)
    # Means apart: the offsets are free.
    middle, mean = rows.mean(0), wanted.mean(0)
    weights = torch.linalg.lstsq(rows - middle, wanted - mean, driver="gelsd").solution.T
    return weights, mean - weights @ middle
