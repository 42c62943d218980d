"""The one configuration object that drives RTL, packer, models, estimates and documentation."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

__all__ = ["ACTIVATION_BITS", "PRESETS", "Config"]

#: Bits of one activation; signed or unsigned is a property of the layer that produced it.
ACTIVATION_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that can be chosen about one accelerator.

    Immutable. ``Config.preset("small")`` gives a named configuration, ``replace()`` a variation of it.

    Raises
    ------
    ValueError
        If a value is out of its range, or two values cannot go together.
    """

    #: Name of the preset this configuration started from; shown in reports.
    name: str = "custom"
    #: N: channels in one chunk, the unit of SparseMap. A power of two from 2 to 64.
    chunk: int = 16
    #: How a row adds channels: ``concentration`` packs the matches of a chunk into lanes, as ESCALATE does;
    #: ``tree`` adds the whole chunk in one masked adder tree; ``serial`` makes another machine, for the smallest parts, in which one
    #: adder tree and one multiplier do everything, tap after tap (``hw.serial_machine``). It has one PE of one row and no use for
    #: ``lanes``, ``ring`` and FIFOs.
    accumulation: str = "concentration"
    #: Lanes of one row: activations added per cycle. A power of two, at most ``chunk``. The tree does not use it.
    lanes: int = 8
    #: Steps beyond the current one that a lane may take a matched activation from.
    lookahead: int = 1
    #: Neighbouring lanes, on each side, that a lane may take a matched activation from.
    lookaside: int = 1
    #: G: rows (channel accumulations) that feed one MAC.
    rows: int = 2
    #: P: processing elements, each with one MAC of ``kernel_height * kernel_width`` multipliers.
    pes: int = 2
    #: Blocks that the PEs are dealt into, each with an input ring of its own. Divides ``pes``.
    blocks: int = 1
    #: Results that are requantised in one cycle. A power of two that divides ``pes`` and ``chunk``.
    requantisers: int = 2
    #: R: rows of the largest kernel.
    kernel_height: int = 3
    #: S: columns of the largest kernel.
    kernel_width: int = 3
    #: M: most basis kernels that one layer may share.
    bases: int = 8
    #: Most rows of a map, and most positions in one of them: the length of a partial-sum line.
    line: int = 32
    #: Most channels of one tensor.
    channels: int = 128
    #: Entries (chunks) of the input ring. A power of two, room for two whole pixels.
    ring: int = 16
    #: Chunks that one of the three activation banks holds.
    activation_words: int = 1024
    #: Words of coefficient memory of one row.
    coefficient_words: int = 512
    #: Basis kernels of all layers together.
    basis_words: int = 64
    #: Words of requantisation entries (``requantisers`` output channels each) of all layers together.
    scale_words: int = 128
    #: Activation tables of all layers together, each of 256 bytes beside every requantiser. 0 leaves the hardware out.
    tables: int = 0
    #: Columns of outputs that maxima of windows are kept for, so that windows that overlap read every pixel once; a wider output is
    #: cut. A power of two, or 0, which leaves the hardware out: then every window is read by itself.
    pool_columns: int = 32
    #: Layers of one program.
    layers: int = 32
    #: Places for intermediate elements between a row and its MAC; at least as many as are on their way when the row stops.
    z_fifo: int = 16
    #: Results that a MAC may run ahead of the requantiser; more than its pipeline holds.
    output_fifo: int = 16
    #: Width of an intermediate element ``z``, signed.
    z_bits: int = 16
    #: Width of a partial sum, signed.
    accumulator_bits: int = 24
    #: Width of a requantisation multiplier, signed.
    multiplier_bits: int = 16
    #: Width of a requantisation bias, signed.
    bias_bits: int = 40
    #: Cycles of silence inside a frame after which the host link gives it up.
    link_timeout: int = 1 << 20

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("name", "accumulation"):
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise ValueError(f"{field.name} must be an integer, not {value!r}")
            least = 0 if field.name in ("lookahead", "lookaside", "tables", "pool_columns") else 1
            if value < least:
                raise ValueError(f"{field.name} must be at least {least}, not {value}")
        powers = (
            "chunk",
            "lanes",
            "requantisers",
            "ring",
            "activation_words",
            "coefficient_words",
            "pool_columns",
        )
        for name in powers:
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value}")
        self._require(
            self.accumulation in ("concentration", "tree", "serial"),
            "accumulation",
            "'concentration', 'tree' or 'serial'",
        )
        self._require(2 <= self.chunk <= 64, "chunk", "from 2 to 64")
        self._require(self.lanes <= self.chunk, "lanes", f"at most the chunk of {self.chunk}")
        self._require(self.lookahead < self.steps, "lookahead", f"less than chunk / lanes = {self.steps}")
        self._require(self.lookaside < self.lanes, "lookaside", f"less than the {self.lanes} lanes")
        self._require(
            self.pes % self.requantisers == 0 and self.chunk % self.requantisers == 0,
            "requantisers",
            f"a divisor of {self.pes} pes and of the chunk of {self.chunk}",
        )
        self._require(self.pes % self.blocks == 0, "blocks", f"a divisor of {self.pes} pes")
        self._require(self.kernel_height <= 7, "kernel_height", "at most 7")
        self._require(self.kernel_width <= 7, "kernel_width", "at most 7")
        self._require(self.channels % self.chunk == 0, "channels", f"a multiple of the chunk of {self.chunk}")
        self._require(self.ring >= 2 * self.chunks, "ring", f"at least two pixels of {self.chunks} chunks")
        self._require(
            self.ring >= self.chunks + self.ring_unseen - 1,
            "ring",
            f"at least a pixel of {self.chunks} chunks and {self.ring_unseen - 1} on their way",
        )
        self._require(self.line >= self.line_minimum, "line", f"at least {self.line_minimum}")
        self._require(
            self.z_fifo >= self.z_in_flight,
            "z_fifo",
            f"at least the {self.z_in_flight} that are on their way",
        )
        self._require(self.output_fifo >= 12, "output_fifo", "at least 12, more than a MAC has in flight")
        self._require(self.bases <= 128, "bases", "at most 128")
        self._require(self.tables <= 256, "tables", "at most 256")
        self._require(self.z_bits > ACTIVATION_BITS, "z_bits", f"more than {ACTIVATION_BITS}")
        self._require(
            self.accumulator_bits >= self.z_bits, "accumulator_bits", f"at least z_bits = {self.z_bits}"
        )
        self._require(
            max(self.line, self.activation_words - 1, self.coefficient_words, self.channels) < 1 << 16,
            "line, activation_words, coefficient_words and channels",
            "less than 65536 each (activation_words: at most that), to fit a field of the program",
        )

        most = 1 << self.coefficient_bits
        self._require(
            self.coefficient_words <= most,
            "coefficient_words",
            f"at most {most}, which a word of {self.coefficient_bits} bits can count",
        )
        if self.serial:
            for name, only in (
                ("pes", 1),
                ("rows", 1),
                ("requantisers", 1),
                ("tables", 0),
                ("pool_columns", 0),
            ):
                self._require(getattr(self, name) == only, name, f"{only} in a serial machine")
            self._require(
                (self.kernel_height == 1) == (self.kernel_width == 1),
                "kernel_height",
                f"1 in a serial machine if kernel_width = {self.kernel_width} is, and more if that is",
            )

    def _require(self, condition, name, expected):
        if not condition:
            got = getattr(self, name, "a larger one")
            raise ValueError(f"{name} must be {expected}, not {got!r}")

    @classmethod
    def preset(cls, name):
        """The configuration called ``name``; raises ``ValueError`` that lists the names there are."""
        if name not in PRESETS:
            raise ValueError(f"expected a preset from {', '.join(PRESETS)}, not {name!r}")
        return PRESETS[name]

    def replace(self, **changes):
        """The same configuration with some values changed, checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self):
        """Plain dictionary, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """Inverse of ``to_dict``; raises ``ValueError`` on names that are missing or unknown."""
        names = {field.name for field in dataclasses.fields(cls)}
        if set(values) != names:
            odd = ", ".join(sorted(set(values) ^ names))
            raise ValueError(f"expected exactly the fields of a configuration; these differ: {odd}")
        return cls(**values)

    @property
    def digest(self):
        """32-bit fingerprint of every value but the name: the device reports it, the host compares it."""
        values = {key: value for key, value in self.to_dict().items() if key != "name"}
        text = json.dumps(values, sort_keys=True).encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "little")

    @property
    def serial(self):
        """Whether this is a serial machine."""
        return self.accumulation == "serial"

    @property
    def plane_words(self):
        """Positions that one output channel of a layer can have in a serial machine."""
        return self.line**2

    @property
    def steps(self):
        """Steps of ``lanes`` activations in one chunk."""
        return self.chunk // self.lanes

    @property
    def chunks(self):
        """Most chunks of one pixel."""
        return self.channels // self.chunk

    @property
    def switches(self):
        """Control bits of one butterfly network of ``chunk`` lanes."""
        return self.chunk // 2 * (self.chunk.bit_length() - 1)

    @property
    def taps(self):
        """Multipliers of one MAC."""
        return self.kernel_height * self.kernel_width

    @property
    def table_words(self):
        """Entries of all activation tables."""
        return self.tables << ACTIVATION_BITS

    @property
    def ring_unseen(self):
        """Places that the input ring keeps free when it says that it has one: what is on its way when it fills up."""
        return 4

    @property
    def tree_is_cut(self):
        """Whether the adders of a row have a register in their middle: a tree over more than 8 lanes does."""
        return (self.chunk if self.accumulation == "tree" else self.lanes) > 8

    @property
    def z_in_flight(self):
        """Most intermediate elements that come after a row has been told to stop: registers from match to FIFO, and two cycles."""
        return (6 if self.accumulation == "tree" else 9) + self.tree_is_cut

    @property
    def z_ahead(self):
        """Most intermediate elements that a row sees waiting in its FIFO and goes on."""
        return self.z_fifo + 1 - self.z_in_flight

    @property
    def line_minimum(self):
        """Least positions of a line in the MAC: its read is issued before its write has landed."""
        return 4

    @property
    def pool_distance(self):
        """Least cycles until maxima of the same column come again: the line is read before its write has landed."""
        return 4

    @property
    def chunk_bits(self):
        """Bits of a chunk number within a pixel."""
        return max(1, (self.chunks - 1).bit_length())

    @property
    def basis_bits(self):
        """Bits of a basis number within a layer."""
        return max(1, (self.bases - 1).bit_length())

    @property
    def coefficient_bits(self):
        """Bits of a word of coefficient memory: maps, signs, chunk, basis, and whether it is the last of its ``z``."""
        return 2 * self.chunk + self.chunk_bits + self.basis_bits + 1

    @property
    def block_pes(self):
        """PEs of one block."""
        return self.pes // self.blocks

    @property
    def classes(self):
        """Operands that a MAC can multiply in a cycle, if they are for different taps: one from every class of rows.

        Taps work for the four pixels of a square of 2 x 2. Row ``g`` of a PE is of class ``g % classes``.
        """
        if min(self.kernel_height, self.kernel_width, self.rows) == 1:
            return 1
        return 4 if self.rows >= 4 else 2

    @property
    def adders(self):
        """Activations that all rows together can add in one cycle."""
        width = self.lanes if self.accumulation == "concentration" else self.chunk
        return self.pes * self.rows * width

    @property
    def multipliers(self):
        """Multipliers of all MACs: the divisor of the dense ideal."""
        return 1 if self.serial else self.pes * self.taps


