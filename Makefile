# facelab's front door. `make help` lists what it can do.
.DEFAULT_GOAL := help
.PHONY: help setup up down status logs image doctor e2e enroll forget roster bench bench-handler training-env train evaluate deploy-model test test-faults test-training lint format clean \
	aws-up aws-down aws-status device-add device-remove device-policy soak
PYTHON ?= python3
export PYTHONPATH := $(CURDIR):$(CURDIR)/lambda:$(CURDIR)/localstack
LAB := .venv/bin/python
TRAINING := build/env/training/bin/python
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make the environments and the model files (every target does this when needed)
	@$(PYTHON) -m scripts.setup

up: setup ## start the emulator, deploy the stack, seed people; a no-op when all is there
	@$(LAB) -m scripts.cli.lab up

down: ## stop the emulator and everything it started
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.lab down

status: ## what is up, and what waits where (ARGS=--json)
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.lab status $(ARGS)

logs: ## the function's output (ARGS=--follow, ARGS=--emulator)
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.lab logs $(ARGS)

image: setup ## build the function's image, push it to ECR, deploy it by digest
	@$(LAB) -m scripts.cli.lab deploy

doctor: ## what this machine can do, and what to do about what it can't (ARGS=--json)
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.doctor $(ARGS)

e2e: setup ## play the fixture through the whole loop, compare with the truth, write out/e2e.json
	@$(LAB) -m scripts.cli.e2e $(ARGS)

enroll: setup ## PERSON="Ada Lovelace" MAJOR=… YEAR=… PHOTOS=dir: the function knows them in seconds
	@$(LAB) -m scripts.cli.people enroll --person "$$PERSON" --major "$$MAJOR" --year "$$YEAR" \
	    --photos "$$PHOTOS" $(ARGS)

forget: setup ## PERSON="Ada Lovelace": remove every trace of a person
	@$(LAB) -m scripts.cli.people forget --person "$$PERSON" $(ARGS)

roster: setup ## who is enrolled
	@$(LAB) -m scripts.cli.people roster $(ARGS)

bench: up ## what the emulator adds to a warm invocation (ARGS="--count 50"), out/bench-overhead.json
	@$(LAB) -m scripts.bench.overhead $(ARGS)

bench-handler: training-env ## the report's pipeline against ours on the same clips, out/bench.json
	@$(LAB) -m scripts.bench.handler $(ARGS)

training-env: setup
	@$(PYTHON) training/setup_environment.py

train: training-env ## DATA=dir, a folder per person: train the custom model (ARGS="--epochs 60 --arch scratch")
	@$(TRAINING) training/train_face_recognition.py --data "$$DATA" $(ARGS)

evaluate: training-env ## DATA=dir: measure both models, out/eval.json and a page (STRANGERS=dir CLIPS=dir PAIRS=csv)
	@$(TRAINING) training/evaluate.py --data "$$DATA" $(if $(STRANGERS),--strangers "$$STRANGERS") \
	    $(if $(CLIPS),--clips "$$CLIPS") $(if $(PAIRS),--pairs "$$PAIRS") $(ARGS)

deploy-model: setup ## MODEL=out/training/custom.onnx: a new custom model goes live (ARGS=--rollback)
	@$(LAB) -m scripts.gallery.model $(if $(MODEL),--model "$$MODEL") $(ARGS)

test: setup ## unit and integration tests, against a lab of their own
	@$(LAB) -m pytest --ignore=tests/faults $(ARGS)

test-faults: setup ## kill -9, cut networks, full disks: the device's programs lose nothing
	@$(LAB) -m pytest tests/faults $(ARGS)

test-training: training-env ## tests of training, with torch
	@$(TRAINING) -m pytest tests/unit/training $(ARGS)

lint: ## style, imports, security rules, templates
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m ruff check .
	@$(LAB) -m ruff format --check .
	@.venv/bin/cfn-lint scripts/provision/*.yaml

format: ## rewrite the code in the project's style
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m ruff check --fix .
	@$(LAB) -m ruff format .

clean: ## stop the lab; remove environments, models and reports
	@if [ -x $(LAB) ]; then $(LAB) -m scripts.cli.lab down; fi
	@if [ -d build ]; then chmod -R u+w build; fi
	rm -rf .venv build out

aws-up: setup ## the lab on AWS: shows account, region and cost, asks once (ARGS=--yes)
	@$(LAB) -m scripts.cli.aws up $(ARGS)

aws-down: ## delete all of it (ARGS=--keep-data copies people, gallery and models here first)
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.aws down $(ARGS)

aws-status: ## what of the lab exists on AWS (ARGS=--json)
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.aws status $(ARGS)

device-add: ## DEVICE=pi-01: a result queue for one more device
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.devices add "$$DEVICE" $(ARGS)

device-remove: ## DEVICE=pi-01: delete its queue
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.devices remove "$$DEVICE" $(ARGS)

device-policy: ## DEVICE=pi-01: the IAM policy that its credentials need
	@$(PYTHON) -m scripts.setup lab
	@$(LAB) -m scripts.cli.devices policy "$$DEVICE" $(ARGS)

soak: setup ## several devices at once for a minute, against the lab that is up (ARGS=…)
	@$(LAB) -m scripts.e2e.soak $(ARGS)
