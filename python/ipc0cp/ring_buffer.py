# SPDX-License-Identifier: Apache-2.0
"""SharedRingBufferProducer and SharedRingBufferConsumer: the two ends of a ring."""

from ipc0cp.consumer import SharedRingBufferConsumer
from ipc0cp.handle import RingStats
from ipc0cp.producer import SharedRingBufferProducer

__all__ = ["RingStats", "SharedRingBufferConsumer", "SharedRingBufferProducer"]
