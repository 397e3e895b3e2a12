# SPDX-License-Identifier: Apache-2.0
"""Messages made before the clock starts, the same in every process and in both languages.

A message is a piece of one block of random bytes, whose first 16 bytes are replaced by its head:
who sends it, which piece it is, and its number. The receiver can check all of it. The block is
hardly larger than the largest message, so it stays in the cache; cpp/payload_pool.hpp makes the
same one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

Payload = np.ndarray[Any, np.dtype[np.uint8]]

PIECES = 67
CACHE_LINE = 64
#: Smaller messages are sent as bytes objects, as a program would; others as NumPy arrays.
SMALL_BYTES = 1024
#: Producer and piece, 32 bits each; number of the message in its producer's stream.
HEAD = struct.Struct("<QQ")
MODULUS = 1 << 64
#: Word j of the block is (j + 1) times this, modulo 2^64.
FACTOR = np.uint64(0x9E3779B97F4A7C15)


class PayloadPool:
    """All pieces for messages of `min_bytes` to `max_bytes`."""

    def __init__(self, min_bytes: int, max_bytes: int) -> None:
        words = -(-(max_bytes + PIECES * CACHE_LINE) // 8)
        block = (np.arange(1, words + 1, dtype=np.uint64) * FACTOR).view(np.uint8)
        # Spread evenly over the range, in an order without rises and falls.
        self.sizes = [min_bytes + (max_bytes - min_bytes) * (29 * k % PIECES) // (PIECES - 1)
                      for k in range(PIECES)]
        self._is_small = max_bytes < SMALL_BYTES
        self._pieces: list[Payload] = [
            block[k * CACHE_LINE : k * CACHE_LINE + size] for k, size in enumerate(self.sizes)]

    def messages(self, producer: int) -> Iterator[Any]:
        """Without end. What is yielded may be changed by the next step."""
        return self._small(producer) if self._is_small else self._arrays(producer)

    def _small(self, producer: int) -> Iterator[bytes]:
        pack = HEAD.pack
        parts = [(producer | k << 32, piece[HEAD.size :].tobytes())
                 for k, piece in enumerate(self._pieces)]
        sequence = 0
        while True:
            for head, body in parts:
                yield pack(head, sequence) + body
                sequence += 1

    def _arrays(self, producer: int) -> Iterator[Payload]:
        parts = [(producer | k << 32, piece, memoryview(piece[: HEAD.size]).cast("Q"))
                 for k, piece in enumerate(self._pieces)]
        sequence = 0
        while True:
            for head, array, words in parts:
                # Pieces overlap, so the head must not stay in the block.
                saved = words[0], words[1]
                words[0], words[1] = head, sequence
                yield array
                words[0], words[1] = saved
                sequence += 1

    def messages_with_heads(self, producer: int) -> Iterator[tuple[int, int, Any]]:
        """Head and message apart, for a transport that reads a message after `send` returned."""
        if self._is_small:
            for sequence, message in enumerate(self._small(producer)):
                yield 0, sequence, message
        parts = [(producer | k << 32, piece) for k, piece in enumerate(self._pieces)]
        sequence = 0
        while True:
            for head, array in parts:
                yield head, sequence, array
                sequence += 1

    def totals(self, messages: int) -> tuple[int, int]:
        """Bytes and check sum of the first `messages` of a producer."""
        sequence = np.arange(messages, dtype=np.uint64)
        piece = sequence % np.uint64(PIECES)
        check_sum = int(((sequence + np.uint64(1)) * (piece + np.uint64(1))).sum())
        return int(np.array(self.sizes)[piece.astype(np.int64)].sum()), check_sum

    def is_intact(self, payload: Any, piece: int) -> bool:
        """Compares all bytes behind the head, eight at a time."""
        expected = self._pieces[piece]
        words = (len(expected) - HEAD.size) // 8
        end = HEAD.size + 8 * words
        left, right = (np.frombuffer(one, np.uint64, words, HEAD.size)
                       for one in (payload, expected))
        return np.array_equal(left, right) and bytes(payload[end:]) == expected[end:].tobytes()


def touch(payload: Payload) -> Payload:
    """Reads one byte of each cache line; for small arrays cheaper than any sum."""
    return payload[::CACHE_LINE].copy()
