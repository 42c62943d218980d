"""Where tensors lie: three banks, first fit by lifetime, with backtracking over the choices."""

from dataclasses import dataclass

from hw.formats import Bank

from .network import INPUT, Concatenation, Convolution, inputs_of
from .pieces import find_pieces
from .program import Placement

__all__ = ["Lifetime", "lifetimes", "place_tensors"]


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """Layers, counted from 0, during which a tensor must be there. The network's input is there from -1 on."""

    first: int
    last: int

    def meets(self, other):
        return self.first <= other.last and other.first <= self.last


def lifetimes(network):
    """``Lifetime`` of every tensor by name: from the layer that makes it to its last reader.

    Concatenating reads nothing; who reads a concatenation reads its parts, and it is there from its first part on.
    The network's result stays to the end; a tensor that nobody reads is still written.
    """
    first, last = {INPUT: -1}, {INPUT: -1}
    parts = {INPUT: (INPUT,)}
    for number, layer in enumerate(network.layers):
        name = layer.name
        if isinstance(layer, Concatenation):
            parts[name] = (name, *(part for read in layer.inputs for part in parts[read]))
            first[name] = min(first[read] for read in layer.inputs)
            last[name] = max(last[read] for read in layer.inputs)
            continue
        parts[name] = (name,)
        first[name] = last[name] = number
        for read in inputs_of(layer):
            last.update(dict.fromkeys(parts[read], number))
    last.update(dict.fromkeys(parts[network.layers[-1].name], len(network.layers)))
    return {name: Lifetime(first=first[name], last=last[name]) for name in first}


