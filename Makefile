# SPDX-License-Identifier: Apache-2.0
# Common chores; each does its own set-up. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Targets share build/ and .venv, and each already uses all cores.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: help build test-cpp test-py test demo bench lint clean pictures
.PHONY: crash storm readiness fuzz docs

PYTHON ?= python3
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 600
READINESS_ROUNDS ?= 100000
VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
# A rival wants other versions than the tests.
BENCH_VENV := build/bench_venv

help:  ## list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build:  ## configure + build C++
	$(PYTHON) scripts/system_packages.py cpp tests
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

test-cpp: build  ## build + run ctest
	ctest --preset release -j $(JOBS)

test-py: build $(VENV)  ## install dev deps + run pytest
	$(VENV_PYTHON) -m pip install -q -e ".[dev]"
	$(VENV_PYTHON) -m pytest

test:  ## everything: both suites, sanitizers, style, README blocks, examples, install
	$(PYTHON) scripts/system_packages.py cpp tests python lint install browser
	$(PYTHON) scripts/run_tests.py --jobs $(JOBS)

demo: $(VENV)  ## stream photographs through C++ workers, one of which gets killed
	$(PYTHON) scripts/system_packages.py cpp
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DIPC0CP_EXAMPLES=ON
	cmake --build build -j $(JOBS) --target demo_programs
	$(VENV_PYTHON) -m pip install -q -e ".[demo]"
	$(VENV_PYTHON) examples/demo/run_demo.py $(DEMO_OPTIONS)

bench:  ## measure beside all rivals, draw plots (BENCH_OPTIONS="--duration 10")
	$(PYTHON) scripts/system_packages.py cpp tests python bench
	cmake --preset release
	cmake --build --preset release -j $(JOBS)
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -q -e ".[bench]"
	$(BENCH_VENV)/bin/python benchmarks/run_benchmark.py --plot build/plots $(BENCH_OPTIONS)

pictures: build $(VENV)  ## the pictures of the README, of `ipc0cp top` and of its page
	$(PYTHON) scripts/system_packages.py browser
	$(VENV_PYTHON) -m pip install -q -e ".[dev]"
	$(VENV_PYTHON) scripts/make_pictures.py
	$(VENV_PYTHON) scripts/plot_frame_ages.py

crash: build  ## kill a victim at every instruction of every operation (long)
	build/tests/crash/crash_harness --whole

storm: build $(VENV)  ## kill processes at random for half an hour (STORM_OPTIONS="--minutes 5")
	$(VENV_PYTHON) -m pip install -q -e ".[dev]"
	$(VENV_PYTHON) tests/storm/run_storm.py $(STORM_OPTIONS)

readiness: build  ## lose no wake-up in READINESS_ROUNDS turns of polling and popping (100000)
	IPC0CP_READINESS_ROUNDS=$(READINESS_ROUNDS) timeout 3600 build/tests/ring_readiness_storm_test

fuzz:  ## libFuzzer on every target, FUZZ_SECONDS each (600)
	$(PYTHON) scripts/system_packages.py cpp tests fuzz
	cmake --preset fuzz
	cmake --build --preset fuzz -j $(JOBS)
	$(PYTHON) tests/fuzz/run_fuzzers.py --seconds $(FUZZ_SECONDS)

docs:  ## the C++ API as HTML in build/docs
	$(PYTHON) scripts/system_packages.py docs
	mkdir -p build/docs
	doxygen docs/Doxyfile

lint: $(VENV)  ## style checks only
	$(PYTHON) scripts/system_packages.py cpp tests lint
	cmake --preset release
	$(VENV_PYTHON) -m pip install -q -e ".[dev]"
	$(VENV_PYTHON) scripts/check_style.py --jobs $(JOBS)

clean:  ## remove build/, .venv and caches
	rm -rf build $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

$(VENV):
	$(PYTHON) scripts/system_packages.py python
	$(PYTHON) -m venv $(VENV)
