# SPDX-License-Identifier: Apache-2.0
"""Ways to carry messages from one Python process to another: ipc0cp and its rivals."""

from __future__ import annotations

import importlib
import importlib.util

from transports.base import Transport

#: Name of the transport -> module that has it. A rival is one more line.
MODULES = {
    "ring": "ring",
    "pipe": "streams",
    "stdio_raw": "streams",
    "stdio_api": "streams",
    "queue": "multiprocessing_queue",
    "connection": "multiprocessing_connection",
    "slots": "slots",
    "zeromq": "zeromq",
    "faster_fifo": "faster_fifos",
    "iceoryx2": "iceoryx2s",
    "cloudtoid": "cloudtoid",
}
#: Their descriptors are made by who starts the processes.
OF_DESCRIPTORS = frozenset({"pipe", "stdio_raw", "stdio_api", "connection"})


class MissingLibraryError(Exception):
    """The library of a transport is not installed."""


def find(name: str) -> Transport:
    """
    Raises:
        ValueError: there is no such transport in Python.
        MissingLibraryError: its library is not there.
    """
    if name not in MODULES:
        raise ValueError(f"no transport {name!r} in Python; there are {', '.join(MODULES)}")
    try:
        module = importlib.import_module(f"transports.{MODULES[name]}")
    except ImportError as error:
        raise MissingLibraryError(f"{name}: {error}") from error
    transport: Transport = module.TRANSPORTS[name]
    return transport


def describe() -> dict[str, dict[str, object]]:
    """What there is and why something is not, by name."""
    answers: dict[str, dict[str, object]] = {}
    for name in MODULES:
        try:
            transport = find(name)
        except MissingLibraryError as missing:
            answers[name] = {"available": False, "why": str(missing)}
            continue
        answers[name] = {
            "available": True, "why": "", "roles": ["produce", "consume", "ping", "pong"],
            "mpmc": transport.is_mpmc, "modes": ["copy", "loan"] if transport.has_loans
            else ["copy"], "max_bytes": transport.max_bytes,
        }
    return answers
