"""From an integer network to the program of one accelerator: descriptors, memories, proofs."""

from hw.formats import LAYER_FIELDS, Operation
from hw.serial_layer import field_bits

from .bounds import check_average, check_convolution, value_ranges
from .network import INPUT, AveragePool, Concatenation, Convolution, MaxPool, inputs_of
from .ordering import choose_orders, reorder
from .packing import Memories, limit
from .placement import place_tensors
from .pooling import scans, window_fields
from .program import LayerSchedule, Program
from .schedule import feed_passes, schedule_convolution
from .tiling import tiles
from .window import sharing_of

__all__ = ["compile_network"]

#: Coefficient memories that the index of a ``LOAD`` can tell apart.
_INDICES = 256


def compile_network(network, config):
    """Compile a network for one configuration.

    Parameters
    ----------
    network : IntegerNetwork
    config : Config

    Returns
    -------
    Program
        The same for the same arguments, to the byte.

    Raises
    ------
    ValueError
        If the network cannot run there: the message names the layer, the limit, what came and what to do.
    """
    if config.pes * config.rows > _INDICES:
        raise ValueError(
            f"configuration {config.name}: expected at most {_INDICES} rows in all PEs, which is what a load can "
            f"address, got {config.pes} * {config.rows}; take fewer pes or rows"
        )
    tensors = network.tensors()
    for name, info in tensors.items():
        if info.channels > config.channels:
            raise ValueError(
                f"layer {name}: expected at most {config.channels} channels (channels), got {info.channels}; "
                "take a configuration with more channels"
            )
    orders = choose_orders(network, config)
    placements = place_tensors(network, config, orders)
    # From here on channels are slots.
    slots = reorder(network, orders)
    compiler = _Compiler(slots, config, tensors, placements)
    for layer, original in zip(slots.layers, network.layers, strict=True):
        try:
            compiler.add(layer, original)
        except ValueError as error:
            raise ValueError(f"layer {layer.name}: {error}") from None
    return compiler.program()


