"""SparseMap in numpy: a bit mask of the non-zeros of a chunk, and the non-zeros packed to the front."""

import numpy as np

__all__ = ["decode", "encode", "from_bytes", "join_chunks", "split_chunks", "to_bytes"]


def split_chunks(tensor, chunk):
    """Tensor [C, H, W] as bytes [H * W * chunks, chunk] in the order of addresses, zeros above the last channel."""
    tensor = np.asarray(tensor)
    channels, height, width = tensor.shape
    count = -(-channels // chunk)
    padded = np.zeros((height, width, count * chunk), np.uint8)
    padded[:, :, :channels] = (tensor.astype(np.int64) & 0xFF).transpose(1, 2, 0)
    return padded.reshape(height * width * count, chunk)


def join_chunks(chunks, shape, signed):
    """Inverse of ``split_chunks``: int64 tensor of ``shape`` [C, H, W]; lanes above the last channel are ignored."""
    channels, height, width = shape
    chunks = np.ascontiguousarray(chunks, np.uint8)
    if chunks.ndim != 2 or chunks.size % (height * width) or chunks.size // (height * width) < channels:
        raise ValueError(f"expected whole chunks of a {channels}x{height}x{width} tensor, got {chunks.shape}")
    pixels = (chunks.view(np.int8) if signed else chunks).astype(np.int64).reshape(height, width, -1)
    return pixels[:, :, :channels].transpose(2, 0, 1).copy()


def encode(chunks):
    """Bytes [n, N] to a mask uint8 [n, ceil(N/8)], channel 0 in the lowest bit, and values uint8 [n, N] packed."""
    chunks = np.asarray(chunks, np.uint8)
    nonzero = chunks != 0
    front = np.argsort(~nonzero, axis=1, kind="stable")
    return np.packbits(nonzero, axis=1, bitorder="little"), np.take_along_axis(chunks, front, axis=1)


def decode(mask, values):
    """Inverse of ``encode``."""
    nonzero = np.unpackbits(mask, axis=1, count=values.shape[1], bitorder="little").astype(bool)
    position = np.cumsum(nonzero, axis=1, dtype=np.int64) - 1
    return np.where(nonzero, np.take_along_axis(values, np.maximum(position, 0), axis=1), 0).astype(np.uint8)


def to_bytes(mask, values):
    """The form of the host link, one ``bytes`` for each chunk: its mask, then only its non-zeros."""
    counts = np.bitwise_count(mask).sum(axis=1, dtype=np.int64)
    return [
        bits.tobytes() + row[:count].tobytes() for bits, row, count in zip(mask, values, counts, strict=True)
    ]


def from_bytes(data, chunk):
    """Mask and values of all chunks in ``data``; ``ValueError`` if it does not end with a whole chunk."""
    masks, values, at = [], [], 0
    size = -(-chunk // 8)
    while at < len(data):
        mask = np.zeros(size, np.uint8)
        piece = np.frombuffer(data[at : at + size], np.uint8)
        mask[: piece.size] = piece
        count = int(np.bitwise_count(mask).sum())
        end = at + size + count
        if end > len(data) or count > chunk or int.from_bytes(mask.tobytes(), "little") >> chunk:
            raise ValueError(f"expected whole chunks of {chunk} channels, got {len(data)} bytes")
        row = np.zeros(chunk, np.uint8)
        row[:count] = np.frombuffer(data[at + size : end], np.uint8)
        masks.append(mask)
        values.append(row)
        at = end
    return np.array(masks, np.uint8).reshape(-1, size), np.array(values, np.uint8).reshape(-1, chunk)
