#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs each libFuzzer target for a while; what it finds is in build/fuzz/discovered/NAME."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "fuzz"
DONE = re.compile(r"^Done (\d+) runs in (\d+) second", re.MULTILINE)


def run(program: Path, seconds: int) -> bool:
    name = program.name.removeprefix("fuzz_")
    discovered = BUILD / "discovered" / name
    discovered.mkdir(parents=True, exist_ok=True)
    seeds = [HERE / "corpus" / name, BUILD / "tests" / "fuzz" / "seeds" / name]
    finished = subprocess.run(
        [program, f"-max_total_time={seconds}", "-timeout=20", f"-artifact_prefix={discovered}/",
         f"-dict={HERE / 'metadata.dict'}", discovered, *[path for path in seeds if path.is_dir()]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    done = DONE.search(finished.stdout)
    if finished.returncode != 0 or done is None:
        print(f"{name}: FOUND\n{finished.stdout[-4000:]}", flush=True)
        return False
    print(f"{name}: {int(done[1]):,} executions in {done[2]} s, nothing found", flush=True)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("names", nargs="*", help="targets, by default all")
    arguments = parser.parse_args()
    programs = sorted(path for path in (BUILD / "tests" / "fuzz").glob("fuzz_*") if path.is_file())
    wanted = [path for path in programs
              if not arguments.names or path.name.removeprefix("fuzz_") in arguments.names]
    if not wanted:
        sys.exit(f"no fuzz targets in {BUILD}: cmake --preset fuzz, then build it")
    clean = [run(program, arguments.seconds) for program in wanted]
    sys.exit(0 if all(clean) else 1)


if __name__ == "__main__":
    main()
