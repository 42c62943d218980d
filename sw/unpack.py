"""The way back: an integer network from the packed sections of a program alone."""

import dataclasses

import numpy as np

from hw.formats import LAYER_FIELDS, LAYER_WORDS, Operation
from hw.protocol import Target

from .network import INPUT, AveragePool, Concatenation, Convolution, IntegerNetwork, MaxPool, TensorInfo
from .ordering import restore
from .pooling import pool_windows
from .records import decode_layer, decode_lists, decode_scales

__all__ = ["decode_program", "unpack"]


def decode_program(sections):
    """Descriptors of all layers, in order, from the ``PROGRAM`` sections."""
    layers = {}
    for section in sections:
        if section.target is Target.PROGRAM:
            if section.address % LAYER_WORDS or len(section.data) != 2 * len(LAYER_FIELDS):
                raise ValueError(f"expected a layer every {LAYER_WORDS} words, got {section.address}")
            layers[section.address // LAYER_WORDS] = decode_layer(section.data)
    if sorted(layers) != list(range(len(layers))):
        raise ValueError(f"expected layers from 0 on, got {sorted(layers)}")
    return tuple(layers[number] for number in range(len(layers)))


def unpack(program):
    """The network that the packed bytes of a program stand for, channels in the order of the network that was compiled.

    Kernels come back as they lie in the taps: smaller ones at the bottom right, with the padding that goes with it.
    The function is that of the network that was compiled.

    Returns
    -------
    IntegerNetwork

    Raises
    ------
    ValueError
        If the sections do not make a network.
    """
    config, placement = program.config, program.tensors[INPUT]
    memories = {Target.BASIS: b"", Target.SCALE: b"", Target.TABLE: b""}
    lists = {}
    for section in program.sections:
        if section.target in memories:
            memories[section.target] += section.data
        elif section.target is Target.COEFFICIENT:
            found = [words for words, _ in decode_lists(section.data, config)]
            lists[section.index, section.address] = found
    bases = np.frombuffer(memories[Target.BASIS], np.int8)
    bases = bases.reshape(-1, config.kernel_height, config.kernel_width)
    scales = decode_scales(memories[Target.SCALE], config)
    tables = np.frombuffer(memories[Target.TABLE], np.uint8).reshape(-1, 256)

    infos = {
        INPUT: TensorInfo(
            channels=len(placement.order),
            height=placement.height,
            width=placement.width,
            signed=placement.signed,
        )
    }
    layers = []
    steps = decode_program(program.sections)
    for number, (name, inputs) in enumerate(zip(program.layer_names, program.layer_inputs, strict=True)):
        of_layer = [steps[step] for step in program.steps_of(number)]
        if not of_layer:
            layers.append(Concatenation(name=name, inputs=inputs))
            infos = _network(program, infos[INPUT], layers).tensors()
            continue
        fields, source = _whole(of_layer), inputs[0]
        operation = Operation(fields["operation"])
        if operation is Operation.MAX_POOL:
            window, stride, first = pool_windows(fields)
            layer = MaxPool(
                name=name,
                input=source,
                window=window,
                stride=stride,
                padding=_padding(fields, infos[source], window, stride, first),
            )
        elif operation is Operation.AVERAGE_POOL:
            window, stride, _ = pool_windows(fields)
            layer = AveragePool(
                name=name,
                input=source,
                window=window,
                stride=stride,
                multiplier=scales[fields["scale_base"] * config.requantisers].multiplier,
                shift=fields["shift"],
                low=fields["low"],
                high=fields["high"],
            )
        else:
            residual = inputs[1] if fields["residual"] else None
            place = program.tensors[source]
            layer = _convolution(
                name, source, infos[source], place, residual, fields, config, bases, scales, lists
            )
            if fields["table"]:
                signed = program.tensors[name].signed
                entries = tables[fields["table"] - 1].astype(np.int8 if signed else np.uint8)
                layer = dataclasses.replace(layer, table=entries.astype(np.int64), table_signed=signed)
        layers.append(layer)
        infos = _network(program, infos[INPUT], layers).tensors()
    network = _network(program, infos[INPUT], layers)
    return restore(network, {name: program.tensors[name].order for name in infos})


def _network(program, info, layers):
    return IntegerNetwork(
        name=program.name, input=info, input_scale=program.input_scale, layers=tuple(layers)
    )


def _whole(steps):
    """Fields of a layer as if it had not been cut: the first step is that of the first outputs."""
    ends = []
    for fields in steps:
        row, rest = divmod(fields["output_base"] - steps[0]["output_base"], fields["output_row"])
        column = rest // fields["output_chunks"]
        ends.append((row + fields["output_height"], column + fields["output_width"]))
    height, width = map(max, zip(*ends, strict=True))
    return steps[0] | {"output_height": height, "output_width": width}


def _padding(fields, info, window, stride, first):
    """Zeros, or places, around the map: ``first`` before it, and what the outputs need behind it."""
    last = tuple(
        max(0, (output - 1) * stride + length - size - before)
        for output, length, size, before in zip(
            (fields["output_height"], fields["output_width"]),
            window,
            (info.height, info.width),
            first,
            strict=True,
        )
    )
    return first + last


def _padding_before(fields, taps, pad, last_first):
    """Rows, or columns, of padding before the map, for a kernel that fills the taps."""
    if fields["squares"]:
        last = taps // 2 if last_first else (taps - 1) // 2
        # Which of two paddings it was, the pixel of the last tap tells.
        before = taps - 1 - 2 * (last - pad)
        return before if (taps - before) % 2 == last_first else before - 1
    return 0 if fields["side_by_side"] else pad


def _geometry(fields, info, place, config):
    """Stride and padding of a convolution with the kernel as it lies in the taps, and that kernel's rows and columns."""
    stride = 2 if fields["squares"] else fields["input_pixel"] // place.pixel
    taps = config.kernel_height, config.kernel_width
    pads = fields["pad_top"], fields["pad_left"]
    pairing = fields["last_upper"], fields["last_left"]
    first = tuple(_padding_before(fields, *each) for each in zip(taps, pads, pairing, strict=True))
    # Side by side the taps hold copies of a single one.
    kernel = (1, 1) if fields["side_by_side"] and not fields["squares"] else taps
    return {"stride": stride, "padding": _padding(fields, info, kernel, stride, first)}, kernel


def _convolution(name, source, info, place, residual, fields, config, bases, scales, lists):
    first_entry = fields["scale_base"] * config.requantisers
    entries = scales[first_entry : first_entry + fields["passes"] * fields["groups"] * config.requantisers]
    outputs = sum(entry.enable for entry in entries)
    if not all(entry.enable for entry in entries[:outputs]):
        raise ValueError(f"layer {name}: expected slots without a channel after all others")
    fed = fields["input_chunks"] + (fields["passes"] - 1) // fields["input_repeat"] * fields["input_pass"]
    channels = max(fed * config.chunk, info.channels)
    coefficients = np.zeros((outputs, channels, fields["basis_count"]), np.int8)
    multiplier, bias = np.zeros(outputs, np.int64), np.zeros(outputs, np.int64)
    for slot, entry in enumerate(entries[:outputs]):
        number, pe = divmod(slot, config.pes)
        multiplier[slot], bias[slot] = entry.multiplier, entry.bias
        first_chunk = number // fields["input_repeat"] * fields["input_pass"]
        # Classes of rows make the same of different pixels of a square.
        for row in range(0, config.rows, config.classes if fields["squares"] else 1):
            for word in lists[pe * config.rows + row, fields["coefficient_base"]][number]:
                for lane in range(config.chunk):
                    if word.map >> lane & 1:
                        value = -1 if word.negative >> lane & 1 else 1
                        channel = (first_chunk + word.chunk) * config.chunk + lane
                        coefficients[slot, channel, word.basis] += value

    geometry, kernel = _geometry(fields, info, place, config)
    own = (outputs,) if fields["basis_own"] else ()
    count = fields["basis_count"] * (outputs if own else 1)
    bases = bases[fields["basis_base"] : fields["basis_base"] + count, -kernel[0] :, -kernel[1] :]
    return Convolution(
        name=name,
        input=source,
        coefficients=coefficients[:, : info.channels],
        bases=bases.reshape(*own, fields["basis_count"], *bases.shape[1:]),
        multiplier=multiplier,
        bias=bias,
        shift=fields["shift"],
        low=fields["low"],
        high=fields["high"],
        residual=residual,
        residual_multiplier=fields["residual_multiplier"],
        **geometry,
    )
