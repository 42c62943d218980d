"""What a program's descriptors and memories mean, executed slowly and literally: address by address, tap by tap."""

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
        sums = {
            Operation.CONVOLUTION.value: _convolution,
            Operation.MAX_POOL.value: _max_pool,
            Operation.AVERAGE_POOL.value: _global_average,
        }[fields["operation"]](program, fields, banks)
        for (slot, row, column), value in sums:
            word = (row * fields["output_width"] + column) * fields["output_chunks"] + slot // config.chunk
            address = fields["output_base"] + word
            banks[fields["output_bank"], address, slot % config.chunk] = value & 0xFF
    return _read(banks, program.tensors[program.output_name])


def _addresses(place, chunk):
    for slot, row, column in np.ndindex(place.shape):
        word = (row * place.width + column) * place.chunks + slot // chunk
        yield (place.order[slot], row, column), (place.bank.value, place.base + word, slot % chunk)


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


def _fed(fields, banks, index=0):
    """Int64 [rows, columns, chunks, N] of pixels as the machine feeds them in pass ``index``."""
    chunk, size = banks.shape[2], 2 if fields["blocks"] else 1
    fed = np.zeros((fields["height"] * size, fields["width"] * size, fields["input_chunks"], chunk), np.int64)
    base = fields["input_base"] + index // fields["input_repeat"] * fields["input_pass"]
    for row, column, number, lane in np.ndindex(fed.shape):
        y, x = row - fields["lead_top"], column - fields["lead_left"]
        if fields["blocks"] and not (0 <= y < fields["map_height"] and 0 <= x < fields["map_width"]):
            continue
        if number < fields["input_chunks"] - 1 or lane < fields["input_lanes"]:
            word = y * fields["input_row"] + x * fields["input_pixel"] + number
            byte = banks[fields["input_bank"], base + word, lane]
            fed[row, column, number, lane] = _number(byte, fields["input_signed"])
    return fed


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


def _requantise(total, scale, fields, residual=0):
    total = total * scale.multiplier + scale.bias + residual * fields["residual_multiplier"]
    total = (total + (1 << fields["shift"] - 1)) >> fields["shift"]
    return min(max(total, fields["low"]), fields["high"])


def _convolution(program, fields, banks):
    config = program.config
    bases = np.frombuffer(_memory(program, Target.BASIS), np.int8).astype(np.int64)
    bases = bases.reshape(-1, config.kernel_height, config.kernel_width)
    lists = {
        section.index: [words for words, _ in decode_lists(section.data, config)]
        for section in program.sections
        if section.target is Target.COEFFICIENT and section.address == fields["coefficient_base"]
    }
    results = []
    for slot, number, pe, scale in _slots(program, fields):
        fed = _fed(fields, banks, number)
        total = np.zeros((fields["height"], fields["width"]), np.int64)
        for row in range(config.rows):
            z = np.zeros(fed.shape[:2], np.int64)
            for word in lists[pe * config.rows + row][number]:
                for lane in range(config.chunk):
                    if word.map >> lane & 1:
                        sign = -1 if word.negative >> lane & 1 else 1
                        z = z + sign * fed[:, :, word.chunk, lane]
                if word.last:
                    first = fields["basis_base"] + slot * fields["basis_count"] * fields["basis_own"]
                    total += _spread(
                        z, bases[first + word.basis], fields, row % config.classes, config.classes
                    )
                    z = np.zeros(fed.shape[:2], np.int64)
        for row in range(fields["output_height"]):
            for column in range(fields["output_width"]):
                at = (slot, row, column)
                value = int(total[row, column])
                results.append((at, _requantise(value, scale, fields, _residual(fields, banks, at))))
    return results


def _spread(z, taps, fields, number, classes):
    """What the ``z`` [rows, columns] of the pixels fed add to the outputs, made by a row of class ``number``."""
    total = np.zeros((fields["height"], fields["width"]), np.int64)
    blocks, side_by_side = fields["blocks"], fields["side_by_side"]
    for row, column, down, right in np.ndindex(*z.shape, *taps.shape):
        # Counted from the last tap: which pixel of two it works for, which output from there.
        from_bottom, from_right = taps.shape[0] - 1 - down, taps.shape[1] - 1 - right
        parity = 2 * (1 - from_bottom % 2) + 1 - from_right % 2
        if side_by_side and parity % classes != number:
            continue
        if blocks and (row % 2, column % 2) != divmod(parity, 2):
            continue
        if side_by_side:
            y = row // (1 + blocks) + fields["pad_top"] - ((taps.shape[0] + 1) // 2 - 1 - from_bottom // 2)
            x = column // (1 + blocks) + fields["pad_left"] - ((taps.shape[1] + 1) // 2 - 1 - from_right // 2)
        else:
            y, x = row + fields["pad_top"] - down, column + fields["pad_left"] - right
        if 0 <= y < total.shape[0] and 0 <= x < total.shape[1]:
            total[y, x] += taps[down, right] * z[row, column]
    return total


def _residual(fields, banks, at):
    if not fields["residual"]:
        return 0
    slot, row, column = at
    chunk = banks.shape[2]
    word = (row * fields["output_width"] + column) * fields["output_chunks"] + slot // chunk
    byte = banks[fields["residual_bank"], fields["residual_base"] + word, slot % chunk]
    return _number(byte, fields["residual_signed"])


def _max_pool(program, fields, banks):
    fed = _fed(fields, banks).reshape(fields["height"], fields["width"], -1)
    step, window = fields["stride"], fields["window_height"]
    return [
        (
            (slot, row, column),
            int(fed[row * step : row * step + window, column * step : column * step + window, slot].max()),
        )
        for row in range(fields["output_height"])
        for column in range(fields["output_width"])
        for slot in range(fed.shape[2])
    ]


def _global_average(program, fields, banks):
    fed = _fed(fields, banks)
    return [
        ((slot, 0, 0), _requantise(int(fed[:, :, number, lane].sum()), scale, fields))
        for slot, number, lane, scale in _slots(program, fields)
    ]
