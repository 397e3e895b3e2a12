# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp ls`, `stat` and `tap`: what is there, in text, JSON and OpenMetrics."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import MIB, PATIENCE, ROOT, file_of, run_python
from program import DONE, NO_SUCH_RING, WRONG_USAGE, finish, output, start
from test_program_rm import DIE

import ipc0cp

PAGE = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")


def schema(name: str) -> dict:
    """The example of docs/command_line.md: the keys there are, and of what type."""
    part = PAGE.split(f"#### `{name}`")[1]
    return json.loads(re.search(r"```json\n(.*?)```", part, flags=re.DOTALL)[1])


def check_shape(value, example, place="") -> None:
    """The same keys in the same order, and values of the same kind; null may stand for any."""
    if value is None or example is None:
        return
    if isinstance(example, dict):
        assert list(value) == list(example), place
        for key, inner in example.items():
            check_shape(value[key], inner, f"{place}.{key}")
    elif isinstance(example, list):
        for item in value:
            check_shape(item, example[0], f"{place}[]")
    else:
        number = (int, float)
        kinds = number if type(example) in number else type(example)
        assert isinstance(value, kinds), place
        assert isinstance(value, bool) == isinstance(example, bool), place


@pytest.fixture
def busy_ring(ring, ring_name):
    """Three messages queued, and one that a consumer views."""
    producer, consumer = ring
    producer.push(np.zeros(10_000))
    producer.push("text")
    producer.push(np.arange(3, dtype="<i4"))
    producer.push({"a": "ä"})
    view = consumer.pop()
    yield ring_name
    del view


def of_ring(name: str, text: str) -> dict:
    (found,) = [ring for ring in json.loads(text)["rings"] if ring["name"] == name]
    return found


def test_ls(busy_ring):
    (line,) = [line for line in output("ls").splitlines() if line.startswith(busy_ring)]
    assert line.split()[1:3] == ["4", "MiB"]
    assert line.endswith("live")
    listed = json.loads(output("ls", "--json"))
    check_shape(listed, schema("ls --json"))
    ring = of_ring(busy_ring, output("ls", "--json"))
    assert ring["stats"]["messages"] == 3
    assert (ring["producers"], ring["workers"], ring["dead"]) == (1, 1, 0)


def test_looking_changes_nothing(busy_ring):
    before = file_of(busy_ring).read_bytes()
    for command in (["ls"], ["stat", busy_ring], ["tap", busy_ring], ["doctor", busy_ring]):
        finish(*command)
    assert file_of(busy_ring).read_bytes() == before


def test_states_in_ls(ring_name):
    names = [f"{ring_name}-{state}" for state in ("orphan", "nothing", "version")]
    run_python(DIE, names[0], "0")
    file_of(names[1]).write_bytes(b"no ring")
    run_python(DIE, names[2], "0")
    content = bytearray(file_of(names[2]).read_bytes())
    content[8:12] = (99).to_bytes(4, "little")
    file_of(names[2]).write_bytes(content)
    text = output("ls", "--json")
    states = [of_ring(name, text)["state"] for name in names]
    assert states == ["orphan", "not a ring", "other version"]
    assert of_ring(names[2], text)["problem"] != ""
    for name in names:
        output("rm", "--force", name)


def test_stat(busy_ring, ring):
    text = output("stat", busy_ring)
    assert f"ring        {busy_ring}, live" in text
    assert "queued      3 messages" in text
    assert "holds 1 view 78.1 KiB" in text
    told = json.loads(output("stat", busy_ring, "--json"))
    check_shape(told, schema("stat --json"))
    stats = ring[0].stats()
    assert {key: getattr(stats, key) for key in told["stats"]} == told["stats"]
    roles = [one["role"] for one in told["participants"]]
    assert sorted(roles) == ["consumer", "producer"]


