"""Training of a network in one call."""

from ..model import Network
from .checkpoints import Checkpoint, identity
from .optimisers import make_optimiser
from .processes import Processes
from .run import Run

__all__ = ["train"]


def train(
    network,
    dataset,
    settings,
    *,
    teacher=None,
    groups=None,
    penalty=None,
    on_step=None,
    on_epoch=None,
    checkpoint=None,
    about=None,
    progress=None,
):
    """Train ``network`` in place; it ends in inference mode, on the device that it came from.

    With the same arguments, within ``repeatable``, it gives the same weights. If ``checkpoint`` names a file of this
    run that was interrupted, it goes on from there, and the weights are those of a run that was not. Under
    ``accelerate launch`` every process calls it with the same arguments and trains on its part of each batch.

    Parameters
    ----------
    network : Network, or another module that reads pixels from 0 to 255
    dataset : Dataset
    settings : TrainingSettings
    teacher : nn.Module, optional
        What ``settings.distillation`` learns from; put into inference mode.
    groups : callable, optional
        ``groups(network)`` lists parameter groups of torch; their ``"rate"`` is a multiple of ``settings.rate``.
    penalty : callable, optional
        ``penalty(network)``, a scalar tensor, is added to the loss.
    on_step : callable, optional
        ``on_step(network, fraction)`` after each step; ``fraction`` of all steps are done, 1 at the last.
    on_epoch : callable, optional
        ``on_epoch(network, epoch)`` before each epoch, from 0. Both functions must depend on their
        arguments alone, and what they keep must be in the network's ``state_dict`` or in ``requires_grad``.
    checkpoint : path, optional
        File that is written after each epoch and every ``settings.checkpoint_minutes``.
    about : object, optional
        What decides the work of the functions above, such as their settings: plain values and dataclasses. A checkpoint
        made with something else is refused.
    progress : callable, optional
        ``progress(fraction, text)`` about twice a second and after each epoch.

    Returns
    -------
    list of EpochRecord

    Raises
    ------
    ValueError
        In one line: if arguments do not fit each other, the checkpoint is of another run, or the loss stops being
        a finite number.
    """
    _check(network, dataset, settings, teacher)
    processes = Processes(settings.device)
    home = next(network.parameters()).device
    network.to(processes.device)
    if teacher is not None:
        teacher.to(processes.device).eval()
    try:
        optimiser = make_optimiser(network, settings, groups)
        if checkpoint is not None:
            rates = [group["rate"] for group in optimiser.param_groups]
            this = identity(network, dataset, settings, processes=processes.count, rates=rates, about=about)
            checkpoint = Checkpoint(checkpoint, this)
        run = Run(
            network,
            dataset,
            settings,
            processes,
            optimiser,
            teacher=teacher,
            penalty=penalty,
            on_step=on_step or (lambda network, fraction: None),
            on_epoch=on_epoch or (lambda network, epoch: None),
            checkpoint=checkpoint,
            progress=(progress if processes.first else None) or (lambda fraction, text: None),
        )
        return run.run()
    finally:
        network.to(home).eval()


def _check(network, dataset, settings, teacher):
    if isinstance(network, Network) and network.pixels.shape != dataset.shape:
        raise ValueError(
            f"expected images of shape {network.pixels.shape} as the network reads them, got {dataset.shape} "
            f"in {dataset.name}: load it with a size, or take another network"
        )
    if (teacher is None) != (settings.distillation is None):
        got = "a teacher alone" if teacher is not None else "the setting distillation alone"
        raise ValueError(f"expected a teacher and the setting distillation together, got {got}")
