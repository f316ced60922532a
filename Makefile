# Every target sets itself up: Python 3.11 or newer is all it needs.
#   make demo    draw a small dataset and run the stages on it
#   make test    the test suite, offline, two workers
#   make lint    ruff and mypy
#   make bench   speed, as ratios measured in one run
#   make soak    the long fault tests
#   make gpu     figures of this machine's card in under 9 minutes: training presets, sampler, chain; tiny sizes on a CPU
#   make gpu-wheels  what make gpu needs beside torch, transformers and accelerate, in wheels/ (GPU_PYTHON=3.12)
#   make replicate   the paper's claims on drawn people, within 90 minutes on two cores
#   make docs    the documentation as a site, in site/ (strict: no dead link)
#   make reference  the pages that are made from the program (docs/cli.md, docs/reference/)
#   make pictures   the pictures of README and docs, from real runs, kept in ARGS=FOLDER (asks for Chromium; half an hour)
#   make package wheel and source distribution in dist/, checked and tried in a fresh environment
#   make browser Chromium for the tests of the review page (make test asks for it)
# PYTHON=python3.12 chooses the interpreter, VENV=DIR the environment, ARGS="…" adds arguments.

# An image may forbid Python to keep bytecode; then each process that a test starts compiles torch and diffusers anew (10 s).
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.tbd-ready
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

GPU ?= $(shell test -x $(BIN)/python && echo $(BIN)/python || echo python3)
GPU_PYTHON ?= 3.12
GPU_TAGS := manylinux_2_28_x86_64 manylinux_2_27_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64 any
GPU_WHEELS := av bitsandbytes diffusers ftfy importlib-metadata json-repair pyarrow pydantic pydantic-core pytest-timeout regex \
	scikit-image typer wcwidth zipp typing-inspection annotated-types

BROWSERS := chromium chromium-browser google-chrome google-chrome-stable

.PHONY: help demo test lint bench soak gpu gpu-wheels replicate docs reference pictures package browser
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' Makefile

demo: $(READY)
	$(BIN)/tbd demo $(ARGS)

test: $(READY) browser
	$(PYTEST) -n 2 $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(PYTEST) tests/benchmarks -m bench -o python_files='bench_*.py' --timeout=1800 -s $(ARGS)

soak: $(READY)
	$(PYTEST) -m soak --timeout=7200 $(ARGS)

# Runs on a machine without a package registry: with the Python that has torch, and wheels/ beside the checkout. Under 9 minutes in
# all, counted from here: what would end later is stopped or not begun, and gpu-figures/ says so (tests/support/card_run.py).
gpu:
	@until=$$(($$(date +%s) + 500)); \
	if [ -d wheels ]; then $(GPU) -m pip install --quiet --no-index --find-links wheels --no-deps wheels/*.whl || exit; fi; \
	GPU_UNTIL=$$until $(GPU) -m pytest tests/gpu -m gpu -s --tb=native $(ARGS)

gpu-wheels: $(READY)
	$(BIN)/python -m pip download --quiet --no-deps --only-binary=:all: --python-version $(GPU_PYTHON) --implementation cp \
		$(foreach tag,$(GPU_TAGS),--platform $(tag)) --dest wheels $(GPU_WHEELS) --constraint constraints.txt

replicate: $(READY)
	$(BIN)/tbd replicate $(ARGS)

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

reference: $(READY)
	$(BIN)/python docs/build_reference.py

pictures: $(READY) browser
	$(BIN)/python docs/make_pictures.py $(ARGS)

package: $(READY)
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/python -m venv --clear $(VENV)/fresh
	$(VENV)/fresh/bin/python -m pip install --quiet dist/*.whl --constraint constraints.txt
	cd $(VENV) && fresh/bin/tbd --version && fresh/bin/tbd annotate --image $(CURDIR)/docs/face.jpg --emotion happy --backend facs
	rm -rf $(VENV)/fresh

# Debian's Chromium, where we may install it; elsewhere only the tests that need it fail, and say so.
browser:
	@for name in $(BROWSERS) $$TBD_BROWSER; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "make: installing Chromium for the tests of the review page" >&2; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq chromium fonts-dejavu-core >/dev/null; \
	else \
		echo "make: the tests of the review page need Chromium; install it, or set TBD_BROWSER to a browser like it" >&2; \
	fi

# Installed once; again when what is to be installed has changed.
$(READY): pyproject.toml setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no python3 found; install Python 3.11 or newer, or say PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is older than Python 3.11; say PYTHON=/path/to/a/newer/python" >&2; exit 1; }
	@echo "make: installing tbd and what it needs into $(VENV) (once, a few minutes)" >&2
	@$(PYTHON) -m venv $(VENV) || { echo "make: this Python has no venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --quiet --no-compile --editable '.[dev]' --constraint constraints.txt
	@touch $@
