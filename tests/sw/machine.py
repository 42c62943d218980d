"""What a program's descriptors and memories mean, executed slowly and literally: address by address, tap by tap."""

from itertools import product

import numpy as np

from hw.formats import Operation
from hw.protocol import Target
from sw.records import decode_lists, decode_scales

__all__ = ["execute"]


def execute(program, tensor, seed=0):
    """Output of a program for an input [C, H, W]; the banks are full of rubbish before."""
    config = program.config
    random = np.random.default_rng(seed)
    banks = random.integers(0, 256, (3, config.activation_words, config.chunk), dtype=np.uint8)
    _write(banks, program.tensors["input"], tensor)
    for fields in program.layers:
        make = {
            Operation.CONVOLUTION.value: _convolution,
            Operation.MAX_POOL.value: _max_pool,
            Operation.AVERAGE_POOL.value: _average_pool,
        }[fields["operation"]]
        # A layer may write beside what it reads, but never into it.
        for at, value in list(make(program, fields, banks)):
            banks[_output(fields, "output", at, config.chunk)] = value & 0xFF
    return _read(banks, program.tensors[program.output_name])


def _output(fields, tensor, at, chunk):
    """Bank, address and lane of a slot of the output, or of the tensor that is added there."""
    slot, row, column = at
    lane = fields["output_slot"] + slot
    word = row * fields["output_row"] + column * fields["output_chunks"] + lane // chunk
    return fields[f"{tensor}_bank"], fields[f"{tensor}_base"] + word, lane % chunk


def _addresses(place, chunk):
    for at, row, column in np.ndindex(len(place.order), place.height, place.width):
        if place.order[at] >= 0:
            lane = place.slot + at
            word = row * place.row + column * place.pixel + lane // chunk
            yield (place.order[at], row, column), (place.bank.value, place.base + word, lane % chunk)


def _write(banks, place, tensor):
    for at, address in _addresses(place, banks.shape[2]):
        banks[address] = int(tensor[at]) & 0xFF


def _read(banks, place):
    tensor = np.zeros(place.shape, np.int64)
    for at, address in _addresses(place, banks.shape[2]):
        tensor[at] = _number(banks[address], place.signed)
    return tensor


def _number(byte, signed):
    return int(byte) - 256 if signed and byte > 127 else int(byte)


def _memory(program, target):
    return b"".join(section.data for section in program.sections if section.target is target)


def _slots(program, fields):
    """(slot, pass, unit within the pass, entry) of everything that is requantised and kept."""
    count, groups = program.config.requantisers, fields["groups"]
    scales = decode_scales(_memory(program, Target.SCALE), program.config)
    for number, group, unit in np.ndindex(fields["passes"], groups, count):
        word = number * groups + group
        scale = scales[(fields["scale_base"] + word) * count + unit]
        if scale.enable:
            yield word * count + unit, number, group * count + unit, scale


def _requantise(program, fields, total, scale, residual=0):
    total = total * scale.multiplier + scale.bias + residual * fields["residual_multiplier"]
    total = (total + (1 << fields["shift"] - 1)) >> fields["shift"]
    value = min(max(total, fields["low"]), fields["high"])
    if fields["table"]:
        return _memory(program, Target.TABLE)[256 * (fields["table"] - 1) + (value & 0xFF)]
    return value


def _residual(fields, banks, at):
    if not fields["residual"]:
        return 0
    byte = banks[_output(fields, "residual", at, banks.shape[2])]
    return _number(byte, fields["residual_signed"])


def _chunks(fields, banks, address):
    """Int64 [chunks, N] of the input."""
    read = banks[fields["input_bank"], address : address + fields["input_chunks"]]
    assert len(read) == fields["input_chunks"], "expected addresses within the bank"
    return (read.view(np.int8) if fields["input_signed"] else read).astype(np.int64)


def _pixel(fields, banks, number, row, column):
    """Int64 [chunks, N]: a pixel of the map as it is fed in one pass; zero beyond the map."""
    pixel = np.zeros((fields["input_chunks"], banks.shape[2]), np.int64)
    if 0 <= row < fields["map_height"] and 0 <= column < fields["map_width"]:
        first = fields["input_base"] + number // fields["input_repeat"] * fields["input_pass"]
        first += row * fields["input_row"] + column * fields["input_pixel"]
        pixel[:] = _chunks(fields, banks, first)
        pixel[-1, fields["input_lanes"] :] = 0
    return pixel


def _fed(fields, banks, number):
    """Int64 [rows, columns, chunks, N]: the pixels that are fed in one pass, those of squares in their places."""
    size = 1 + fields["squares"]
    rows = [
        [_pixel(fields, banks, number, row, column) for column in range(size * fields["width"])]
        for row in range(size * fields["height"])
    ]
    return np.array(rows)


def _convolution(program, fields, banks):
    config = program.config
    _check_geometry(config, fields)
    fed = [_fed(fields, banks, number) for number in range(fields["passes"])]
    bases = np.frombuffer(_memory(program, Target.BASIS), np.int8).astype(np.int64)
    bases = bases.reshape(-1, config.kernel_height, config.kernel_width)
    lists = {
        section.index: [words for words, _ in decode_lists(section.data, config)]
        for section in program.sections
        if section.target is Target.COEFFICIENT and section.address == fields["coefficient_base"]
    }
    for slot, number, pe, scale in _slots(program, fields):
        total = np.zeros((fields["height"], fields["line"]), np.int64)
        for row in range(config.rows):
            z = np.zeros(fed[number].shape[:2], np.int64)
            for word in lists[pe * config.rows + row][number]:
                for lane in range(config.chunk):
                    if word.map >> lane & 1:
                        sign = -1 if word.negative >> lane & 1 else 1
                        z = z + sign * fed[number][:, :, word.chunk, lane]
                if word.last:
                    first = fields["basis_base"] + slot * fields["basis_count"] * fields["basis_own"]
                    _spread(config, fields, total, z, bases[first + word.basis], row)
                    z = np.zeros_like(z)
        for at in np.ndindex(fields["output_height"], fields["output_width"]):
            value = int(total[at])
            residual = _residual(fields, banks, (slot, *at))
            yield (slot, *at), _requantise(program, fields, value, scale, residual)


def _side(taps, tap, last_first):
    """Of a row, or column, of ``taps`` where they lie side by side: its group, its parity, its pixel of two in a square."""
    from_last = taps - 1 - tap
    outputs = [(at + last_first) // 2 for at in range(taps)]
    return outputs[-1] - outputs[from_last], 1 - from_last % 2, (from_last + 1 + last_first) % 2


def _spread(config, fields, total, z, taps, row):
    """Add what a row's ``z`` of every pixel makes with every tap to ``total``, by position."""
    for down, right in np.ndindex(taps.shape):
        to_row, to_column = down, right
        used = z
        if fields["side_by_side"]:
            to_row, below, lower = _side(config.kernel_height, down, fields["last_upper"])
            to_column, beside, later = _side(config.kernel_width, right, fields["last_left"])
            # Each tap takes the operand of one class of rows.
            if {1: 0, 2: beside, 4: 2 * below + beside}[config.classes] != row % config.classes:
                continue
            if fields["squares"]:
                # A row makes its share of the four pixels; a tap meets one of them.
                used = z[lower::2, later::2]
        # What would leave the positions is masked.
        rows = np.arange(used.shape[0]) + fields["pad_top"] - to_row
        columns = np.arange(used.shape[1]) + fields["pad_left"] - to_column
        inside = [
            (places >= 0) & (places < most) for places, most in zip((rows, columns), total.shape, strict=True)
        ]
        to = np.ix_(rows[inside[0]], columns[inside[1]])
        total[to] += taps[down, right] * used[np.ix_(*inside)]


def _check_geometry(config, fields):
    """What the fields say twice must agree, and fit the machine."""
    last = [config.kernel_height - 1, config.kernel_width - 1]
    if fields["side_by_side"]:
        last = [
            taps // 2 if fields[name] else (taps - 1) // 2
            for taps, name in ((config.kernel_height, "last_upper"), (config.kernel_width, "last_left"))
        ]
    after = last[0] - fields["pad_top"], last[1] - fields["pad_left"]
    assert fields["drain"] == after[0] * fields["line"] + after[1] >= 0
    assert fields["line"] == max(fields["width"], config.line_minimum) <= config.line
    assert fields["output_width"] <= fields["width"]
    assert fields["output_height"] <= fields["height"] <= config.line
    share = 4 // config.classes if fields["squares"] else 1
    assert fields["pixels"] == fields["height"] * fields["width"] * share


def _windows(fields, banks):
    """For each output place the int64 [places, chunks, N] of its window that lie in the map."""
    for at in np.ndindex(fields["output_height"], fields["output_width"]):
        across = [
            [
                offset
                for offset in range(start, start + fields[f"window_{words}"] + 1, fields[f"input_{words}"])
                if 0 <= offset <= fields[f"map_{side}"]
            ]
            for side, words, start in (
                ("height", "row", at[0] * fields["step_row"] - fields["pad_top"]),
                ("width", "pixel", at[1] * fields["step_pixel"] - fields["pad_left"]),
            )
        ]
        addresses = [fields["input_base"] + down + right for down, right in product(*across)]
        yield at, np.array([_chunks(fields, banks, address) for address in addresses])


def _check_scan(config, fields):
    """Windows that one scan can make: none apart, no place in more than two, no column too soon again."""
    if not fields["scan"]:
        return
    assert fields["output_width"] <= config.pool_columns
    assert fields["map_width"] // fields["input_pixel"] + 1 >= config.pool_distance
    for words in ("row", "pixel"):
        step, window = fields[f"step_{words}"], fields[f"window_{words}"] + fields[f"input_{words}"]
        assert step <= window <= 2 * step


def _max_pool(program, fields, banks):
    """Whole chunks."""
    _check_scan(program.config, fields)
    for at, window in _windows(fields, banks):
        for slot, value in enumerate(window.max(axis=0).reshape(-1).tolist()):
            yield (slot, *at), value


def _average_pool(program, fields, banks):
    slots = list(_slots(program, fields))
    for at, window in _windows(fields, banks):
        sums = window.sum(axis=0)
        for slot, number, lane, scale in slots:
            yield (slot, *at), _requantise(program, fields, int(sums[number, lane]), scale)
