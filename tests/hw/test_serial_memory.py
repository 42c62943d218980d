"""Memory with one port against a list: pieces of a word are written apart, and a word read stays."""

import random

import pytest

from hw.serial_memory import SinglePortMemory

from .bench import Bench


@pytest.mark.parametrize(("depth", "pieces", "piece_bits"), [(13, 3, 5), (8, 1, 7), (2, 4, 8)])
def test_reads_and_writes(depth, pieces, piece_bits):
    """Of all kinds, one after the other; what a read gives beside a write is not looked at."""
    seed = 271
    print(f"seed {seed}")
    rng = random.Random(seed)
    dut = SinglePortMemory(depth, pieces=pieces, piece_bits=piece_bits)
    bench = Bench(dut, seed=seed)
    held = [[0] * pieces for _ in range(depth)]
    looked_at = 0

    def packed(word):
        return sum(piece << index * piece_bits for index, piece in enumerate(word))

    async def script():
        nonlocal looked_at
        expected = None
        for _ in range(600):
            address, written = rng.randrange(depth), [rng.getrandbits(piece_bits) for _ in range(pieces)]
            writes, reads = (
                rng.choice([0, 0, 0, rng.getrandbits(pieces), (1 << pieces) - 1]),
                rng.randrange(2),
            )
            bench.set(dut.address, address)
            bench.set(dut.data, packed(written))
            bench.set(dut.writes, writes)
            bench.set(dut.reads, reads)
            (word,) = await bench.cycle(dut.word)
            if expected is not None:
                assert word == expected
                looked_at += 1
            if reads:
                expected = None if writes else packed(held[address])
            for piece in range(pieces):
                if writes >> piece & 1:
                    held[address][piece] = written[piece]

    bench.run(script)
    assert looked_at > 300


def test_a_word_stays_while_others_are_written():
    dut = SinglePortMemory(4, pieces=2, piece_bits=4)
    bench = Bench(dut)

    async def write(address, data, writes):
        bench.set(dut.address, address)
        bench.set(dut.data, data)
        bench.set(dut.writes, writes)
        (word,) = await bench.cycle(dut.word)
        bench.set(dut.writes, 0)
        return word

    async def read(address):
        bench.set(dut.address, address)
        await bench.pulse(dut.reads)
        return (await bench.cycle(dut.word))[0]

    async def script():
        await write(1, 0x57, 3)
        await write(2, 0xAB, 3)
        assert await read(1) == 0x57
        # That word itself, and others.
        assert await write(1, 0xCD, 1) == 0x57
        assert await write(2, 0x1E, 2) == 0x57
        assert await write(3, 0xFF, 0) == 0x57
        assert await read(1) == 0x5D
        assert await read(2) == 0x1B

    bench.run(script)
