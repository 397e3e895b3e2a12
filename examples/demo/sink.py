# SPDX-License-Identifier: Apache-2.0
"""The sink of the demo: takes the results of the workers, checks and counts them."""

from __future__ import annotations

import collections
import dataclasses
import json
from typing import Any

import numpy as np
from photographs import Photograph, Pixels, reference_edges

from ipc0cp import Message, RingStats


class DemoFailed(Exception):  # noqa: N818 - the sentence it carries is what people read.
    """Something that must not happen did happen; the message says what."""


@dataclasses.dataclass
class Result:
    """What the workers found out about one photograph."""

    photograph: Photograph
    edges: Pixels
    energy: float
    histogram: list[int]
    frames: int = 0


class Sink:
    """Every result must be that of a frame nobody else has delivered, and equal the other results
    of the same photograph; the first one of each is compared with NumPy at the end."""

    def __init__(self, photographs: list[Photograph], frames: int) -> None:
        self._photographs = {photograph.title: photograph for photograph in photographs}
        self._seen = np.zeros(frames, bool)
        self.results: dict[str, Result] = {}
        self.frames_of_worker: collections.Counter[str] = collections.Counter()
        self.last_frame_of_worker: dict[str, int] = {}
        self.frames = 0
        self.input_bytes = 0
        self.output_bytes = 0

    def take(self, message: Message) -> str:
        """One result of a worker; returns the worker's name."""
        found: dict[str, Any] = json.loads(message.metadata_json)
        frame: int = found["frame"]
        worker: str = found["worker"]
        edges = np.frombuffer(message.payload, np.uint8).reshape(found["shape"])
        if self._seen[frame]:
            raise DemoFailed(f"frame {frame} was delivered twice")
        self._seen[frame] = True
        result = self._result_of(found, edges)
        if found["energy"] != result.energy or not np.array_equal(edges, result.edges):
            raise DemoFailed(f"frame {frame}: worker {worker} found other edges than before")
        result.frames += 1
        self.frames += 1
        self.frames_of_worker[worker] += 1
        self.last_frame_of_worker[worker] = frame
        self.input_bytes += result.photograph.pixels.nbytes
        self.output_bytes += edges.nbytes
        return worker

    def _result_of(self, found: dict[str, Any], edges: Pixels) -> Result:
        title = found["photo"]
        if title not in self.results:
            # A copy, because a view would keep its block of the ring for the whole run.
            photograph = self._photographs[title]
            self.results[title] = Result(
                photograph, edges.copy(), found["energy"], found["histogram"])
        return self.results[title]

    def missing_frames(self) -> list[int]:
        return [int(frame) for frame in np.flatnonzero(~self._seen)]

    def verify_pixels(self) -> None:
        """Compares the result of each photograph with one computed by NumPy."""
        for title, result in self.results.items():
            edges, energy = reference_edges(result.photograph.pixels)
            if not np.array_equal(edges, result.edges) or energy != result.energy:
                raise DemoFailed(f"{title}: the edges are not those that NumPy computes")
            if sum(result.histogram) != edges.size:
                raise DemoFailed(f"{title}: the histogram does not count every pixel once")


def account(sink: Sink, ring: RingStats, frames: int, killed: list[str]) -> list[int]:
    """The frames that were lost; fails unless each frame is processed or lost with a dead worker.

    A worker holds one photograph at a time and gives it back after its result is out. Killed
    between the two, it dies holding a frame that nobody misses, which the ring counts. The other
    way round, the ring cannot count a photograph that its worker had a copy of instead of a view.

    Args:
        ring: the ring of the photographs, after everybody else has left it.
        killed: names of the workers that were killed.
    """
    missing = sink.missing_frames()
    if ring.pushed != frames or ring.popped != frames or ring.messages != 0:
        raise DemoFailed(f"of {frames} frames {ring.pushed} were sent and {ring.popped} taken")
    if sink.frames + len(missing) != frames:
        raise DemoFailed(f"{sink.frames} processed and {len(missing)} missing are not {frames}")
    if len(missing) > len(killed) or ring.lost > len(killed):
        raise DemoFailed(
            f"{len(missing)} frames are missing and the ring counts {ring.lost} that died, but"
            f" {len(killed)} killed workers held one each")
    for frame in missing:
        # Frames are handed out in order, so a worker dies with one that comes after its last.
        if all(frame <= sink.last_frame_of_worker[worker] for worker in killed):
            raise DemoFailed(f"frame {frame} is missing, and no killed worker can have held it")
    return missing