def test_stat_again_and_again(busy_ring, ring):
    producer, consumer = ring
    watching = start("stat", busy_ring, "--watch=50ms", "--json", text=True)
    lines = []
    while len(lines) < 4:
        producer.push("more")
        consumer.pop(timeout=PATIENCE)
        lines.append(json.loads(watching.stdout.readline()))
    watching.terminate()
    watching.communicate(timeout=PATIENCE)
    assert all(line["rates"]["seconds"] > 0.04 for line in lines)
    assert any(line["rates"]["messages_in"] > 0 for line in lines)


def test_open_metrics(busy_ring):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = output("stat", busy_ring, "--prometheus")
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    (queued,) = families["ipc0cp_queued_messages"].samples
    assert (queued.labels, queued.value) == ({"ring": busy_ring}, 3)
    assert families["ipc0cp_pushed_messages"].type == "counter"
    assert all(family.documentation for family in families.values())


def counters(name: str) -> dict[str, float]:
    text = output("stat", name, "--prometheus")
    return {line.split("{")[0]: float(line.split()[1]) for line in text.splitlines()
            if "_total{" in line}


def test_no_counter_ever_falls(ring_name):
    """A collector would take that for a new start, and the rest of the count for a rate."""
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, MIB, redeliver=True) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name) as consumer,
    ):
        for number in range(3):
            producer.push(number)
        consumer.pop(timeout=PATIENCE)
        message = consumer.pop_raw(timeout=PATIENCE)
        before = counters(ring_name)
        message.requeue()
        after = counters(ring_name)
        assert len(before) > 5 and before.keys() == after.keys()
        assert all(after[name] >= value for name, value in before.items())


def test_subscribers_are_told_apart_from_workers(ring, ring_name):
    producer, _ = ring
    with ipc0cp.SharedRingBufferConsumer(ring_name, subscribe=True, overflow="drop_oldest"):
        producer.push_many(range(3))
        heading, *lines = output("ls").splitlines()
        (line,) = [line for line in lines if line.startswith(ring_name)]
        end = heading.index("SUBS") + len("SUBS")
        assert line[:end].split()[-3:] == ["1", "1", "1"]
        assert " 1/1/1 " in output("top", "--once")
        told = json.loads(output("stat", ring_name, "--json"))
        check_shape(told, schema("stat --json"))
        assert (told["workers"], told["subscribers"], told["stats"]["most_unread"]) == (1, 1, 3)
        (one,) = [one for one in told["participants"] if one["role"] == "subscriber"]
        assert (one["unread"], one["drops_oldest"]) == (3, True)
        assert "broadcast=False" in output("stat", ring_name)
        metrics = output("stat", ring_name, "--prometheus")
        assert f'ipc0cp_subscribers{{ring="{ring_name}"}} 1\n' in metrics
        assert f'ipc0cp_most_unread_messages{{ring="{ring_name}"}} 3\n' in metrics


def test_tap(busy_ring, ring):
    lines = output("tap", busy_ring).splitlines()
    assert lines[0].split() == ["ID", "TYPE", "SIZE", "AGE", "MESSAGE"]
    assert [line.split()[0:2] for line in lines[1:]] == [
        ["2", "text"], ["3", "ndarray"], ["4", "json"]]
    assert lines[2].endswith("<i4 [3] 0 1 2")
    assert '{"a":"ä"}' in lines[3]
    assert len(output("tap", busy_ring, "-n", "2").splitlines()) == 3
    messages = [json.loads(line) for line in output("tap", busy_ring, "--json").splitlines()]
    check_shape(messages[0], schema("tap --json"))
    assert bytes.fromhex(messages[0]["payload_start_hex"]) == b"text"
    assert ring[1].stats().messages == 3


def test_tap_shows_no_control_characters(ring, ring_name):
    ring[0].push("\x1b[31mred\x07\u009b")
    ring[0].push_raw(b'{"type":"\xc2\x9b31m"}', b"\x1b]0;title\x07")
    for text in (output("tap", ring_name), output("tap", ring_name, "--json")):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]", text)


