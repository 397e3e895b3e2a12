# SPDX-License-Identifier: Apache-2.0
"""`ipc0cp serve` over HTTP: what it answers, whom it refuses, how it starts and ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from helpers import PATIENCE, file_of, new_name
from program import DONE, FAILED, PROGRAM, WRONG_USAGE, finish, output, start
from test_program_doctor import PUSH_FOREVER, running
from test_program_looking import PAGE, check_shape, of_ring, schema

import ipc0cp

SERVE = PROGRAM.with_name("ipc0cp-serve")
pytestmark = pytest.mark.skipif(not SERVE.exists(), reason="built without libcpp-httplib-dev")


class Server:
    """What has been started, and how it answers."""

    def __init__(self, process: subprocess.Popen, url: str):
        self.process = process
        self.url = url
        self.host, port = re.fullmatch(r"http://([^/]+):(\d+)/\n?", url).groups()
        self.port = int(port)

    def ask(self, path: str, method: str = "GET", **headers: str):
        """Status, headers and content of an answer."""
        host = self.host.strip("[]")
        connection = http.client.HTTPConnection(host, self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in {"Host": f"{self.host}:{self.port}", **headers}.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def json(self, path: str):
        status, headers, text = self.ask(path)
        assert (status, headers["Content-Type"]) == (200, "application/json"), text
        return json.loads(text)


@contextmanager
def serving(*options: str, port: int = 0):
    """A server, at a free port unless told otherwise, ended by SIGTERM, which has to go well."""
    process = start("serve", "--port", str(port), *options, text=True)
    try:
        yield Server(process, process.stdout.readline())
        process.terminate()
        said, complaints = process.communicate(timeout=PATIENCE)
        assert (process.returncode, said) == (DONE, ""), complaints
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def server():
    with serving() as found:
        yield found


def test_the_rings_are_told_as_ls_and_top_tell_them(server, ring, ring_name):
    ring[0].push(bytes(1000))
    told = server.json("/api/rings")
    assert list(told) == list(json.loads(output("top", "--once", "--json"))) == [
        "directory", "rings"]
    assert told["directory"]["path"] == json.loads(
        output("top", "--once", "--json"))["directory"]["path"]
    (here,) = [one for one in told["rings"] if one["name"] == ring_name]
    assert here.pop("findings") == []
    assert here["rates"]["seconds"] > 0.2
    check_shape({"rings": [here]}, schema("ls --json"))
    listed = of_ring(ring_name, output("ls", "--json"))
    moving = ("age_seconds", "oldest_seconds", "rates")
    assert {key: here[key] for key in here if key not in moving} == {
        key: listed[key] for key in listed if key not in moving}


def test_a_ring_is_told_as_stat_and_doctor_tell_it(server, ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 << 20):
        with running(PUSH_FOREVER, ring_name):
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                told = server.json(f"/api/rings/{ring_name}")
                found = told.pop("findings")
                if found:
                    break
                time.sleep(0.1)
            check_shape(told, schema("stat --json"))
            check_shape(found, schema("doctor --json")["findings"])
            assert [one["kind"] for one in found] == ["slow_consumer"]
            assert f"pid {os.getpid()}" in found[0]["sentence"]
            assert told["stats"] == json.loads(output("stat", ring_name, "--json"))["stats"]
            (row,) = [one for one in server.json("/api/rings")["rings"]
                      if one["name"] == ring_name]
            assert row["findings"] == [found[0]["sentence"]]


def test_open_metrics(server, ring, ring_name):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    ring[0].push("text")
    status, headers, text = server.ask("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    documented = set(re.findall(r"^\| `(ipc0cp_\w+)` \|", PAGE, flags=re.MULTILINE))
    assert documented == {sample.name for family in families.values()
                          for sample in family.samples}
    (queued,) = [sample for sample in families["ipc0cp_queued_messages"].samples
                 if sample.labels == {"ring": ring_name}]
    assert queued.value == 1


def test_looking_changes_nothing(server, ring, ring_name):
    ring[0].push("text")
    before = file_of(ring_name).read_bytes()
    for path in ("/", "/api/rings", f"/api/rings/{ring_name}", "/metrics"):
        server.ask(path)
    assert file_of(ring_name).read_bytes() == before


def test_files_that_are_no_rings(server):
    name = f"{new_name()} <b>&amp;"
    file_of(name).write_bytes(b"no ring")
    try:
        (told,) = [one for one in server.json("/api/rings")["rings"] if one["name"] == name]
        assert told["state"] == "not a ring"
        assert "remove it" in told["problem"]
        assert told["findings"]
        quoted = name.replace("&", "%26").replace(" ", "%20").replace("<", "%3C")
        assert server.json(f"/api/rings/{quoted}")["state"] == "not a ring"
    finally:
        file_of(name).unlink()


def test_the_page_needs_nothing_from_elsewhere(server):
    status, headers, page = server.ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    for name in {name for name in loaded if not name.startswith("data:")}:
        status, headers, text = server.ask(f"/{name}")
        assert status == 200, name
        assert "http:" not in text.replace("http://www.w3.org/2000/svg", "")
        assert headers["X-Content-Type-Options"] == "nosniff"
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert server.ask(f"/{module}")[0] == 200, module


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:80",
                                  "localhost:", "10.1.2.3"])
def test_addresses_are_answered(server, host):
    assert server.ask("/api/rings", Host=host)[0] == 200


@pytest.mark.parametrize("host", [
    None, "", "evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example",
    "127.1", "[::1", "[127.0.0.1]", "localhost:80:80", "localhost:x", "a" * 300,
])
def test_names_from_elsewhere_are_refused(server, host):
    """DNS rebinding: a page of evil.example whose name has been made to mean 127.0.0.1."""
    status, _headers, text = server.ask("/api/rings", Host=host)
    assert status == 403
    assert "rings" not in text
    assert "http://localhost" in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_it_is_for_reading_only(server, method):
    status, headers, text = server.ask("/api/rings", method, **{"Content-Length": "0"})
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "GET" in text


def test_a_body_is_not_taken_for_a_request(server):
    """A page from elsewhere can make a browser send a body of its own choice."""
    body = b"GET /api/rings HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as connection:
        connection.sendall(head + body)
        received = b""
        try:
            while part := connection.recv(1 << 16):
                received += part
        except ConnectionResetError:
            pass  # It has not read the body.
    assert received.startswith(b"HTTP/1.1 405 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"rings" not in received


def test_heads_and_what_is_not_there(server, ring_name):
    status, headers, text = server.ask("/", "HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) > 1000
    assert server.ask("/nothing")[0] == 404
    status, _headers, text = server.ask(f"/api/rings/{ring_name}")
    assert status == 404
    assert "/api/rings" in json.loads(text)["error"]
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/" + "a" * 5000):
        assert server.ask(path)[0] in (400, 404), path


def test_many_at_once(server, ring, ring_name):
    ring[0].push("text")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.json(f"/api/rings/{ring_name}"), range(64)))
    assert all(answer["stats"]["messages"] == 1 for answer in answers)


def test_nonsense_does_not_stop_it(server):
    for nonsense in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 3000,
                     b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00"):
        with socket.create_connection((server.host, server.port), timeout=PATIENCE) as connection:
            try:
                connection.sendall(nonsense)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass
            except ConnectionError:
                pass  # It may hang up before it has read all.
    assert server.ask("/")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number):
    process = start("serve", "--port", "0", text=True)
    try:
        server = Server(process, process.stdout.readline())
        # A browser keeps its connection.
        with socket.create_connection((server.host, server.port), timeout=PATIENCE):
            process.send_signal(number)
            assert process.wait(PATIENCE) == DONE
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken(server):
    finished = finish("serve", "--port", str(server.port))
    assert finished.returncode == FAILED
    assert f"port {server.port} of 127.0.0.1 is taken" in finished.stderr
    assert f"ipc0cp serve --port {server.port + 1}" in finished.stderr
    assert "ipc0cp serve --port 0" in finished.stderr


def test_the_port_is_free_again_at_once(server):
    assert server.ask("/")[0] == 200
    server.process.terminate()
    assert server.process.wait(PATIENCE) == DONE
    with serving(port=server.port) as again:
        assert again.ask("/")[0] == 200


@pytest.mark.parametrize(("options", "code", "says"), [
    (["--port", "70000"], WRONG_USAGE, "there is no port 70000; ports are 1 to 65535"),
    (["--port", "http"], WRONG_USAGE, "--port"),
    (["--bind", "everywhere"], WRONG_USAGE, "'everywhere' is no address; write 127.0.0.1"),
    (["--bind", "192.0.2.1"], FAILED, "this machine has no address 192.0.2.1"),
])
def test_places_that_cannot_be(options, code, says):
    finished = finish("serve", *options)
    assert (finished.returncode, finished.stdout) == (code, "")
    assert says in finished.stderr


def test_other_machines_are_asked_for_and_warned_about():
    with serving("--bind", "0.0.0.0") as server:
        assert server.host == "localhost"
        assert "warning: whoever reaches 0.0.0.0" in server.process.stderr.readline()
        assert "ssh -L" in server.process.stderr.readline()
        assert server.ask("/", Host="evil.example")[0] == 403
        assert server.ask("/")[0] == 200


def test_version_6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    with serving("--bind", "::1") as server:
        assert server.host == "[::1]"
        assert server.ask("/")[0] == 200


def test_a_program_without_its_page_says_which_package_it_lacks(tmp_path):
    alone = shutil.copy(PROGRAM, tmp_path / "ipc0cp")
    finished = subprocess.run([alone, "serve"], capture_output=True, text=True, timeout=PATIENCE,
                              env={**os.environ, "PATH": "/nowhere"})
    assert finished.returncode == FAILED
    assert "apt-get install libcpp-httplib-dev" in finished.stderr


def test_the_other_commands_do_not_need_the_http_library():
    needed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert "httplib" not in needed
