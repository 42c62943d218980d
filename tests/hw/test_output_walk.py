"""Walk over output pixels against plain loops, several maps one after the other."""

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
            assert OutputWalk.model(layer) == [line * row + column * chunks for line, column in pixels]
            for line, column in 2 * pixels:
                expected = [line * row + column * chunks, column == width - 1, line == height - 1]
                while True:
                    advance = int(rng.integers(2))
                    bench.set(dut.advance, advance)
                    assert await bench.cycle(dut.offset, dut.last_column, dut.last_row) == expected
                    if advance:
                        break
            bench.set(dut.advance, 0)

    bench.run(script)
