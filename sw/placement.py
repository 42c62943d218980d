"""Where tensors lie: three banks, first fit by lifetime, with backtracking over the choices."""

from dataclasses import dataclass

from hw.formats import Bank

from .network import INPUT, inputs_of
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

    The network's result stays to the end; a tensor that nobody reads is still written.
    """
    last = {INPUT: -1}
    first = {INPUT: -1}
    for number, layer in enumerate(network.layers):
        first[layer.name] = last[layer.name] = number
        for name in inputs_of(layer):
            last[name] = number
    last[network.layers[-1].name] = len(network.layers)
    return {name: Lifetime(first=first[name], last=last[name]) for name in first}


def _gaps(blocks, words, capacity):
    """Lowest addresses at which ``words`` fit between ``blocks`` of (base, words)."""
    starts = sorted({0, *(base + size for base, size in blocks)})
    return [
        start
        for start in starts
        if start + words <= capacity
        and all(start + words <= base or base + size <= start for base, size in blocks)
    ]


def place_tensors(network, config, orders):
    """Give every tensor a bank and a base; ``orders`` are those of its channels, by name.

    Tensors whose lifetimes meet do not overlap; input, residual and output of a layer are in three banks.

    Returns
    -------
    dict of str to Placement

    Raises
    ------
    ValueError
        Naming the layer that cannot have its tensors placed, what they need and what there is.
    """
    tensors, alive = network.tensors(), lifetimes(network)
    names = list(tensors)
    chunks = {name: -(-info.channels // config.chunk) for name, info in tensors.items()}
    words = {name: chunks[name] * info.height * info.width for name, info in tensors.items()}
    apart = {name: set() for name in names}
    for layer in network.layers:
        together = [*inputs_of(layer), layer.name]
        if len(set(together)) < len(together):
            raise ValueError(
                f"layer {layer.name}: expected input and residual in different banks, got {layer.input} for both; "
                "add a tensor that the layer does not read"
            )
        for name in together:
            apart[name].update(set(together) - {name})
    for name in names:
        if words[name] > config.activation_words:
            raise ValueError(
                f"layer {name}: expected a tensor of at most {config.activation_words} chunks (activation_words), "
                f"got {words[name]}; take a configuration with larger banks or a smaller map"
            )

    placed, failed, deepest = {}, set(), 0

    def place(number):
        """Place tensors from ``number`` on; what comes later depends on the tensors now alive only."""
        nonlocal deepest
        if number == len(names):
            return True
        name = names[number]
        deepest = max(deepest, number)
        live = {other: at for other, at in placed.items() if alive[other].meets(alive[name])}
        state = (number, *sorted((other, bank.value, base) for other, (bank, base) in live.items()))
        if state in failed:
            return False
        for bank in Bank:
            if any(other in placed and placed[other][0] is bank for other in apart[name]):
                continue
            blocks = [(base, words[other]) for other, (home, base) in live.items() if home is bank]
            for base in _gaps(blocks, words[name], config.activation_words):
                placed[name] = (bank, base)
                if place(number + 1):
                    return True
                del placed[name]
        failed.add(state)
        return False

    if not place(0):
        name = names[deepest]
        live = [other for other in names[:deepest] if alive[other].meets(alive[name])]
        raise ValueError(
            f"layer {name}: expected room in three banks of {config.activation_words} chunks (activation_words), input, "
            "residual and output of every layer in different ones, got "
            f"{', '.join(f'{other} of {words[other]}' for other in [*live, name])}, all needed at once; "
            "take a configuration with larger banks or a network that keeps fewer tensors"
        )
    return {
        name: Placement(
            bank=placed[name][0],
            base=placed[name][1],
            chunks=chunks[name],
            channels=info.channels,
            height=info.height,
            width=info.width,
            signed=info.signed,
            order=orders[name],
        )
        for name, info in tensors.items()
    }
