# The two commands of the README are `make up` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SEEDS  ?= 1000
REAL_KAFKA := .real-kafka
ROOT   := $(if $(filter 0,$(shell id -u)),,sudo)

.DEFAULT_GOAL := help
.PHONY: help setup up test check test-java bench simulate format peers plots real-kafka record-kafka bench-kafka clean

help:           ## list what can be made
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

setup: $(VENV)/.installed  ## create .venv and install mini into it; a second run costs nothing

# Clients alone, no service: redis-tools (redis-check-rdb is redis-server under another name) and kcat; and a C compiler,
# for the load generator of the Kafka benchmark.
peers:
	@command -v cc >/dev/null || { \
	    $(ROOT) apt-get update -q && $(ROOT) apt-get install -q -y --no-install-recommends gcc libc6-dev; }
	@command -v redis-benchmark >/dev/null && command -v redis-check-rdb >/dev/null && command -v kcat >/dev/null || { \
	    $(ROOT) apt-get update -q && $(ROOT) apt-get install -q -y --no-install-recommends redis-tools kcat; }

up: setup       ## start every server there is, and print where to connect; Ctrl-C stops them
	@$(BIN)/mini up

test: setup peers  ## all tests, the comparison with the real servers included
	$(BIN)/pytest -q -n 2 --dist loadfile

# Not a part of `make test`: dozens of JVMs, one after the other.  The JDK compiles the program of ours among them.
test-java: setup real-kafka tests/java/kafkajs/node_modules  ## Kafka's tools, Java clients and kafkajs against our brokers
	@command -v javac >/dev/null || { echo "a JDK is needed: apt-get install openjdk-17-jdk-headless" >&2; exit 1; }
	$(BIN)/pytest -q -m java tests/java

tests/java/kafkajs/node_modules: tests/java/kafkajs/package.json
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	    echo "kafkajs needs Node.js: apt-get install nodejs npm" >&2; exit 1; }
	npm install --prefix $(@D) --silent --no-audit --no-fund --no-package-lock
	@touch $@

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

bench-kafka: setup peers real-kafka  ## one broker and three, beside Apache Kafka and a bare floor; twenty minutes
	$(BIN)/mini bench kafka

simulate: setup  ## SEEDS=1000 seeds of crashes and power failures under virtual time; goes on where it ended
	$(BIN)/mini simulate redis --seeds $(SEEDS) --resume .redis.seeds
	$(BIN)/mini simulate raft --seeds $(SEEDS) --resume .raft.seeds
	$(BIN)/mini simulate kafka --seeds $(SEEDS) --resume .kafka.seeds
	$(BIN)/mini simulate ratelimit --seeds $(SEEDS) --resume .ratelimit.seeds
	$(BIN)/mini simulate idempotency --seeds $(SEEDS) --resume .idempotency.seeds

real-kafka: $(REAL_KAFKA)/.fetched  ## fetch Apache Kafka's jars from Maven Central; a second run costs nothing

# Java 17 or later runs them, Maven fetches them; neither is needed for `make up` or `make test`.
$(REAL_KAFKA)/.fetched: lab/kafka/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
	    echo "Apache Kafka needs Java 17 and Maven: apt-get install openjdk-17-jre-headless maven" >&2; exit 1; }
	mvn -q -B -f lab/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(abspath $(REAL_KAFKA))
	@touch $@

record-kafka: setup real-kafka  ## ask Apache Kafka again for everything in tests/golden/kafka
	$(BIN)/python -m tests.golden.record
	$(BIN)/python -m tests.golden.describe

plots: setup    ## draw the pictures of ratelimit/README.md again
	@mkdir -p ratelimit/plots
	@for name in fixed_window sliding_window_log sliding_window_counter token_bucket leaking_bucket leaking_queue gcra; do \
	    $(BIN)/mini ratelimit plot all --algorithms $$name --svg ratelimit/plots/$$name.svg >/dev/null; done
	@$(BIN)/mini ratelimit plot boundary-burst --svg ratelimit/plots/boundary-burst.svg

clean:          ## remove what was installed and built; ./data stays
	rm -rf $(VENV) $(REAL_KAFKA) tests/java/kafkajs/node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
