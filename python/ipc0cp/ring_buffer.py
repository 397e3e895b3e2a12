# SPDX-License-Identifier: Apache-2.0
"""SharedRingBufferProducer and SharedRingBufferConsumer: the two ends of a ring."""

from ipc0cp.consumer import SharedRingBufferConsumer, StreamEnd
from ipc0cp.producer import SharedRingBufferProducer
from ipc0cp.stats import RingStats

__all__ = ["RingStats", "SharedRingBufferConsumer", "SharedRingBufferProducer", "StreamEnd"]
