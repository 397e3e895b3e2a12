# SPDX-License-Identifier: Apache-2.0
"""Where ipc0cp cannot work it stops at configure, with one sentence."""

from __future__ import annotations

from pathlib import Path

from commands import ROOT, missing, refuse

SENTENCE = "ipc0cp needs 64-bit little-endian Linux, but "
# Other processors: clang compiles for them, and nothing needs to be linked to find out.
TOOLCHAIN = """
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_CXX_COMPILER clang++)
set(CMAKE_CXX_COMPILER_TARGET {target})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
"""
PROCESSORS = {
    "i686-linux-gnu": "this compiler makes 32-bit programs",
    "powerpc64-linux-gnu": "this machine is big-endian",
}
SYSTEMS = ("Darwin", "Windows", "FreeBSD")


def check_platforms(work: Path) -> list[str]:
    """The platforms that were tried."""
    configure: list[str | Path] = ["cmake", "-S", ROOT, "-B"]
    for system in SYSTEMS:
        refuse(*configure, work / system, f"-DCMAKE_SYSTEM_NAME={system}",
               says=f"{SENTENCE}this system is {system}.")
    lacking = missing("clang++")
    if lacking is not None:
        print(f"skipped: other processors, {lacking}")
        return list(SYSTEMS)
    for target, reason in PROCESSORS.items():
        toolchain = work / f"{target}.cmake"
        toolchain.write_text(TOOLCHAIN.format(target=target))
        refuse(*configure, work / target, f"-DCMAKE_TOOLCHAIN_FILE={toolchain}",
               says=f"{SENTENCE}{reason}.")
    return [*SYSTEMS, *PROCESSORS]
