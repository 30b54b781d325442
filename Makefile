# facelab's front door: sets up what is missing, then calls the one command, `facelab`.
.DEFAULT_GOAL := help
PYTHON ?= python3
FACELAB := .venv/bin/facelab
# The same before any environment stands.
BARE := $(PYTHON) -m scripts.cli.facelab
LAB := .venv/bin/python
TRAINING := build/env/training/bin/python
ARGS ?=
# The floor of `make coverage`: what stands over its whole rooms. It only rises.
COVERED ?= 98
COVERAGE_TESTS := $(addprefix tests/unit/,contract cloud device lambda recognition) \
    $(addprefix tests/integration/,device test_loop.py test_signatures.py test_traces.py)
# The training environment sees the checkout by this; the lab's own has it built in.
export PYTHONPATH := $(CURDIR):$(CURDIR)/lambda:$(CURDIR)/localstack

.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## this list
	@awk -F ':.*## ' '/^##@ / {printf "\n%s\n", substr($$0, 5)} \
	    /^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run
setup: ## make the environments and the model files (every target does this when needed)
	@$(BARE) setup

lab-env:
	@$(BARE) setup lab

up: setup ## start the emulator, deploy the stack, seed people; a no-op when all is there
	@$(FACELAB) up $(ARGS)

down: lab-env ## stop the emulator and everything it started
	@$(FACELAB) down $(ARGS)

status: lab-env ## what is up, and what waits where (ARGS=--json)
	@$(FACELAB) status $(ARGS)

snapshot: lab-env ## NAME=…: everything in the lab into one file, out/snapshots/NAME.facelab.zip
	@$(FACELAB) snapshot "$$NAME" $(ARGS)

restore: lab-env ## NAME=… (or a .zip file): everything in the lab from such a file
	@$(FACELAB) restore "$$NAME" $(ARGS)

reset: lab-env ## the lab as it was at first, in seconds
	@$(FACELAB) reset $(ARGS)

logs: lab-env ## the function's output (ARGS=--follow, ARGS=--emulator); FUNCTION=…: that of one you brought
	@$(FACELAB) $(if $(FUNCTION),functions logs "$$FUNCTION",logs) $(ARGS)

reconcile: lab-env ## send clips again that ended in nothing (ARGS="--after 5", minutes)
	@$(FACELAB) reconcile $(ARGS)

image: setup ## build the function's image, push it to ECR, deploy it by digest
	@$(FACELAB) deploy $(ARGS)

e2e: setup ## play the fixture through the whole loop, compare with the truth, write out/e2e.json
	@$(FACELAB) e2e $(ARGS)

dashboard: lab-env ## a page that follows the lab, http://127.0.0.1:8646 (ARGS="--port …")
	@$(FACELAB) dashboard $(ARGS)

trace: lab-env ## CLIP=… (the newest without): its life from shutter to screen (ARGS=--json, --follow)
	@$(FACELAB) trace $(if $(CLIP),"$$CLIP") $(ARGS)

check: lab-env ## EXERCISE=1…6: is that exercise of docs/class-guide.md solved, and what is missing (ARGS=--json)
	@$(FACELAB) check $(if $(EXERCISE),"$$EXERCISE") $(ARGS)

doctor: lab-env ## what this machine can do, and what to do about what it can't (ARGS=--json)
	@$(FACELAB) doctor $(ARGS)

docker-engine: ## on Debian as root: install and start Docker's engine, Compose, buildx (ARGS=--stop: undo it)
	@$(BARE) docker-engine $(ARGS)

##@ Your own functions
deploy-function: setup ## NAME=… DIR=folder [TRIGGER=s3://bucket/prefix*.suffix|sqs:queue|url|schedule:rate(…)] MEMORY= TIMEOUT= ENV='A=1 B=2'
	@$(FACELAB) functions deploy "$$NAME" --dir "$$DIR" $(if $(TRIGGER),--trigger "$$TRIGGER") \
	    $(if $(MEMORY),--memory "$$MEMORY") $(if $(TIMEOUT),--timeout "$$TIMEOUT") \
	    $(if $(ENV),--env "$$ENV") $(if $(ALLOW),--allow "$$ALLOW") $(ARGS)

functions: lab-env ## what is deployed, and what invokes it (ARGS=--json)
	@$(FACELAB) functions list $(ARGS)

