# amaranth: UnusedElaboratable=no
"""``python -m bench.interfaces``: the presets, and the ports of every component of ``hw/``, as ``docs/components.md`` shows them.

What others build against is written down from the code, so no width changes without anybody seeing it: a test compares the page.
"""

import dataclasses
import importlib
import inspect
from pathlib import Path

import click
from amaranth.hdl import Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Flow

from hw.config import PRESETS, Config
from hw.formats import LAYER_FIELDS, Layer
from sw.files import replace_file

from .page import page_with

__all__ = ["PAGE", "PRESET", "components", "port_rows", "written"]

PAGE = Path(__file__).parents[1] / "docs" / "components.md"
#: The configuration that the ports are shown of.
PRESET = "small"
#: What constructors take besides a configuration: nothing of it changes what a port is for.
_ARGUMENTS = {
    "depth": 64,
    "divisor": 16,
    "first_pe": 0,
    "in_flight": 4,
    "piece_bits": 8,
    "pieces": 4,
    "readers": 2,
    "shape": 8,
    "timeout": 4096,
    "width": 4,
    "writers": 3,
}
#: Fields of a struct that are listed; of a larger one there is its size.
_LISTED = 8


def components(config):
    """One of every component of ``hw/`` by name, in the order of files.

    Parameters
    ----------
    config : Config

    Returns
    -------
    dict
        ``{name: wiring.Component}``
    """
    found = {}
    for path in sorted((Path(__file__).parents[1] / "hw").glob("*.py")):
        module = importlib.import_module(f"hw.{path.stem}")
        for name, kind in vars(module).items():
            own = inspect.isclass(kind) and kind.__module__ == module.__name__
            if own and issubclass(kind, wiring.Component):
                found[name] = kind
    given = _ARGUMENTS | {"config": config, "core": found["Accelerator"](config)}
    return {name: kind(**_arguments(kind, given)) for name, kind in found.items()}


def _arguments(kind, given):
    """Those that it must be given."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    return {
        parameter.name: given[parameter.name]
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }


def port_rows(signature):
    """``[name, direction, shape]`` of every port; a stream is one."""
    return list(_rows(signature, ""))


def _rows(signature, prefix):
    for name, member in signature.members.items():
        many = "".join(f"{size} x " for size in member.dimensions)
        label, direction = f"`{prefix}{name}`", "in" if member.flow is Flow.In else "out"
        if member.is_port:
            yield [label, direction, many + _shape(member.shape)]
        elif isinstance(member.signature, stream.Signature):
            always = [word for word in ("valid", "ready") if getattr(member.signature, f"always_{word}")]
            words = "".join(f", always {word}" for word in always)
            yield [
                label,
                direction,
                f"{many}stream of {_shape(member.signature.members['payload'].shape)}{words}",
            ]
        else:
            # The signature of a member that goes in is turned around already.
            inner = _rows(member.signature, "")
            yield from ([f"`{prefix}{name}.{port[1:]}", way, many + shape] for port, way, shape in inner)


def _shape(shape):
    if isinstance(shape, data.ArrayLayout):
        return f"{shape.length} x {_shape(shape.elem_shape)}"
    if isinstance(shape, data.StructLayout) and len(shape.members) <= _LISTED:
        return "{" + ", ".join(f"{name}: {_shape(member)}" for name, member in shape.members.items()) + "}"
    if isinstance(shape, data.StructLayout):
        return f"{len(shape.members)} fields, {shape.size} bits"
    cast = Shape.cast(shape)
    kind = f" {shape.__name__}" if isinstance(shape, type) else ""
    return f"{cast.width}{' signed' if cast.signed else ''}{kind}"


def _first_paragraph(text):
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split()).replace("``", "`")


def _presets():
    chosen = [
        [f"`{field.name}`", *(str(getattr(config, field.name)) for config in PRESETS.values())]
        for field in dataclasses.fields(Config)
        if field.name != "name"
    ]
    follows = [
        [
            f"`{name}`",
            *(str(getattr(config, name)) for config in PRESETS.values()),
            _first_paragraph(member.fget.__doc__),
        ]
        for name, member in vars(Config).items()
        if isinstance(member, property)
    ]
    names = [f"`{name}`" for name in PRESETS]
    return [
        ("What presets choose", ["member of `Config`", *names], chosen),
        ("What follows from it", ["property", *names, "meaning"], follows),
    ]


def _tables():
    config = Config.preset(PRESET)
    found = components(config)
    layer = [[f"`{name}`", _shape(Layer.members[name]), meaning] for name, meaning in LAYER_FIELDS.items()]
    overview = [
        [
            f"[`{name}`](#{name.lower()})",
            f"`{type(made).__module__.replace('.', '/')}.py`",
            _first_paragraph(made.__doc__),
        ]
        for name, made in found.items()
    ]
    return [
        *_presets(),
        ("Description of a layer", ["field", "bits", "meaning"], layer),
        ("Components", ["component", "file", "what it does"], overview),
        *((name, ["port", "", "bits"], port_rows(made.signature)) for name, made in found.items()),
    ]


def written():
    """Text of the page with its tables written anew."""
    return page_with(PAGE.read_text(), _tables(), align="---")


@click.command()
def main():
    """Write the page."""
    replace_file(PAGE, written())


if __name__ == "__main__":
    main()
