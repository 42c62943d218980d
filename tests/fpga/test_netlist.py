import json

from fpga.netlist import count_ecp5, count_gowin


def carry(source, target):
    return {"type": "CCU2C", "connections": {"CIN": [source], "COUT": [target]}}


def test_cells_of_all_modules_are_counted(tmp_path):
    leaf = {"type": "LUT4", "connections": {}}
    part = {
        "attributes": {},
        # Two chains, of two cells and of one.
        "cells": {"a": carry("0", 5), "b": carry(5, 6), "c": carry(9, 10), "l": leaf},
    }
    top = {
        "attributes": {},
        "cells": {
            "first": {"type": "part", "connections": {}},
            "second": {"type": "part", "connections": {}},
            "memory": {"type": "TRELLIS_DPR16X4", "connections": {}},
            "register": {"type": "TRELLIS_FF", "connections": {}},
            "product": {"type": "MULT18X18D", "connections": {}},
            "block": {"type": "DP16KD", "connections": {}},
        },
    }
    library = {"attributes": {"blackbox": "1"}, "cells": {"x": leaf}}
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": top, "part": part, "LUT4": library}}))
    assert count_ecp5(path, "part")["luts"] == 1 + 3 * 2 + 2 * 4
    assert count_ecp5(path, "top") == {"luts": 2 * 15 + 6, "registers": 1, "dsps": 1, "block_rams": 1}


def test_a_register_of_gowin_is_behind_a_lut(tmp_path):
    def cell(kind, **nets):
        ports = {name: "output" if name in ("F", "Q", "DO") else "input" for name in nets}
        return {
            "type": kind,
            "connections": {name: [net] for name, net in nets.items()},
            "port_directions": ports,
        }

    cells = {
        "lut": cell("LUT2", I0=1, F=2),
        "behind": cell("DFFR", D=2, Q=3),
        "beside": cell("DFFE", D=3, Q=4),
        "memory": cell("RAM16SDP4", DI=4, DO=5),
        "late": cell("DFF", D=5, Q=6),
        "block": cell("SDPX9B", DI=6),
        "plain": cell("DPB", DI=6),
        "product": cell("MULT18X18", A=6),
    }
    path = tmp_path / "netlist.json"
    path.write_text(json.dumps({"modules": {"top": {"cells": cells}}}))
    assert count_gowin(path, "top") == {"luts": 1 + 2 + 4, "registers": 3, "dsps": 1, "block_rams": 2}