#: The named configurations.
PRESETS = {
    "tiny": Config(
        name="tiny",
        chunk=4,
        lanes=2,
        bases=4,
        line=16,
        channels=16,
        pool_columns=8,
        ring=8,
        activation_words=256,
        coefficient_words=256,
        basis_words=32,
        scale_words=64,
        layers=16,
        link_timeout=4096,
    ),
    # A Tang Nano 9K as full as it routes: one PE, one row, two channels a cycle; all that can be deep lies in block RAMs.
    "nano": Config(
        name="nano",
        accumulation="tree",
        chunk=2,
        lanes=2,
        lookahead=0,
        rows=1,
        pes=1,
        requantisers=1,
        bases=4,
        channels=16,
        activation_words=1024,
        coefficient_words=1024,
        pool_columns=0,
        layers=16,
        # 16 channels of 8 bits need 13 bits.
        z_bits=13,
        accumulator_bits=20,
        multiplier_bits=10,
        bias_bits=28,
        link_timeout=4096,
    ),
    # An iCEBreaker: activations and coefficients fill the four large memories of an iCE40UP5K, and ResNet-8 runs from them.
    "icebreaker": Config(
        name="icebreaker",
        accumulation="serial",
        chunk=4,
        lanes=4,
        lookahead=0,
        lookaside=0,
        rows=1,
        pes=1,
        requantisers=1,
        channels=64,
        ring=32,
        activation_words=4096,
        coefficient_words=32768,
        basis_words=256,
        scale_words=1024,
        pool_columns=0,
        layers=24,
        z_bits=15,
        accumulator_bits=20,
        multiplier_bits=12,
        bias_bits=32,
        link_timeout=4096,
    ),
    # The tree takes fewer LUTs at N = 16 and never more cycles: see bench/accumulation.py.
    "small": Config(name="small", accumulation="tree"),
    # A ULX3S-85F as full as it routes; networks of the size of ResNet-8 on 32 x 32 pixels.
    "ulx3s-85f": Config(
        name="ulx3s-85f",
        accumulation="tree",
        # 16 PEs of 9 multipliers and 8 scale units take 152 of 156. A position of two bases takes two cycles, in which
        # 8 scale units serve 16 PEs.
        pes=16,
        requantisers=8,
        channels=64,
        # A cell of distributed memory has 16 places.
        ring=16,
        # The input stays while the network runs; beside it a tensor of 32 x 32 pixels has room in the same bank.
        activation_words=2048,
        # Depths that block RAMs of these widths have anyway.
        coefficient_words=512,
        basis_words=256,
        scale_words=256,
        # Two lines of these are a quarter of the depth of block RAMs.
        pool_columns=64,
        # 64 channels of 8 bits need 15 bits if all coefficients have one sign.
        z_bits=15,
        accumulator_bits=20,
        multiplier_bits=12,
        bias_bits=32,
    ),
}
