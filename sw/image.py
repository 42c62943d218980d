"""The image file: one compiled network for one configuration, safe against damage.

Layout, numbers little-endian::

    magic          8 bytes, b"FARTHING"
    version        u16
    header length  u32
    file length    u64, checksum included
    header         JSON: configuration, pixels, layers, tensors, sections; a section is [target, index, address, offset
                   from the end of the header, length]
    sections       data of each LOAD, one after the other
    checksum       SHA-256 of everything before it
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import struct
from pathlib import Path

from hw.config import Config
from hw.formats import Bank
from hw.protocol import Target

from .files import replace_file
from .network import INPUT
from .ordering import HOLE
from .pixels import Pixels
from .program import LayerSchedule, Placement, Program, Section
from .records import records
from .unpack import decode_program, unpack

__all__ = ["IMAGE_VERSION", "MAGIC", "ImageError", "image_bytes", "parse_image", "read_image", "write_image"]

MAGIC = b"FARTHING"
IMAGE_VERSION = 2

_START = struct.Struct("<8sHIQ")
_CHECKSUM_BYTES = hashlib.sha256().digest_size


class ImageError(ValueError):
    """A file is not an image that this version can use; the message is one line."""


def _tool_version():
    try:
        return importlib.metadata.version("farthing")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _header(program):
    offset, sections = 0, []
    for section in program.sections:
        sections.append((section.target.name, section.index, section.address, offset, len(section.data)))
        offset += len(section.data)
    tensors = {
        name: {
            "bank": placement.bank.name,
            "base": placement.base,
            "chunks": placement.chunks,
            "shape": placement.shape,
            "signed": placement.signed,
            "order": placement.order,
            "slot": placement.slot,
            "pixel": placement.pixel,
            "row": placement.row,
        }
        for name, placement in program.tensors.items()
    }
    layers = [
        {"name": name, "inputs": inputs, "multiply_adds": schedule.multiply_adds, "work": schedule.work}
        for name, inputs, schedule in zip(
            program.layer_names, program.layer_inputs, program.schedule, strict=True
        )
    ]
    return {
        "tool": _tool_version(),
        "name": program.name,
        "config": program.config.to_dict(),
        "input_scale": program.input_scale,
        "pixels": None if program.pixels is None else dataclasses.asdict(program.pixels),
        "layers": layers,
        "step_layers": program.step_layers,
        "tensors": tensors,
        "sections": sections,
    }


def image_bytes(program):
    """The whole file; the same for the same program."""
    header = json.dumps(_header(program), separators=(",", ":"), allow_nan=False).encode()
    data = b"".join(section.data for section in program.sections)
    length = _START.size + len(header) + len(data) + _CHECKSUM_BYTES
    content = _START.pack(MAGIC, IMAGE_VERSION, len(header), length) + header + data
    return content + hashlib.sha256(content).digest()


def write_image(path, program):
    """Write an image at once: whoever reads the path meets the old file or the whole new one."""
    replace_file(path, image_bytes(program))


def read_image(path):
    """The ``Program`` of an image file.

    Raises
    ------
    ImageError
        If the file is not an image, was made by a newer version, is truncated or damaged.
    OSError
        If the file cannot be read.
    """
    try:
        return parse_image(Path(path).read_bytes())
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def parse_image(content):
    """The ``Program`` of an image's bytes; raises ``ImageError``."""
    if not content.startswith(MAGIC[: len(content)]) or not content:
        raise ImageError(
            f"not a farthing image: expected it to start with {MAGIC!r}, got {content[:8]!r}; farthing compile makes one"
        )
    if len(content) < _START.size:
        raise ImageError(f"truncated: expected at least {_START.size} bytes, got {len(content)}")
    _, version, header_length, length = _START.unpack_from(content)
    if version != IMAGE_VERSION:
        age = "a newer" if version > IMAGE_VERSION else "an unknown"
        raise ImageError(f"made by {age} version: expected format {IMAGE_VERSION}, got {version}")
    if len(content) < length:
        raise ImageError(f"truncated: expected {length} bytes, got {len(content)}")
    if len(content) > length:
        raise ImageError(f"too long: expected {length} bytes, got {len(content)}")
    data = content[:-_CHECKSUM_BYTES]
    if hashlib.sha256(data).digest() != content[-_CHECKSUM_BYTES:]:
        raise ImageError("checksum mismatch: the file is damaged, make it again")
    start = _START.size + header_length
    try:
        return _program(json.loads(data[_START.size : start]), data[start:])
    except Exception as error:  # whatever a header can hold, the caller gets one kind of error
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ImageError(f"malformed header: {reason}") from None


