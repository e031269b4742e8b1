# Everything runs in a virtual environment of its own, made on first use from pyproject.toml and constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install lint types test test-lowest demo docs bench clean

help:
	@echo "make test    lint, types and all tests"
	@echo "make test-lowest   all tests, with the oldest versions that pyproject.toml allows"
	@echo "make demo    two small backbones on procedural data: finetuned, scored, compared, on a leaderboard"
	@echo "make docs    the documentation as a site in build/docs; a dead link is an error"
	@echo "make bench   our metrics, readers and commands against their peers, at paper scale"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "humanbench needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench,docs]'
	touch $@

install: $(READY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

test: lint types
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	$(PYTHON) -m tools.lowest > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check -c $(VENV)-lowest/constraints.txt \
	    -e . pytest pytest-xdist hypothesis scikit-learn pyyaml build hatchling submitit html5lib
	$(VENV)-lowest/bin/python -m pytest -n auto --dist loadgroup

demo: $(READY)
	$(BIN)/python -m humanbench demo

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo build/docs/index.html

bench: $(READY)
	$(BIN)/python -m bench
	$(BIN)/python -m bench.commands
	$(BIN)/python -m bench.inputs
	$(BIN)/python -m bench.collection

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
