"""What place and route will take of a part, counted in the netlist that Yosys writes.

Of every family ``luts`` are places of LUTs, as nextpnr reports them, not LUTs alone.
"""

import json
from collections import Counter

__all__ = ["count_ecp5", "count_gowin", "count_ice40"]

#: LUTs by cell of an ECP5: a carry cell holds two, distributed memory four and those that its write port needs.
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}
#: LUTs that nextpnr adds to a carry chain, to enter and to leave it.
_CHAIN_ENDS = 4
#: Places of LUTs that a distributed memory of Gowin's takes.
_GOWIN_MEMORY_LUTS = 4


def count_ecp5(path, top):
    """``{"luts", "registers", "dsps", "block_rams"}`` of module ``top`` and all in it.

    ``luts`` is what nextpnr 0.11 reports as used, to within 20 of it in designs of 17,000 and 63,000.

    Parameters
    ----------
    path : path
        Netlist of ``write_json``, with or without hierarchy.
    top : str
    """
    modules = json.loads(path.read_text())["modules"]
    counted = {}

    def count(name):
        if name not in counted:
            cells = modules[name]["cells"].values()
            total = Counter({"chains": _chains(cells)})
            for cell in cells:
                kind = cell["type"]
                inside = modules.get(kind)
                hollow = inside is None or {"blackbox", "whitebox"} & set(inside["attributes"])
                total.update({kind: 1} if hollow else count(kind))
            counted[name] = total
        return counted[name]

    cells = count(top)
    return {
        "luts": sum(luts * cells[kind] for kind, luts in _LUTS.items()) + _CHAIN_ENDS * cells["chains"],
        "registers": cells["TRELLIS_FF"],
        "dsps": cells["MULT18X18D"],
        "block_rams": cells["DP16KD"],
    }


def count_gowin(path, top):
    """The same of a netlist for Gowin's parts, without hierarchy: a register is behind a LUT, if only one that passes it on.

    Of two designs that took 6,837 and 8,277 places it was 1.5 % short.
    """
    cells = list(json.loads(path.read_text())["modules"][top]["cells"].values())
    kinds, data = _kinds(cells), _data(cells, "DFF")
    luts = {f"LUT{inputs}" for inputs in range(1, 5)}
    behind = _nets(cells, "output", luts)
    alone = sum(net not in behind for net in data)
    return {
        "luts": sum(kinds[kind] for kind in luts) + alone + _GOWIN_MEMORY_LUTS * kinds["RAM16SDP4"],
        "registers": len(data),
        "dsps": kinds["MULT18X18"],
        "block_rams": sum(kinds[kind] for kind in ("DPB", "DPX9B", "SDPB", "SDPX9B")),
    }


def count_ice40(path, top):
    """The same of a netlist for an iCE40, without hierarchy, and its ``large_rams``; ``luts`` are logic cells.

    A logic cell is a LUT and a register; they share one only if the LUT feeds nothing but the register. Carry cells lie beside LUTs and
    are not counted, so place and route takes no fewer logic cells than these.
    """
    module = json.loads(path.read_text())["modules"][top]
    cells = list(module["cells"].values())
    kinds, data = _kinds(cells), _data(cells, "SB_DFF")
    behind, readers = _nets(cells, "output", {"SB_LUT4"}), _nets(cells, "input", set(kinds))
    for port in module["ports"].values():
        if port["direction"] == "output":
            readers.update(port["bits"])
    shared = sum(net in behind and readers[net] == 1 for net in data)
    return {
        "luts": kinds["SB_LUT4"] + len(data) - shared,
        "registers": len(data),
        "dsps": kinds["SB_MAC16"],
        "block_rams": kinds["SB_RAM40_4K"],
        "large_rams": kinds["SB_SPRAM256KA"],
    }


def _kinds(cells):
    return Counter(cell["type"] for cell in cells)


def _data(cells, kind):
    """Nets that registers, cells whose type starts with ``kind``, take over."""
    return [cell["connections"]["D"][0] for cell in cells if cell["type"].startswith(kind)]


def _nets(cells, direction, kinds):
    """How many ports of a direction, of cells of these kinds, each net is at."""
    return Counter(
        net
        for cell in cells
        if cell["type"] in kinds
        for port, nets in cell["connections"].items()
        if cell["port_directions"][port] == direction
        for net in nets
    )


def _chains(cells):
    """Carry cells whose carry comes from no other one."""
    carries = [cell["connections"] for cell in cells if cell["type"] == "CCU2C"]
    driven = {net for connections in carries for net in connections.get("COUT", ())}
    return sum(not driven.intersection(connections.get("CIN", ())) for connections in carries)
