# SPDX-License-Identifier: Apache-2.0
"""FlatBuffers against JSON and arrays: three shapes of messages, between both languages.

    python_flatbuffers.py [--rounds N] [--json FILE]

Prints the tables of docs/flatbuffers.md: microseconds of processor time per message. Sender and
receiver are two processes that take turns, so neither waits for the other, and each checks the sum
of all it reads. Needs a build with FlatBuffers and the extra [flatbuffers].
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR", HERE.parents[1] / "build"))
RING_BYTES = 256 << 20
SECONDS_TO_HANG = 60
# Messages per turn: enough to be timed, few enough for the ring.
SHAPES = {"command": 1000, "detections": 100, "tensor": 8}
VARIANTS = (
    "command.flatbuffer command.json detections.flatbuffer detections.json detections.columns"
    " tensor.flatbuffer tensor.header tensor.map"
).split()
PAIRS = (("python", "python"), ("python", "cpp"), ("cpp", "cpp"), ("cpp", "python"))
NAMES = {"python": "Python", "cpp": "C++"}
STEPS = ("encode", "transfer", "read all", "read one field")

Figures = dict[str, float]


class Role:
    """One process: the sender or the receiver of one variant."""

    def __init__(self, language: str, role: str, ring: str, variant: str) -> None:
        program = [str(BUILD / "benchmarks" / "flatbuffer_roles")]
        if language == "python":
            program = [sys.executable, __file__]
        generated = str(BUILD / "benchmarks" / "generated")
        self._process = subprocess.Popen(
            [*program, role, ring, variant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": generated},
        )

    def take_turn(self, *words: object) -> list[float]:
        """Nanoseconds of the two steps, and the sum."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline().split()
        if len(answer) != 3:
            raise SystemExit(f"{self._process.args!r} failed")
        return [float(word) for word in answer]

    def end(self) -> None:
        """The end of its input ends the process, which leaves the ring."""
        try:
            self._process.communicate(timeout=SECONDS_TO_HANG)
        finally:
            self._process.kill()
            self._process.wait()


def measure(pair: tuple[str, str], variant: str, rounds: int) -> Figures:
    """Medians over the rounds, microseconds per message."""
    ring = f"bench-flatbuffers-{os.getpid()}"
    messages = SHAPES[variant.partition(".")[0]]
    receiver = Role(pair[1], "receive", ring, variant)
    sender = Role(pair[0], "send", ring, variant)
    taken: dict[str, list[float]] = {step: [] for step in STEPS}
    try:
        for number in range(2 * rounds + 2):
            what = ("all", "one")[number % 2]
            encode, push, sent = sender.take_turn(messages)
            pop, read, found = receiver.take_turn(what, messages)
            if what == "all" and sent != found:
                raise SystemExit(f"{variant}, {pair}: sent {sent}, found {found}")
            if number >= 2:  # The first turns of both kinds warm up.
                taken["encode"].append(encode)
                taken["transfer"].append(push + pop)
                taken["read all" if what == "all" else "read one field"].append(read)
    finally:
        sender.end()
        receiver.end()
    return {step: statistics.median(values) / 1000 for step, values in taken.items()}


def play(role: str, ring: str, variant_name: str) -> None:
    """The Python roles; the C++ ones are in cpp/flatbuffer_roles.cpp."""
    from flatbuffer_variants import VARIANTS as CODE

    import ipc0cp

    variant = CODE[variant_name]
    sequence = 0
    if role == "send":
        producer = ipc0cp.SharedRingBufferProducer(ring, RING_BYTES)
        for line in sys.stdin:
            numbers = range(sequence, sequence + int(line))
            sequence = numbers.stop
            encode, objects = time_ns(variant.encode, numbers)
            push, _ = time_ns(producer.push, objects)
            print(encode, push, float(sum(map(variant.read_all, objects))), flush=True)
    else:
        consumer = ipc0cp.SharedRingBufferConsumer(ring, RING_BYTES)
        for line in sys.stdin:
            what, count = line.split()
            pop, objects = time_ns(lambda _: consumer.pop(), range(int(count)))
            read = variant.read_all if what == "all" else variant.read_one
            spent, values = time_ns(read, objects)
            print(pop, spent, float(sum(values)), flush=True)
            del objects


def time_ns(step: Callable[[Any], Any], items: Any) -> tuple[float, list[Any]]:
    """Nanoseconds of processor time per item, and what the step made of each."""
    start = time.thread_time_ns()
    made = [step(item) for item in items]
    return (time.thread_time_ns() - start) / len(items), made


def shown(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def markdown(results: dict[str, dict[str, Figures]]) -> str:
    """One table per shape: a row per pair of languages and way to send it."""
    lines: list[str] = []
    for shape in SHAPES:
        lines += ["", f"| {shape} | {' | '.join(STEPS)} | ratio, all | ratio, one field |"]
        lines.append("|---" + "|--:" * (len(STEPS) + 2) + "|")
        for pair, figures in results.items():
            own = figures[f"{shape}.flatbuffer"]
            for variant in (name for name in VARIANTS if name.startswith(shape)):
                cells = [shown(figures[variant][step]) for step in STEPS]
                for read in STEPS[2:]:
                    total = (figures[variant][step] for step in (*STEPS[:2], read))
                    ratio = sum(total) / sum(own[step] for step in (*STEPS[:2], read))
                    cells.append(f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}")
                lines.append(f"| {pair}, {variant.partition('.')[2]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    if sys.argv[1:2] in (["send"], ["receive"]):
        play(*sys.argv[1:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="figures are medians of them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where all figures go")
    options = parser.parse_args()
    results: dict[str, dict[str, Figures]] = {}
    for pair in PAIRS:
        name = " to ".join(NAMES[language] for language in pair)
        print(f"{name} ...", file=sys.stderr)
        results[name] = {variant: measure(pair, variant, options.rounds) for variant in VARIANTS}
    print(markdown(results))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
