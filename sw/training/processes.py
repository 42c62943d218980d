"""Where training runs: one process on one device, or several that ``accelerate launch`` started."""

import contextlib
import os

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast, gather_object

__all__ = ["Processes"]


class Processes:
    """This process among its fellows.

    Parameters
    ----------
    device : str
        ``"auto"`` is what accelerate chooses.

    Members
    -------
    device : torch.device
    index, count : int
    first : bool
        Whether this process is the one that writes and reports.

    Raises
    ------
    ValueError
        If there is no such device, or several processes were to share one.
    """

    def __init__(self, device):
        # Which parameters are trained may change between epochs, so none may be expected to have a gradient.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
        # Left to itself, accelerate takes processes without a GPU for strangers to each other.
        launched = int(os.environ.get("WORLD_SIZE", 1)) > 1
        without = device == "cpu" or not torch.accelerator.is_available()
        # Precision is a setting of each run; accelerate's is one for the life of the process.
        self._accelerator = Accelerator(
            cpu=launched and without, mixed_precision="no", device_placement=False, kwargs_handlers=[unused]
        )
        self.index, self.count = self._accelerator.process_index, self._accelerator.num_processes
        self.first = self._accelerator.is_main_process
        self.device = self._accelerator.device if device == "auto" else _device(device)
        if self.count > 1 and self.device.type != self._accelerator.device.type:
            raise ValueError(
                f"expected the device auto with {self.count} processes, got {device}: choose devices when launching"
            )

    def spread(self, network):
        """``network`` so that its gradients are means over all processes; its parameters are still its own."""
        if self.count == 1:
            return network
        with _all_trained(network):
            return self._accelerator.prepare_model(network)

    def backward(self, loss):
        """Gradients of ``loss``."""
        self._accelerator.backward(loss)

    def share_buffers(self, network):
        """Gives all processes the statistics of batch norm, and all else that is no parameter, of the first."""
        if self.count == 1:
            return
        buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        together = broadcast(torch.cat([buffer.flatten() for buffer in buffers]))
        for buffer, values in zip(
            buffers, together.split([buffer.numel() for buffer in buffers]), strict=True
        ):
            buffer.copy_(values.view_as(buffer))

    def sums(self, *numbers):
        """Each number, summed over all processes, as floats."""
        together = torch.stack([torch.as_tensor(number, device=self.device).float() for number in numbers])
        return self._accelerator.reduce(together, "sum").tolist()

    def gather(self, value):
        """``value`` of every process, in order, in all of them."""
        return gather_object([value])


def _device(name):
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"expected a device that is there, got {name!r}: {reason}") from None


@contextlib.contextmanager
def _all_trained(network):
    """What is frozen now may be trained later, and is shared from the start."""
    frozen = [parameter for parameter in network.parameters() if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
