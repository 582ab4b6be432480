# make            what there is
# make repro      the main job, on a fresh machine too: sets up .venv, then `dvc repro`
.DEFAULT_GOAL := help
# What compiles requirements.txt; UPGRADE=--upgrade raises what the pinned packages need.
LOCK = UV_CUSTOM_COMPILE_COMMAND='make lock' uv pip compile --quiet --generate-hashes --universal \
  --python-version 3.11 --no-emit-index-url $(UPGRADE)

.PHONY: help setup lock audit repro test lint format table pretrain bench bench-precision bench-store \
  bench-scale bench-finetuning bench-cluster soak

PYTHON ?= python3
SECONDS ?= 60
BIN := $(CURDIR)/.venv/bin
# Stages are run by DVC as `python -m stages...`: the environment's python must come first.
export PATH := $(BIN):$(PATH)
export SLOW

help:
	@echo "make setup   build .venv from the pinned requirements (Python 3.11 to 3.13); RAY=1: for a cluster too"
	@echo "make lock    compile requirements*.txt, with hashes, from requirements*.in"
	@echo "make audit   look for known vulnerabilities in what is pinned; asks the internet"
	@echo "make repro   run the workflow that params.yaml describes"
	@echo "make test    run all tests; RAY=1: those of a cluster too; SLOW=1: whole benchmarks too"
	@echo "make lint    check style, formatting and which room imports which"
	@echo "make format  format the code"
	@echo "make table   compute the table of results, nets by settings over datasets; an hour or more"
	@echo "make pretrain   train mini anew, the network in models/; some hours, goes on where it was stopped"
	@echo "make bench   measure speed beside Keras, and what a change costs; about 40 minutes"
	@echo "make bench-finetuning   measure what fine-tuning is worth, and what views are; some hours"
	@echo "make bench-precision   measure what int8 costs in accuracy; 15 minutes"
	@echo "make bench-cluster   measure a Ray cluster on this machine beside this machine; half an hour"
	@echo "make bench-store   measure what the feature store saves; some minutes"
	@echo "make bench-scale   measure 1,000,000 images, and a pack larger than memory; an hour"
	@echo "make soak    fuzz the readers of files from strangers, SECONDS=60 each, and disturb every stage and whole runs; some hours"

# One package has no wheel.  pip would build it with whatever setuptools there is, unchecked: so what
# is pinned is there first.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

setup: .venv/ready $(if $(RAY),.venv/ray)

.venv/ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is" \
	    "$$($(PYTHON) -V 2>/dev/null || echo not here); name another: make $(MAKECMDGOALS) PYTHON=python3.12"; \
	    exit 1; }
	$(PYTHON) -m venv --clear .venv
	sed -En '/^(packaging|setuptools|wheel)==/,/# via/p' requirements.txt > .venv/build.txt
	$(INSTALL) -r .venv/build.txt
	$(INSTALL) --no-build-isolation -r requirements-dev.txt
	@touch $@

.venv/ray: .venv/ready requirements-ray.txt
	$(INSTALL) --no-build-isolation -r requirements-ray.txt
	@touch $@

# Each keeps to the one before, so that all files name one version of each package.
lock: setup
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -c requirements.txt -o requirements-dev.txt
	$(LOCK) requirements-ray.in -c requirements-dev.txt -o requirements-ray.txt

audit: setup
	uv tool run pip-audit==2.10.1 --strict --require-hashes --disable-pip -r requirements-dev.txt

repro: setup
	dvc repro

# By whole files, so that what a file's tests share is made once; -rs tells what is skipped, and why.
test: setup
	python -m pytest -rs --numprocesses auto --maxprocesses 4 --dist loadfile

lint: setup
	ruff check .
	ruff format --check .
	lint-imports

format: setup
	ruff check --fix .
	ruff format .

table: setup
	python -m transfer table

pretrain: setup
	cd pretrain && PYTHONPATH=.. python -m pretrain.ready && dvc repro && PYTHONPATH=.. python -m pretrain.ship

bench: setup
	python -m bench.extraction
	python -m bench.workflow
	python -m bench.tails

bench-finetuning: setup
	python -m bench.finetuning --augmented 1 2 4 8 fresh

bench-precision: setup
	python -m bench.precision

bench-store: setup
	python -m bench.store

bench-cluster: RAY := 1
bench-cluster: setup .venv/ray
	python -m bench.cluster

bench-scale: setup
	python -m bench.scale
	python -m bench.scale --larger-than-memory

soak: setup
	python -m pip install --quiet --disable-pip-version-check -r requirements-soak.txt
	python -m soak $(SECONDS)
	python -m soak.faults
	python -m soak.workflows
