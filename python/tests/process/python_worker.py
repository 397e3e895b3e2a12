# SPDX-License-Identifier: Apache-2.0
"""One producer or consumer in Python; the same options and ledger as tests/process/ring_worker."""

from __future__ import annotations

import ctypes
import os
import platform
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
from workers import (
    ACKNOWLEDGED,
    ATTEMPTED,
    COUNT,
    ENDED,
    FATE_IS_DONE,
    HELD,
    READY,
    REFUSED,
    SEQUENCE_BITS,
    STOP,
    Ledger,
)

import ipc0cp

HEADER_WORDS = 3
ODD = np.uint64(0x9E3779B97F4A7C15)


def fill(producer: int, sequence: int, size: int) -> np.ndarray:
    words = np.arange((size + 7) // 8, dtype=np.uint64)
    words += np.uint64(producer << SEQUENCE_BITS | sequence)
    words *= ODD
    words[:HEADER_WORDS] = producer, sequence, size
    return words.view(np.uint8)[:size]


def check(payload: np.ndarray) -> tuple[int, int]:
    producer, sequence, size = (int(word) for word in payload[: HEADER_WORDS * 8].view(np.uint64))
    assert size == payload.nbytes, f"{size} bytes were sent, {payload.nbytes} came"
    wrong = np.flatnonzero(fill(producer, sequence, size) != payload)
    assert not wrong.size, f"byte {wrong[0]} of message {sequence} of producer {producer} is wrong"
    return producer, sequence


def push(producer: ipc0cp.SharedRingBufferProducer, payload: np.ndarray, sequence: int) -> bool:
    """In every way there is, one after the other."""
    try:
        if sequence % 3 == 0:
            return producer.push(payload, timeout=1.0)
        if sequence % 3 == 1:
            return producer.push(payload.tobytes(), timeout=1.0)
        with producer.loan(payload.shape, "uint8", timeout=1.0) as target:
            target[...] = payload
        return True
    except (ipc0cp.Timeout, ipc0cp.NoConsumers, ipc0cp.NoSpace):
        return False


def produce(options: dict[str, str], ledger: Ledger) -> None:
    dice = random.Random(int(options["seed"]))
    least, most = int(options.get("min", "64")), int(options.get("max", "65536"))
    number = int(options["id"])
    with ipc0cp.SharedRingBufferProducer(
        options["name"],
        int(options.get("total", "1048576")),
        redeliver=options.get("redeliver", "0") != "0",
        stale=options.get("stale", "discard"),
    ) as producer:
        ledger[READY] = 1
        sequence = 0
        while sequence < int(options.get("count", str(1 << 39))) and not ledger[STOP]:
            ledger[ATTEMPTED] = sequence + 1
            size = int(least * (most / least) ** dice.random())
            if push(producer, fill(number, sequence, size), sequence):
                sequence += 1
                ledger[ACKNOWLEDGED] = sequence
            else:
                ledger[REFUSED] = ledger[REFUSED] + 1
            time.sleep(int(options.get("gap_us", "0")) / 1e6)


def consume(options: dict[str, str], ledger: Ledger) -> None:
    most_held = int(options.get("hold", "0"))
    held: list[np.ndarray] = []
    with ipc0cp.SharedRingBufferConsumer(
        options["name"],
        int(options.get("total", "1048576")),
        expected_producers=int(options.get("expected", "1")),
        auto_unlink=options.get("auto_unlink", "1") != "0",
        stale=options.get("stale", "resume"),
        subscribe="subscribe" in options,
        overflow=options.get("subscribe", "block"),
    ) as consumer:
        ledger[READY] = 1
        while not ledger[STOP] and ledger[COUNT] < int(options.get("count", str(1 << 39))):
            ledger[HELD] = len(held) + 1
            try:
                obj = consumer.pop(timeout=0.5)
            except ipc0cp.Timeout:
                continue
            if obj is None:
                break
            payload = obj if isinstance(obj, np.ndarray) else np.frombuffer(obj, np.uint8)
            ledger.note(*check(payload))
            held.append(payload)
            while len(held) > most_held:
                check(held.pop(0))
        ledger[ENDED] = 1
        for payload in held:
            check(payload)
        held.clear()


def install_fate(name: str, ledger: Ledger) -> None:
    """What becomes of us at SIGUSR1, as in tests/process/fates.hpp."""

    def clone_without_handlers() -> None:
        number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
        if ctypes.CDLL(None).syscall(number, signal.SIGCHLD, None, None, None, None) != 0:
            ledger[READY] = FATE_IS_DONE
            return
        signal.alarm(60)
        while not ledger[STOP]:
            time.sleep(0.01)
        os._exit(0)

    def close_range() -> None:
        os.closerange(3, (1 << 31) - 1)
        ledger[READY] = FATE_IS_DONE

    fates = {
        "exit": lambda: os._exit(0),
        "exec": lambda: os.execv("/bin/sleep", ["sleep", "60"]),
        "clone": clone_without_handlers,
        "close_range": close_range,
    }
    signal.signal(signal.SIGUSR1, lambda *_: fates[name]())


def main() -> None:
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    signal.alarm(int(options.get("alarm", "60")))  # The watchdog.
    ledger = Ledger(Path(options["ledger"]))
    ballast = b"x" * int(options.get("ballast", "0"))  # For a core dump to write.
    if "fate" in options:
        install_fate(options["fate"], ledger)
    {"produce": produce, "consume": consume}[options["role"]](options, ledger)
    del ballast


if __name__ == "__main__":
    main()
