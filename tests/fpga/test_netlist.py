import json

from fpga.netlist import count_netlist


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
    assert count_netlist(path, "part")["luts"] == 1 + 3 * 2 + 2 * 4
    assert count_netlist(path, "top") == {"luts": 2 * 15 + 6, "registers": 1, "dsps": 1, "block_rams": 1}
