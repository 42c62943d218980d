"""From an integer network to the program of one accelerator: descriptors, memories, proofs."""

import numpy as np

from hw.formats import LAYER_FIELDS, LAYER_WORDS, Operation
from hw.protocol import MAXIMUM_PAYLOAD, Target

from .bounds import check_average, check_convolution
from .network import AveragePool, Concatenation, Convolution, MaxPool, inputs_of
from .ordering import choose_orders, reorder
from .placement import place_tensors
from .program import LayerSchedule, Program, Section
from .records import NO_SCALE, Scale, encode_layer, encode_list, encode_scales
from .schedule import feed_passes, schedule_convolution
from .window import Sharing, sharing_of, window_fields

__all__ = ["compile_network"]

#: Bytes before the data of a ``LOAD``: target, index, address.
_LOAD_HEADER = 4
#: Coefficient memories that the index of a ``LOAD`` can tell apart.
_INDICES = 256
#: Largest window and step of ``hw.max_pool``.
_POOL_WINDOW = 16
_POOL_STRIDE = 3


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
    if len(network.layers) > config.layers:
        raise ValueError(
            f"network {network.name}: expected at most {config.layers} layers (layers), got {len(network.layers)}; "
            "take a configuration with a larger program"
        )
    if config.pes * config.rows > _INDICES:
        raise ValueError(
            f"configuration {config.name}: expected at most {_INDICES} rows in all PEs, which is what a load can "
            f"address, got {config.pes} * {config.rows}; take fewer pes or rows"
        )
    for layer in network.layers:
        if isinstance(layer, Concatenation):
            raise ValueError(
                f"layer {layer.name}: expected no concatenation, which cannot be compiled yet, got one; use residuals"
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


def _limit(got, most, what, advice="take a configuration with a larger one"):
    if got > most:
        raise ValueError(f"expected at most {most} {what}, got {got}; {advice}")


class _Compiler:
    """Fills the memories layer by layer."""

    def __init__(self, network, config, tensors, placements):
        self._network = network
        self._config = config
        self._tensors = tensors
        self._placements = placements
        self._layers = []
        self._step_layers = []
        self._schedule = []
        self._bases = []
        self._scales = []
        self._lists = []
        self._coefficient_words = 0

    def add(self, layer, original):
        """Add ``layer``, whose channels are slots; ``original`` has them in their natural order."""
        # Each gives the fields that are its own, and the work of every unit in every pass.
        describe = {
            Convolution: self._convolution,
            MaxPool: self._max_pool,
            AveragePool: self._average_pool,
        }[type(layer)]
        own_fields, work = describe(layer)
        fields = dict.fromkeys(LAYER_FIELDS, 0) | self._common(layer) | own_fields
        pixels = fields["output_height"] * fields["output_width"]
        weights = original.dense_weights if isinstance(layer, Convolution) else 0
        self._schedule.append(LayerSchedule(name=layer.name, multiply_adds=weights * pixels, work=work))
        for name, value in fields.items():
            if name not in ("low", "high"):
                _limit(value, 0xFFFF, f"in the field {name} of the program", "use smaller maps")
        _limit(fields["line"], self._config.line, "positions in a row of the map (line)")
        _limit(fields["height"], self._config.line, "rows of the map (line)")
        self._layers.append(fields)
        self._step_layers.append(len(self._schedule) - 1)

    def program(self):
        """Everything added so far."""
        config, sections = self._config, []
        for number, fields in enumerate(self._layers):
            sections.append((Target.PROGRAM, 0, number * LAYER_WORDS, encode_layer(fields)))
        if self._bases:
            sections.append((Target.BASIS, 0, 0, b"".join(basis.tobytes() for basis in self._bases)))
        if self._scales:
            sections.append((Target.SCALE, 0, 0, encode_scales(self._scales, config)))
        sections += self._lists
        return Program(
            name=self._network.name,
            config=config,
            layer_names=tuple(layer.name for layer in self._network.layers),
            layer_inputs=tuple(tuple(inputs_of(layer)) for layer in self._network.layers),
            layers=tuple(self._layers),
            step_layers=tuple(self._step_layers),
            tensors=self._placements,
            input_scale=float(self._network.input_scale),
            sections=tuple(
                Section(target=target, index=index, address=address, data=data)
                for target, index, address, data in sections
            ),
            schedule=tuple(self._schedule),
        )

    def _common(self, layer):
        """Fields of every layer; the input is fed pixel by pixel."""
        source, target = self._placements[layer.input], self._placements[layer.name]
        return {
            "input_bank": source.bank.value,
            "input_base": source.base,
            "input_row": source.width * source.chunks,
            "input_pixel": source.chunks,
            "input_chunks": source.chunks,
            "input_lanes": source.channels - (source.chunks - 1) * self._config.chunk,
            "input_signed": int(source.signed),
            "map_height": source.height,
            "map_width": source.width,
            "input_repeat": 1,
            "height": source.height,
            "width": source.width,
            "pixels": source.height * source.width,
            "line": max(source.width, self._config.line_minimum),
            "stride": 1,
            "output_height": target.height,
            "output_width": target.width,
            "output_bank": target.bank.value,
            "output_base": target.base,
            "output_chunks": target.chunks,
            "output_row": target.width * target.chunks,
            "shift": 1,
            "low": getattr(layer, "low", -128 if target.signed else 0),
            "high": getattr(layer, "high", 127 if target.signed else 255),
        }

    def _max_pool(self, layer):
        if any(layer.padding) or layer.window[0] != layer.window[1]:
            raise ValueError(
                "expected a square window without padding, as nothing else can be compiled yet, "
                f"got {layer.window[0]}x{layer.window[1]} and {layer.padding}; pool another way"
            )
        _limit(layer.window[0], _POOL_WINDOW, "rows in the window of a pooling", "pool in two layers")
        _limit(layer.stride, _POOL_STRIDE, "as the step of a pooling", "pool in two layers")
        fields = {"operation": Operation.MAX_POOL.value, "stride": layer.stride} | dict.fromkeys(
            ("window_height", "window_width"), layer.window[0]
        )
        return fields, ()

    def _average_pool(self, layer):
        config, source = self._config, self._placements[layer.input]
        if layer.window != (source.height, source.width):
            raise ValueError(
                f"expected the whole map of {source.height}x{source.width} as the window of an average, as nothing "
                f"else can be compiled yet, got {layer.window[0]}x{layer.window[1]}; average the whole map"
            )
        check_average(layer, self._tensors[layer.input], config)
        scales = [Scale(layer.multiplier, 0, 1)] * source.channels
        fields = self._pack_scales(scales, source.chunks * config.chunk)
        fields |= {
            "operation": Operation.AVERAGE_POOL.value,
            "passes": source.chunks,
            "groups": config.chunk // config.requantisers,
            "window_height": source.height,
            "window_width": source.width,
            "shift": layer.shift,
        }
        return fields, ()

    def _convolution(self, layer):
        config, source, target = self._config, self._placements[layer.input], self._placements[layer.name]
        residual = None if layer.residual is None else self._placements[layer.residual]
        if layer.table is not None:
            raise ValueError("expected no table, which cannot be compiled yet, got one; use a clamp")
        check_convolution(layer, self._tensors[layer.input], self._tensors.get(layer.residual), config)
        fields = window_fields(layer, source, target, config, (0, target.height), (0, target.width))
        feed = feed_passes(layer.coefficients, config)
        fields |= {
            "input_chunks": feed.chunks,
            "input_pass": feed.step,
            "input_repeat": feed.repeat,
        }
        if feed.step:
            fields["input_lanes"] = config.chunk
        schedule = schedule_convolution(layer.coefficients, config, sharing_of(layer, config), feed)
        fields |= self._pack_bases(layer)
        passes = len(schedule.work)
        scales = [
            Scale(*entry, 1) for entry in zip(layer.multiplier.tolist(), layer.bias.tolist(), strict=True)
        ]
        fields |= self._pack_scales(scales, passes * config.pes)
        fields |= self._pack_coefficients(schedule)
        if residual is not None:
            fields |= {
                "residual": 1,
                "residual_bank": residual.bank.value,
                "residual_base": residual.base,
                "residual_signed": int(residual.signed),
                "residual_multiplier": layer.residual_multiplier,
            }
        fields |= {
            "operation": Operation.CONVOLUTION.value,
            "passes": passes,
            "groups": config.pes // config.requantisers,
            "shift": layer.shift,
        }
        return fields, schedule.work

    def _pack_bases(self, layer):
        """Kernels go to the bottom right of the taps: what lies before them is padding. A 1x1 kernel goes to a tap of every class.

        Bases of their own come slot after slot, and every PE of every pass has some.
        """
        config, (count, kernel_height, kernel_width) = self._config, layer.bases.shape[-3:]
        _limit(count, config.bases, "bases in a layer (bases)")
        base = len(self._bases)
        bases = layer.bases.reshape(-1, kernel_height, kernel_width)
        slots = -(-len(layer.coefficients) // config.pes) * config.pes if layer.own_bases else 1
        taps = np.zeros((slots * count, config.kernel_height, config.kernel_width), np.int8)
        taps[: len(bases), config.kernel_height - kernel_height :, config.kernel_width - kernel_width :] = (
            bases
        )
        if sharing_of(layer, config) is Sharing.SIDE_BY_SIDE:
            taps[: len(bases), -1 if config.classes == 2 else -2 :, -2:] = bases
        self._bases += list(taps)
        _limit(len(self._bases), config.basis_words, "bases of all layers (basis_words)")
        return {"basis_base": base, "basis_count": count, "basis_own": int(layer.own_bases)}

    def _pack_scales(self, scales, slots):
        """One entry a slot; ``slots`` of all passes fill their words."""
        config = self._config
        base = len(self._scales) // config.requantisers
        self._scales += [*scales, *[NO_SCALE] * (slots - len(scales))]
        _limit(
            len(self._scales) // config.requantisers,
            config.scale_words,
            f"words of {config.requantisers} requantisation entries of all layers (scale_words)",
        )
        return {"scale_base": base}

    def _pack_coefficients(self, schedule):
        config, base = self._config, self._coefficient_words
        self._coefficient_words += schedule.words
        _limit(
            self._coefficient_words,
            config.coefficient_words,
            "words of coefficients in a row, of all layers (coefficient_words)",
            "take a configuration with a larger one, or make more coefficients zero",
        )
        for (pe, row), lists in schedule.lists.items():
            encoded = [encode_list(words, config) for words in lists]
            _limit(
                max(map(len, encoded)) + _LOAD_HEADER, MAXIMUM_PAYLOAD, "bytes in one list of coefficients"
            )
            self._lists.append((Target.COEFFICIENT, pe * config.rows + row, base, b"".join(encoded)))
        return {"coefficient_base": base}
