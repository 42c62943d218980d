"""From a trained network and images to the integers of the accelerator, in named phases."""

import dataclasses
from dataclasses import dataclass, field

from ..network import IntegerNetwork
from ..training import TrainingSettings
from .escalate import EscalateSettings, train_integers, train_ternary
from .penni import PenniSettings, penni
from .quantisation import integer_network
from .run import Run

__all__ = ["Compressed", "CompressionSettings", "compress", "ternary_again"]


@dataclass(frozen=True, kw_only=True)
class CompressionSettings:
    """Which methods run, and how; ``None`` leaves one out."""

    #: Training of the network before it is compressed: what every loss is measured against, and the teacher.
    dense: TrainingSettings | None = None
    penni: PenniSettings | None = None
    escalate: EscalateSettings | None = field(default_factory=EscalateSettings)

    def replace(self, **changes):
        """The same settings with some changed."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Compressed:
    """What a compression made, and what was measured on the way."""

    #: After the last phase, in torch.
    network: object
    #: The integers, or ``None`` where ESCALATE was left out.
    integers: IntegerNetwork | None
    #: Halfway through ESCALATE, before anything is shrunk: a compression to more zeros can start there. ``None`` without it.
    ternary: object
    #: ``Phase`` of each phase, in order.
    phases: tuple

    @property
    def accuracy_before(self):
        """Share of the test images that the network classified rightly before anything was compressed."""
        return self.phases[0].accuracy

    @property
    def accuracy(self):
        """The same after the last phase."""
        return self.phases[-1].accuracy


def compress(network, dataset, settings, run, *, name="network", start=None):
    """Compress ``network`` on ``dataset`` by the methods of ``settings``; phases are recorded in ``run``.

    Parameters
    ----------
    network : sw.model.Network
        Stays as it is, unless ``settings.dense`` trains it first.
    dataset : sw.data.Dataset
    settings : CompressionSettings
    run : Run
    name : str
        Of the integer network.
    start : sw.model.Network or None
        ``Compressed.ternary`` of the same network with fewer zeros, to go on from.

    Returns
    -------
    Compressed

    Raises
    ------
    ValueError
        If images and network do not fit, or a layer cannot be expressed in the integers there are.
    """
    if dataset.train_images.shape[1:] != network.pixels.shape:
        raise ValueError(
            f"expected images of {'x'.join(map(str, network.pixels.shape))} as the network reads, "
            f"got {'x'.join(map(str, dataset.train_images.shape[1:]))}"
        )
    run.about = settings
    if settings.dense is None:
        network = run.phase("dense", lambda: network)
    else:
        network = run.train("dense", network, settings.dense)
    run.teacher, integers, ternary = network, None, None
    if settings.penni is not None:
        network = penni(network, settings.penni, run)
    if settings.escalate is not None:
        ternary = train_ternary(network, settings.escalate, run, start=start)
        network = train_integers(ternary, settings.escalate, run)
        integers = integer_network(network, name)
    return Compressed(network=network, integers=integers, ternary=ternary, phases=tuple(run.phases))


def ternary_again(network, dataset, settings, folder):
    """``Compressed.ternary`` of a compression that was done, from its checkpoints in ``folder``; nothing is measured."""
    run = Run(dataset=dataset, folder=folder, test_images=1)
    return compress(network, dataset, settings, run).ternary
