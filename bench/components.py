"""LUTs of the components that there are many of, each synthesised alone: a gate that takes seconds, not minutes."""

from hw.mac import BasisMac
from hw.requantiser import Requantiser
from hw.row import Row

from .accumulation import logic_cells

__all__ = ["COMPONENTS", "component_luts"]

COMPONENTS = {"row": Row, "mac": BasisMac, "requantiser": Requantiser}


def component_luts(name, config):
    """LUTs of one component of ``COMPONENTS`` in a configuration, as ``bench.accumulation`` counts them."""
    return logic_cells(COMPONENTS[name](config))
