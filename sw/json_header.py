"""What a safetensors file says besides its tensors: JSON in the metadata, under a key of the format that it is."""

import json

__all__ = ["read_header", "with_tuples"]

_LENGTH_BYTES = 8


def read_header(content, key):
    """The value under ``key`` of a file's ``content``.

    Raises
    ------
    KeyError, TypeError, ValueError
        If there is none.
    """
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    metadata = json.loads(content[_LENGTH_BYTES : _LENGTH_BYTES + length])["__metadata__"]
    return json.loads(metadata[key])


def with_tuples(values):
    """``values``, a dictionary, with tuples for lists, which JSON made of them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
