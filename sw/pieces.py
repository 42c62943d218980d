"""Which tensors share a piece of memory: all parts of a concatenation, and every other tensor by itself.

Concatenating costs nothing: every part is written where it belongs in the whole. One piece can hold several
concatenations if the smaller are runs of parts of the largest, as the growing list of a dense block is.
"""

from dataclasses import dataclass

from .network import INPUT, Concatenation

__all__ = ["Pieces", "View", "find_pieces"]


@dataclass(frozen=True, kw_only=True)
class View:
    """A tensor in its piece: parts from ``first`` on, before ``end``."""

    piece: int
    first: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """All pieces of a network, in the order in which something is first written to them."""

    #: Names of the tensors that lie side by side in each piece.
    parts: tuple[tuple[str, ...], ...]
    #: Where every tensor lies, by name.
    views: dict[str, View]

    def shared(self, name):
        """Whether the tensor ``name`` lies in a piece with others."""
        return len(self.parts[self.views[name].piece]) > 1


def find_pieces(network):
    """The ``Pieces`` of a network.

    Raises
    ------
    ValueError
        Naming the concatenation whose parts cannot lie side by side, and what to do.
    """
    joined = {}
    for layer in network.layers:
        if isinstance(layer, Concatenation):
            parts = tuple(part for name in layer.inputs for part in joined.get(name, (name,)))
            twice = next((part for part in parts if parts.count(part) > 1), None)
            if twice is not None:
                raise ValueError(
                    f"layer {layer.name}: expected every part of a concatenation once, got {twice} twice; "
                    "copy it with a 1x1 convolution"
                )
            joined[layer.name] = parts
    pieces, home = [], {}
    for name in sorted(joined, key=lambda name: -len(joined[name])):
        parts = joined[name]
        taken = [part for part in parts if part in home]
        if not taken:
            pieces.append(parts)
            home.update(dict.fromkeys(parts, parts))
        elif not _is_run(parts, home[taken[0]]):
            raise ValueError(
                f"layer {name}: expected parts that lie side by side in every concatenation, got {taken[0]} among "
                f"{', '.join(parts)} and among {', '.join(home[taken[0]])}; "
                f"concatenate a copy of {taken[0]}, made with a 1x1 convolution"
            )
    tensors = (INPUT, *(layer.name for layer in network.layers))
    written = [name for name in tensors if name not in joined]
    pieces += [(name,) for name in written if name not in home]
    pieces.sort(key=lambda parts: min(map(written.index, parts)))
    views = {}
    for number, parts in enumerate(pieces):
        for at, part in enumerate(parts):
            views[part] = View(piece=number, first=at, end=at + 1)
    for name, parts in joined.items():
        first = views[parts[0]]
        views[name] = View(piece=first.piece, first=first.first, end=first.first + len(parts))
    return Pieces(parts=tuple(pieces), views={name: views[name] for name in tensors})


def _is_run(parts, whole):
    return any(whole[at : at + len(parts)] == parts for at in range(len(whole)))
