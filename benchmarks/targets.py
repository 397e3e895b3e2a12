# SPDX-License-Identifier: Apache-2.0
"""The figures that ipc0cp should reach, each beside the limit or rival of the same run."""

from __future__ import annotations

from measures import Target

RATE = "consumer_mb_per_s"
MESSAGES = "messages_per_second"
CPU = "cpu_seconds_per_gb"


def stream(language: str, transports: str, setting: str, key: str = RATE) -> tuple[str, ...]:
    return tuple(f"{language}.{transport}.{setting}:{key}" for transport in transports.split())


def own(language: str, setting: str, key: str = RATE) -> str:
    return f"{language}.ring.{setting}:{key}"


LARGE = "0.5-5 MiB"
LANGUAGES = (("C++", "cpp"), ("Python", "python"))


def beside_pipe(what: str, scene: str, key: str, limit: float, of: str = "ratio") -> list[Target]:
    """A round trip on shared cores, in both languages."""
    setting = f"64B.ping.{scene}"
    return [Target(f"ping-pong 64 B, {what}, {scene.replace('_', ' ')}", title,
                   own(language, setting, key), "<=", limit,
                   stream(language, "pipe", setting, key), of)
            for title, language in LANGUAGES]


TARGETS = [
    Target(f"{LARGE} 1x1, copy in, view out", "C++", own("cpp", "large.1x1"), ">=", 1.0,
           stream("cpp", "floor", "large.1x1"), seen="44 GB/s"),
    Target(f"{LARGE} 1x1", "C++", own("cpp", "large.1x1"), ">=", 14,
           stream("cpp", "pipe", "large.1x1")),
    Target(f"{LARGE} 1x1, copy in, view out", "Python", own("python", "large.1x1"), ">=", 1.0,
           stream("python", "iceoryx2", "large.1x1"), seen="37 GB/s"),
    Target(f"{LARGE} 1x1", "Python", own("python", "large.1x1"), ">=", 50,
           stream("python", "queue", "large.1x1")),
    Target(f"{LARGE} 2x2", "C++", own("cpp", "large.2x2"), ">=", 3,
           stream("cpp", "boost zeromq", "large.2x2"), seen="7.7 GB/s"),
    Target(f"{LARGE} 2x2", "Python", own("python", "large.2x2"), ">=", 3,
           stream("python", "faster_fifo", "large.2x2"), seen="7.6 GB/s"),
    Target("64 KiB 1x1", "C++", own("cpp", "64KiB.1x1"), ">=", 1.1,
           stream("cpp", "iceoryx", "64KiB.1x1"), seen="31 GB/s"),
    Target("64 KiB 2x2", "C++", own("cpp", "64KiB.2x2"), ">=", 3,
           stream("cpp", "boost", "64KiB.2x2"), seen="10.6 GB/s"),
    Target("64 KiB 1x1", "Python", own("python", "64KiB.1x1"), ">=", 1.3,
           stream("python", "iceoryx2", "64KiB.1x1"), seen="14 GB/s"),
    *(Target(f"{title} 1x1, objects", "C++", f"cpp.ring_objects.{size}.1x1:{RATE}", ">=", 0.9,
             stream("cpp", "ring", f"{size}.1x1"))
      for title, size in (("64 KiB", "64KiB"), (LARGE, "large"), ("64 MiB", "64MiB"))),
    Target("4 KiB 1x1", "C++", own("cpp", "4KiB.1x1"), ">=", 0.95,
           stream("cpp", "iceoryx2", "4KiB.1x1"), seen="9.7 GB/s"),
    Target("4 KiB 1x1, touched", "Python", own("python", "4KiB.1x1"), ">=", 1.6,
           stream("python", "iceoryx2", "4KiB.1x1"), seen="1.3 GB/s"),
    Target("4 KiB 1x1, untouched", "Python", own("python", "4KiB.1x1.untouched"), ">=", 2.5,
           stream("python", "iceoryx2", "4KiB.1x1.untouched")),
    Target("64 B 1x1", "C++", own("cpp", "64B.1x1", MESSAGES), ">=", 1.2,
           stream("cpp", "boost iceoryx2", "64B.1x1", MESSAGES), seen="3.4-4.0 M/s"),
    Target("64 B 1x1", "C++", own("cpp", "64B.1x1", MESSAGES), ">=", 1.0,
           stream("cpp", "zeromq", "64B.1x1", MESSAGES), seen="4.4 M/s"),
    Target("64 B 1x1", "Python", own("python", "64B.1x1", MESSAGES), ">=", 2,
           stream("python", "zeromq", "64B.1x1", MESSAGES), seen="0.56 M/s"),
    Target("64 B, push_many and pop_many", "C++", f"cpp.ring_batch.64B.1x1:{MESSAGES}",
           ">=", 10, of="figure"),
    Target("64 B, an array of records", "Python",
           f"program.python_batches_records:{MESSAGES}", ">=", 3, of="figure"),
    Target("64 MiB 1x1, copy", "C++", own("cpp", "64MiB.1x1"), ">=", 0.95,
           stream("cpp", "floor", "64MiB.1x1")),
    Target("64 MiB 1x1, loan", "C++", own("cpp", "64MiB.1x1.loan"), ">=", 0.95,
           stream("cpp", "iceoryx2", "64MiB.1x1.loan"), seen="36 GB/s"),
    Target("64 MiB 1x1, copy", "Python", own("python", "64MiB.1x1"), ">=", 0.9,
           (own("cpp", "64MiB.1x1"),)),
    Target("64 MiB 1x1, loan", "Python", own("python", "64MiB.1x1.loan"), ">=", 0.9,
           (own("cpp", "64MiB.1x1.loan"),)),
    Target("ping-pong 64 B, p50", "C++", own("cpp", "64B.ping", "p50_us"), "<=", 0.85,
           stream("cpp", "iceoryx2", "64B.ping", "p50_us"), seen="0.66 us"),
    Target("ping-pong 64 B, p50", "Python", own("python", "64B.ping", "p50_us"), "<=", 0.6,
           stream("python", "iceoryx2", "64B.ping", "p50_us"), seen="8.9 us"),
    Target("ping-pong 1 MiB, p50, copy", "C++", own("cpp", "1MiB.ping", "p50_us"), "<=", 1.1,
           stream("cpp", "iceoryx2", "1MiB.ping", "p50_us"), seen="64 us"),
    Target("ping-pong 1 MiB, p50, loan", "C++", own("cpp", "1MiB.ping.loan", "p50_us"), "<=", 1.1,
           stream("cpp", "iceoryx2", "1MiB.ping.loan", "p50_us"), seen="15 us"),
    Target("ping-pong 1 MiB, p50, copy", "Python", own("python", "1MiB.ping", "p50_us"), "<=", 1.1,
           stream("python", "iceoryx2", "1MiB.ping", "p50_us"), seen="78 us"),
    Target("ping-pong 1 MiB, p50, loan", "Python", own("python", "1MiB.ping.loan", "p50_us"), "<=",
           12, (own("cpp", "1MiB.ping.loan", "p50_us"),), of="difference"),
    *(target for scene in ("one_core", "job", "nice_job")
      for what, key in (("p50", "p50_us"), ("p99", "p99_us"), ("CPU time", "cpu_per_trip_us"))
      for target in beside_pipe(what, scene, key, 1.5)),
    # Of the ten periods in a run of 1 s, two may differ by chance.
    *(target for scene in ("quota_half", "quota_one")
      for target in beside_pipe("standstill", scene, "throttled_periods_percent", 20,
                                "difference")),
    Target(f"CPU time, {LARGE} 1x1", "C++", own("cpp", "large.1x1", CPU), "<=", 0.045, of="figure"),
    Target(f"CPU time, {LARGE} 1x1", "Python", own("python", "large.1x1", CPU), "<=", 0.05,
           of="figure"),
    *(Target("slow consumer, ring full: share of its kept-up rate", title,
             own(language, "large.1x1.slow", "kept_up_share"), ">=", 0.8, of="figure")
      for title, language in LANGUAGES),
    Target("loan and view, 256 MiB", "C++", "program.large_ring:hand_over_256_mib_ns", "<=", 2,
           ("program.large_ring:hand_over_1_kib_ns",)),
    Target("loan and view, 1 GiB", "Python", "program.python_costs:hand_over_1_gib_us", "<=", 2,
           ("program.python_costs:hand_over_1_kib_us",)),
    *(Target(f"{LARGE} 1x1", title, own(languages, "large.1x1"), ">=", 0.9,
             (own("python", "large.1x1"),))
      for title, languages in (("Python to C++", "python-cpp"), ("C++ to Python", "cpp-python"))),
    Target(f"{LARGE} 8x8", "C++", own("cpp", "large.8x8"), ">=", 1.0,
           stream("cpp", "floor", "large.8x8")),
    Target(f"{LARGE} 8x8", "Python", own("python", "large.8x8"), ">=", 0.8,
           stream("cpp", "floor", "large.8x8")),
    *(Target(f"idle {end}", "C++", f"program.idle:idle_{end}_core_percent", "<=", 0.1, of="figure")
      for end in ("consumer", "producer")),
    Target("idle consumer", "Python", "program.python_costs:idle_core_percent", "<=", 0.1,
           of="figure"),
    Target("import ipc0cp, without NumPy and Pillow", "Python", "program.python_costs:import_ms",
           "<=", 60, of="figure"),
    Target("attach", "Python", "program.python_costs:attach_ms", "<=", 1, of="figure"),
    Target("create a ring of 1 GiB", "Python", "program.python_costs:create_1_gib_ms", "<=", 5,
           of="figure"),
]
