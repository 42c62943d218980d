"""From a trained network and images to a compressed one, by a recipe, in named phases."""

from dataclasses import dataclass

from ..model import Network
from ..network import IntegerNetwork
from ..training import check_classes
from .escalate import EscalateSettings, train_integers, train_ternary
from .quantisation import integer_network
from .recipe import METHODS
from .run import Run

__all__ = ["Compressed", "compress", "ternary_again"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Compressed:
    """What a compression made, and what was measured on the way."""

    #: After the last phase, in torch.
    network: object
    #: The integers, or ``None`` where no method of the recipe makes any.
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


def compress(network, dataset, recipe, run, *, name="network", start=None):
    """Compress ``network`` on ``dataset`` by the methods of ``recipe``; phases are recorded in ``run``.

    Parameters
    ----------
    network : sw.model.Network
        Stays as it is, unless the recipe begins with its training.
    dataset : sw.data.Dataset
    recipe : Recipe
    run : Run
    name : str
        Of the integer network.
    start : sw.model.Network or None
        ``Compressed.ternary`` of the same network with fewer zeros, for ESCALATE to go on from.

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
    if isinstance(network, Network):
        check_classes(dataset, network.shapes[network.layers[-1].name][0])
    methods = list(zip(recipe.labelled(), recipe.names(), recipe.methods, strict=True))
    run.about = {}
    if recipe.dense is not None:
        (label, _, settings), *methods = methods
        run.about = {label: settings}
    if recipe.dense is None or recipe.dense.epochs == 0:
        network = run.phase("dense", lambda: network)
    else:
        network = run.train("dense", network, recipe.dense)
    run.teacher, integers, ternary = network, None, None
    for label, method, settings in methods:
        # Methods still to come change nothing of this one: checkpoints are good whatever they are.
        run.about = run.about | {label: settings}
        if isinstance(settings, EscalateSettings):
            ternary = train_ternary(network, settings, run, start=start)
            network = train_integers(ternary, settings, run)
        else:
            network = METHODS[method].function(network, settings, run)
        if METHODS[method].integers:
            integers = integer_network(network, name)
    return Compressed(network=network, integers=integers, ternary=ternary, phases=tuple(run.phases))


def ternary_again(network, dataset, recipe, folder, cycles=None):
    """``Compressed.ternary`` of a compression that was done, from its checkpoints in ``folder``; nothing is measured.

    ``cycles`` as for ``Run``.
    """
    run = Run(dataset=dataset, folder=folder, test_images=1, cycles=cycles)
    return compress(network, dataset, recipe, run).ternary
