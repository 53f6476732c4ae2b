# Etude. `make` alone lists what there is.

.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:

# What stands on make's command line is text as it was typed: make expands nothing in it.
$(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),\
  $(eval override $(name) := $$(value $(name)))))

# A switch given as 0 (no, off, false) is as if it were not given.
$(foreach switch,GPU FORCE RESUME REGRADE ACCEPT_OPEN,\
  $(if $(filter-out 0 no off false,$(value $(switch))),,$(eval override $(switch) :=)))

# In WSL the environment's NAME is the machine's.
$(if $(filter environment,$(origin NAME)),$(eval override NAME :=))

# An active virtual or conda environment is used as it is; otherwise .venv is made here.
ACTIVE := $(VIRTUAL_ENV)
ifeq ($(ACTIVE),)
ifneq ($(CONDA_DEFAULT_ENV),base)
ACTIVE := $(CONDA_PREFIX)
endif
endif
ENV := $(if $(ACTIVE),$(ACTIVE),.venv)
PY := $(ENV)/bin/python
ETUDE := $(PY) -m toolkit

LOCK := requirements$(if $(GPU),-gpu).lock
READY := $(ENV)/.etude-$(basename $(LOCK))
READY_DEV := $(ENV)/.etude-requirements-dev

INSTALL = $(PY) -m uv --quiet pip install --python $(PY) --require-hashes --compile-bytecode -r
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

help: ## |what there is, one line each
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {split($$2, part, "|"); printf "  make %-30s %s\n", $$1 " " part[1], part[2]}' Makefile

setup: $(READY) ## [GPU=1]|make .venv (Python 3.11 to 3.13) and install; quick when nothing changed
	@echo "Etude is set up in $(ENV). Next: make lab3"

lab%: $(READY)
	@$(ETUDE) labs.run $(call quoted,$*) $(call options,PRESET DATA CODE SET SEED PRECISION DEVICES INSTRUMENT SOUNDFONT PRIMER RESUME)

lab1: ## [PRESET=full DATA=names18 ...]|names from countries: train four networks, judge what they write

lab2: ## [PRESET=full ...]|a GRU and a Transformer that write numbers as words

lab3: ## [PRESET=full ...]|an LSTM that writes notes: train, plot, play (options: README.md)

lab4: ## [PRESET=maestro DATA=groove PRIMER=file.mid ...]|a Music Transformer: train, generate, measure

lab5: ## [PRESET=full DATA=pop1k7 PRIMER=file.mid ...]|Transformer-XL on REMI beside a linear Transformer on compound words

lab6: ## [PRESET=full DATA=pop1k7 PRIMER=file.mid ...]|GPT-2 and LLaMA, three decodings, what measures of music see

lab%-continue: $(READY)
	@$(ETUDE) labs.course.continuation $(call quoted,$*) $(call options,RUN CODE PRIMER INSTRUMENT SOUNDFONT SEED SET)

lab4-continue: ## [RUN=folder PRIMER=file.mid INSTRUMENT=...]|generate again with a model that is trained

lab5-continue: ## [RUN=folder PRIMER=file.mid SET=...]|the same; SET='network="REMI + XL"' chooses the network

lab6-continue: ## [RUN=folder PRIMER=file.mid SET=...]|generate again with both models that are trained

lab%-ask: $(READY)
	@$(ETUDE) labs.course.ask $(call quoted,$*) $(call options,RUN CODE NUMBERS COUNTRY LETTERS)

lab1-ask: ## COUNTRY=Greece LETTERS=ABC [RUN=folder]|a name for each letter by the networks that are trained

lab2-ask: ## NUMBERS="1033 90210" [RUN=folder]|words by the models that are trained, right or wrong, and where they look

grade: $(READY) ## [LAB=3] [TASK=3.2] [HINT=1] [CODE=file]|grade what you wrote in tasks.py or the notebook
	@$(PY) -m pytest grading $(call options,LAB TASK HINT CODE) $(ACCEPT)

show: $(READY) ## TASK=3.9|draw and play what your code makes
	@$(ETUDE) labs.course.look $(call options,TASK)

answer: $(READY) ## TASK=3.9|the answer to the question that a lesson asks
	@$(ETUDE) labs.course.look --answer $(call options,TASK)

