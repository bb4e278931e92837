# `make demo` and `make test` need Python 3.11 to 3.13 and, the first time, a network.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || \
	command -v python3)
# The virtual environment.
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PINNED := $(VENV)/.pinned
CRF_TAGGER := $(VENV)/.crf-tagger
DEMO := build/demo
# Processes that share the tests, each of about 2 GB.
WORKERS ?= 2

.PHONY: demo install test lint types docs unit coverage bench bench-quick fuzz kills audit lock clean

# Train on a small corpus, evaluate, predict on raw text, and draw the predictions.
demo: export PYTHONWARNINGS = ignore
# Two threads save a few seconds on two idle cores. Beside other work they wait for each other, and
# the training takes more than ten minutes in place of half a minute.
demo: export OMP_NUM_THREADS ?= 1
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

# Make the virtual environment and install the package into it.
install: $(READY)

# Lint, then all tests, of which one builds the documentation, with the type checks beside them, in the
# time in which tests wait for processes. Pytest's summary comes last.
test: $(READY)
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory --jobs=2 types unit GENTLY="nice -n 15"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# In one process: mypy's workers have to start within three seconds, which a busy machine misses.
types: $(READY)
	$(GENTLY) $(BIN)/mypy

# Build the documentation: build/docs/index.html. Warnings are errors.
docs: export NO_MKDOCS_2_WARNING = true
docs: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m mkdocs build --quiet --strict --clean

# Each worker has a part of the tests and takes over those of others when its own are done. One thread
# each, because all tensors are tiny. Tests start many processes; each would compile the package again.
unit coverage: export PYTHONDONTWRITEBYTECODE =
unit: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS) --dist worksteal

# The same with the lines that no test runs; fails under 98 %. It takes half as long again.
coverage: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS) --dist worksteal --cov --cov-report=term

# Compare training and extraction with other systems and with the time of the bare arithmetic:
# build/bench/results.md. Run nothing else meanwhile. See docs/performance.md.
bench: $(READY) $(CRF_TAGGER)
	$(BIN)/python benchmarks/run.py -o build/bench

# The same on less data.
bench-quick: $(READY) $(CRF_TAGGER)
	$(BIN)/python benchmarks/run.py --quick -o build/bench

# Try many damaged corpora and hostile texts, for at most 30 minutes: build/fuzz/results.md. For
# another time limit or seed: make fuzz FUZZ="--minutes 60 --seed 7". See docs/reliability.md.
fuzz: $(READY)
	$(BIN)/python -W ignore fuzz/run.py $(FUZZ)

# A system to compare with. It is installed without its dependencies, because it excludes today's
# torch, and everything that CrfTagger imports is installed already.
$(CRF_TAGGER): requirements/bench.txt $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/bench.txt
	touch $@

# The package in the virtual environment: again when its metadata change.
$(READY): $(PINNED) setup.cfg
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

# A virtual environment with the pinned set: again when the lock changes. uv downloads side by side, and
# environments share its files. It does not read pip's settings: where only those lead to the packages,
# pip installs them.
$(PINNED): requirements/uv.txt requirements/lock.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), \
		"Python 3.11 to 3.13 is needed: make PYTHON=..., not " + sys.version.split()[0]'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): about 3 GB with torch, some minutes the first time."
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/uv.txt && \
		$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps \
		--require-hashes -r requirements/lock.txt || \
		$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/lock.txt
	touch $@

# Check the pinned packages for known vulnerabilities, which needs a network. A package that cannot be
# looked up is an error. See docs/reliability.md.
audit: requirements/lock.txt requirements/uv.txt
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet pip-audit
	build/audit/bin/pip-audit $(addprefix --requirement ,$^) --require-hashes --disable-pip --strict \
		--progress-spinner off

# Kill every command that writes at random moments (`kill -9`), for about 25 minutes:
# build/fuzz/kills.md.
kills: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore fuzz/kills.py --kills 8 -o build/fuzz

# Update the pinned packages: names, versions and hashes. `serve.txt` is the part of `lock.txt` that the
# Dockerfile installs; a test compares the two.
lock: $(PINNED)
	echo uv | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes \
		--no-annotate --no-header --no-emit-index-url --output-file requirements/uv.txt
	$(BIN)/uv pip compile setup.cfg requirements/allennlp.in requirements/build.in --extra dev \
		--override requirements/overrides.txt \
		--universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --output-file requirements/lock.txt
	$(BIN)/uv pip compile setup.cfg --extra runtime --extra serve --extra hub \
		--constraint requirements/lock.txt \
		--python-version 3.12 --python-platform linux --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --output-file requirements/serve.txt

clean:
	rm -rf $(VENV) build