def test_following(ring, ring_name):
    producer, _ = ring
    producer.push("first")
    following = start("tap", ring_name, "--follow", "-n", "3", text=True)
    assert following.stdout.readline().split()[0] == "ID"
    assert "first" in following.stdout.readline()
    producer.push("second")
    assert "second" in following.stdout.readline()
    producer.push("third")
    assert "third" in following.stdout.read()
    assert following.wait(PATIENCE) == DONE
    following.communicate()


def test_following_counts_only_what_it_could_have_seen(ring, ring_name):
    producer, consumer = ring
    for number in range(5):
        producer.push(number)
        consumer.pop(timeout=PATIENCE)
    following = start("tap", ring_name, "--follow", "-n", "1", text=True)
    assert following.stdout.readline().split()[0] == "ID"
    # Asleep, it has looked at the empty queue.
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{following.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "S":
        assert time.monotonic() < deadline
    producer.push("new")
    (line,) = following.stdout.readlines()
    assert line.split()[0] == "6" and "new" in line
    assert following.wait(PATIENCE) == DONE
    following.communicate()


def test_following_ends_with_the_stream_and_takes_nothing(ring, ring_name):
    producer, consumer = ring
    for number in range(5):
        producer.push(number)
    following = start("tap", ring_name, "--follow", "--json", text=True)
    first = [json.loads(following.stdout.readline()) for _ in range(5)]
    for number in range(5, 50):
        producer.push(number)
    producer.close()
    rest = [json.loads(line) for line in following.stdout]
    assert following.wait(PATIENCE) == DONE
    assert following.communicate() == ("", "")
    assert [message["id"] for message in first + rest] == list(range(1, 51))
    check_shape(rest[-1], schema("tap --json"))
    assert list(consumer) == list(range(50))


def test_following_a_broadcast_ring(ring_name):
    with (
        ipc0cp.SharedRingBufferProducer(ring_name, MIB, broadcast=True) as producer,
        ipc0cp.SharedRingBufferConsumer(ring_name, subscribe=True) as reader,
    ):
        producer.push("first")
        assert len(output("tap", ring_name).splitlines()) == 2
        following = start("tap", ring_name, "-f", "-n", "2", text=True)
        assert following.stdout.readline().split()[0] == "ID"
        assert "first" in following.stdout.readline()
        deadline = time.monotonic() + PATIENCE
        while producer.stats().active_subscribers < 2:
            assert time.monotonic() < deadline
        producer.push("second")
        assert "second" in following.stdout.read()
        assert following.wait(PATIENCE) == DONE
        following.communicate()
        assert [reader.pop(PATIENCE) for _ in range(2)] == ["first", "second"]


def test_following_a_ring_in_which_nobody_lives(ring_name):
    run_python(DIE, ring_name, "2")
    followed = finish("tap", ring_name, "--follow")
    assert followed.returncode == DONE
    assert len(followed.stdout.splitlines()) == 3
    assert "nothing more comes" in followed.stderr
    output("rm", "--force", ring_name)


@pytest.mark.parametrize("command", ["stat", "tap", "doctor"])
def test_no_such_ring(command, ring_name):
    finished = finish(command, ring_name)
    assert (finished.returncode, finished.stdout) == (NO_SUCH_RING, "")


def test_two_forms_at_once(ring_name):
    assert finish("stat", ring_name, "--json", "--prometheus").returncode == WRONG_USAGE


def test_a_closed_pipe_ends_it_silently(busy_ring):
    with subprocess.Popen(["true"], stdin=subprocess.PIPE) as reader:
        listing = start("stat", busy_ring, "--watch=20ms", stdout=reader.stdin)
        reader.stdin.close()
        assert listing.wait(PATIENCE) != DONE
        assert listing.stderr.read() == b""
        listing.communicate()


def test_many_rings_at_once(ring_name):
    rings = [ipc0cp.SharedRingBufferConsumer(f"{ring_name}-{index}", MIB) for index in range(30)]
    listed = [line for line in output("ls").splitlines() if line.startswith(ring_name)]
    assert len(listed) == 30
    for ring in rings:
        ring.close()