watch: $(READY) ## LAB=3 [CODE=file]|grade again at each save
	@$(ETUDE) grading.watch $(call options,LAB CODE)

data: $(READY) ## NAME=maestro [FROM=path]|fetch a data set, or point Etude at your own copy; prepare its tokens
	@$(ETUDE) labs.course.data $(call options,NAME FROM)

doctor: $(READY) ## |what is here, what is missing, what to do about it
	@$(ETUDE) toolkit.doctor

build: $(READY) ## [FORCE=1]|make tasks.py, notebooks and lab READMEs anew from solution.py
	@$(ETUDE) labs.build $(call options,FORCE)

reset: $(READY) ## TASK=3.4|put one stub back (a backup is kept)
	@$(ETUDE) labs.reset $(call options,TASK)

submit: $(READY) ## LAB=3 [CODE=file]|check, grade publicly and write the one file to hand in
	@$(ETUDE) grading.submit $(call options,LAB CODE)

update: $(READY) ## FROM=folder|in a handout: take a newer one, keep what you wrote
	@$(ETUDE) labs.update $(call options,FROM)

handout: $(READY) ## [LAB=1,3] [TO=folder]|the course as students get it, without answers
	@$(ETUDE) grading.handout $(call options,LAB TO)

gradescope: $(READY) ## LAB=3|the zip that grades a lab on Gradescope
	@$(ETUDE) grading.gradescope $(call options,LAB HIDDEN) $(ACCEPT)

github: $(READY) ## LAB=3 [TO=folder]|the workflow that grades a lab on GitHub Classroom
	@$(ETUDE) grading.github $(call options,LAB TO)

class: $(READY) ## SUBMISSIONS=folder LAB=3 [ROSTER=file.csv ...]|grade a class; goes on where it stopped (RESULTS CLUSTER REGRADE)
	@$(ETUDE) grading.classroom $(call options,SUBMISSIONS LAB RESULTS ROSTER CLUSTER REGRADE)

rank: $(READY) ## SUBMISSIONS=folder [DATA=pop1k7] [RESULTS=folder]|rank a class's pieces of Lab 6, copies apart
	@$(ETUDE) grading.classroom.rank $(call options,SUBMISSIONS DATA RESULTS)

site: $(READY_DEV) ## |the course as static pages, in site/build/html
	@$(ETUDE) labs.course.site

test: $(READY_DEV) ## |lint, types and the test suite (under 10 minutes on 2 cores)
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy
	@$(PY) -m pytest tests -n 2 --dist loadgroup --timeout 300

verify: $(READY_DEV) ## |the full-size proofs; runs again only what reads something that changed
	@$(ETUDE) benchmarks.verify

lock: $(READY_DEV) ## |pin requirements*.txt anew
	@$(ETUDE) benchmarks.lock

.DEFAULT:
	@echo $(call quoted,there is no 'make $@': make help lists what there is) >&2; exit 2

# "--name='value'" for each setting that was given: it reaches the command as it was typed
options = $(foreach name,$(1),$(if $(value $(name)),$(call option,$(name))))
option = --$(shell echo $(1) | tr A-Z a-z)=$(call quoted,$(value $(1)))
quoted = '$(subst ','\'',$(1))'

# hidden checks where nothing locks a submission in: macOS, old kernels
ACCEPT := $(if $(ACCEPT_OPEN),--accept-open)

$(ENV)/bin/python:
	@for python in python3.11 python3.12 python3.13 python3 python; do \
	  if $$python -c '$(SUPPORTED)' 2>/dev/null; then exec $$python -m venv .venv; fi; \
	done; \
	echo "Etude needs Python 3.11, 3.12 or 3.13, and none is on the PATH: install one and run make again." >&2; exit 2

$(READY) $(READY_DEV): $(ENV)/.etude-%: %.lock | $(ENV)/bin/python
	@$(PY) -c '$(SUPPORTED)' || { echo "The active environment $(ENV) has $$($(PY) --version); Etude needs 3.11 to 3.13: deactivate it or make one that has." >&2; exit 2; }
	@echo "Installing $< into $(ENV) ..."
	@$(PY) -m pip --quiet --disable-pip-version-check install "uv>=0.8,<1"
	@$(INSTALL) $<
	@touch $@

.PHONY: help setup grade show answer watch data doctor build reset submit update handout gradescope github class rank site test verify lock
