#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The long storm: rounds of every kind, in turn, until the time is over; sums at the end.

Stops at the first violation and says how to run that round again.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORM = Path(os.environ.get("IPC0CP_BUILD_DIR") or ROOT / "build") / "tests" / "storm" / "storm"
MIXED = ROOT / "python" / "tests" / "process" / "test_kill_storm.py"
SKIPPED = 77
KINDS = {
    "large messages": ["--total", str(64 << 20), "--largest", str(5 << 20)],
    "more views than room": ["--total", str(256 << 10), "--largest", "8192", "--held", "20"],
    "large messages, trimmed": ["--total", str(64 << 20), "--largest", str(5 << 20), "--trim"],
    "small messages": ["--largest", "1024"],
    "redelivery": ["--redeliver"],
    "redelivery, more views than room": [
        "--redeliver", "--total", str(256 << 10), "--largest", "8192", "--held", "20",
    ],
    "subscribers": ["--processes", "7", "--subscribers", "4"],
    "subscribers, redelivery": ["--processes", "7", "--subscribers", "4", "--redeliver"],
    "namespaces": ["--namespaces", "--total", str(64 << 20), "--largest", str(5 << 20)],
    "namespaces, redelivery": ["--namespaces", "--redeliver"],
}
ROW = re.compile(r"^(\S.*?) {2,}([\d.]+)$", re.MULTILINE)
SUMMED = ("kills", "stops", "messages", "came twice", "missing", "deaths repaired",
          "lost with killed consumers, by the ring", "dropped after too many deliveries")


def run_round(kind: str, seconds: float) -> dict[str, float] | None:
    """The figures of one round; None where the machine forbids it."""
    command = [str(STORM), "--seconds", str(seconds), *KINDS[kind]]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 180)
    if finished.returncode == SKIPPED:
        print(f"{kind}: {finished.stdout.strip()}", flush=True)
        return None
    if finished.returncode != 0:
        sys.exit(f"{kind}: {' '.join(command)}\n{finished.stdout}{finished.stderr}")
    return {name: float(value) for name, value in ROW.findall(finished.stdout)}


def run_mixed(seconds: float) -> None:
    """The same with processes of both languages; Python ones start too slowly for many kills."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", str(MIXED)]
    environment = os.environ | {"IPC0CP_STORM_SECONDS": str(seconds)}
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        sys.exit("both languages: see above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--round-seconds", type=float, default=30)
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.minutes * 60
    total: Counter[str] = Counter()
    longest_stall = 0.0
    rounds = 0
    run_mixed(arguments.round_seconds)
    while time.monotonic() < end:
        for kind in KINDS:
            left = end - time.monotonic()
            if left <= 0:
                break
            figures = run_round(kind, min(arguments.round_seconds, max(left, 1)))
            if figures is None:
                continue
            rounds += 1
            total.update({name: int(figures[name]) for name in SUMMED})
            stall = figures["longest stall, seconds"]
            longest_stall = max(longest_stall, stall)
            print(f"{kind}: {figures['kills']:.0f} kills, {figures['messages']:.0f} messages,"
                  f" longest stall {stall:.3f} s; {left / 60:.0f} min left", flush=True)
    print(f"\n{rounds} rounds without a violation")
    for name in SUMMED:
        print(f"{name:44} {total[name]:12d}")
    print(f"{'longest stall, seconds':44} {longest_stall:12.3f}")


if __name__ == "__main__":
    main()
