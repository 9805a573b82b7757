# Everything runs in .venv, which is created on first use. Nothing needs root.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test attack lint reports ports bench bench-pictures clean

demo: .venv/core
	@$(BIN)/python -m compileall -q inception_lens
	@$(BIN)/inception-lens summary
	@$(BIN)/inception-lens report googlenet -o reports/googlenet

test: .venv/dev
	$(BIN)/python -m pytest --numprocesses auto

# Untrusted input of every kind; `make test` runs a tenth of the cases. `ATTACK_SCALE=0.3 make attack` runs that share.
attack: export ATTACK_SCALE ?= 1
attack: .venv/dev
	$(BIN)/python -m pytest --numprocesses auto tests/attack

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

# The tables and figures in reports/. A test compares them with the output of these commands.
reports: .venv/core
	mkdir -p reports
	$(BIN)/inception-lens list --format markdown -o reports/catalogue.md
	$(BIN)/inception-lens plot --kind accuracy -o reports/accuracy.svg
	$(BIN)/inception-lens diagram googlenet --mode training -o reports/googlenet.svg
	$(BIN)/inception-lens diagram googlenet --heat macs --theme dark -o reports/googlenet-macs-dark.svg
	$(BIN)/inception-lens diagram googlenet --mode training --level layer --style paper -o reports/googlenet-figure-3.svg
	$(BIN)/inception-lens diagram googlenet@naive --module inception_3a --style paper --direction bottom-up --no-title -o reports/inception_3a-naive.svg
	$(BIN)/inception-lens diagram googlenet --module inception_3a --style paper --direction bottom-up --no-title -o reports/inception_3a-reduced.svg
	$(BIN)/inception-lens diagram googlenet --module inception_3a --heat macs -o reports/inception_3a-macs.svg
	$(BIN)/inception-lens diagram googlenet@paddle --level layer -o reports/googlenet@paddle.svg
	$(BIN)/inception-lens diagram googlenet@paddle-fluid --level layer -o reports/googlenet@paddle-fluid.svg
	$(BIN)/inception-lens diagram googlenet@torchvision --level layer -o reports/googlenet@torchvision.svg
	$(BIN)/inception-lens diagram googlenet@slim --level layer -o reports/googlenet@slim.svg
	$(BIN)/inception-lens diagram inception_v3 --heat params -o reports/inception_v3.svg
	$(BIN)/inception-lens diagram inception_v4 --heat params -o reports/inception_v4.svg
	$(BIN)/inception-lens diagram resnet152 --fold -o reports/resnet152-folded.svg
	$(BIN)/inception-lens compare googlenet googlenet@torchvision -o reports/googlenet-and-torchvision.svg
	$(BIN)/inception-lens savings googlenet -o reports/savings.svg
	$(BIN)/inception-lens sweep googlenet inception_3a/5x5_reduce=4..64..4 -o reports/sweep.svg
	$(BIN)/inception-lens plot googlenet --kind modules -o reports/modules.svg
	$(BIN)/inception-lens plot googlenet --kind cumulative -o reports/cumulative.svg
	$(BIN)/inception-lens plot googlenet --kind receptive-field -o reports/receptive-field.svg
	$(BIN)/inception-lens plot googlenet --kind memory -o reports/memory.svg
	$(BIN)/inception-lens plot googlenet --kind roofline -o reports/roofline.svg
	$(BIN)/inception-lens bench --from reports/bench.json -o reports/bench.md
	$(BIN)/inception-lens bench --from reports/bench.json -o reports/bench.svg

# Time, memory and exactness compared with other counters: half an hour on an otherwise idle machine.
# `make bench ONLY=traced` (or static, startup, memory) measures and prints one part, and leaves reports/ as it is.
bench: .venv/core
	$(INSTALL) --editable '.[bench]'
	$(BIN)/python -m compileall -q inception_lens
ifdef ONLY
	$(BIN)/python -m inception_lens bench --only $(ONLY)
else
	$(BIN)/python -m inception_lens bench -o reports/bench.json
	$(MAKE) reports
endif

# Speed of diagrams compared with torchview.
bench-pictures: .venv/core
	$(INSTALL) torch numpy torchview
	$(BIN)/python -m inception_lens.benchmarks.pictures

# Outputs of built networks compared with torchvision and timm, with the same weights.
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
