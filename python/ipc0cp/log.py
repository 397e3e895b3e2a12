# SPDX-License-Identifier: Apache-2.0
"""Log lines of ipc0cp go to the logger "ipc0cp" of the standard logging module."""

from __future__ import annotations

import logging

from ipc0cp import _core
from ipc0cp.errors import InvalidArgument

logger = logging.getLogger("ipc0cp")
logger.addHandler(logging.NullHandler())
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_handler: logging.Handler | None = None


def _receive(level: int, text: str) -> None:
    logger.log(level, "%s", text)


def enable_logging(level: int | str = "INFO") -> None:
    """Shows the log lines of ipc0cp on standard error, from `level` on. Thread-safe.

    A second call only changes the level. Programs that configure the logging module themselves
    need not call this: lines go to the logger "ipc0cp" anyway.
    """
    global _handler
    if _handler is None:
        _handler = logging.StreamHandler()
        _handler.setFormatter(logging.Formatter(_FORMAT))
        logger.addHandler(_handler)
    set_log_level(level)


def set_log_level(level: int | str) -> None:
    """Drops lines below `level`: a name ("DEBUG" .. "ERROR", any case) or a number of logging.

    Raises:
        InvalidArgument: for an unknown name.
    """
    if isinstance(level, str):
        number = logging.getLevelNamesMapping().get(level.upper())
        if number is None:
            raise InvalidArgument(f"unknown log level {level!r}; use 'DEBUG', 'INFO', ...")
        level = number
    logger.setLevel(level)


# The logger decides what is dropped, so that logging.getLogger("ipc0cp").setLevel() works too.
_core.set_core_log_level(logging.DEBUG)
_core.set_log_receiver(_receive)
