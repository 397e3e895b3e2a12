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
        ("src/ring/consumer.cpp",
         SPDX + '#include "shm/channel.hpp"\n#include "ipc0cp/consumer.hpp"\n'),
        ("src/shm/channel.cpp", SPDX + '#include "ipc0cp/message.hpp"\n'),
        ("src/objects/codec.cpp", SPDX + '#include "objects/codec_json.hpp"\n'),
        ("src/objects/codec.cpp", SPDX + '#include "platform/log.hpp"\n'),
        ("src/typed/ring.cpp", SPDX + '#include "objects/codec.hpp"\n'),
        ("cli/run_rm.cpp", SPDX + '#include "text.hpp"\n#include "shm/removal.hpp"\n'),
        ("cli/interrupt.cpp", SPDX + "#include <signal.h>\n"),
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
        ("src/platform/log.cpp", "int x;\n", "SPDX"),
        ("src/platform/log.cpp", SPDX + "//" + "x" * 99 + "\n", "101 characters"),
        ("src/platform/log.cpp", SPDX + "\n" * 400, "401 lines"),
        (
            "scripts/x.py",
            "# SPDX-License-Identifier: Apache-2.0\ndef f():\n" + "    f()\n" * 70,
            "f has 71 lines",
        ),
        ("src/shm/layout.hpp", SPDX + '#include "shm/segment.hpp"\n', "upwards"),
        ("src/shm/segment.hpp", SPDX + '#include "shm/queue.hpp"\n', "upwards"),
        ("src/shm/segment.hpp", SPDX + '#include "objects/codec.hpp"\n', "upwards"),
        ("src/shm/channel.hpp", SPDX + '#include "ipc0cp/ring_buffer.hpp"\n', "handles"),
        ("src/ring/consumer.cpp", SPDX + '#include "objects/codec.hpp"\n', "upwards"),
        ("cli/run_rm.cpp", SPDX + '#include "shm/channel.hpp"\n', "must not know"),
        ("cli/run_rm.cpp", SPDX + "#include <unistd.h>\n", "system header"),
        ("src/ring/consumer.cpp", SPDX + '#include "command.hpp"\n', "upwards"),
        ("src/stdio/reader.cpp", SPDX + '#include "shm/channel.hpp"\n', "upwards"),
        ("src/objects/codec.cpp", SPDX + '#include "platform/clock.hpp"\n', "upwards"),
        ("src/channel.cpp", SPDX, "rooms"),
        ("src/shm/queue.hpp", SPDX + '#include "shm/allocator.hpp"\n', "must not know"),
        ("src/platform/clock.hpp", SPDX + '#include "shm/layout.hpp"\n', "upwards"),
        ("src/objects/codec.cpp", SPDX + '#include "shm/layout.hpp"\n', "upwards"),
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
