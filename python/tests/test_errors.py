# SPDX-License-Identifier: Apache-2.0
"""The exception classes and statistics: codes, builtin bases, pickling, their one table."""

from __future__ import annotations

import dataclasses
import errno
import inspect
import queue
import re

from helpers import ROOT

import ipc0cp
from ipc0cp import _core

ERRORS = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
STATISTICS = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
OWN = (ipc0cp.Error, Exception)


def spelled(kind: type) -> str:
    """As a page writes it: `queue.Empty` lives in another module."""
    return f"queue.{kind.__name__}" if issubclass(kind, queue.Empty | queue.Full) else kind.__name__


def test_errors_have_codes_and_builtin_bases():
    bases = {
        ipc0cp.Timeout: (TimeoutError, queue.Empty),
        ipc0cp.BufferEmpty: (queue.Empty,),
        ipc0cp.NoSpace: (OSError,),
        ipc0cp.MessageTooLarge: (ValueError,),
        ipc0cp.UnsupportedType: (TypeError,),
        ipc0cp.SizeMismatch: (ValueError,),
        ipc0cp.OptionMismatch: (ValueError,),
        ipc0cp.PermissionDenied: (PermissionError,),
        ipc0cp.InvalidArgument: (ValueError,),
        ipc0cp.OutOfMemory: (MemoryError,),
    }
    for error, expected in bases.items():
        assert issubclass(error, (ipc0cp.Error, *expected))
        assert all(issubclass(error, base) for base in expected)


def test_classes_are_those_of_the_table():
    table = _core.error_table()
    assert [code.name for code in ipc0cp.ErrorCode] == [code for code, _, _ in table]
    assert [code.value for code in ipc0cp.ErrorCode] == list(range(len(table)))
    with_class = {code: (name, text) for code, name, text in table if name != "Error"}
    found = {kind.code.name: kind for kind in ipc0cp.Error.__subclasses__()}
    assert found.keys() == with_class.keys()
    for code, (name, text) in with_class.items():
        assert found[code] is getattr(ipc0cp, name)
        assert (found[code].__doc__ or "").startswith(text), f"{name} does not say {text!r}"


def test_the_page_of_errors_is_the_table():
    row = r"^\| (\d+) \| `(\w+)` \| (\S*) \| (.*?) ?\| (.*) \|$"
    rows = re.findall(row, ERRORS, re.MULTILINE)
    table = _core.error_table()
    assert [(row[1], row[4]) for row in rows] == [(row[0], row[2]) for row in table]
    for number, code, shown, bases, _ in rows:
        assert ipc0cp.ErrorCode[code].value == int(number)
        name = table[int(number)][1]
        assert shown.strip("`") == ("" if name == "Error" else name)
        builtin_bases = [base for base in getattr(ipc0cp, name).__bases__ if base not in OWN]
        assert re.findall(r"`([\w.]+)`", bases) == [spelled(base) for base in builtin_bases]


def test_statistics_are_those_of_the_table():
    table = _core.stats_table()
    source = inspect.getsource(ipc0cp.RingStats)
    assert re.findall(r"^    (\w+): int  #: (.*)$", source, re.MULTILINE) == table
    fields = dataclasses.fields(ipc0cp.RingStats)
    assert [field.name for field in fields] == [name for name, _ in table]
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", STATISTICS, re.MULTILINE) == table


def test_errors_survive_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(ipc0cp.NoSpace(errno.ENOSPC, "no room")))
    assert (type(error), error.errno) == (ipc0cp.NoSpace, errno.ENOSPC)
    assert str(pickle.loads(pickle.dumps(ipc0cp.Timeout("late")))) == "late"
