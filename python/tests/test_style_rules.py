# SPDX-License-Identifier: Apache-2.0
"""Each house rule finds what it is there for, and leaves good files alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path, PurePosixPath

import pytest

RULES = Path(__file__).resolve().parents[2] / "scripts" / "style_rules.py"
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


@pytest.fixture(scope="module")
def rules():
    specification = importlib.util.spec_from_file_location("style_rules", RULES)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/shm/queue.cpp", SPDX + '#include "shm/layout.hpp"\n#include <vector>\n'),
        ("src/platform/clock.hpp", SPDX + "#include <sys/mman.h>\n"),
        ("src/ring_buffer.cpp", SPDX + '#include "shm/channel.hpp"\n#include "ipc0cp/error.hpp"\n'),
        ("src/codec.cpp", SPDX + '#include "codec_json.hpp"\n'),
        ("src/ring_buffer_objects.cpp", SPDX + '#include "codec.hpp"\n'),
        ("include/ipc0cp/json.hpp", SPDX + "#include <nlohmann/json.hpp>\n"),
        ("python/tests/test_x.py", "# SPDX-License-Identifier: Apache-2.0\n"),
        ("tests/vectors/bytes.json", "{}" + " " * 200),
    ],
)
def test_accepts(rules, path, text):
    assert rules.violations(PurePosixPath(path), text) == []


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("src/log.cpp", "int x;\n", "SPDX"),
        ("src/log.cpp", SPDX + "//" + "x" * 99 + "\n", "101 characters"),
        ("src/log.cpp", SPDX + "\n" * 400, "401 lines"),
        (
            "scripts/x.py",
            "# SPDX-License-Identifier: Apache-2.0\ndef f():\n" + "    f()\n" * 70,
            "f has 71 lines",
        ),
        ("src/shm/layout.hpp", SPDX + '#include "shm/segment.hpp"\n', "upwards"),
        ("src/shm/segment.hpp", SPDX + '#include "shm/queue.hpp"\n', "upwards"),
        ("src/shm/segment.hpp", SPDX + '#include "codec.hpp"\n', "upwards"),
        ("src/shm/queue.hpp", SPDX + '#include "shm/allocator.hpp"\n', "must not know"),
        ("src/platform/clock.hpp", SPDX + '#include "shm/layout.hpp"\n', "upwards"),
        ("src/codec.cpp", SPDX + '#include "shm/layout.hpp"\n', "codec works on spans"),
        ("src/shm/queue.cpp", SPDX + "#include <unistd.h>\n", "outside src/platform"),
        ("include/ipc0cp/log.hpp", SPDX + "#include <nlohmann/json.hpp>\n", "own types only"),
        ("include/ipc0cp/log.hpp", SPDX + '#include "shm/layout.hpp"\n', "private"),
        ("include/ipc0cp/log.hpp", SPDX + "#include <unistd.h>\n", "public header"),
    ],
)
def test_refuses(rules, path, text, complaint):
    found = rules.violations(PurePosixPath(path), text)
    assert len(found) == 1
    assert complaint in found[0]
