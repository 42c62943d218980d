"""Walk over output pixels against plain loops, several maps one after the other."""

from itertools import pairwise

import numpy as np

from hw.output_walk import OutputWalk

from .bench import Bench
from .layers import CONFIGURATIONS, layer_fields

CONFIG = CONFIGURATIONS["tiny"]


def test_maps_one_after_the_other():
    seed = 251
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    dut = OutputWalk(CONFIG)
    bench = Bench(dut, seed=seed)

    async def script():
        for height, width in [(1, 1), (1, 4), (3, 1), (2, 3), (3, 2)]:
            chunks, row = (int(words) for words in rng.integers(1, 30, 2))
            layer = layer_fields(
                output_height=height, output_width=width, output_chunks=chunks, output_row=row
            )
            bench.set(dut.layer, layer)
            await bench.repeat(2)
            # The walk goes round, and stands where it is not told to move.
            pixels = [(line, column) for line in range(height) for column in range(width)]
            again = [
                (line, column)
                for line in range(height)
                for column in [*range(width)] * int(rng.integers(1, 4))
            ]
            assert OutputWalk.model(layer) == [line * row + column * chunks for line, column in pixels]
            walk = [*pixels, *again, *pixels]
            for (line, column), following in pairwise([*walk, walk[0]]):
                expected = [line * row + column * chunks, column, column == width - 1, line == height - 1]
                bench.set(dut.same_row, following == (line, 0))
                while True:
                    advance = int(rng.integers(2))
                    bench.set(dut.advance, advance)
                    found = await bench.cycle(dut.offset, dut.column, dut.last_column, dut.last_row)
                    assert found == expected
                    if advance:
                        break
            bench.set(dut.advance, 0)

    bench.run(script)
