# SPDX-License-Identifier: Apache-2.0
"""The page of `ipc0cp serve` in a browser: figures, keyboard, colours, what comes and goes."""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pytest
from browser import Browser, find_browser
from helpers import PATIENCE, file_of, new_name
from program import output
from test_program_doctor import PUSH_FOREVER, running
from test_program_serve import SERVE, serving

import ipc0cp

pytestmark = [
    pytest.mark.skipif(not SERVE.exists(), reason="built without libcpp-httplib-dev"),
    pytest.mark.skipif(find_browser() is None, reason="needs Chromium"),
    pytest.mark.timeout(240),
]
TAB, ENTER = ("Tab", 9), ("Enter", 13, "\r")
#: The row of a ring, as JavaScript.
ROW = "[...document.querySelectorAll('#rings .name')].find(one => one.title === %s)?.closest('tr')"


def row(name: str) -> str:
    return ROW % json.dumps(name)


@pytest.fixture(params=["light", "dark"])
def browser(request):
    with serving() as server, Browser(dark=request.param == "dark") as browser:
        browser.go(server.url)
        browser.wait_for("document.querySelector('#connection.live') !== null")
        browser.mode = request.param
        yield browser
        assert browser.said == []  # Nothing was refused by the policy, nothing was thrown.


@pytest.fixture
def page():
    """One mode is enough where colours do not matter."""
    with serving() as server, Browser() as browser:
        browser.server = server
        browser.go(server.url)
        browser.wait_for("document.querySelector('#connection.live') !== null")
        yield browser
        assert browser.said == []


def cells(browser: Browser, name: str) -> list[str]:
    return browser.wait_for(f"{row(name)} && [...{row(name)}.children].map(one => one.innerText)")


def test_figures_are_those_of_stat(page, ring, ring_name):
    producer, consumer = ring
    for _ in range(3):
        producer.push(np.zeros(100_000, np.uint8))
    view = consumer.pop()
    page.wait_for(f"{row(ring_name)}?.children[3].innerText === '2'")
    shown = cells(page, ring_name)
    told = json.loads(output("stat", ring_name, "--json"))
    assert shown[0] == ring_name
    assert shown[1] == "live"
    assert shown[2] == f"{told['depth'] * 100:.1f}%" or shown[2] == f"{told['depth'] * 100:.0f}%"
    assert shown[3] == str(told["stats"]["messages"])
    assert shown[9] == f"{told['producers']} / {told['workers']} / 0"
    assert shown[10] == "4 MiB"
    page.value(f"{row(ring_name)}.querySelector('.name').click()")
    people = page.wait_for("document.querySelector('.people tbody tr') && "
                           "[...document.querySelectorAll('.people tbody tr')]"
                           ".map(one => [...one.children].map(cell => cell.innerText))")
    assert sorted(one[0] for one in people) == ["consumer", "producer"]
    assert all(one[1].startswith(f"{os.getpid()} ") for one in people)
    assert any("1 view of 97.7 KiB" in one[4] for one in people)
    del view


def test_rates_become_lines(page, ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 << 20) as consumer:
        with running(PUSH_FOREVER, ring_name):
            line = f"{row(ring_name)}?.querySelector('svg .out').getAttribute('d')"
            deadline = time.monotonic() + PATIENCE
            while (page.value(line) or "").count("L") < 4:
                assert time.monotonic() < deadline
                consumer.pop(timeout=PATIENCE)
            # Neither line leaves its box.
            heights = page.value(f"[...{row(ring_name)}.querySelectorAll('svg path')].map("
                                 "path => [...path.getAttribute('d').matchAll(/[ML][^ ]+ ([0-9.]+)"
                                 "/g)].map(found => Number(found[1]))).flat()")
            assert all(0 <= height <= 30 for height in heights)


def test_what_is_wrong_is_told_with_the_command_that_helps(browser, ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 4 << 20):
        with running(PUSH_FOREVER, ring_name):
            told = browser.wait_for("!document.querySelector('#troubles').hidden && "
                                    "document.querySelector('#troubles').innerText")
            assert ring_name in told
            assert f"consumer pid {os.getpid()}" in told
            assert "ipc0cp" in told or "kill" in told


def test_a_subscriber_that_is_behind_is_told(page, ring, ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, subscribe=True):
        for _ in range(3):
            ring[0].push("text")
        page.wait_for(f"{row(ring_name)}?.children[9].innerText === '1 / 1 / 1'")
        page.value(f"{row(ring_name)}.querySelector('.name').click()")
        page.wait_for("[...document.querySelectorAll('.people tbody tr')].some(one => "
                      "one.children[0].innerText === 'subscriber' && "
                      "one.children[5].innerText === '3')")


