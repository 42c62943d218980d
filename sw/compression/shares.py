"""One share for all layers, and shares of single layers instead."""

__all__ = ["check_shares", "layer_shares"]


def check_shares(what, share, layers):
    """Refuse shares that are not from 0 to below 1.

    Parameters
    ----------
    what : str
        Of which they are shares, for messages.
    share : float
    layers : dict
        Shares by name of the layer.

    Raises
    ------
    ValueError
        Naming the layer, or ``sparsity`` for the one of all layers.
    """
    for name, number in {"sparsity": share, **layers}.items():
        if not 0 <= number < 1:
            raise ValueError(f"expected a share of {what} from 0 to below 1, got {number} of {name}")


def layer_shares(names, share, layers):
    """The share of each of ``names``, ``{name: share}``.

    Raises
    ------
    ValueError
        If ``layers`` has one that is not among them.
    """
    names = list(names)
    unknown = [name for name in layers if name not in names]
    if unknown:
        raise ValueError(f"expected shares of layers from {', '.join(names)}, got {unknown[0]!r}")
    return {name: layers.get(name, share) for name in names}
