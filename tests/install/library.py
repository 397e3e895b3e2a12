# SPDX-License-Identifier: Apache-2.0
"""The shared library itself: its name, what it shows, and a second copy in the same process."""

from __future__ import annotations

import re
from pathlib import Path

from commands import HERE, build, configure, ring_name, run

# Templates of the C++ library that every program may bring: the dynamic linker keeps one.
# A return type comes first, and may be a decltype with parentheses of its own.
STANDARD_LIBRARY = re.compile(r"(typeinfo (name )?for |vtable for |guard variable for )?"
                              r"(decltype \(.*?\) )?[\w:<>*&, ]*?\b(std|__gnu_cxx)::")
OURS = re.compile(r"(typeinfo (name )?for |vtable for |guard variable for )?"
                  r"(?!.*\bipc0cp::(shm|platform)::\w+::)ipc0cp::")
WEAK = {"V", "W", "u"}


def exported(library: Path) -> list[tuple[str, str]]:
    """Kind and demangled name of everything the dynamic linker sees."""
    listing = run("nm", "--dynamic", "--defined-only", "--demangle", library).splitlines()
    rows = [line.split(maxsplit=2) for line in listing]
    return [(kind, name) for _, kind, name in rows]


def check_exports(library: Path) -> list[str]:
    """Nothing but our public names is exported, and weak templates; those are returned."""
    names = exported(library)
    assert any("ipc0cp::SharedRingBufferConsumer::pop(" in name for _, name in names)
    assert any(name == "typeinfo for ipc0cp::Error" for _, name in names)
    others = [(kind, name) for kind, name in names if not OURS.match(name)]
    foreign = [row for row in others
               if row[0] not in WEAK or not STANDARD_LIBRARY.match(row[1])]
    assert not foreign, f"exported, but neither public nor a weak std:: template: {foreign}"
    return [name for _, name in others]


def check_name(library: Path, version: str) -> None:
    """The file carries the version, its soname what has to be the same in user and library."""
    assert library.name == f"libipc0cp.so.{version}", library
    soname = ".".join(version.split(".")[:2])
    dynamic = run("readelf", "-d", library)
    assert f"Library soname: [libipc0cp.so.{soname}]" in dynamic, dynamic
    assert "RUNPATH" not in dynamic and "RPATH" not in dynamic, dynamic
    needed = set(re.findall(r"Shared library: \[([\w.+-]+)\]", dynamic))
    allowed = {"libc.so.6", "libstdc++.so.6", "libm.so.6", "libgcc_s.so.1"}
    assert needed - {"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"} <= allowed, needed


def check_two_copies(static_prefix: Path, shared_prefix: Path, work: Path) -> str:
    for part, prefix in (("plugin", static_prefix), ("host", shared_prefix)):
        configure(HERE / "copies", work / part, f"-DPART={part}",
                  f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
        build(work / part)
    return run(work / "host" / "host", ring_name(), work / "plugin" / "libplugin.so").strip()