def _program(header, data):
    """Checks that all parts fit together; raises whatever comes up when they do not."""
    config = Config.from_dict(header["config"])
    sections = tuple(_section(fields, data) for fields in header["sections"])
    if sum(len(section.data) for section in sections) != len(data):
        raise ValueError(f"expected sections that fill {len(data)} bytes")
    for section in sections:
        records(section, config)
    layers = header["layers"]
    steps = decode_program(sections)
    program = Program(
        name=_text(header["name"]),
        config=config,
        layer_names=tuple(_text(layer["name"]) for layer in layers),
        layer_inputs=tuple(tuple(map(_text, layer["inputs"])) for layer in layers),
        layers=steps,
        step_layers=_step_layers(header["step_layers"], len(steps), len(layers)),
        tensors={name: _placement(fields) for name, fields in header["tensors"].items()},
        input_scale=float(header["input_scale"]),
        sections=sections,
        schedule=tuple(
            LayerSchedule(
                name=layer["name"],
                multiply_adds=int(layer["multiply_adds"]),
                work=tuple(tuple(map(int, units)) for units in layer["work"]),
            )
            for layer in layers
        ),
        pixels=_pixels(header["pixels"]),
    )
    expected = unpack(program).tensors()
    got = {name: placement.shape for name, placement in program.tensors.items()}
    if got != {name: info.shape for name, info in expected.items()}:
        raise ValueError(f"expected tensors as the layers make them, got {got}")
    if program.pixels and program.pixels.shape != got[INPUT]:
        raise ValueError(f"expected pixels of shape {got[INPUT]}, got {program.pixels.shape}")
    return program


def _text(value):
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {value!r}")
    return value


def _pixels(fields):
    if fields is None:
        return None
    sizes = {name: _natural(fields[name]) for name in ("channels", "height", "width")}
    return Pixels(**sizes, **{name: tuple(map(float, fields[name])) for name in ("offset", "gain")})


def _step_layers(numbers, steps, layers):
    if (
        len(numbers) != steps
        or sorted(numbers) != numbers
        or not all(_natural(at) < layers for at in numbers)
    ):
        raise ValueError(f"expected the layer of each of {steps} steps, of {layers} in order, got {numbers}")
    return tuple(numbers)


def _number(value, least):
    if not isinstance(value, int) or value < least:
        raise ValueError(f"expected a number from {least} on, got {value!r}")
    return value


def _natural(value):
    return _number(value, 0)


def _section(fields, data):
    target, *numbers = fields
    index, address, offset, length = map(_natural, numbers)
    if offset + length > len(data):
        raise ValueError(f"expected a section within {len(data)} bytes, got {offset} + {length}")
    return Section(
        target=Target[target],
        index=index,
        address=address,
        data=data[offset : offset + length],
    )


def _placement(fields):
    channels, height, width = map(_natural, fields["shape"])
    order = tuple(_number(slot, HOLE) for slot in fields["order"])
    return Placement(
        bank=Bank[fields["bank"]],
        base=_natural(fields["base"]),
        chunks=_natural(fields["chunks"]),
        channels=channels,
        height=height,
        width=width,
        signed=bool(fields["signed"]),
        order=order,
        slot=_natural(fields["slot"]),
        pixel=_natural(fields["pixel"]),
        row=_natural(fields["row"]),
    )
