# SPDX-License-Identifier: Apache-2.0
"""One program of a pipeline in Python; the same roles as tests/process/stdio_worker.cpp."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from python_worker import check, fill

import ipc0cp


def send_vectors(options: dict[str, str]) -> None:
    from test_vectors import value_of

    with ipc0cp.StdioProducer() as producer:
        for path in options["vectors"].split(","):
            for vector in json.loads(Path(path).read_text()):
                producer.push(value_of(vector))


def relay(_: dict[str, str]) -> None:
    with ipc0cp.StdioConsumer() as consumer, ipc0cp.StdioProducer() as producer:
        for obj in consumer:
            producer.push(obj)


def print_messages(_: dict[str, str]) -> None:
    from helpers import encode

    for obj in ipc0cp.StdioConsumer():
        metadata, payload = encode(obj)
        print(json.dumps({"metadata": metadata.decode(), "payload_hex": payload.hex()}))


def flood(options: dict[str, str]) -> None:
    count = int(options.get("count", str(1 << 40)))
    size = int(options.get("bytes", "100000"))
    with ipc0cp.StdioProducer() as producer:
        for sequence in range(count):
            producer.push(fill(1, sequence, size))


def drain(options: dict[str, str]) -> None:
    count = int(options.get("count", str(1 << 40)))
    received = 0
    with ipc0cp.StdioConsumer() as consumer:
        while received < count and (obj := consumer.pop()) is not None:
            payload = obj if isinstance(obj, np.ndarray) else np.frombuffer(obj, np.uint8)
            assert check(payload) == (1, received)
            received += 1
    print(received)


def main() -> None:
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    signal.alarm(int(options.get("alarm", "60")))  # The watchdog.
    roles = (send_vectors, relay, print_messages, flood, drain)
    {role.__name__: role for role in roles}[options["role"]](options)


if __name__ == "__main__":
    main()
