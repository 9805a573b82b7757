# Everything runs in .venv, which is made on first use; nothing needs root.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint reports ports bench clean

demo: .venv/core
	@$(BIN)/inception-lens summary

test: .venv/dev
	$(BIN)/python -m pytest

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The tables and figures under reports/, which a test compares with what this makes.
reports: .venv/core
	mkdir -p reports
	$(BIN)/inception-lens list --format markdown -o reports/catalogue.md
	$(BIN)/inception-lens plot --kind accuracy -o reports/accuracy.svg

# Ratios beside PyTorch, in one run.
bench: .venv/core
	$(INSTALL) torch numpy
	$(BIN)/python -m inception_lens.benchmarks.static

# Built networks beside torchvision's and timm's, with the same weights.
ports: .venv/dev
	$(BIN)/python -W ignore -m inception_lens.benchmarks.ports > reports/ports.md

clean:
	rm -rf .venv build dist

.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Inception Lens needs Python 3.11 or later: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@touch $@

.venv/dev: .venv/core
	$(INSTALL) --editable '.[dev]'
	@touch $@
