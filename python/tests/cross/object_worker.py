# SPDX-License-Identifier: Apache-2.0
"""One stage of the cross-language tests, with the options of tests/process/object_worker.cpp."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from catalogue import as_png, catalogue, register_point_cloud

sys.path.append(str(Path(__file__).parents[1]))

from helpers import same

import ipc0cp

RING_BYTES = 64 << 20
PATIENCE = 30.0


def produce(options: dict[str, str]) -> None:
    with ipc0cp.SharedRingBufferProducer(options["name"], RING_BYTES) as producer:
        for name, value in catalogue().items():
            sent = as_png(value) if name == "image/png" else value
            assert producer.push(sent, timeout=PATIENCE), f"no room for {name}"


def findings(consumer: ipc0cp.SharedRingBufferConsumer) -> Iterator[tuple[str, str]]:
    """Name of each object and what is wrong with it."""
    for name, expected in catalogue().items():
        try:
            found = consumer.pop(timeout=PATIENCE)
        except Exception as error:  # Named in the report; the next one may be right.
            yield name, f"{type(error).__name__}: {error}"
            continue
        yield name, "" if same(found, expected) else f"{found!r:.80} is not {expected!r:.80}"
    yield "end", "" if consumer.pop(timeout=PATIENCE) is None else "more came than expected"


def check(options: dict[str, str]) -> None:
    with (
        Path(options["report"]).open("w", encoding="utf-8") as report,
        ipc0cp.SharedRingBufferConsumer(options["name"], RING_BYTES) as consumer,
    ):
        for name, problem in findings(consumer):
            one_line = " ".join(problem.split())
            report.write(f"{name}\t{one_line}\n")


def main() -> None:
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    signal.alarm(60)  # The watchdog.
    register_point_cloud()
    logging.getLogger("ipc0cp").setLevel(logging.ERROR)  # Unknown types are meant to be unknown.
    {"produce": produce, "check": check}[options["role"]](options)


if __name__ == "__main__":
    main()
