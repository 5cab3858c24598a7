# The two commands of the README are `make up` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SEEDS  ?= 1000
ROOT   := $(if $(filter 0,$(shell id -u)),,sudo)

.DEFAULT_GOAL := help
.PHONY: help setup up test check bench simulate format peers clean

help:           ## list what can be made
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

setup: $(VENV)/.installed  ## create .venv and install mini into it; a second run costs nothing

# Only redis-tools: it brings the clients and no service (redis-check-rdb is redis-server under another name).
peers:
	@command -v redis-benchmark >/dev/null && command -v redis-check-rdb >/dev/null || { \
	    $(ROOT) apt-get update -q && $(ROOT) apt-get install -q -y --no-install-recommends redis-tools; }

up: setup       ## start every server there is, and print where to connect; Ctrl-C stops them
	@$(BIN)/mini up

test: setup peers  ## all tests, the comparison with the real servers included
	$(BIN)/pytest -q -n 2 --dist loadfile

check: setup    ## lint, format, types, and the arrows between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_layers.py

format: setup   ## let ruff lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup peers  ## ours beside the real server, in one run
	$(BIN)/mini bench redis

simulate: setup  ## SEEDS=1000 seeds of crashes and power failures under virtual time; goes on where it ended
	$(BIN)/mini simulate redis --seeds $(SEEDS) --resume .redis.seeds
	$(BIN)/mini simulate raft --seeds $(SEEDS) --resume .raft.seeds

clean:          ## remove what was installed and built; ./data stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
