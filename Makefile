# make tutor: set up, train the micro tutor, talk to it.   make test: set up, run the tests.
PYTHON ?= python3
VENV ?= .venv
BACKEND ?= auto
RECIPE ?= micro
MODEL = $(MODEL_$(RECIPE))
MODEL_micro := em-tutor
MODEL_micro-fast := em-tutor-fast
MODEL_micro-long := em-tutor-long
QUESTION ?= Two charges, 3 uC and -5 nC, are 20 cm apart. What force acts between them?
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
EXTRAS := $(if $(filter torch,$(BACKEND)),[torch],)
MAIN := $(VENV)/.main-$(BACKEND)

LORA_OUTPUT ?= lora-data/train.jsonl
LORA_FOLLOWUP_WEIGHT ?= 1
LORA_SHUFFLE_SEED ?= 42
LORA_SHUFFLE = $(if $(LORA_NO_SHUFFLE),--no-shuffle,--shuffle)

.PHONY: tutor fast test test-slow lint check-cuda clean help lora-prepare lora-prepare-merged

help:
	@echo "make tutor [BACKEND=auto|mlx|torch] [RECIPE=micro|micro-fast|micro-long]   set up, train, ask, chat"
	@echo "make test                                                      set up, run the tests"
	@echo "make lora-prepare LORA_INPUT=FILE [LORA_OUTPUT=FILE]              import, check, fix (docs/data.md)"
	@echo "make lora-prepare-merged LORA_INPUT=FILE LORA_FOLLOWUP=FILE [LORA_FOLLOWUP_WEIGHT=2] [LORA_SHUFFLE_SEED=42] [LORA_NO_SHUFFLE=1]"
	@echo "make test-slow | lint | check-cuda | clean"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed (have: $$($(PYTHON) -V)); make PYTHON=python3.11 ..."; exit 1; }
	@had=$$(test -e $(VENV) && echo yes); $(PYTHON) -m venv $(VENV) || \
		{ [ "$$had" ] || rm -rf $(VENV); echo "no venv here (on Debian: apt install python3-venv)"; exit 1; }

$(MAIN): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable ".$(EXTRAS)"
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable ".[dev,torch]"
	@touch $@

$(VENV)/.data: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable ".[data]"
	@touch $@

tutor: $(MAIN)
	$(BIN)/tutor train $(RECIPE) --backend $(BACKEND) --resume
	$(BIN)/tutor ask $(MODEL) "$(QUESTION)"
	@if [ -t 0 ]; then $(BIN)/tutor chat $(MODEL); fi

fast:
	$(MAKE) tutor RECIPE=micro-fast

test: $(VENV)/.dev
	$(BIN)/python -m pytest

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy mlxtutor cuda_backend cli

check-cuda: $(VENV)/.dev
	$(BIN)/python -m mlxtutor.check_cuda

lora-prepare: $(VENV)/.data
	@test -n "$(LORA_INPUT)" || { echo "LORA_INPUT is not set (make lora-prepare LORA_INPUT=records.json)"; exit 1; }
	$(BIN)/tutor data import $(LORA_INPUT) --out $(LORA_OUTPUT).imported
	$(BIN)/tutor data check $(LORA_OUTPUT).imported --fix $(LORA_OUTPUT)

lora-prepare-merged: $(VENV)/.data
	@test -n "$(LORA_INPUT)" -a -n "$(LORA_FOLLOWUP)" || { echo "LORA_INPUT and LORA_FOLLOWUP are needed (see docs/data.md)"; exit 1; }
	$(BIN)/tutor data import $(LORA_INPUT) --out $(LORA_OUTPUT).main
	$(BIN)/tutor data import $(LORA_FOLLOWUP) --out $(LORA_OUTPUT).followup
	$(BIN)/tutor data mix $(LORA_OUTPUT).main $(LORA_OUTPUT).followup:$(LORA_FOLLOWUP_WEIGHT) --seed $(LORA_SHUFFLE_SEED) $(LORA_SHUFFLE) \
		--out $(LORA_OUTPUT).mixed
	$(BIN)/tutor data check $(LORA_OUTPUT).mixed --fix $(LORA_OUTPUT)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
