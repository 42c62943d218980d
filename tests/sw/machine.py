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


def _fed(fields, banks):
    """Int64 [height, width, chunks, N] as the machine feeds it."""
    chunk = banks.shape[2]
    fed = np.zeros((fields["height"], fields["width"], fields["input_chunks"], chunk), np.int64)
    for row, column, number, lane in np.ndindex(fed.shape):
        if number < fields["input_chunks"] - 1 or lane < fields["input_lanes"]:
            word = row * fields["input_row"] + column * fields["input_pixel"] + number
            byte = banks[fields["input_bank"], fields["input_base"] + word, lane]
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
    fed = _fed(fields, banks)
    bases = np.frombuffer(_memory(program, Target.BASIS), np.int8).astype(np.int64)
    bases = bases.reshape(-1, config.kernel_height, config.kernel_width)
    lists = {
        section.index: [words for words, _ in decode_lists(section.data, config)]
        for section in program.sections
        if section.target is Target.COEFFICIENT and section.address == fields["coefficient_base"]
    }
    results = []
    for slot, number, pe, scale in _slots(program, fields):
        total = np.zeros(fed.shape[:2], np.int64)
        for row in range(config.rows):
            z = np.zeros(fed.shape[:2], np.int64)
            for word in lists[pe * config.rows + row][number]:
                for lane in range(config.chunk):
                    if word.map >> lane & 1:
                        sign = -1 if word.negative >> lane & 1 else 1
                        z = z + sign * fed[:, :, word.chunk, lane]
                if word.last:
                    first = fields["basis_base"] + slot * fields["basis_count"] * fields["basis_own"]
                    total += _spread(z, bases[first + word.basis], fields)
                    z = np.zeros(fed.shape[:2], np.int64)
        for row in range(fields["output_height"]):
            for column in range(fields["output_width"]):
                at = (slot, row, column)
                value = int(total[row * fields["stride"], column * fields["stride"]])
                results.append((at, _requantise(value, scale, fields, _residual(fields, banks, at))))
    return results


def _spread(z, taps, fields):
    height, width = z.shape
    kernel_height, kernel_width = taps.shape
    total = np.zeros_like(z)
    for row, column, down, right in np.ndindex(height, width, kernel_height, kernel_width):
        y, x = row - fields["pad_top"] + down, column - fields["pad_left"] + right
        if 0 <= y < height and 0 <= x < width:
            total[row, column] += taps[down, right] * z[y, x]
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
