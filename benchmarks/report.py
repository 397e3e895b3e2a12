# SPDX-License-Identifier: Apache-2.0
"""The figures of a run as Markdown tables.

    report.py RESULTS.json [MORE.json...]     the same tables again; several files are one run each
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measures import (
    NAMES,
    Outcome,
    Round,
    add_derived,
    judge,
    median_ratio,
    medians,
    phase_of,
    phases,
    undisturbed,
    unit_of,
)
from scenarios import CPP, PONGS, PYTHON, SLEEPERS, STREAM_SIZES, TRANSPORTS, WORK_QUEUES
from scenes import PROCESSORS_OF_QUOTA, SCENES
from targets import TARGETS

Results = dict[str, Any]

PAIRS = (("python", "python"), ("cpp", "cpp"), ("python", "cpp"), ("cpp", "python"))


def number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def table(header: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1) -> str:
    """`left` columns of words, the rest of numbers; empty without a row in which there is one."""
    titles = list(header)
    filled = [row for row in map(list, rows) if set(row[left:]) != {"-"}]
    if not filled:
        return ""
    lines = [titles, ["---" if i < left else "---:" for i in range(len(titles))], *filled]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: list[float]) -> str:
    """The median, and the range if there are several."""
    if not values:
        return "-"
    text = f"{statistics.median(values):,.0f}"
    return text + (f" ({min(values):,.0f}-{max(values):,.0f})" if len(values) > 1 else "")


def of_commonest_phase(rounds: list[Round], setting: str) -> tuple[str, list[Round]]:
    """Where the two cores were in most rounds, and the rounds in which they were there: between
    near and far cores all figures differ by two to four times, and no mean of both is ever seen."""
    found = undisturbed(rounds, setting)
    phases = [phase_of(one, setting) for one in found]
    if not phases:
        return "-", []
    commonest = statistics.mode(phases)
    return commonest, [one for one, phase in zip(found, phases, strict=True) if phase == commonest]


def variants_table(rounds: list[Round]) -> str:
    """Shared memory beside STDIO, in each pair of languages."""
    rows, gains = [], speed_ups(rounds)
    for pair in PAIRS:
        languages = "-".join(dict.fromkeys(pair))
        for transport, title in (("stdio_raw", "STDIO (raw framing)"),
                                 ("stdio_api", "STDIO (API framing)"),
                                 ("ring", "Shared Memory (SHM)")):
            setting = f"{languages}.{transport}.large.1x1"
            phase, alike = of_commonest_phase(rounds, setting)
            found = [one[setting] for one in alike]
            if not found:
                continue
            ratio = gains.get(languages, {}).get("stdio_api") if transport == "ring" else None
            names = " → ".join(NAMES[language] for language in dict.fromkeys(pair))
            rows.append([f"{names} {title}", phase,
                         spread([one["producer_mb_per_s"] for one in found]),
                         spread([one["consumer_mb_per_s"] for one in found]),
                         number(statistics.median(one["cpu_seconds_per_gb"] for one in found)),
                         f"{statistics.median(one['messages_per_second'] for one in found):,.0f}",
                         f"{ratio:.1f}x" if ratio else ""])
    text = table(["Variant", "Cores", "Producer median (range), MB/s",
                  "Consumer median (range), MB/s", "CPU s per GB", "messages/s", "Speedup"],
                 rows, left=2)
    means = [f"SHM vs {NAMES[rival]} {ratio:.1f}x" for rival, ratio in gains.get("all", {}).items()]
    return text + (f"\n\nGlobal speedups (consumer throughput, geometric means): "
                   f"{', '.join(means)}." if means else "")


def speed_ups(rounds: list[Round]) -> dict[str, dict[str, float]]:
    """Shared memory against each framing over pipes: medians of the ratios of consumer throughput
    by languages, and over all languages, `all`, their geometric mean."""
    found: dict[str, dict[str, float]] = {}
    for rival in ("stdio_raw", "stdio_api"):
        ratios = []
        for pair in PAIRS:
            languages = "-".join(dict.fromkeys(pair))
            ratio = median_ratio(rounds, f"{languages}.ring.large.1x1:consumer_mb_per_s",
                                 f"{languages}.{rival}.large.1x1:consumer_mb_per_s")
            if ratio:
                found.setdefault(languages, {})[rival] = ratio
                ratios.append(ratio)
        if ratios:
            found.setdefault("all", {})[rival] = statistics.geometric_mean(ratios)
    return found


def streams_table(rounds: list[Round], language: str) -> str:
    columns = [(size, "messages_per_second" if size == "64B" else "consumer_mb_per_s")
               for size in STREAM_SIZES]
    rows = [[NAMES.get(transport, transport),
             *(number(medians(rounds, f"{language}.{transport}.{size}.1x1:{key}"))
               for size, key in columns)]
            for transport in TRANSPORTS[language]]
    header = [f"{NAMES[language]}, 1x1", "64 B, M messages/s", "4 KiB, GB/s", "64 KiB, GB/s",
              "0.5-5 MiB, GB/s", "64 MiB, GB/s"]
    return table(header, rows)


def variants_of_lenders(rounds: list[Round]) -> str:
    rows = []
    for language, transports in TRANSPORTS.items():
        for transport in transports:
            cells = [medians(rounds, f"{language}.{transport}.{words}:consumer_mb_per_s")
                     for words in ("4KiB.1x1.untouched", "large.1x1.untouched", "64KiB.1x1.loan",
                                   "large.1x1.loan", "64MiB.1x1.loan")]
            rows.append([f"{NAMES[language]} {NAMES.get(transport, transport)}",
                         *map(number, cells)])
    header = ["GB/s", "4 KiB, not read", "0.5-5 MiB, not read", "64 KiB, loan", "0.5-5 MiB, loan",
              "64 MiB, loan"]
    return table(header, rows)


def work_queues_table(rounds: list[Round]) -> str:
    columns = ("64KiB.2x2", "large.1x1", "large.2x2", "large.4x4", "large.8x8")
    rows = [[f"{NAMES[language]} {NAMES.get(transport, transport)}",
             *(number(medians(rounds, f"{language}.{transport}.{column}:consumer_mb_per_s"))
               for column in columns)]
            for language, transports in WORK_QUEUES.items() for transport in transports]
    return table(["GB/s", "64 KiB 2x2", "0.5-5 MiB 1x1", "2x2", "4x4", "8x8"], rows)


def ping_pong_table(rounds: list[Round], language: str) -> str:
    columns = ("64B.ping", "1MiB.ping", "1MiB.ping.loan")
    keys = ("p50_us", "p99_us", "p999_us")
    rows = []
    for transport in PONGS[language]:
        cells = []
        for column in columns:
            values = [number(medians(rounds, f"{language}.{transport}.{column}:{key}"))
                      for key in keys]
            cells.append(" / ".join(values) if set(values) != {"-"} else "-")
        rows.append([NAMES.get(transport, transport), *cells])
    return table([f"{NAMES[language]}, us: p50 / p99 / p99.9", "64 B", "1 MiB", "1 MiB, loan"],
                 rows)


def joined(values: Iterable[float | None], unit: str = "") -> str:
    texts = [number(value) for value in values]
    return "-" if set(texts) == {"-"} else " / ".join(f"{text}{unit}" for text in texts)


SHARED_CORES_KEYS = ("p50_us", "p99_us", "cpu_per_trip_us")


def shared_cores_table(rounds: list[Round], language: str) -> str:
    rows = [[NAMES.get(transport, transport),
             *(joined(medians(rounds, f"{language}.{transport}.64B.ping.{scene}:{key}")
                      for key in SHARED_CORES_KEYS) for scene in SCENES)]
            for transport in SLEEPERS[language]]
    return table([f"{NAMES[language]}, 64 B there and back, us: p50 / p99 / CPU time",
                  *map(in_words, SCENES)], rows)


def in_words(name: str) -> str:
    return name.replace("_", " ")


def shared_cores_ratios(rounds: list[Round]) -> str:
    rows = []
    for language, transports in SLEEPERS.items():
        for transport in transports:
            if transport == "pipe":
                continue
            cells = [joined((median_ratio(rounds, f"{language}.{transport}.64B.ping.{scene}:{key}",
                                          f"{language}.pipe.64B.ping.{scene}:{key}")
                             for key in SHARED_CORES_KEYS), "x") for scene in SCENES]
            rows.append([f"{NAMES[language]} {NAMES.get(transport, transport)}", *cells])
    return table(["against the plain pipe: p50 / p99 / CPU time", *map(in_words, SCENES)], rows)


def throttling_table(rounds: list[Round]) -> str:
    figures = [f"64B.ping.{scene}:throttled_periods_percent" for scene in PROCESSORS_OF_QUOTA]
    rows = [[f"{NAMES[language]} {NAMES.get(transport, transport)}",
             *(number(medians(rounds, f"{language}.{transport}.{figure}")) for figure in figures)]
            for language, transports in SLEEPERS.items() for transport in transports]
    return table(["% of the quota's periods of 0.1 s with a standstill",
                  *map(in_words, PROCESSORS_OF_QUOTA)], rows)


def cpu_per_message_table(rounds: list[Round]) -> str:
    columns = {"1x1": "1x1", "4x4": "4x4", "1x1, 1 ms between messages": "1x1.gaps"}
    rows = []
    for language, transports in TRANSPORTS.items():
        for transport in transports:
            figures = (f"{language}.{transport}.64B.{column}:cpu_per_message_us"
                       for column in columns.values())
            rows.append([f"{NAMES[language]} {NAMES.get(transport, transport)}",
                         *(number(medians(rounds, figure)) for figure in figures)])
    return table(["CPU time per message of 64 B, us, both sides", *columns], rows)


def cpu_table(rounds: list[Round]) -> str:
    rows = [[NAMES.get(transport, transport),
             *(number(medians(rounds, f"{language}.{transport}.large.1x1:cpu_seconds_per_gb"))
               for language in TRANSPORTS)]
            for transport in dict.fromkeys([*PYTHON, *CPP])]
    return table(["CPU s per GB, 0.5-5 MiB 1x1", *(NAMES[name] for name in TRANSPORTS)],
                 rows)


def target_row(outcome: Outcome) -> list[str]:
    target, unit = outcome.target, unit_of(outcome.target.own)
    answer = {True: "reached", False: "missed", None: "no rival"}[outcome.is_reached]
    if outcome.is_mixed and outcome.is_reached is not None:
        answer += ", phases differ"
    ratio = ""
    if outcome.value is not None and target.of == "ratio":
        ratio = f"{number(outcome.value)}x"
    elif outcome.value is not None and target.of == "difference":
        ratio = f"{outcome.value:+.3g} {unit}"
    rival = number(outcome.rival, unit) if target.rivals else ""
    return [target.what, target.language, target.asked, number(outcome.own, unit), rival, ratio,
            answer]


def targets_table(rounds: list[Round]) -> str:
    """Of what was measured."""
    outcomes = [outcome for target in TARGETS
                if (outcome := judge(target, rounds)).own is not None]
    reached, missed, alone = (sum(outcome.is_reached is state for outcome in outcomes)
                              for state in (True, False, None))
    text = table(["measure", "language", "asked", "seen", "rival", "ratio", ""],
                 map(target_row, outcomes), left=3)
    return text and f"{text}\n\n{reached} reached, {missed} missed, {alone} without their rival."


def heading(results: Results, rounds: list[Round]) -> str:
    about = results["machine"]
    text = (f"{about['processor']}, {about['cores']} cores, Python {about['python']}, load"
            f" {about['load']:.2f} at the start, medians of {len(rounds)} rounds of"
            f" {results['options']['duration']:g} s.")
    counts = phases(rounds)
    if counts:
        text += " Runs by phase of the cores: " + ", ".join(
            f"{count} {phase}" for phase, count in sorted(counts.items())) + "."
    for key in rounds[0].get("limits", {}):
        value = statistics.median(one["limits"][key] for one in rounds if key in one["limits"])
        text += f" {key}: {number(value)}."
    return text


def missing_list(results: Results) -> str:
    reasons: dict[str, list[str]] = {}
    for setting, why in results["missing"].items():
        reasons.setdefault(why, []).append(setting)
    return "\n".join(f"- {why}: {len(settings)} settings, such as {settings[0]}"
                     for why, settings in reasons.items())


def markdown(results: Results) -> str:
    rounds: list[Round] = results["rounds"]
    for a_round in rounds:
        add_derived(a_round)
    sections = {
        "Shared memory and STDIO": [variants_table(rounds)],
        "Streams": [streams_table(rounds, language) for language in TRANSPORTS],
        "Loans, and payloads that nobody reads": [variants_of_lenders(rounds)],
        "Several producers and consumers": [work_queues_table(rounds)],
        "Round trips": [ping_pong_table(rounds, language) for language in PONGS],
        "Shared cores": [*(shared_cores_table(rounds, language) for language in SLEEPERS),
                         shared_cores_ratios(rounds), throttling_table(rounds)],
        "CPU time": [cpu_table(rounds), cpu_per_message_table(rounds)],
        "Targets": [targets_table(rounds)],
        "Not measured": [missing_list(results)],
    }
    parts = [heading(results, rounds)]
    for title, texts in sections.items():
        if any(texts):
            parts += [f"### {title}", *filter(None, texts)]
    return "\n\n".join(parts)


def load(names: Iterable[str]) -> Results:
    """Runs of different settings as if they had been one: their rounds side by side."""
    all_results: list[Results] = [json.loads(Path(name).read_text()) for name in names]
    merged = all_results[0]
    for other in all_results[1:]:
        merged["missing"] |= other["missing"]
        for one, more in zip(merged["rounds"], other["rounds"], strict=True):
            one |= more
    return merged


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    print(markdown(load(sys.argv[1:])))


if __name__ == "__main__":
    main()
