# SPDX-License-Identifier: Apache-2.0
"""The benchmark harness finds wrong and lost messages, compares rightly, and runs as a whole."""

from __future__ import annotations

import importlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from queue_workers import wait_until

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
BUILD = Path(os.environ.get("IPC0CP_BUILD_DIR", ROOT / "build"))
HAS_CPP = all((BUILD / "benchmarks" / name).is_file()
              for name in ("endpoint", "limits", "core_cycle", "large_ring", "idle"))


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    # Other tests have modules of the same names.
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


def load(name: str) -> Any:
    return importlib.import_module(name)


class Given:
    """A receiver of messages that were made beforehand."""

    def __init__(self, messages):
        self._messages = iter(messages)

    def receive(self):
        return next(self._messages, None)


def consume(messages, min_bytes, max_bytes, check="all"):
    endpoint = load("endpoint")
    words = (f"consume --transport ring --address a --index 0 --producers 1 --consumers 1"
             f" --min-size {min_bytes} --max-size {max_bytes} --core -1 --seconds 1 --mode copy"
             f" --touch yes --check {check} --slow-us 0 --gap-us 0").split()
    control = endpoint.Control(io.StringIO("go\n"), io.StringIO())
    return endpoint.consume(Given(messages), endpoint.parse_arguments(words), control)


def messages_of(count, min_bytes, max_bytes):
    pool = load("payload_pool").PayloadPool(min_bytes, max_bytes)
    stream = pool.messages(0)
    # The pool restores arrays that it has yielded, so each is copied at once.
    copies = (one if type(one) is bytes else one.copy() for one in stream)
    return pool, list(itertools.islice(copies, count))


@pytest.mark.parametrize("sizes", [(64, 64), (4096, 4096), (1000, 70_001)])
def test_what_was_sent_is_what_is_counted(sizes):
    pool, messages = messages_of(200, *sizes)
    found = consume(messages, *sizes)
    assert (found["bytes"], found["check_sum"]) == pool.totals(200)
    assert found["messages"] == found["checked"] == 200
    assert consume(messages, *sizes, check="sample")["checked"] == 4


@pytest.mark.parametrize("position", [16, 64, 4095])
def test_one_wrong_byte_is_found(position):
    _, messages = messages_of(10, 4096, 4096)
    messages[7][position] ^= 1
    with pytest.raises(load("endpoint").WrongMessageError, match="message 7: other contents"):
        consume(messages, 4096, 4096)


def test_a_message_of_another_size_is_found():
    _, messages = messages_of(3, 64, 4096)
    messages[2] = messages[2][:-8]
    with pytest.raises(load("endpoint").WrongMessageError, match="message 2"):
        consume(messages, 64, 4096)


@pytest.mark.parametrize("change", [
    lambda messages: messages[:-1],
    lambda messages: messages + messages[-1:],
    lambda messages: messages[:-2] + messages[-1:] * 2,
    lambda _: [],
])
def test_lost_doubled_and_no_messages_fail_the_run(change):
    processes, scenarios = load("processes"), load("scenarios")
    pool, messages = messages_of(30, 64, 64)
    size, check_sum = pool.totals(30)
    sent = {"messages": 30, "bytes": size, "seconds": 1.0, "cpu_seconds": 1.0, "checked": 0,
            "check_sum": check_sum}
    scenario = scenarios.Scenario("python", "python", "ring", "64B")
    assert processes.of_stream(scenario, [consume(messages, 64, 64)], [sent])["messages"] == 30
    with pytest.raises(processes.BenchmarkError, match=r"python\.ring\.64B\.1x1"):
        processes.of_stream(scenario, [consume(change(messages), 64, 64)], [sent])


def round_of(**settings):
    """A round of (GB/s, cache line before, cache line after) by transport."""
    return {f"python.{name}.large.1x1": {
        "consumer_mb_per_s": rate * 1000, "cache_line_before_ns": before,
        "cache_line_after_ns": after} for name, (rate, before, after) in settings.items()}


