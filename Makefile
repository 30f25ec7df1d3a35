# `make study` is the main job: from nothing to the report. Each target sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
WORKDIR ?= workdir/tiny
# Runs at once; 0: as many as there are cores, up to 4.
JOBS ?= 0
BASE_WORKDIR ?= workdir/tiny_base
BASE_CONFIG := ml_collections_configs/tiny_base.py
PINCH := $(VENV)/bin/pinch

.PHONY: quick study test gemma lint docs base clean

# Memory in large pages: training on a CPU takes less time (docs/speed.md).
study quick base: export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

# Two minutes: four mixtures against the model before tuning.
quick: $(VENV)/installed
	$(PINCH) study --config=ml_collections_configs/tiny.py --sweep=pinch:0,1,10,100@pretrained \
	    --workdir=workdir/quick

study: $(VENV)/installed
	$(PINCH) study --config=ml_collections_configs/tiny.py --jobs=$(JOBS) --workdir=$(WORKDIR)

# A process more than there are cores, since some tests wait, for others of theirs or for a scheduler;
# each takes a GB. What they compile is kept for the next time, for this machine: JAX does not ask of
# which processor it is.
CORES := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
TESTERS ?= $(shell echo $$(($(CORES) < 8 ? $(CORES) + 1 : 8)))
test: export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/build/compiled-$(shell uname -n)
# Images of containers forbid to keep bytecode: each of sixty calls would compile the package anew.
test: export PYTHONDONTWRITEBYTECODE :=
test: $(VENV)/tested
	$(VENV)/bin/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/tested
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

# The documents as a site in build/site. Notebooks are run, some minutes; RUN_NOTEBOOKS=0 leaves that out.
docs: $(VENV)/documented
	$(VENV)/bin/python -m mkdocs build --strict

# Gemma 3 270M as it was pretrained, its weights from a package, asked in 12 languages.
gemma: $(VENV)/gemma
	$(PINCH) generate --config=ml_collections_configs/tiny.py --model=gemma3-270m \
	    --config.evaluate.prompts=2 --config.evaluate.rows=24

# Makes the bundled base model anew: about half an hour on two cores, resumable.
base: $(VENV)/installed
	$(PINCH) tokenizer --config=$(BASE_CONFIG)
	$(PINCH) train --config=$(BASE_CONFIG) --workdir=$(BASE_WORKDIR)
	rm -rf $(BASE_WORKDIR)/exported
	$(PINCH) export --config=$(BASE_CONFIG) --workdir=$(BASE_WORKDIR) --output=$(BASE_WORKDIR)/exported
	rm -rf pinch_jax/assets/tiny # which exists in every clone: the new one takes its place
	mv $(BASE_WORKDIR)/exported pinch_jax/assets/tiny

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.py $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --editable .[test]
	touch $@

$(VENV)/documented: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --editable .[docs]
	touch $@

$(VENV)/gemma: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --editable .[gemma]
	touch $@

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .hypothesis build/compiled-*
