"""Bits of an image, layer by layer."""

from bisect import bisect_right

from hw.formats import LAYER_WORDS
from hw.protocol import Target

from .records import scale_bytes

__all__ = ["layer_bits"]


def layer_bits(program):
    """Bits that each layer takes of each memory of a ``Program``; together they are ``program.bits``.

    Returns
    -------
    dict
        ``{name: {Target: bits}}``. A table that layers share is counted for the first of them.
    """
    found = {name: {} for name in program.layer_names}
    owners = [program.layer_names[number] for number in program.step_layers]
    # Where each layer's part of a memory begins. A layer without one begins nowhere.
    starts = {Target.BASIS: {}, Target.SCALE: {}, Target.COEFFICIENT: {}, Target.TABLE: {}}
    for name, step in zip(owners, program.layers, strict=True):
        fields = {Target.BASIS: "basis_base", Target.COEFFICIENT: "coefficient_base"}
        if not step["basis_count"]:
            fields = {}
        if step["passes"]:
            fields[Target.SCALE] = "scale_base"
        for target, field in fields.items():
            starts[target].setdefault(step[field], name)
        if step["table"]:
            starts[Target.TABLE].setdefault(step["table"] - 1, name)

    def add(target, name, size):
        found[name][target] = found[name].get(target, 0) + 8 * size

    widths = {
        Target.BASIS: program.config.taps,
        Target.SCALE: scale_bytes(program.config),
        Target.TABLE: 256,
    }
    for section in program.sections:
        if section.target is Target.PROGRAM:
            add(Target.PROGRAM, owners[section.address // LAYER_WORDS], len(section.data))
        elif section.target is Target.COEFFICIENT:
            add(Target.COEFFICIENT, starts[Target.COEFFICIENT][section.address], len(section.data))
        else:
            of_memory = starts[section.target]
            places = sorted(of_memory)
            for word in range(len(section.data) // widths[section.target]):
                owner = of_memory[places[bisect_right(places, word) - 1]]
                add(section.target, owner, widths[section.target])
    return found