def test_ratios_are_taken_within_a_round_and_a_phase():
    measures = load("measures")
    own, rival = (f"python.{name}.large.1x1:consumer_mb_per_s" for name in ("ring", "queue"))
    target = measures.Target("what", "Python", own, ">=", 3, (rival,))
    near, far = (110, 110), (530, 530)
    rounds = [
        round_of(ring=(30, *near), queue=(10, *near)),
        round_of(ring=(8, *far), queue=(2, *far)),
        round_of(ring=(30, *near), queue=(1, *far)),
        round_of(ring=(30, 110, 530), queue=(1, *near)),
    ]
    outcome = measures.judge(target, rounds)
    assert (outcome.value, outcome.is_reached, outcome.is_mixed) == (3.5, True, False)
    outcome = measures.judge(target, rounds[2:])
    assert (outcome.value, outcome.is_mixed) == (30, True)
    assert measures.judge(target, [round_of(ring=(30, *near))]).is_reached is None


def test_every_target_speaks_of_a_setting():
    scenarios, targets = load("scenarios"), load("targets")
    shapes = [(1, 1), (2, 2), (4, 4), (8, 8)]
    names = {setting.name for setting in scenarios.all_settings(shapes, quick=False)}
    for target in targets.TARGETS:
        for figure in (target.own, *target.rivals):
            assert figure.split(":")[0] in names, figure


def test_quick_settings_leave_no_transport_out():
    scenarios = load("scenarios")
    settings = scenarios.all_settings([(1, 1), (2, 2)], quick=True)
    assert {(one.languages, one.transport) for one in settings if hasattr(one, "transport")} == {
        *((language, name) for language, names in scenarios.TRANSPORTS.items() for name in names),
        *((pair, name) for pair in ("python-cpp", "cpp-python") for name in scenarios.CROSS)}


