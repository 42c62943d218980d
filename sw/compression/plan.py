"""What is done to each convolution of a network."""

from dataclasses import dataclass

from ..layers import ConvolutionLayer
from ..network import INPUT
from .decomposition import bases_for_energy

__all__ = ["LayerPlan", "plan_layers"]

#: Input channels of a group below which shared bases save nothing: such layers keep their weights, in 8 bits.
_FEW_CHANNELS = 4


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """One convolution: ``bases`` is M, or ``None`` where the layer keeps its weights.

    Of the M, each output channel keeps ``kept``; the others cost it no cycle. For a 1x1 kernel, M is the number of
    ternary planes.
    """

    bases: int | None = None
    kept: int | None = None

    @property
    def decomposed(self):
        return self.bases is not None


def plan_layers(network, *, bases=5, energy=None, kept=None, planes=2, last_planes=4):
    """A plan for every convolution of ``network``, ``{name: LayerPlan}``.

    Layers that read fewer than four channels a group (the first one, depthwise ones) and fixed ones keep their weights.

    Parameters
    ----------
    bases : int
        Of a layer, at most as many as its kernel has places.
    energy : float or None
        Instead: as few bases as keep this share of a layer's squared weights, 0 to 1.
    kept : int or None
        Bases that each output channel keeps; ``None`` is all.
    planes, last_planes : int
        Ternary planes of 1x1 layers, and of the last layer.

    Raises
    ------
    ValueError
        If a number is below 1, or ``energy`` not a share.
    """
    for name, value in (("bases", bases), ("kept", kept), ("planes", planes), ("last_planes", last_planes)):
        if value is not None and value < 1:
            raise ValueError(f"expected at least 1 of {name}, got {value}")
    layers = [layer for layer in network.layers if isinstance(layer, ConvolutionLayer)]
    plans = {}
    for layer in layers:
        channels, places = layer.inputs // layer.groups, layer.kernel[0] * layer.kernel[1]
        if layer.fixed or layer.input == INPUT or channels < _FEW_CHANNELS:
            plans[layer.name] = LayerPlan()
        elif places == 1:
            count = last_planes if layer is layers[-1] else planes
            plans[layer.name] = LayerPlan(bases=count, kept=count)
        else:
            count = min(bases, places)
            if energy is not None:
                count = bases_for_energy(network.unit(layer.name).kernel(), energy)
            plans[layer.name] = LayerPlan(bases=count, kept=min(kept or count, count))
    return plans
