# Each target is one command. `make demo` and `make test` need Python 3.11 to 3.13 and a network.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || \
	command -v python3)
# Where the virtual environment is.
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PINNED := $(VENV)/.pinned
CRF_TAGGER := $(VENV)/.crf-tagger
DEMO := build/demo
# Processes that share the tests. Each takes about 2 GB.
WORKERS ?= 2

.PHONY: demo install pinned test lint types docs unit bench bench-quick fuzz kills audit lock clean

# Train on a small corpus, evaluate, predict on raw text, and draw the predictions.
demo: export ALLENNLP_LOG_LEVEL = WARNING
demo: export PYTHONWARNINGS = ignore
demo: $(READY)
	$(BIN)/allennlp train training_config/sample.jsonnet -s $(DEMO) --force
	$(BIN)/allennlp evaluate $(DEMO)/model.tar.gz fixtures/sample/dev.jsonl \
		--output-file $(DEMO)/evaluation.json
	$(BIN)/allennlp predict $(DEMO)/model.tar.gz fixtures/sample/raw.txt --silent \
		--output-file $(DEMO)/predictions.jsonl
	$(BIN)/allennlp draw $(DEMO)/predictions.jsonl $(DEMO)/predictions.html
	@echo
	@$(BIN)/allennlp print-results $(DEMO) --metrics-filename evaluation.json \
		--keys entity_precision entity_recall entity_f1 relation_precision relation_recall relation_f1
	@echo
	@echo "All scores:                     $(DEMO)/evaluation.json"
	@echo "The predictions:                $(DEMO)/predictions.jsonl"
	@echo "The picture of the predictions: $(DEMO)/predictions.html (open it in a browser)"

# The virtual environment, with the package in it.
install: $(READY)

# The same without the package, which .ci/run installs when both of its environments are filled.
pinned: $(PINNED)

# Lint, type checks, the documentation and all tests; pytest's summary comes last.
test: lint types docs unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# The documentation as pages: build/docs/index.html. A warning is an error.
docs: export NO_MKDOCS_2_WARNING = true
docs: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m mkdocs build --quiet --strict --clean

# Each worker has a part of the tests, and takes over tests of the others when its own are done. One
# thread each, since all tensors are tiny.
unit: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS) --dist worksteal --cov --cov-report=term

# Training and extraction against other systems and against the arithmetic's own time, in one run:
# build/bench/results.md. Nothing else should run meanwhile. See docs/performance.md.
bench: $(READY) $(CRF_TAGGER)
	$(BIN)/python benchmarks/run.py -o build/bench

# The same with less of everything.
bench-quick: $(READY) $(CRF_TAGGER)
	$(BIN)/python benchmarks/run.py --quick -o build/bench

# Damaged corpora and hostile texts in volume, in at most 30 minutes: build/fuzz/results.md. Another
# length or seed: make fuzz FUZZ="--minutes 60 --seed 7". See docs/reliability.md.
fuzz: $(READY)
	$(BIN)/python -W ignore fuzz/run.py $(FUZZ)

# A system to compare with. Without what it declares: its bound on torch is AllenNLP's, and what
# CrfTagger imports is here.
$(CRF_TAGGER): requirements/bench.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/bench.txt
	touch $@

# The package in the virtual environment: again when its metadata change.
$(READY): $(PINNED) setup.cfg
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# A virtual environment with the pinned set: again when the lock changes.
$(PINNED): requirements/lock.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), \
		"Python 3.11 to 3.13 is needed: make PYTHON=..., not " + sys.version.split()[0]'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): about 3 GB with torch, some minutes the first time."
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/lock.txt
	touch $@

# The pinned set against the known vulnerabilities: needs a network. See docs/reliability.md. What
# cannot be looked up is an error, too, not a pass.
audit: requirements/lock.txt
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit
	build/audit/bin/pip-audit --requirement requirements/lock.txt --require-hashes --disable-pip \
		--strict --progress-spinner off

# `kill -9` at random moments of every command that writes: build/fuzz/kills.md. About 25 minutes.
kills: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore fuzz/kills.py --kills 8 -o build/fuzz

# Resolve the pinned set anew: names, versions and hashes.
lock:
	uv pip compile setup.cfg requirements/allennlp.in requirements/build.in --extra dev \
		--override requirements/overrides.txt \
		--universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --output-file requirements/lock.txt

clean:
	rm -rf $(VENV) build
