"""Channel pruning: LASSO chooses the channels that a convolution reads, least squares fit its weights to those that stay.

Source: Y. He, X. Zhang and J. Sun, "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017. There the penalty is searched for; here
the whole path of solutions is computed at once (B. Efron et al., "Least Angle Regression", 2004), which gives every number of channels.
"""

import copy
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch

from ...layers import AverageLayer, ConvolutionLayer, layer_inputs
from ...model import Affine, DenseConvolution
from ...network import MaxPool
from ...training import TrainingSettings
from ..shares import check_shares, layer_shares
from .removal import free_layers, without_channels
from .samples import sample_inputs, sample_sums

__all__ = [
    "LassoSettings",
    "choose_channels",
    "fit_weights",
    "prunable_pairs",
    "prune_by_lasso",
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

    #: Share of the output channels of each layer that go, rounded down; one always stays.
    sparsity: float = 0.5
    #: Shares of single layers instead, by name; 0 leaves a layer alone.
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


def prunable_pairs(network):
    """Convolutions whose channels can go, and the only convolution that reads them, by name, in order.

    Raises
    ------
    ValueError
        If there is none.
    """
    pairs = {layer.name: _only_reader(network, layer.name) for layer, _ in free_layers(network)}
    pairs = {name: reader for name, reader in pairs.items() if reader is not None}
    if not pairs:
        raise ValueError("expected a convolution whose channels one other alone reads, got none")
    return pairs


def _only_reader(network, name):
    """Name of the convolution in one group that alone reads a tensor, through pooling or not; ``None`` if there are others."""
    readers = [layer for layer in network.layers if name in layer_inputs(layer)]
    if len(readers) != 1:
        return None
    (reader,) = readers
    if isinstance(reader, (MaxPool, AverageLayer)):
        return _only_reader(network, reader.name)
    single = isinstance(reader, ConvolutionLayer) and reader.groups == 1 and not reader.fixed
    return reader.name if single else None


@torch.no_grad()
def with_fewer_inputs(network, settings, dataset):
    """``network`` with the channels that ``settings`` leave, layer after layer: each is fitted to the sums of the whole network, from what those before it give now.

    Raises
    ------
    ValueError
        If a share is given for a layer that cannot lose channels.
    """
    pairs = prunable_pairs(network)
    shares = layer_shares(pairs, settings.sparsity, settings.layers)
    whole = copy.deepcopy(network).eval()
    made = whole
    for name, reader in pairs.items():
        channels = whole.unit(name).layer.outputs
        count = channels - min(int(shares[name] * channels), channels - 1)
        if count < channels:
            made = _fewer(made, whole, name, reader, count, settings, dataset)
    return made


def _fewer(network, whole, name, reader, count, settings, dataset):
    samples = {"images": settings.images, "points": settings.points, "seed": settings.seed}
    unit = network.unit(reader)
    windows = sample_inputs(network, unit.layer, dataset, **samples)
    original = whole.unit(reader)
    wanted = sample_sums(sample_inputs(whole, original.layer, dataset, **samples), original.kernel())
    kept = choose_channels(windows, unit.kernel(), wanted, count)
    weights, offsets = fit_weights(windows[:, kept], wanted)
    kernel = torch.zeros_like(unit.kernel())
    kernel[:, kept] = weights.reshape(len(weights), len(kept), *unit.layer.kernel).to(kernel)
    normalise = copy.deepcopy(unit.normalise)
    if isinstance(normalise, Affine):
        normalise.offset += normalise.gain * offsets.to(normalise.offset)
    else:
        normalise.running_mean -= offsets.to(normalise.running_mean)
    changed = network.replaced({reader: DenseConvolution(unit.layer, kernel, normalise)})
    stays = torch.zeros(unit.layer.inputs, dtype=torch.bool)
    stays[kept] = True
    return without_channels(changed, {name: stays})


def choose_channels(windows, kernel, wanted, count):
    """Channels, int64 [count] in order, whose parts of the sums, each at a weight of its own, come closest to ``wanted``.

    Parameters
    ----------
    windows : Tensor
        float64 [n, C, R * S].
    kernel : Tensor
        [K, C, R, S].
    wanted : Tensor
        float64 [n, K].
    count : int
        From 1 to C.
    """
    step = max(1, len(windows) // _CHOSEN_BY)
    windows, wanted = windows[::step], wanted[::step]
    parts = torch.einsum("nct,kct->nkc", windows, kernel.detach().double().flatten(2)).flatten(0, 1).numpy()
    # Below 1, the rounding of two channels that are the same is too: the path tells them from two that are not.
    scale = max(np.square(parts).sum(), np.finfo(float).tiny)
    gram, products = parts.T @ parts / scale, parts.T @ wanted.flatten().numpy() / scale
    # It takes a second to import, and other methods do without it.
    from sklearn.linear_model import lars_path_gram

    with warnings.catch_warnings():
        # Of channels that are the same, or 0, the path leaves out all but one, and says so.
        warnings.simplefilter("ignore")
        _, _, path = lars_path_gram(products, gram, n_samples=len(parts), method="lasso")
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