def test_a_ring_comes_and_goes(page, ring_name):
    page.wait_for("document.querySelector('#none').innerText.includes('no rings') || "
                  "!document.querySelector('#rings').hidden")
    for _ in range(2):
        with ipc0cp.SharedRingBufferConsumer(ring_name, 1 << 20):
            page.wait_for(f"{row(ring_name)} !== undefined")
            page.value(f"{row(ring_name)}.querySelector('.name').click()")
            page.wait_for("document.querySelector('.people tbody tr') !== null")
        page.wait_for(f"{row(ring_name)} === undefined")
        assert page.value("document.querySelector('.details') === null")


def test_odd_names_and_damaged_files_are_text(page):
    names = [f"{new_name()}<img src=x onerror=alert(1)>&amp;", new_name() + "x" * 150]
    for name in names:
        file_of(name).write_bytes(b"no ring")
    try:
        for name in names:
            assert cells(page, name)[:2] == [name, "not a ring"]
        assert page.value("document.querySelectorAll('img').length") == 0
        width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.value(width), "the page is wider than its window"
    finally:
        for name in names:
            file_of(name).unlink()


def test_the_keyboard_is_enough(page, ring_name):
    with ipc0cp.SharedRingBufferConsumer(ring_name, 1 << 20):
        page.wait_for(f"{row(ring_name)} !== undefined")
        names = []
        for _ in range(60):
            page.press(*TAB)
            names.append(page.value("document.activeElement.title || "
                                    "document.activeElement.innerText"))
            if names[-1] == ring_name:
                break
        assert names[0] == "Pause"
        assert "Depth" in names
        # What has the focus is seen to have it.
        assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.press(*ENTER)
        page.wait_for("document.querySelector('.details') !== null")
        assert page.value("document.activeElement.getAttribute('aria-expanded')") == "true"
        page.press(*ENTER)
        page.wait_for("document.querySelector('.details') === null")


def test_rings_are_sorted_as_asked(page, ring_name):
    names = [f"{ring_name}-{letter}" for letter in "abc"]
    for name, size in zip(names, (10, 5000, 100), strict=True):
        file_of(name).write_bytes(bytes(size * 4096))
    try:
        ours = ("[...document.querySelectorAll('#rings .name')].map(one => one.title)"
                f".filter(name => name.startsWith({json.dumps(ring_name)}))")
        page.wait_for(f"{ours}.length === 3")
        assert page.value(ours) == names
        memory = "document.querySelector('th[data-order=memory]')"
        page.value(f"{memory}.querySelector('button').click()")
        assert page.value(ours) == [names[1], names[2], names[0]]
        assert page.value(f"{memory}.getAttribute('aria-sort')") == "descending"
        page.value(f"{memory}.querySelector('button').click()")
        assert page.value(ours) == [names[0], names[2], names[1]]
    finally:
        for name in names:
            file_of(name).unlink()


def test_texts_can_be_read(browser, ring):
    ring[0].push("text")
    browser.wait_for("document.querySelector('#rings .name') !== null")
    contrast = browser.value("""(() => {
      const light = (color) => {
        const parts = color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255).map((part) =>
          part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const ground = (node) => {
        const color = getComputedStyle(node).backgroundColor;
        return color === 'rgba(0, 0, 0, 0)' && node.parentElement ? ground(node.parentElement)
                                                                  : color;
      };
      const nodes = document.querySelectorAll('th button, .name, .state, td, dt, dd');
      return Object.fromEntries([...nodes].filter((node) => node.innerText).map((node) => {
          const [one, other] = [light(getComputedStyle(node).color), light(ground(node))];
          return [node.className + node.tagName,
                  (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
        }));
    })()""")
    assert contrast
    assert {name: ratio for name, ratio in contrast.items() if ratio < 4.5} == {}
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(247, 248, 250)", "dark": "rgb(17, 21, 27)"}[browser.mode]


def test_a_server_that_has_gone_is_told():
    with Browser() as browser:
        with serving() as server:
            browser.go(server.url)
            browser.wait_for("document.querySelector('#connection.live') !== null")
        browser.wait_for("document.querySelector('#connection').innerText"
                         ".startsWith('no answer from ipc0cp serve')")
        with serving(port=server.port):
            browser.wait_for("document.querySelector('#connection.live') !== null")


def test_pause(page, ring_name):
    page.value("document.querySelector('#pause').click()")
    with ipc0cp.SharedRingBufferConsumer(ring_name, 1 << 20):
        assert page.value("document.querySelector('#connection').innerText") == "paused"
        assert page.value(f"{row(ring_name)} === undefined")
        page.value("document.querySelector('#pause').click()")
        page.wait_for(f"{row(ring_name)} !== undefined")
