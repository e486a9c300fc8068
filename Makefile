# Kamerton's commands. Each target works alone on a fresh machine with Python, make and git.
#
#   make install    the environment in .venv, from the exact pins of constraints.txt
#   make demo       the whole loop, offline and on a CPU           (DIR=folder, default kamerton-demo)
#   make test       style, types, floors, and the fast tests
#   make slow       the slow promises: rebuild, kill and resume, the demo, a browser
#   make snapshots  rewrite the frozen CLI and API surfaces after a wanted change
#   make docs       the documentation site, into site/
#
# PYTHON=python3.12 picks another interpreter. TORCH_INDEX=https://download.pytorch.org/whl/cpu takes torch
# from that index: on a Linux machine without an NVIDIA GPU it saves some gigabytes of CUDA packages.

PYTHON ?= python3
TORCH_INDEX ?=
DIR ?= kamerton-demo
PYTEST_WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Errors are printed, warnings about mirrors and caches are not.
PIP := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test slow lint snapshots docs clean

help:
	@sed -n 's/^#   //p' Makefile

install: $(READY)

# An environment that works is kept; another interpreter needs `make clean` first.
# torch goes first and alone, so that its index serves torch and nothing else.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: $(PYTHON) not found; expected: Python 3.11 or newer." >&2; \
	  echo "  mend: apt install python3 python3-venv, or make PYTHON=/path/to/python3" >&2; exit 3; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1); expected: Python 3.11 or newer." >&2; \
	  echo "  mend: install a newer one, then make PYTHON=python3.12 (or where it lies)" >&2; exit 3; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot create environments (ensurepip is missing)." >&2; \
	  echo "  mend: apt install python3-venv, then the same command again" >&2; exit 3; }
	@$(BIN)/python -c 'import pip, ssl, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || $(PYTHON) -m venv --clear $(VENV)
	@echo "[1/3] an environment in $(VENV), with $$($(BIN)/python -V)"
	@$(PIP) --upgrade pip
	@echo "[2/3] torch, the largest package$(if $(TORCH_INDEX), from $(TORCH_INDEX))"
	@$(PIP) --no-deps $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	@echo "[3/3] the other packages; this takes some minutes the first time"
	@$(PIP) --build-constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install
	$(BIN)/kamerton demo $(DIR)

test: lint
	$(BIN)/python -m pytest -m "not slow" -n $(PYTEST_WORKERS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# One after the other: these tests measure time, kill processes and use every core themselves.
slow: install
	$(BIN)/python -m pytest -m slow

snapshots: install
	$(BIN)/python tests/architecture/surfaces.py

docs: install
	$(PIP) --build-constraint constraints.txt --editable '.[docs]'
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis
