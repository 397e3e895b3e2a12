# SPDX-License-Identifier: Apache-2.0
"""The program as a whole: help, exit codes, commands of others, man page and completion."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import ROOT, SHM
from program import FAILED, NO_SUCH_RING, PROGRAM, TIMED_OUT, WRONG_USAGE, finish, output, shell

import ipc0cp

COMMANDS = re.findall(r"^  (\w+) ", output("--help").split("Subcommands:")[1], flags=re.MULTILINE)
OURS = [name for name in COMMANDS if name not in ("help", "man", "completion")]
PAGE = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")


def long_options(command: str) -> set[str]:
    return set(re.findall(r"(--[a-z]+)", output(command, "--help").split("Options:")[1]
                          .split("Examples:")[0]))


def test_the_version_is_that_of_the_package():
    assert output("--version").strip() == f"ipc0cp {ipc0cp.__version__}"


@pytest.mark.parametrize("command", OURS)
def test_each_command_has_examples_that_are_parsed(command):
    examples = output(command, "--help").split("Examples:\n")[1].splitlines()
    ours = [line for line in examples if f"ipc0cp {command}" in line]
    assert ours
    for line in ours:
        typed = re.sub(r"\s+#.*", "", line).strip()
        part = next(part for part in typed.split("|") if f"ipc0cp {command}" in part)
        # --help behind them: the options in front are read, and nothing is done.
        asked = finish(*part.split("ipc0cp ", 1)[1].split(), "--help")
        assert asked.returncode == 0, (line, asked.stderr)


@pytest.mark.parametrize("command", OURS)
def test_the_documents_know_each_command_and_option(command):
    assert f"### `ipc0cp {command}" in PAGE
    section = PAGE.split(f"### `ipc0cp {command}")[1].split("\n### ")[0]
    for option in long_options(command) - {"--help"}:
        assert f"`{option}" in section, f"docs/command_line.md does not tell of {command} {option}"


def test_help_of_a_command():
    assert output("help", "send") == output("send", "--help")
    assert output("help") == output("--help")
    wrong = finish("help", "snd")
    assert wrong.returncode == WRONG_USAGE
    assert "did you mean 'send'?" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Usage: ipc0cp"),
        (["send"], "ring is required"),
        (["recv", "a/b"], "1..200 characters"),
        (["recv", "a", "--timeout", "soon"], "'soon' is no time; write seconds"),
        (["recv", "a", "--size", "much"], "'much' is no size; write bytes"),
        (["recv", "a", "--count", "-3"], "'-3' is no number; write a whole one"),
        (["tap", "a", "--count", "1.5"], "'1.5' is no number; write a whole one"),
        (["recv", "a", "--nonsense"], "--nonsense"),
        (["snd", "a"], "did you mean 'send'?"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_wrong_usage(arguments, says):
    finished = finish(*arguments)
    assert finished.returncode == WRONG_USAGE
    assert says in finished.stderr
    assert finished.stdout == ""


@pytest.mark.usefixtures("ring")
def test_wrong_names_suggest_the_nearest_ring(ring_name):
    finished = finish("rm", ring_name + "x")
    assert finished.returncode == NO_SUCH_RING
    assert f"'{ring_name}'" in finished.stderr
    finished = finish("recv", ring_name + "x", "--timeout", "50ms")
    assert finished.returncode == TIMED_OUT
    assert f"'{ring_name}'" in finished.stderr


def test_programs_of_others_are_commands(tmp_path):
    program = tmp_path / "ipc0cp-greet"
    program.write_text('#!/bin/sh\necho "hello $*"\nexit 7\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    finished = finish("greet", "to", "--you", env=environment)
    assert (finished.returncode, finished.stdout) == (7, "hello to --you\n")
    finished = finish("gret", env=environment)
    assert finished.returncode == WRONG_USAGE
    assert "did you mean 'greet'?" in finished.stderr
    program.chmod(0o644)
    finished = finish("greet", env=environment)
    assert finished.returncode in (FAILED, WRONG_USAGE)  # A user without root may not run it.


def test_output_that_cannot_be_written_is_a_failure():
    with Path("/dev/full").open("w") as full:
        finished = finish("man", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert finished.returncode == FAILED


def test_the_man_page_has_every_command_and_option():
    page = output("man").replace("\\-", "-")
    for command in COMMANDS:
        assert f'.SS "ipc0cp {command}"' in page
        for option in long_options(command):
            assert option in page
    if shutil.which("man") is None:
        return
    checked = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Z", "-"], text=True,
                             input=output("man"), capture_output=True, timeout=60)
    assert checked.stderr == ""


def complete_in_bash(*words: str) -> set[str]:
    """What a person gets who types these words and then Tab."""
    quoted = " ".join(f"'{word}'" for word in words)
    finished = shell(f"""
        eval "$(ipc0cp completion bash)"
        COMP_WORDS=(ipc0cp {quoted}); COMP_CWORD={len(words)}
        _ipc0cp; printf '%s\\n' "${{COMPREPLY[@]}}"
    """)
    assert finished.stderr == ""
    return set(finished.stdout.split())


@pytest.mark.usefixtures("ring")
def test_completion_in_bash(ring_name, tmp_path, monkeypatch):
    monkeypatch.setenv("IPC0CP_DIRECTORY", str(SHM))
    assert complete_in_bash("") == set(COMMANDS)
    assert complete_in_bash("rec") == {"recv", "record"}
    assert complete_in_bash("send", "--t") == {"--timeout"}
    assert complete_in_bash("recv", ring_name[:-2]) == {ring_name}
    assert complete_in_bash("recv", ring_name, "-o", str(tmp_path)) == {str(tmp_path)}
    (tmp_path / "picture.png").touch()
    file = str(tmp_path / "picture.png")
    assert complete_in_bash("send", ring_name, file[:-2]) == {file}
    assert complete_in_bash("completion", "z") == {"zsh"}


@pytest.mark.parametrize("name", ["$(touch came)", "`touch came`", "a b", "a;b", "\x1b[31mred"])
def test_completion_runs_no_files_of_others(name, ring_name, tmp_path, monkeypatch):
    monkeypatch.setenv("IPC0CP_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for odd in (name, ring_name):
        (tmp_path / f"ipc0cp.{odd}").touch()
    assert complete_in_bash("stat", "") == {ring_name}
    assert not (tmp_path / "came").exists()


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_is_good_syntax(name):
    script = output("completion", name)
    for command in COMMANDS:
        assert command in script
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here to read it")
    checked = subprocess.run([name, "-n", "/dev/stdin"], input=script, text=True,
                             capture_output=True, timeout=60)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_program_needs_only_what_every_linux_has():
    needed = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0].rsplit("/", 1)[-1] for line in needed.splitlines()}
    others = {name for name in names if not re.match(r"(linux-vdso|libc|libstdc\+\+|libm|libgcc_s|"
                                                     r"ld-linux)", name)}
    assert not others
