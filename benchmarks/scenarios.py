# SPDX-License-Identifier: Apache-2.0
"""What is measured: every scenario has a name, by which figures and targets speak of it.

    LANGUAGES.TRANSPORT.SIZE.SHAPE[.loan][.untouched][.slow][.gaps][.SCENE]
                    a stream or, with SHAPE `ping`, a ping-pong
    program.NAME    a program of one figure or a few

LANGUAGES is `python`, `cpp`, `python-cpp` or `cpp-python` (producers first), SIZE one of `SIZES`,
SHAPE producers x consumers, SCENE one of scenes.py. `slow`: the consumer works on each message;
`gaps`: the producer sleeps after each.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator

from scenes import QUIET, SCENES

KIB, MIB = 1 << 10, 1 << 20
#: `large` is what --min-size and --max-size say.
SIZES = {"64B": 64, "4KiB": 4 * KIB, "64KiB": 64 * KIB, "1MiB": MIB, "large": 0, "64MiB": 64 * MIB}
STREAM_SIZES = ("64B", "4KiB", "64KiB", "large", "64MiB")
QUICK_SIZES = ("64B", "large")
SLOW_US = 200
GAP_US = 1000

# What is compared runs one right after the other; ipc0cp comes first.
PYTHON = ("ring", "pipe", "stdio_raw", "stdio_api", "connection", "queue", "slots", "faster_fifo",
          "zeromq", "iceoryx2", "cloudtoid")
CPP = ("ring", "ring_objects", "ring_batch", "floor", "pipe", "stdio_raw", "stdio_api",
       "socket", "boost", "zeromq", "iceoryx", "iceoryx2")
#: Many small messages in one call.
SMALL_ONLY = frozenset({"ring_batch"})
TRANSPORTS = {"python": PYTHON, "cpp": CPP}
#: The baseline of the STDIO transport is measured where the README compares them.
LARGE_ONLY = frozenset({"stdio_raw", "stdio_api"})
LENDERS = ("ring", "iceoryx", "iceoryx2")
WORK_QUEUES = {"python": ("ring", "queue", "slots", "faster_fifo", "zeromq", "cloudtoid"),
               "cpp": ("ring", "floor", "boost", "zeromq")}
#: Eight processes of small messages show what waiting costs where there are fewer cores.
GROUPS_OF_SMALL = {"64B": (4, 4), "64KiB": (2, 2)}
CROSS = ("ring", "stdio_raw", "stdio_api")
PONGS = {"python": ("ring", "pipe", "connection", "queue", "faster_fifo", "zeromq", "iceoryx2",
                    "cloudtoid"),
         "cpp": ("ring", "floor", "pipe", "socket", "boost", "zeromq", "iceoryx", "iceoryx2")}
#: Those that sleep when they wait, which is what counts where others want the processor.
SLEEPERS = {"python": ("ring", "pipe", "queue", "zeromq", "cloudtoid"),
            "cpp": ("ring", "pipe", "boost", "zeromq")}


@dataclasses.dataclass(frozen=True)
class Scenario:
    producer: str
    consumer: str
    transport: str
    size: str
    producers: int = 1
    consumers: int = 1
    is_ping_pong: bool = False
    loan: bool = False
    touch: bool = True
    slow_us: int = 0
    gap_us: int = 0
    scene: str = QUIET

    @property
    def languages(self) -> str:
        same = self.producer == self.consumer
        return self.producer if same else f"{self.producer}-{self.consumer}"

    @property
    def languages_needed(self) -> set[str]:
        return {self.producer, self.consumer}

    @property
    def is_shared(self) -> bool:
        """By several producers or several consumers."""
        return self.producers + self.consumers > 2

    @property
    def shape(self) -> str:
        return "ping" if self.is_ping_pong else f"{self.producers}x{self.consumers}"

    @property
    def name(self) -> str:
        """Without spaces, for --settings."""
        words = [self.languages, self.transport, self.size, self.shape]
        words += ["loan"] * self.loan + ["untouched"] * (not self.touch)
        words += ["slow"] * bool(self.slow_us) + ["gaps"] * bool(self.gap_us)
        words += [self.scene] * (self.scene != QUIET)
        return ".".join(words)


@dataclasses.dataclass(frozen=True)
class Program:
    """Prints its figures itself; `words` may hold {seconds}. Languages that it needs."""

    title: str
    words: tuple[str, ...]
    language: str

    is_shared = False

    @property
    def languages_needed(self) -> set[str]:
        return {self.language}

    @property
    def name(self) -> str:
        return f"program.{self.title}"


Setting = Scenario | Program

PROGRAMS = (
    Program("core_cycle", ("core_cycle",), "cpp"),
    Program("large_ring", ("large_ring",), "cpp"),
    Program("idle", ("idle", "{idle_seconds}"), "cpp"),
    Program("python_cycle", ("python_cycle.py", "{seconds}"), "python"),
    Program("python_costs", ("python_costs.py", "{idle_seconds}"), "python"),
    Program("python_batches_rows", ("python_batches.py", "rows", "{seconds}"), "python"),
    Program("python_batches_records", ("python_batches.py", "records", "{seconds}"), "python"),
)


def streams(size: str, shapes: Iterable[tuple[int, int]]) -> Iterator[Scenario]:
    for producers, consumers in shapes:
        is_pair = (producers, consumers) == (1, 1)
        for language, transports in (TRANSPORTS if is_pair else WORK_QUEUES).items():
            for transport in transports:
                if ((size == "large" or transport not in LARGE_ONLY)
                        and (size == "64B" or transport not in SMALL_ONLY)):
                    yield Scenario(language, language, transport, size, producers, consumers)


def variants() -> Iterator[Scenario]:
    """Loans, payloads that nobody reads, and a consumer that works."""
    for language, transports in TRANSPORTS.items():
        for transport in LENDERS:
            if transport in transports:
                for size in ("64KiB", "large", "64MiB"):
                    yield Scenario(language, language, transport, size, loan=True)
                for size in ("4KiB", "large"):
                    yield Scenario(language, language, transport, size, touch=False)
        yield Scenario(language, language, "ring", "large", slow_us=SLOW_US)


def ping_pongs(sizes: Iterable[str]) -> Iterator[Scenario]:
    for size in sizes:
        for language, transports in PONGS.items():
            for transport in transports:
                yield Scenario(language, language, transport, size, is_ping_pong=True)
                if size == "1MiB" and transport in LENDERS:
                    yield Scenario(language, language, transport, size, is_ping_pong=True,
                                   loan=True)


def on_shared_cores() -> Iterator[Scenario]:
    """Round trips beside others that want the processors, and messages that come now and then."""
    for language, transports in SLEEPERS.items():
        for scene in SCENES:
            for transport in transports:
                yield Scenario(language, language, transport, "64B", is_ping_pong=True,
                               scene=scene)
        for transport in transports:
            yield Scenario(language, language, transport, "64B", gap_us=GAP_US)


def cross_language() -> Iterator[Scenario]:
    for transport in CROSS:
        yield Scenario("python", "cpp", transport, "large")
        yield Scenario("cpp", "python", transport, "large")


def all_settings(shapes: list[tuple[int, int]], quick: bool) -> list[Setting]:
    """In the order of a round. `quick` leaves out sizes and shapes, but no transport."""
    pairs = [shape for shape in shapes if shape == (1, 1)]
    groups = [shape for shape in shapes if shape != (1, 1)]
    settings: list[Setting] = []
    for size in QUICK_SIZES if quick else STREAM_SIZES:
        settings += streams(size, pairs)
        if size == "large":
            settings += cross_language()
            settings += streams(size, groups[:1] if quick else groups)
        elif size in GROUPS_OF_SMALL and not quick:
            settings += streams(size, [shape for shape in groups if shape == GROUPS_OF_SMALL[size]])
    if not quick:
        settings += variants()
    settings += ping_pongs(["64B"] if quick else ["64B", "1MiB"])
    if not quick:
        settings += on_shared_cores()
    return [*settings, *PROGRAMS]


def choose(settings: Iterable[Setting], glob: str) -> list[Setting]:
    return [setting for setting in settings if fnmatch.fnmatch(setting.name, glob)]


def bytes_of(size: str, min_bytes: int, max_bytes: int) -> tuple[int, int]:
    """The smallest and the largest message of a size."""
    return (SIZES[size], SIZES[size]) if SIZES[size] else (min_bytes, max_bytes)
