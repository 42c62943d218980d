# `make demo` and `make test` need Python 3.11 or newer, a C++ compiler, make and perl; everything else is a package.

PYTHON ?= python3
VENV   ?= .venv
RUN    := $(VENV)/bin/
STAMP  := $(VENV)/farthing-installed

# Generated Verilog must not depend on the order of a hash table.
export PYTHONHASHSEED := 0

.PHONY: demo test quick bench lint format install clean

demo: install
	$(RUN)farthing demo --out build/demo

# One file stays on one worker, so what a file builds once it builds once.
test: install
	$(RUN)python -m pytest -n 2 --dist loadfile

quick: install
	$(RUN)python -m pytest -n 2 --dist loadfile -m "not slow"

bench: install
	$(RUN)python -m bench

lint: install
	$(RUN)ruff check .
	$(RUN)ruff format --check .

format: install
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

install: $(STAMP)

# Installed once, and again whenever what is asked for changes.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "farthing: expected Python 3.11 or newer, got %s; set PYTHON=" % sys.version.split()[0])'
	test -x $(RUN)python || $(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[compress,fpga,board,report,explore,dev]'
	touch $@

clean:
	rm -rf build
