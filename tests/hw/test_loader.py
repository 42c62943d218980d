"""The loader against its model, and the model against words written field by field."""

import random

import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator

from hw.config import Config
from hw.formats import basis_layout, coefficient_layout, dense_layout, header_layout, scale_word_layout
from hw.loader import Loader, write_layout
from hw.protocol import Status, Target

from .streams import TRAFFIC

CONFIGS = {
    "tiny": Config.preset("tiny"),
    "small": Config.preset("small"),
    # Fields that do not fill their bytes, a control field longer than any other word.
    "odd": Config(
        chunk=2,
        lanes=2,
        lookahead=0,
        channels=1024,
        ring=1024,
        bases=128,
        kernel_height=1,
        kernel_width=1,
        pes=3,
        requantisers=1,
        rows=1,
        multiplier_bits=3,
        bias_bits=2,
    ),
    "tables": Config.preset("tiny").replace(tables=2),
    # A chunk wider than every other word.
    "wide": Config(chunk=64, lanes=8, channels=64, activation_words=32, coefficient_words=16),
}


def pack(bits, width):
    """Integer of the bits in whole bytes, little end first."""
    return bits.to_bytes(-(-width // 8), "little")


def const(layout, fields):
    value = layout.const(fields).as_bits()
    return value, len(Value.cast(layout.const(fields)))


class Writer:
    """Random words of one target with the bytes that carry them; rubbish in every bit that is not used."""

    def __init__(self, config, rng):
        self.config, self.rng = config, rng

    def rubbish(self, bits, width):
        room = -(-width // 8) * 8
        return pack(bits | self.rng.getrandbits(room) >> width << width, width)

    def mask(self):
        density = self.rng.choice((0, 0.2, 0.5, 0.8, 1))
        return [self.rng.random() < density for _ in range(self.config.chunk)]

    def program(self):
        word = self.rng.getrandbits(16)
        return [word], pack(word, 16)

    def basis(self):
        taps = [self.rng.randrange(-128, 128) for _ in range(self.config.taps)]
        word, _ = const(basis_layout(self.config), taps)
        return [word], bytes(tap & 0xFF for tap in taps)

    def scale(self):
        config, rng = self.config, self.rng
        high = 1 << config.multiplier_bits - 1, 1 << config.bias_bits - 1
        word, width = const(
            scale_word_layout(config),
            [
                {
                    "multiplier": rng.randrange(-high[0], high[0]),
                    "bias": rng.randrange(-high[1], high[1]),
                    "enable": rng.getrandbits(1),
                }
                for _ in range(config.requantisers)
            ],
        )
        return [word], self.rubbish(word, width)

    def coefficient(self):
        config, rng = self.config, self.rng
        count = rng.randrange(5)
        words, content = [const(header_layout(config), {"count": count})[0]], pack(count, 16)
        for _ in range(count):
            mask = self.mask()
            negative = [rng.getrandbits(1) if one else 0 for one in mask]
            chunk, basis, last = (
                rng.getrandbits(config.chunk_bits),
                rng.getrandbits(config.basis_bits),
                rng.getrandbits(1),
            )
            fields = {
                "map": sum(one << lane for lane, one in enumerate(mask)),
                "negative": sum(one << lane for lane, one in enumerate(negative)),
                "chunk": chunk,
                "basis": basis,
                "last": last,
            }
            words.append(const(coefficient_layout(config), fields)[0])
            control = chunk | basis << config.chunk_bits | last << config.chunk_bits + config.basis_bits
            signs = [sign for one, sign in zip(mask, negative, strict=True) if one]
            content += self.rubbish(control, config.chunk_bits + config.basis_bits + 1)
            content += self.rubbish(fields["map"], config.chunk)
            content += self.rubbish(sum(sign << place for place, sign in enumerate(signs)), len(signs))
        return words, content

    def activation(self):
        mask = self.mask()
        dense = [self.rng.randrange(1, 256) if one else 0 for one in mask]
        content = self.rubbish(sum(one << lane for lane, one in enumerate(mask)), self.config.chunk)
        return [const(dense_layout(self.config), dense)[0]], content + bytes(filter(None, dense))

    def table(self):
        entry = self.rng.getrandbits(8)
        return [entry], bytes([entry])

    def words(self, target, count):
        """At least ``count`` words and their bytes."""
        words, content = [], b""
        while len(words) < count:
            more = getattr(self, target.name.lower())()
            words, content = words + more[0], content + more[1]
        return words, content


def depths(config):
    return {
        Target.PROGRAM: config.layers * 64,
        Target.BASIS: config.basis_words,
        Target.SCALE: config.scale_words,
        Target.COEFFICIENT: config.coefficient_words,
        Target.ACTIVATION: config.activation_words,
        **({Target.TABLE: 256 * config.tables} if config.tables else {}),
    }


def head(target, index=0, address=0):
    return bytes([getattr(target, "value", target), index]) + address.to_bytes(2, "little")


def rtl_loads(config, payloads, *, idle=0.0, back_pressure=0.0, seed=0, limit_cycles=20000):
    """Writes, status and ``written`` of each load, and the cycles from last byte to each write."""
    dut = Loader(config)
    rng = random.Random(seed)
    results, delays = [], []
    word_shape = write_layout(config)

    async def testbench(ctx):
        cycle, last, writes, held = 0, 0, [], None

        async def tick():
            nonlocal cycle, held
            ready = rng.random() >= back_pressure
            ctx.set(dut.write.ready, ready)
            sampled = await ctx.tick().sample(
                dut.head.ready,
                dut.i.ready,
                dut.result.valid,
                dut.result.payload,
                dut.write.valid,
                Value.cast(dut.write.payload),
            )
            cycle += 1
            assert cycle < limit_cycles, (
                f"watchdog: {len(results)} of {len(payloads)} loads in {cycle} cycles"
            )
            if held is not None:
                assert sampled[6] and sampled[7] == held, "expected a word to stay until it is taken"
            held = sampled[7] if sampled[6] and not ready else None
            if sampled[6] and ready:
                word = word_shape.from_bits(sampled[7])
                writes.append((word.target, word.index, word.address, word.data))
                delays.append(cycle - last)
            return sampled[2:6]

        for payload in payloads:
            ctx.set(
                dut.head.payload,
                {
                    "target": payload[0],
                    "index": payload[1],
                    "address": int.from_bytes(payload[2:4], "little"),
                },
            )
            ctx.set(dut.head.valid, 1)
            while not (await tick())[0]:
                pass
            ctx.set(dut.head.valid, 0)
            for byte in payload[4:]:
                while rng.random() < idle:
                    await tick()
                ctx.set(dut.i.valid, 1)
                ctx.set(dut.i.payload, byte)
                while not (await tick())[1]:
                    pass
                last = cycle
                ctx.set(dut.i.valid, 0)
                ctx.set(dut.i.payload, rng.getrandbits(8))
            while rng.random() < idle:
                await tick()
            ctx.set(dut.finish, 1)
            ctx.set(dut.result.ready, 0 if idle else 1)
            result = await tick()
            while not result[2]:
                result = await tick()
            if idle:
                ctx.set(dut.result.ready, 1)
                again = await tick()
                assert again[2] and again[3] == result[3], "expected a result to stay until it is taken"
            ctx.set(dut.finish, 0)
            ctx.set(dut.result.ready, 0)
            results.append((writes, result[3].status, result[3].written))
            writes = []

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return results, delays


def check(config, payloads, **traffic):
    """The loader does what its model says; returns the statuses."""
    results, _ = rtl_loads(config, payloads, **traffic)
    for payload, (writes, status, written) in zip(payloads, results, strict=True):
        expected = Loader.model(config, payload)
        assert writes == expected[0], payload[:8].hex(" ")
        assert status == expected[1], payload[:8].hex(" ")
        assert written == bool(expected[0])
    return [status for _, status, _ in results]


CASES = [(name, target) for name in CONFIGS for target in depths(CONFIGS[name])]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_model(name, target):
    config, seed = CONFIGS[name], 1
    print(f"seed {seed}")
    writer = Writer(config, random.Random(seed))
    for address in (0, 3):
        words, content = writer.words(target, 8)
        writes, status = Loader.model(config, head(target, 0, address) + content)
        assert status == Status.OK
        assert writes == [(target, 0, address + n, word) for n, word in enumerate(words)]


@pytest.mark.parametrize("traffic", TRAFFIC)
@pytest.mark.parametrize("name", CONFIGS)
def test_every_target(name, traffic):
    config, seed = CONFIGS[name], 2
    print(f"seed {seed}")
    rng = random.Random(seed)
    writer = Writer(config, rng)
    payloads = []
    targets = list(depths(config))
    for target in [*targets, *rng.sample(targets, 3)]:
        index = {Target.COEFFICIENT: config.pes * config.rows - 1, Target.ACTIVATION: 2}.get(target, 0)
        payloads.append(head(target, index, rng.randrange(3)) + writer.words(target, 6)[1])
    statuses = check(config, payloads, **TRAFFIC[traffic], seed=seed)
    assert set(statuses) == {Status.OK}


@pytest.mark.parametrize("name", ["tiny", "odd", "tables"])
def test_end_of_memory(name):
    config, seed = CONFIGS[name], 3
    print(f"seed {seed}")
    writer = Writer(config, random.Random(seed))
    payloads, expected = [], []
    for target, depth in depths(config).items():
        words, content = writer.words(target, 3)
        for address, status in (
            (depth - len(words), Status.OK),
            (depth - len(words) + 1, Status.BAD_ADDRESS),
            (depth, Status.BAD_ADDRESS),
            (0xFFFF, Status.BAD_ADDRESS),
        ):
            payloads.append(head(target, 0, address) + content)
            expected.append(status)
        # Nothing lies nowhere.
        payloads.append(head(target, 0, 0xFFFF))
        expected.append(Status.OK)
    assert check(config, payloads) == expected


def test_address_space_is_not_wrapped():
    # The last address of a frame is in this memory; what follows it is not at address 0.
    config = CONFIGS["tiny"].replace(layers=2000)
    payload = head(Target.PROGRAM, 0, 0xFFFE) + bytes(range(8))
    assert check(config, [payload]) == [Status.BAD_ADDRESS]
    assert [write[2] for write in Loader.model(config, payload)[0]] == [0xFFFE, 0xFFFF]


@pytest.mark.parametrize("tables", [0, 2])
def test_target_and_index(tables):
    config = CONFIGS["tiny"].replace(tables=tables)
    good = [(0, 0), (1, 0), (2, 0), (3, 0), (3, config.pes * config.rows - 1), (4, 0), (4, 2)]
    bad = [
        (0, 1),
        (1, 1),
        (2, 255),
        (3, config.pes * config.rows),
        (3, 255),
        (4, 3),
        (5, 1),
        (6, 0),
        (255, 0),
    ]
    (good if tables else bad).append((5, 0))
    # Whole words of every target.
    content = bytes(90)
    statuses = check(config, [head(*where) + content for where in good + bad])
    assert statuses == [Status.OK] * len(good) + [Status.BAD_TARGET] * len(bad)


@pytest.mark.parametrize("name", ["tiny", "odd", "tables"])
def test_cut_anywhere(name):
    config, seed = CONFIGS[name], 4
    print(f"seed {seed}")
    writer = Writer(config, random.Random(seed))
    payloads = []
    for target in depths(config):
        content = writer.words(target, 4)[1]
        payloads += [head(target) + content[:length] for length in range(min(len(content), 24))]
    statuses = check(config, payloads)
    assert set(statuses) == {Status.OK, Status.BAD_LENGTH}
    assert statuses.count(Status.BAD_LENGTH) > statuses.count(Status.OK)


def test_cut_comes_before_address():
    config = CONFIGS["tiny"]
    payload = head(Target.PROGRAM, 0, depths(config)[Target.PROGRAM]) + bytes(3)
    assert check(config, [payload, head(9) + bytes(3)]) == [Status.BAD_LENGTH, Status.BAD_TARGET]


def test_latency():
    config = CONFIGS["tiny"]
    assert rtl_loads(config, [head(Target.PROGRAM) + bytes(2)])[1] == [2]
    assert rtl_loads(config, [head(Target.COEFFICIENT) + bytes([1, 0, 0, 3, 1])])[1] == [2, 3]
    assert rtl_loads(config, [head(Target.COEFFICIENT) + bytes([1, 0, 0, 0])])[1] == [2, 4]
    assert rtl_loads(config, [head(Target.ACTIVATION) + bytes([3, 1, 1])])[1] == [11]
    assert rtl_loads(config, [head(Target.ACTIVATION) + bytes([0])])[1] == [12]