def run_harness(*words, **environment):
    command = [sys.executable, str(BENCHMARKS / "run_benchmark.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=280,
                          env=os.environ | environment)


def names_listed(*words):
    result = run_harness("--list", *words)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("words", [["--languages", "python"], ["--no-cpp"]])
def test_without_cpp_nothing_of_it_is_listed(words):
    names = names_listed(*words)
    assert "python.ring.large.1x1" in names
    assert "program.python_cycle" in names
    assert not [name for name in names if "cpp" in name]
    # Programs do not say their language in their name.
    assert not {"program.core_cycle", "program.large_ring", "program.idle"} & set(names)


def test_mpmc_is_what_several_share():
    names = names_listed("--mpmc", "--mpmc-scenarios", "1x1,2x2,3x1")
    assert {name.rsplit(".", 1)[-1] for name in names} == {"2x2", "3x1"}
    assert "cpp.ring.large.3x1" in names
    assert names_listed("--scenarios", "1x1,2x2") == names_listed("--mpmc-scenarios", "1x1,2x2")


def test_scenes_have_settings_of_their_own():
    scenes, scenarios = load("scenes"), load("scenarios")
    names = names_listed("--settings", "*.ring.64B.ping*", "--languages", "python")
    assert names == ["python.ring.64B.ping",
                     *(f"python.ring.64B.ping.{scene}" for scene in scenes.SCENES)]
    quick = scenarios.all_settings([(1, 1)], quick=True)
    assert {getattr(setting, "scene", "quiet") for setting in quick} == {"quiet"}


def test_groups_are_looked_for_from_the_inside_out():
    scenes, root = load("scenes"), Path("/groups")
    text = "5:memory:/far/away\n4:cpu,cpuacct:/a/b\n0::/one\n"
    assert list(scenes.groups_of_this_process(text, root)) == [
        root / "cpu/a/b", root / "cpu/a", root / "cpu", root / "one", root]


@pytest.mark.parametrize("files, written", [
    (["cpu.cfs_period_us", "cpu.cfs_quota_us"], ["100000", "50000"]),
    (["cpu.max"], ["50000 100000"]),
])
def test_a_quota_in_both_versions_of_groups(tmp_path, files, written):
    for name in files:
        (tmp_path / name).touch()
    assert load("scenes").limit(tmp_path, 0.5)
    assert [(tmp_path / name).read_text() for name in files] == written


def test_without_groups_a_quota_is_refused_and_leaves_nothing(tmp_path):
    scenes = load("scenes")
    with pytest.raises(OSError, match="no control group"):
        scenes.make_group(iter([tmp_path]), 0.5)
    with pytest.raises(FileNotFoundError):
        scenes.make_group(iter([tmp_path / "none"]), 0.5)
    assert not list(tmp_path.iterdir())


def test_a_scene_that_is_not_allowed_is_named_and_left_out(monkeypatch):
    run_benchmark, scenes = load("run_benchmark"), load("scenes")

    def refuse(*_):
        raise PermissionError("not here")

    monkeypatch.setattr(scenes, "make_group", refuse)
    options = run_benchmark.parse_arguments(["--no-cpp", "--settings", "python.ring.64B.ping*"])
    settings = run_benchmark.choose(run_benchmark.all_settings([(1, 1)], False), options.settings)
    assert run_benchmark.find_missing(settings, options) == {
        f"python.ring.64B.ping.{scene}": f"{scene}: not here"
        for scene in ("quota_half", "quota_one")}


def neighbours_of(harness: int) -> list[str]:
    """The busy processes that it has started."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode().split("\0")
        except OSError:  # It has ended meanwhile.
            continue
        if "work" in words and str(harness) in words:
            found.append(" ".join(words))
    return found


def groups_of(harness: int) -> dict[str, int]:
    """The control groups that it has made, and how many processes are in each."""
    scenes = load("scenes")
    own = scenes.groups_of_this_process(Path("/proc/self/cgroup").read_text(),
                                        Path("/sys/fs/cgroup"))
    found = {}
    for parent in own:
        group = parent / f"{scenes.GROUP_PREFIX}{harness}"
        try:
            found[str(group)] = len((group / "cgroup.procs").read_text().split())
        except OSError:  # There is none, or none any more.
            continue
    return found


@pytest.mark.timeout(60)
@pytest.mark.parametrize("scene, ending", [("job", signal.SIGINT), ("quota_half", signal.SIGTERM)])
def test_nothing_is_left_of_a_scene_that_was_ended(tmp_path, scene, ending):
    if why := load("scenes").why_not(scene):
        pytest.skip(why)
    harness = subprocess.Popen(
        [sys.executable, BENCHMARKS / "run_benchmark.py", "--no-cpp", "--duration", "50",
         "--settings", f"python.pipe.64B.ping.{scene}", "--json", tmp_path / "none.json"],
        stderr=subprocess.DEVNULL)

    def is_set_up() -> bool:
        # One process enters a group to see whether that is allowed; the endpoints are two.
        return bool(neighbours_of(harness.pid)) or 2 in groups_of(harness.pid).values()

    wait_until(lambda: is_set_up() or harness.poll() is not None, "the scene")
    assert harness.poll() is None
    harness.send_signal(ending)
    assert harness.wait() != 0
    assert not neighbours_of(harness.pid)
    assert not groups_of(harness.pid)


@pytest.mark.timeout(60)
def test_a_report_sets_shared_cores_against_the_pipe(tmp_path):
    file = tmp_path / "results.json"
    result = run_harness("--no-cpp", "--settings", "python.[rp]i*.64B.ping.one_core", "--runs", "1",
                         "--duration", "0.05", "--json", str(file))
    assert result.returncode == 0, result.stderr
    (one,) = json.loads(file.read_text())["rounds"]
    own, pipe = (one[f"python.{name}.64B.ping.one_core"] for name in ("ring", "pipe"))
    ratios = " / ".join(load("report").number(own[key] / pipe[key]) + "x"
                        for key in ("p50_us", "p99_us", "cpu_per_trip_us"))
    assert "### Shared cores" in result.stdout
    assert f"| Python ipc0cp | {ratios} |" in result.stdout


def test_cpu_time_of_a_round_trip_is_that_of_both_sides():
    processes, scenarios = load("processes"), load("scenarios")
    scenario = scenarios.Scenario("python", "python", "ring", "64B", is_ping_pong=True)
    found = processes.of_ping_pong(scenario, {"round_trips": 1100, "cpu_seconds": 0.0022},
                                   {"round_trips": 1000, "cpu_seconds": 0.003})
    assert found["cpu_per_trip_us"] == pytest.approx(5)
    assert processes.throttling((10, 1), (20, 4)) == {"throttled_periods_percent": 30}
    assert processes.throttling((0, 0), (0, 0)) == {}


def test_results_hold_summary_and_speed_ups(tmp_path):
    """Of a run on a machine without tqdm, which only draws the progress."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['tqdm'] = None\n")
    file = tmp_path / "results.json"
    result = run_harness("--no-cpp", "--settings", "python.[rs]*.large.1x1", "--runs", "2",
                         "--duration", "0.05", "--json", str(file), PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    results = json.loads(file.read_text())
    rates = [one["python.ring.large.1x1"]["consumer_mb_per_s"] for one in results["rounds"]]
    summary = results["summary"]["python.ring.large.1x1"]["consumer_mb_per_s"]
    assert min(rates) <= summary["median"] <= max(rates)
    assert (summary["mean"], summary["runs"]) == (pytest.approx(sum(rates) / 2), 2)
    # The ratios of the first table, and their geometric means.
    python = results["speed_ups"]["python"]
    assert python.keys() == {"stdio_raw", "stdio_api"}
    assert f"| {python['stdio_api']:.1f}x |" in result.stdout
    assert results["speed_ups"]["all"] == pytest.approx(python)
    assert f"SHM vs STDIO (raw framing) {python['stdio_raw']:.1f}x" in result.stdout


@pytest.mark.timeout(300)
def test_the_whole_harness_runs(tmp_path):
    """With every transport that is there; in both languages where the programs are built."""
    languages = "python,cpp" if HAS_CPP else "python"
    result = run_harness("--quick", "--languages", languages, "--json", str(tmp_path / "all.json"),
                         "--plot", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "throughput.png", "round_trips.png", "cpu_time.png", "scaling.png",
        "overview_throughput.png", "overview_round_trips.png"}
    figures = json.loads((tmp_path / "all.json").read_text())
    (one,) = figures["rounds"]
    assert one["python.ring.large.1x1"]["messages"] > 0
    assert one["python.queue.64B.ping"]["round_trips"] > 0
    if HAS_CPP:
        assert one["python-cpp.ring.large.1x1"]["checked"] > 0
    assert "| Python Shared Memory (SHM) |" in result.stdout
    # The tables of a run can be printed again.
    again = subprocess.run([sys.executable, BENCHMARKS / "report.py", tmp_path / "all.json"],
                           capture_output=True, text=True, check=True)
    assert again.stdout == result.stdout
    if not HAS_CPP:
        pytest.skip("only the Python half: the C++ programs are not built")


def test_without_a_build_it_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("IPC0CP_BUILD_DIR", str(tmp_path))
    result = run_harness("--quick", "--json", str(tmp_path / "none.json"))
    assert result.returncode != 0
    assert "make build" in result.stderr
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize("words, complaint", [
    (["--min-size", "5M", "--max-size", "4M"], "sizes must be"),
    (["--min-size", "5 bananas"], "5 bananas"),
    (["--scenarios", "two"], "two"),
    (["--languages", "rust"], "rust"),
    (["--languages", "cpp", "--no-cpp"], "--no-cpp"),
    (["--settings", "nothing.*", "--languages", "python"], "nothing to measure"),
])
def test_bad_words_are_named(words, complaint):
    result = run_harness(*words)
    assert result.returncode != 0
    assert complaint in result.stderr
