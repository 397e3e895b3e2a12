# SPDX-License-Identifier: Apache-2.0
"""Messages made before the clock starts, the same in every process and in both languages.

A message is a piece of one block of random bytes, whose first 16 bytes are replaced by its head:
who sends it, which piece it is, and its number. The receiver can check all of it. The block is
hardly larger than the largest message, so it stays in the cache; cpp/payload_pool.hpp makes the
same one. To make a small message would cost as much as to send it, so those are all there
beforehand, and their numbers begin again.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

Payload = np.ndarray[Any, np.dtype[np.uint8]]

PIECES = 67
CACHE_LINE = 64
#: Smaller messages are sent as bytes objects, as a program would; others as NumPy arrays.
SMALL_BYTES = 1024
#: Up to this size there is an object for each message, so many times all pieces.
PREPARED_BYTES = 4096
PREPARED_OBJECTS, PREPARED_ARRAYS = 61 * PIECES, PIECES
#: Producer and piece, 32 bits each; number of the message in its producer's stream.
HEAD = struct.Struct("<QQ")
MODULUS = 1 << 64
#: Word j of the block is (j + 1) times this, modulo 2^64.
FACTOR = np.uint64(0x9E3779B97F4A7C15)
#: Words that are made at once.
WORDS_AT_ONCE = 1 << 15


class PayloadPool:
    """All pieces for messages of `min_bytes` to `max_bytes`."""

    def __init__(self, min_bytes: int, max_bytes: int) -> None:
        words = -(-(max_bytes + PIECES * CACHE_LINE) // 8)
        self._words = np.arange(1, words + 1, dtype=np.uint64) * FACTOR
        block = self._words.view(np.uint8)
        # Spread evenly over the range, in an order without rises and falls.
        self.sizes = [min_bytes + (max_bytes - min_bytes) * (29 * k % PIECES) // (PIECES - 1)
                      for k in range(PIECES)]
        self._pieces: list[Payload] = [
            block[k * CACHE_LINE : k * CACHE_LINE + size] for k, size in enumerate(self.sizes)]
        self._is_prepared = max_bytes <= PREPARED_BYTES
        self._is_small = max_bytes < SMALL_BYTES
        #: After so many messages numbers start from 0 again.
        self.repeats_after = (MODULUS if not self._is_prepared else
                              PREPARED_OBJECTS if self._is_small else PREPARED_ARRAYS)

    def messages(self, producer: int) -> Iterator[Any]:
        """Without end. What is yielded may be changed by the next step."""
        if self._is_prepared:
            return itertools.cycle(self._prepared(producer))
        return self._arrays(producer)

    def _prepared(self, producer: int) -> list[Any]:
        def message(number: int) -> Any:
            piece = number % PIECES
            array = self._pieces[piece].copy()
            HEAD.pack_into(array, 0, producer | piece << 32, number)
            return array.tobytes() if self._is_small else array

        return [message(number) for number in range(self.repeats_after)]

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

    def messages_with_heads(self, producer: int) -> Iterator[Any]:
        """For a transport that reads a message after `send` returned: those that the next step
        would change come as head, number and array."""
        if self._is_prepared:
            yield from self.messages(producer)
        parts = [(producer | k << 32, piece) for k, piece in enumerate(self._pieces)]
        sequence = 0
        while True:
            for head, array in parts:
                yield head, sequence, array
                sequence += 1

    def generate(self, producer: int, sequence: int, target: Payload) -> None:
        """Writes a message reading no more than the beginning of the pool, which stays in the
        cache, as a program does that makes data in place.

        Args:
            target: of as many bytes as the message has; uint8, contiguous.
        """
        number = sequence % self.repeats_after
        piece = number % PIECES
        whole = len(target) // 8
        words = target[: 8 * whole].view(np.uint64)
        for first in range(0, whole, WORDS_AT_ONCE):
            part = words[first : first + WORDS_AT_ONCE]
            skipped = np.uint64((piece * CACHE_LINE // 8 + first) * int(FACTOR) % MODULUS)
            np.add(self._words[: len(part)], skipped, out=part)
        target[8 * whole :] = self._pieces[piece][8 * whole :]
        HEAD.pack_into(target, 0, producer | piece << 32, number)

    def totals(self, messages: int) -> tuple[int, int]:
        """Bytes and check sum of the first `messages` of a producer."""
        sequence = np.arange(messages, dtype=np.uint64)
        if self.repeats_after < MODULUS:
            sequence %= np.uint64(self.repeats_after)
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
