"""Equal parts of a design are synthesised once: RTLIL in which modules of the same text become one module."""

import re

__all__ = ["share_modules"]

_MODULE = re.compile(r"(?:^attribute .*\n)*^module (\\\S+)\n(?:.*\n)*?end\n", re.MULTILINE)
_HEAD = re.compile(r"^module (\\\S+)\n", re.MULTILINE)
_CELL = re.compile(r"^  cell (\\\S+) (.*\n)((?:    .*\n)*)  end\n", re.MULTILINE)
#: A port for a value without a name is numbered throughout the design.
_PORT = re.compile(r"^  wire .*(?:input|output) \d+ +(\\port\$\d+\$\d+)\n", re.MULTILINE)
_NUMBERED = re.compile(r"\\port\$\d+\$\d+")


def share_modules(text, whole):
    """The RTLIL ``text``, as Amaranth writes it, with one module in the place of all that are equal.

    Amaranth writes a module for each instance, named after its place, and synthesis would do the same work for each
    of them. ``flatten`` would copy the one module to all places again, so it has to leave modules of ``whole`` as they are;
    nextpnr takes a design with hierarchy.

    Parameters
    ----------
    text : str
    whole : str
        Regular expression for the last part of the names of modules that are synthesised as they are.

    Returns
    -------
    str
    """
    modules = {match[1]: match[0] for match in _MODULE.finditer(text)}
    ports = {name: _port_names(body) for name, body in modules.items()}
    serving, first_of = {}, {}

    def serve(name):
        """Name of the module that serves in the place of ``name``; what lies in it is seen to first."""
        if name not in modules or name in serving:
            return serving.get(name, name)

        def serve_cell(cell):
            kind, place, connections = cell.groups()
            inner = ports.get(kind, {})
            connections = re.sub(
                r"^(    connect )(\\\S+)",
                lambda match: match[1] + inner.get(match[2], match[2]),
                connections,
                flags=re.MULTILINE,
            )
            return f"  cell {serve(kind)} {place}{connections}  end\n"

        body = _CELL.sub(serve_cell, modules[name])
        body = _NUMBERED.sub(lambda match: ports[name].get(match[0], match[0]), body)
        stays = re.fullmatch(whole, name.rpartition(".")[2]) is not None
        modules[name] = f"attribute \\keep_hierarchy 1\n{body}" if stays else body
        # Module and place have the same name, which makes no difference.
        serving[name] = first_of.setdefault(_HEAD.sub("", modules[name], count=1), name)
        return serving[name]

    for name in list(modules):
        serve(name)
    return _MODULE.sub(lambda match: modules[match[1]] if serving[match[1]] == match[1] else "", text)


def _port_names(module):
    """Names by their order for the numbered ports of one module."""
    return {name: f"\\port${index}" for index, name in enumerate(_PORT.findall(module))}