class _Compiler:
    """Makes descriptors and fills the memories layer by layer."""

    def __init__(self, network, config, tensors, placements):
        self._network = network
        self._config = config
        self._tensors = tensors
        self._ranges = value_ranges(network)
        self._placements = placements
        self._memories = Memories(config)
        self._steps = []
        self._step_layers = []
        self._schedule = []

    def add(self, layer, original):
        """Add ``layer``, whose channels are slots; ``original`` has them in their natural order."""
        # Each gives the fields that are its own, step by step, and the work of every unit in every pass.
        describe = {
            Convolution: self._convolution,
            MaxPool: self._max_pool,
            AveragePool: self._average_pool,
            # Its parts lie where it lies.
            Concatenation: lambda layer: ([], ()),
        }[type(layer)]
        steps, work = describe(layer)
        info = self._tensors[layer.name]
        weights = original.dense_weights if isinstance(layer, Convolution) else 0
        schedule = LayerSchedule(name=layer.name, multiply_adds=weights * info.height * info.width, work=work)
        number = len(self._schedule)
        self._schedule.append(schedule)
        kept = field_bits(self._config) if self._config.serial else {}
        for own_fields in steps:
            fields = dict.fromkeys(LAYER_FIELDS, 0) | self._common(layer) | own_fields
            for name, value in fields.items():
                if name not in ("low", "high"):
                    most = (1 << kept.get(name, 16)) - 1
                    limit(value, most, f"in the field {name} of the program", "use smaller maps")
            if self._config.serial:
                limit(
                    fields["output_height"] * fields["output_width"],
                    self._config.plane_words,
                    "outputs of a channel (line * line)",
                    "use smaller maps",
                )
            self._steps.append(fields)
            self._step_layers.append(number)

    def program(self):
        """Everything added so far."""
        config, network = self._config, self._network
        if len(self._steps) > config.layers:
            raise ValueError(
                f"network {network.name}: expected at most {config.layers} steps of all layers (layers), "
                f"got {len(self._steps)}; take a configuration with a larger program, or a longer line if layers "
                "were cut"
            )
        last = self._last_at_input()
        for fields, number in zip(self._steps, self._step_layers, strict=True):
            fields["input_free"] = int(number > last)
        return Program(
            name=network.name,
            config=config,
            layer_names=tuple(layer.name for layer in network.layers),
            layer_inputs=tuple(tuple(inputs_of(layer)) for layer in network.layers),
            layers=tuple(self._steps),
            step_layers=tuple(self._step_layers),
            tensors=self._placements,
            input_scale=float(network.input_scale),
            sections=self._memories.sections(self._steps),
            schedule=tuple(self._schedule),
            pixels=network.pixels,
        )

    def _last_at_input(self):
        """The last layer that reads or writes any word of the network's input."""
        home = self._placements[INPUT]
        there = {name for name, place in self._placements.items() if place.meets(home)}
        return max(
            number
            for number, layer in enumerate(self._network.layers)
            if there & {layer.name, *inputs_of(layer)}
        )

    def _common(self, layer):
        """Fields of every layer."""
        source, target = self._placements[layer.input], self._placements[layer.name]
        return {
            "input_bank": source.bank.value,
            "input_base": source.base,
            "input_row": source.row,
            "input_pixel": source.pixel,
            "input_chunks": source.chunks,
            "input_repeat": 1,
            "input_lanes": source.slots - (source.chunks - 1) * self._config.chunk,
            "input_signed": int(source.signed),
            "map_height": source.height,
            "map_width": source.width,
            "output_height": target.height,
            "output_width": target.width,
            "output_bank": target.bank.value,
            "output_base": target.base,
            "output_chunks": target.pixel,
            "output_row": target.row,
            "output_slot": target.slot,
            "shift": 1,
        }

    def _max_pool(self, layer):
        fields = {"operation": Operation.MAX_POOL.value}
        fields |= window_fields(layer.window, layer.stride, layer.padding[:2], self._placements[layer.input])
        return [fields | step for step in scans(self._common(layer) | fields, self._config)], ()

    def _average_pool(self, layer):
        config, source, target = self._config, self._placements[layer.input], self._placements[layer.name]
        check_average(layer, self._ranges[layer.input], config)
        multipliers = [layer.multiplier if channel >= 0 else 0 for channel in target.order]
        fields = self._memories.add_scales(multipliers, [0] * len(multipliers), source.chunks * config.chunk)
        fields |= {
            "operation": Operation.AVERAGE_POOL.value,
            "passes": source.chunks,
            "groups": config.chunk // config.requantisers,
            "shift": layer.shift,
            "low": layer.low,
            "high": layer.high,
        }
        return [fields | window_fields(layer.window, layer.stride, (0, 0), source)], ()

    def _convolution(self, layer):
        config, source, target = self._config, self._placements[layer.input], self._placements[layer.name]
        check_convolution(layer, self._ranges[layer.input], self._ranges.get(layer.residual), config)
        _check_kernel(layer.kernel, config)
        rectangles = tiles(layer, source, target, config)
        sharing, feed = sharing_of(layer, config), feed_passes(layer.coefficients, config)
        schedule = schedule_convolution(layer.coefficients, config, sharing, feed)
        passes, memories = len(schedule.work), self._memories
        fields = {"input_chunks": feed.chunks, "input_pass": feed.step, "input_repeat": feed.repeat}
        if feed.step:
            fields["input_lanes"] = config.chunk
        fields |= memories.add_bases(layer, sharing)
        fields |= memories.add_scales(layer.multiplier.tolist(), layer.bias.tolist(), passes * config.pes)
        fields |= memories.add_coefficients(schedule)
        fields |= memories.add_table(layer.table)
        fields |= {
            "operation": Operation.CONVOLUTION.value,
            "passes": passes,
            "groups": config.pes // config.requantisers,
            "shift": layer.shift,
            "low": layer.low,
            "high": layer.high,
        }
        steps = [fields | rectangle for rectangle in rectangles]
        if layer.residual is not None:
            for step in steps:
                step |= self._residual(layer, step["output_base"] - target.base)
        return steps, schedule.work

    def _residual(self, layer, offset):
        """Fields of the tensor that is added; ``offset`` says where in it, in words."""
        residual, target = self._placements[layer.residual], self._placements[layer.name]
        if (residual.pixel, residual.row, residual.slot) != (target.pixel, target.row, target.slot):
            raise ValueError(
                f"expected a residual that lies in memory as the output does, got {layer.residual}, which is joined "
                "with other tensors in another way; concatenate through a 1x1 convolution"
            )
        return {
            "residual": 1,
            "residual_bank": residual.bank.value,
            "residual_base": residual.base + offset,
            "residual_signed": int(residual.signed),
            "residual_multiplier": layer.residual_multiplier,
        }


def _check_kernel(kernel, config):
    taps = config.kernel_height, config.kernel_width
    if kernel[0] <= taps[0] and kernel[1] <= taps[1]:
        return
    advice = ["take a configuration with a larger kernel"]
    if min(taps) > 1:
        # As many layers as cover the window of the kernel.
        count = max(-(-(size - 1) // (most - 1)) for size, most in zip(kernel, taps, strict=True))
        advice.append(f"{count} layers of {taps[0]}x{taps[1]}")
    advice.append("a global average before a fully connected layer")
    raise ValueError(
        f"expected a kernel of at most {taps[0]}x{taps[1]} (kernel_height, kernel_width), "
        f"got {kernel[0]}x{kernel[1]}; {', or '.join(advice)}"
    )
