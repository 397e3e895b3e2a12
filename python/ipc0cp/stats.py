# SPDX-License-Identifier: Apache-2.0
"""What a ring looks like at one moment."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class RingStats:
    """A snapshot of one ring, consistent within itself. Sizes are bytes.

    The fields are those of the table in ``ipc0cp/stats.hpp``.
    """

    active_producers: int  #: Handles that live and are not closed.
    active_consumers: int  #: Handles that live and are not closed.
    active_subscribers: int  #: Consumers that get every message, beside those.
    messages: int  #: Queued now.
    used_bytes: int  #: Metadata and payload of all blocks in use.
    total_data_bytes: int  #: Capacity.
    max_messages: int  #: Most messages alive at once.
    pushed: int  #: Messages published since creation.
    popped: int  #: Messages handed out since creation.
    pushed_bytes: int  #: Payload and metadata published since creation.
    popped_bytes: int  #: Payload and metadata that have left the queue since creation.
    dropped: int  #: Messages that were damaged, undecodable or discarded.
    most_unread: int  #: What the subscriber furthest behind has still to read.
    lost: int  #: Messages that died with their consumer.
    overflowed: int  #: Messages given up unread, to make room or for a newer one.
    refused: int  #: Pushes that a producer with `drop_newest` turned away.
    repaired_deaths: int  #: Participants found dead and cleaned up.
    most_messages: int  #: High-water mark of `messages`.
    most_used_bytes: int  #: High-water mark of `used_bytes`.
    producer_waits: int  #: Times a producer had to sleep.
    consumer_waits: int  #: Times a consumer had to sleep.
    reserved_bytes: int  #: Memory of the payload area backed by /dev/shm.
