"""What the cycle model knows of a layer, and where the times of it lie in memory."""

from collections import namedtuple

from .lanes import called

__all__ = [
    "END",
    "LOAD_AT",
    "REQUANTISED_AT",
    "Data",
    "Geometry",
    "Layout",
    "Shape",
    "layout",
    "power",
]

#: A layer: fields of its description, as ``sim.cycle_model`` names them.
Geometry = namedtuple(
    "Geometry",
    "input_chunks pixels squares side_by_side height width line drain output_height output_width passes groups basis_own basis_words",
)
#: A configuration.
Shape = namedtuple(
    "Shape",
    "pes rows classes ring z_fifo z_ahead output_fifo requantiser_latency concentrates cut chunk lanes lookahead ring_unseen offsets",
)
#: Pointers: what ``convolution_cycles`` gets. How far apart pixels lie among masks.
Data = namedtuple(
    "Data", "lists of_z chunk coefficients cut nonzero masks numbers first_chunk first_slot masks_step"
)
#: Where things lie in memory, in vectors: when each chunk was written to the ring; of each class of rows, when pixels were released; of each pass,
#: when its bases are there, and when the last PE had done with them; of each PE, when results were stored and when they left the FIFO; of each
#: group, when they were requantised; cycles of a MAC that rows claim; of each MAC, when it may go on, and its FIFO of results; rows; a copy of
#: all three.
Layout = namedtuple(
    "Layout",
    "ring ring_mask released pixel_mask ready done stored pulled taken result_mask claimed macs fifos rows row_size copy row_classes",
)
#: At the front of memory: when the last result was requantised, the last load of bases began, the layer ends.
REQUANTISED_AT, LOAD_AT, END = range(3)


@called
def power(least):
    """The power of two that is at least that."""
    found = 1
    while found < least:
        found *= 2
    return found


@called
def layout(geometry, shape, row_size, most_z):
    """``Layout``, and how many vectors it takes; ``most_z``: of a row and a pixel."""
    row_classes = shape.classes if geometry.squares else 1
    shares = 4 // shape.classes if geometry.squares else 1
    ring_size, pixels = power(4 * geometry.input_chunks + 8), power(shape.ring + 8)
    results = power(2 * shape.output_fifo)
    ring = END + 1
    released = ring + ring_size
    ready = released + pixels * row_classes
    done = ready + geometry.passes
    stored = done + geometry.passes
    pulled = stored + results * shape.pes
    taken = pulled + results * shape.pes
    claimed = taken + results * geometry.groups
    macs = claimed + shape.rows * shares * most_z
    fifos = macs + shape.pes
    rows = fifos + shape.pes
    copy = rows + row_size * shape.pes * shape.rows
    at = Layout(
        ring=ring,
        ring_mask=ring_size - 1,
        released=released,
        pixel_mask=pixels - 1,
        ready=ready,
        done=done,
        stored=stored,
        pulled=pulled,
        taken=taken,
        result_mask=results - 1,
        claimed=claimed,
        macs=macs,
        fifos=fifos,
        rows=rows,
        row_size=row_size,
        copy=copy,
        row_classes=row_classes,
    )
    return at, copy + (copy - macs if geometry.squares else 0)
