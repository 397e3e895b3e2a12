# SPDX-License-Identifier: Apache-2.0
"""What endpoint.py asks of a way to carry messages; a rival is one module with a few small classes.

A message is a bytes object below 1 KiB and a NumPy array of bytes above.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from multiprocessing.context import SpawnContext
from typing import Any

RING_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class Link:
    """One direction between `producers` and `consumers` processes."""

    address: str
    index: int
    producers: int
    consumers: int
    min_bytes: int
    max_bytes: int
    mode: str = "copy"
    #: Made by `Transport.make_shared` before the processes start.
    shared: Any = None

    @property
    def files(self) -> tuple[int, int]:
        """Inherited descriptors to read from and to write to; -1: none."""
        read, write = self.address.removeprefix("fd:").split(",")
        return int(read), int(write)

    def queue_items(self, bytes_at_most: int) -> int:
        """How many messages of this size a rival may queue, for one that counts messages."""
        return max(4, min(1000, bytes_at_most // self.max_bytes))


class Sender(ABC):
    @abstractmethod
    def send(self, message: Any) -> None:
        """Blocks until there is room. The message may be changed once this has returned."""

    def send_made(self, size: int, write: Callable[[Any], object]) -> None:
        """For loans: `write` makes the message in an array of `size` bytes that is lent to it."""
        raise NotImplementedError

    @abstractmethod
    def end(self) -> None:
        """Ends the stream."""

    def close(self) -> None:
        """After `end`: waits, where leaving too early would lose something."""
        return


class Receiver(ABC):
    @abstractmethod
    def receive(self) -> Any:
        """The next message, valid until the next call; None at the end of the stream."""

    def close(self) -> None:
        """Gives back what the operating system does not."""
        return


class EndMarks:
    """The end of a stream over a shared queue: each producer leaves one mark for each consumer.

    A consumer has seen the end when it has taken as many marks as there are producers. All messages
    of a producer lie before its marks, so none is left behind the last one.
    """

    def __init__(self, producers: int) -> None:
        self._left = producers

    def is_last(self) -> bool:
        """To be asked for each mark that was taken."""
        self._left -= 1
        return self._left == 0


@dataclasses.dataclass(frozen=True)
class Transport:
    sender: Callable[[Link], Sender]
    receiver: Callable[[Link], Receiver]
    #: The library it needs, if any.
    library: str | None = None
    #: Several producers and consumers share one stream, each message going to one of them.
    is_mpmc: bool = False
    has_loans: bool = False
    max_bytes: int | None = None
    #: Objects of multiprocessing that are handed to the processes when these are made.
    make_shared: Callable[[SpawnContext, Link], Any] | None = None
    #: Reads what it was given after `send` has returned: messages come with their heads apart.
    reads_later: bool = False
