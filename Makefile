# `make bench` and `make test` are all a fresh clone needs; each makes its own .venv.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: bench test check format clean

bench: $(VENV)/.installed
	$(RUN)/archer bench --preset quick --out results/quick

test: $(VENV)/.installed-dev
	$(RUN)/pytest

check: $(VENV)/.installed-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

format: $(VENV)/.installed-dev
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Archer needs Python 3.11 or newer; run 'make PYTHON=python3.11 ...'"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) results build dist *.egg-info
