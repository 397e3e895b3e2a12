# SPDX-License-Identifier: Apache-2.0
"""The names and paths that documents speak of are there: a renamed function does not live on."""

from __future__ import annotations

import re

import pytest
from helpers import ROOT

DOCUMENTS = [
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/**/*.md"),
    ROOT / "benchmarks" / "README.md",
]  # fmt: skip
SOURCES = ("include/**/*.hpp", "src/**/*.?pp", "bindings/**/*.?pp", "benchmarks/**/*.?pp",
           "examples/**/*.?pp", "tests/**/*.?pp")  # fmt: skip
ROOMS = ("src", "include", "python", "bindings", "tests", "benchmarks", "scripts", "docs",
         "examples", "cmake")  # fmt: skip
CPP_NAME = re.compile(r"`((?:\w+::)+~?\w+)")
PATH = re.compile(rf"`((?:{'|'.join(ROOMS)})/[\w./*-]+)`")
#: Of libraries that a document tells how to use together with ours.
FOREIGN = ("std", "asio", "cv", "nlohmann", "flatbuffers", "testing")


def words_of_sources() -> set[str]:
    files = [path for pattern in SOURCES for path in ROOT.glob(pattern)]
    return {word for path in files for word in re.findall(r"\w+", path.read_text())}


WORDS = words_of_sources()


def unknown_names(text: str) -> list[str]:
    """`Class::function`, each part of which has to be in the sources."""
    names = [name for name in CPP_NAME.findall(text) if name.split("::")[0] not in FOREIGN]
    return [name for name in names if not set(re.findall(r"\w+", name)) <= WORDS]


def missing_paths(text: str) -> list[str]:
    """Files, folders, or names of files without their ending."""
    return [path for path in PATH.findall(text)
            if not list(ROOT.glob(path)) and not list(ROOT.glob(path + ".*"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document):
    text = document.read_text()
    assert not unknown_names(text)
    # What a program writes has the time in its name.
    assert not [path for path in missing_paths(text) if "YYMMDD" not in path]


def test_an_old_name_is_found():
    assert unknown_names("`Channel::push` `Channel::commit_a_loan` `std::any_thing`") == [
        "Channel::commit_a_loan"]
    assert missing_paths("`src/shm/waiting` `src/shm/*.hpp` `src/shm/gone.cpp`") == [
        "src/shm/gone.cpp"]