invoke: lab-env ## FUNCTION=… EVENT=file.json: its answer; its log goes to stderr (ARGS=--json)
	@$(FACELAB) functions invoke "$$FUNCTION" $(if $(EVENT),--event "$$EVENT") $(ARGS)

watch: lab-env ## NAME=… DIR=folder: whatever is saved is what the next invocation runs
	@$(FACELAB) functions watch "$$NAME" --dir "$$DIR" $(ARGS)

delete-function: lab-env ## NAME=…: the function, its triggers, role and image; buckets and queues stay
	@$(FACELAB) functions delete "$$NAME" $(ARGS)

grade: setup ## COURSE=2023|2024-p1|2024-p2|2025-p1 STUDENT=1229679960 [DIR=folder] [STUDENTS=class.txt] [OFFICIAL=grader.py]: a score sheet, out/grade/
	@$(FACELAB) grade "$$COURSE" --student "$$STUDENT" $(if $(STUDENTS),--students "$$STUDENTS") \
	    $(if $(DIR),--dir "$$DIR") $(if $(OFFICIAL),--official "$$OFFICIAL" --) $(ARGS)

script: lab-env ## FILE=camera.py: a program of yours with the lab as its cloud and a film as its (old) Pi camera
	@$(FACELAB) script $(ARGS) "$$FILE"

##@ People
enroll: setup ## PERSON="Ada Lovelace" MAJOR=… YEAR=… PHOTOS=dir: the function knows them in seconds
	@$(FACELAB) enroll --person "$$PERSON" --major "$$MAJOR" --year "$$YEAR" --photos "$$PHOTOS" $(ARGS)

forget: setup ## PERSON="Ada Lovelace": remove every trace of a person (ARGS=--yes: without asking)
	@$(FACELAB) forget --person "$$PERSON" $(ARGS)

roster: setup ## who is enrolled (ARGS=--json)
	@$(FACELAB) roster $(ARGS)

##@ Models
training-env: setup ## the environment with torch, for the targets of this group
	@$(PYTHON) training/setup_environment.py

train: training-env ## DATA=dir, a folder per person: train the custom model (ARGS="--epochs 60 --arch scratch")
	@$(FACELAB) train --data "$$DATA" $(ARGS)

evaluate: training-env ## DATA=dir: measure both models, out/eval.json and a page (STRANGERS=dir CLIPS=dir PAIRS=csv)
	@$(FACELAB) evaluate --data "$$DATA" $(if $(STRANGERS),--strangers "$$STRANGERS") \
	    $(if $(CLIPS),--clips "$$CLIPS") $(if $(PAIRS),--pairs "$$PAIRS") $(ARGS)

deploy-model: setup ## MODEL=out/training/custom.onnx: a new custom model goes live (ARGS=--rollback)
	@$(FACELAB) model $(if $(MODEL),--model "$$MODEL") $(ARGS)

##@ Devices
device-add: lab-env ## DEVICE=pi-01: a result queue for one more device
	@$(FACELAB) device add "$$DEVICE" $(ARGS)

device-remove: lab-env ## DEVICE=pi-01: delete its queue
	@$(FACELAB) device remove "$$DEVICE" $(ARGS)

device-policy: lab-env ## DEVICE=pi-01: the IAM policy that its credentials need
	@$(FACELAB) device policy "$$DEVICE" $(ARGS)

##@ AWS
aws-up: setup ## the lab on AWS: shows account, region and cost, asks once (ARGS=--yes)
	@$(FACELAB) aws up $(ARGS)

aws-down: lab-env ## delete all of it (ARGS=--keep-data copies people, gallery and models here first)
	@$(FACELAB) aws down $(ARGS)

aws-status: lab-env ## what of the lab exists on AWS (ARGS=--json)
	@$(FACELAB) aws status $(ARGS)

##@ Measure
bench: bench-loop bench-overhead bench-queue bench-lab bench-reload ## the loop, the emulator's share, a queue, the lab's commands, a saved file

bench-loop: up training-env ## the whole loop, ours and the report's by turns, out/loop.json (part of bench)
	@$(FACELAB) bench-loop $(ARGS)

bench-overhead: up ## what the emulator adds to a warm invocation, out/bench-overhead.json (part of bench)
	@$(FACELAB) bench $(ARGS)

throughput: up ## the most clips a second for 1, 2, 4 and 8 devices, out/throughput.json and a picture
	@$(FACELAB) throughput $(ARGS)

bench-queue: up ## from a message in a queue through its function, out/bench-queue.json (part of bench)
	@$(FACELAB) bench-queue $(ARGS)

