"""Reads GGUF files into numpy, from the format's specification: an outside check of floe's own reader."""

import struct

import numpy as np

WIDTHS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# Kind: elements and bytes of a block.
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 8: (32, 34), 12: (256, 144), 14: (256, 210), 30: (1, 2)}


class Header:
    """Metadata and the places of tensors."""

    def __init__(self, path):
        self.data = np.memmap(path, np.uint8, "r")
        self.at = 4
        assert bytes(self.data[:4]) == b"GGUF", path
        self.version = self.take("I")
        tensors, keys = self.take("Q"), self.take("Q")
        self.metadata = {}
        for _ in range(keys):
            key = self.text()
            self.metadata[key] = self.value(self.take("I"))
        self.tensors = {}
        for _ in range(tensors):
            name, axes = self.text(), self.take("I")
            shape = [self.take("Q") for _ in range(axes)]
            self.tensors[name] = (shape[::-1], self.take("I"), self.take("Q"))
        align = self.metadata.get("general.alignment", 32)
        self.start = (self.at + align - 1) // align * align

    def take(self, kind):
        size = struct.calcsize("<" + kind)
        (value,) = struct.unpack("<" + kind, self.data[self.at : self.at + size].tobytes())
        self.at += size
        return value

    def text(self):
        size = self.take("Q")
        text = self.data[self.at : self.at + size].tobytes().decode()
        self.at += size
        return text

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            of, count = self.take("I"), self.take("Q")
            return [self.value(of) for _ in range(count)]
        return self.take(WIDTHS[kind])

    def tensor(self, name):
        """A tensor in f32, row-major."""
        shape, kind, offset = self.tensors[name]
        elements, size = BLOCKS[kind]
        count = int(np.prod(shape)) // elements
        start = self.start + offset
        blocks = np.array(self.data[start : start + count * size]).reshape(count, size)
        return floats(kind, blocks).reshape(shape).astype(np.float32)


def half(blocks, at):
    return blocks[:, at : at + 2].copy().view(np.float16).astype(np.float32)


def nibbles(packed):
    return np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32)


def floats(kind, blocks):
    """Blocks [n, bytes] as numbers [n, elements]."""
    if kind == 0:
        return blocks.copy().view(np.float32)
    if kind == 1:
        return blocks.copy().view(np.float16).astype(np.float32)
    if kind == 30:
        return (blocks.copy().view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if kind == 2:
        return (nibbles(blocks[:, 2:]) - 8) * half(blocks, 0)
    if kind == 3:
        return nibbles(blocks[:, 4:]) * half(blocks, 0) + half(blocks, 2)
    if kind == 8:
        return blocks[:, 2:].copy().view(np.int8).astype(np.float32) * half(blocks, 0)
    if kind == 12:
        return q4_k(blocks)
    assert kind == 14, kind
    return q6_k(blocks)


def q4_k(blocks):
    packed = blocks[:, 4:16]
    low, high = packed[:, :4], packed[:, 4:8]
    scales = np.concatenate([low & 63, (packed[:, 8:] & 15) | (low >> 6 << 4)], axis=1)
    least = np.concatenate([high & 63, (packed[:, 8:] >> 4) | (high >> 6 << 4)], axis=1)
    bytes_ = blocks[:, 16:].reshape(-1, 4, 1, 32)
    numbers = np.concatenate([bytes_ & 15, bytes_ >> 4], axis=2).reshape(-1, 8, 32).astype(np.float32)
    scale = (half(blocks, 0) * scales.astype(np.float32))[:, :, None]
    return scale * numbers - (half(blocks, 2) * least.astype(np.float32))[:, :, None]


def q6_k(blocks):
    low, high = blocks[:, :128].reshape(-1, 2, 2, 32), blocks[:, 128:192].reshape(-1, 2, 1, 32)
    four = np.concatenate([low & 15, low >> 4], axis=2)
    two = np.concatenate([high >> (2 * quarter) & 3 for quarter in range(4)], axis=2)
    numbers = (four | two << 4).astype(np.int8).astype(np.float32) - 32
    scales = blocks[:, 192:208].copy().view(np.int8).astype(np.float32)
    scale = half(blocks, 208) * scales
    return scale.reshape(-1, 2, 4, 2, 1) * numbers.reshape(-1, 2, 4, 2, 16)