def place_tensors(network, config, orders):
    """Give every tensor a bank and a base; ``orders`` are those of its channels, by name.

    Parts of a concatenation lie in its words. Tensors whose lifetimes meet do not overlap otherwise. Input, residual
    and output of a layer are in three banks, but for an output in the words of an input: a bank is read and written at
    once, and read once at a time. The words of the network's input are kept for it alone, unless there is no room.

    Returns
    -------
    dict of str to Placement

    Raises
    ------
    ValueError
        Naming the layer that cannot have its tensors placed, what they need and what there is.
    """
    pieces = find_pieces(network)
    apart = _apart(network, pieces)
    pixels = _pixels(network, config, orders, pieces)
    tensors, alive = network.tensors(), lifetimes(network)
    blocks = []
    for number, parts in enumerate(pieces.parts):
        info = tensors[parts[0]]
        words = pixels[number] * info.height * info.width
        if words > config.activation_words:
            raise ValueError(
                f"layer {parts[-1]}: expected a tensor of at most {config.activation_words} chunks (activation_words), "
                f"got {words}{' with all it is concatenated with' if len(parts) > 1 else ''}; take a configuration "
                "with larger banks or a smaller map"
            )
        lives = [alive[name] for name, view in pieces.views.items() if view.piece == number]
        lifetime = Lifetime(first=min(each.first for each in lives), last=max(each.last for each in lives))
        blocks.append(_Block(name=" + ".join(parts), words=words, alive=lifetime))
    at_input = pieces.views[INPUT].piece
    kept = list(blocks)
    kept[at_input] = _Block(
        name=blocks[at_input].name,
        words=blocks[at_input].words,
        alive=Lifetime(first=-1, last=len(network.layers)),
    )
    homes, _ = _search(kept, apart, config.activation_words)
    if homes is None:
        homes, deepest = _search(blocks, apart, config.activation_words)
    if homes is None:
        live = [block for block in blocks[:deepest] if block.alive.meets(blocks[deepest].alive)]
        raise ValueError(
            f"layer {pieces.parts[deepest][-1]}: expected room in three banks of {config.activation_words} chunks "
            "(activation_words), input, residual and output of every layer in different ones, got "
            f"{', '.join(f'{block.name} of {block.words}' for block in [*live, blocks[deepest]])}, all needed at "
            "once; take a configuration with larger banks or a network that keeps fewer tensors"
        )
    placements = {}
    for name, info in tensors.items():
        view = pieces.views[name]
        bank, base = homes[view.piece]
        before = sum(len(orders[part]) for part in pieces.parts[view.piece][: view.first])
        chunk, slot = divmod(before, config.chunk)
        placements[name] = Placement(
            bank=bank,
            base=base + chunk,
            chunks=-(-(slot + len(orders[name])) // config.chunk),
            channels=info.channels,
            height=info.height,
            width=info.width,
            signed=info.signed,
            order=orders[name],
            slot=slot,
            pixel=pixels[view.piece],
            row=pixels[view.piece] * info.width,
        )
    return placements


def _apart(network, pieces):
    """For each piece those that must lie in other banks."""
    apart = [set() for _ in pieces.parts]
    for layer in network.layers:
        if isinstance(layer, Concatenation):
            continue
        reads = inputs_of(layer)
        read = [pieces.views[name].piece for name in reads]
        if len(set(read)) < len(read):
            both = reads[0] if reads[0] == reads[1] else f"{reads[0]} and {reads[1]} of one concatenation"
            raise ValueError(
                f"layer {layer.name}: expected input and residual in different banks, got {both} for both; "
                "add a copy, made with max pooling of a window of 1x1"
            )
        together = {*read, pieces.views[layer.name].piece}
        for piece in together:
            apart[piece] |= together - {piece}
    return apart


def _pixels(network, config, orders, pieces):
    """Words between two pixels of each piece."""
    slots = [sum(len(orders[part]) for part in parts) for parts in pieces.parts]
    pixels = [-(-count // config.chunk) for count in slots]
    for layer in network.layers:
        for name in (*inputs_of(layer), layer.name):
            if len(orders[name]) > config.channels:
                raise ValueError(
                    f"layer {layer.name}: expected at most {config.channels} channels (channels), got "
                    f"{len(orders[name])} slots of {name} with those that are left free between its parts; take a "
                    "configuration with more channels"
                )
    # What is added is read at the places that are written.
    added = [
        layer for layer in network.layers if isinstance(layer, Convolution) and layer.residual is not None
    ]
    before = None
    while before != pixels:
        before = list(pixels)
        for layer in added:
            both = [pieces.views[name].piece for name in (layer.name, layer.residual)]
            most = max(pixels[piece] for piece in both)
            for piece in both:
                pixels[piece] = most
    return pixels


@dataclass(frozen=True, kw_only=True)
class _Block:
    """What is placed: a piece, its size and the time during which its words are taken."""

    name: str
    words: int
    alive: Lifetime


def _gaps(taken, words, capacity):
    """Lowest addresses at which ``words`` fit between ``taken``, of (base, words)."""
    starts = sorted({0, *(base + size for base, size in taken)})
    return [
        start
        for start in starts
        if start + words <= capacity
        and all(start + words <= base or base + size <= start for base, size in taken)
    ]


def _search(blocks, apart, capacity):
    """Bank and base of every block, or ``None``; and the last block that was reached."""
    placed, failed, deepest = {}, set(), 0

    def place(number):
        """Place blocks from ``number`` on; what comes later depends on the blocks now alive only."""
        nonlocal deepest
        if number == len(blocks):
            return True
        block = blocks[number]
        deepest = max(deepest, number)
        live = {other: at for other, at in placed.items() if blocks[other].alive.meets(block.alive)}
        state = (number, *sorted((other, bank.value, base) for other, (bank, base) in live.items()))
        if state in failed:
            return False
        for bank in Bank:
            if any(other in placed and placed[other][0] is bank for other in apart[number]):
                continue
            taken = [(base, blocks[other].words) for other, (home, base) in live.items() if home is bank]
            for base in _gaps(taken, block.words, capacity):
                placed[number] = (bank, base)
                if place(number + 1):
                    return True
                del placed[number]
        failed.add(state)
        return False

    return (placed if place(0) else None), deepest