bench-device: up ## instructions of a clip in camera and messages, and its time on a Pi (needs valgrind), out/bench-device.json
	@$(FACELAB) bench-device $(ARGS)

bench-lab: setup ## how long up, down, reset, snapshot and restore take, out/lab.json (part of bench)
	@$(FACELAB) bench-lab $(ARGS)

bench-state: setup ## what keeping state costs a clip: two labs by turns, out/bench-state.json
	@$(FACELAB) bench-state $(ARGS)

bench-reload: up ## from a saved file to an answer of the new code, out/bench-reload.json (part of bench)
	@$(FACELAB) bench-reload $(ARGS)

bench-dashboard: setup ## the dashboard in a browser after a day of clips: paint, news, memory, out/bench-dashboard.json
	@$(FACELAB) bench-dashboard $(ARGS)

bench-endpoint: up ## ENDPOINT=http://127.0.0.1:5000: what of the loop another emulator does, and how fast, beside ours
	@$(FACELAB) bench-endpoint "$$ENDPOINT" $(ARGS)

conformance: lab-env ## what AWS documents, asked of the lab (ENDPOINT=http://127.0.0.1:5000: of another), out/conformance.json
	@$(FACELAB) conformance $(if $(ENDPOINT),"$$ENDPOINT") $(ARGS)

bench-handler: training-env ## the report's pipeline against ours on the same clips, out/bench.json
	@$(FACELAB) bench-handler $(ARGS)

plan: lab-env ## DEVICES=10000 RATE=2 REGION=eu-central-1: simulated on AWS with limits and cost, out/plan.html
	@$(FACELAB) plan $(if $(DEVICES),--devices "$$DEVICES") $(if $(RATE),--rate "$$RATE") \
	    $(if $(REGION),--region "$$REGION") $(ARGS)

soak: setup ## CLIPS=3000 RATE=2 DEVICES=4: does all come back, does anything grow (a minute without CLIPS)
	@$(FACELAB) soak $(if $(CLIPS),--clips "$$CLIPS") $(if $(RATE),--rate "$$RATE") \
	    $(if $(DEVICES),--devices "$$DEVICES") $(ARGS)

##@ Develop
test: setup ## unit and integration tests, against a lab of their own
	@$(LAB) -m pytest --ignore=tests/faults $(ARGS)

coverage: setup ## unit and integration tests of the rooms that guard every clip, and how much of them they run; fails below COVERED percent
	@$(LAB) -m pytest $(COVERAGE_TESTS) --cov --cov-config=tests/coverage.ini --cov-report=term \
	    --cov-fail-under=$(COVERED) $(ARGS)

faults: setup ## kill -9, spoiled answers, full disks on the real programs (FAULTS=part-of-a-name STORM=600), out/faults.json and a page
	@FACELAB_STORM_CLIPS=$(or $(STORM),60) $(LAB) -m pytest tests/faults $(if $(FAULTS),-k "$$FAULTS") $(ARGS)

test-faults: faults ## the old name of `make faults`

simulate: setup ## SEEDS=n: that many random histories of the real code in a simulated world, out/simulation.json
	@$(LAB) -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

fuzz: setup ## SECONDS=n: coverage-guided bytes for every reader of what strangers write, out/fuzz.json
	@$(LAB) -m tests.fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

mutate: lab-env ## do the tests notice small faults (ARGS="contract device/outbox.py", ARGS=--changed), out/mutate.json
	@$(FACELAB) mutate $(ARGS)

test-training: training-env ## tests of training, with torch
	@$(TRAINING) -m pytest tests/unit/training $(ARGS)

lint: lab-env ## style, types, who may import whom, security rules, templates
	@$(FACELAB) lint $(ARGS)

browser: lab-env ## Chromium for the tests that need one, which are skipped without (on Debian as root)
	@$(FACELAB) browser $(ARGS)

figures: lab-env ## NAMES="e2e_embedded loop": keep what those runs measured; the documents' figures anew (ARGS=--list)
	@$(FACELAB) figures $(NAMES) $(ARGS)

format: lab-env ## rewrite the code in the project's style
	@$(LAB) -m ruff check --fix .
	@$(LAB) -m ruff format .

clean: ## stop the lab; remove environments, models and reports
	@if [ -x $(FACELAB) ]; then $(FACELAB) down --forget; fi
	@if [ -d build ]; then chmod -R u+w build; fi
	rm -rf .venv build out
