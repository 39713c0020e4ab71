# sensorpi. `make run` runs the whole pipeline on this machine, `make test` tests it.
# Both install what they need: Debian packages by apt, all else into this folder.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON := /usr/bin/python3
VENV := .venv
STAMPS := .cache/stamps
DISTRIBUTIONS := common sensor mesos-node pipeline
# Each of these is built again only when what it is made of changes.
SOURCE_PACKAGES := kafka spark kafka-python envirophat sensorpi

# Maven's own folder is in here too, so that nothing is left elsewhere.
MVN := mvn -q -B --color never -Dmaven.repo.local=$(CURDIR)/.cache/m2
COPY_JARS := org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies
PIP := $(VENV)/bin/pip --quiet --disable-pip-version-check --no-cache-dir
# Each requirement is pinned and checked by its hash; what is missing there must fail, not be fetched.
PIP_INSTALL := $(PIP) install --require-hashes --no-deps --no-build-isolation --use-pep517

# tests/conftest.py says which tests share a process. Much of their time is waiting: hence more processes than cores.
SIDE_BY_SIDE := -n 3

.PHONY: help run test unit fuzz lint bench bench-scheduler chaos fetch deb repo mesos-deb test-packages test-cluster image test-image docs pins clean

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

run: .run-ready ## run the whole pipeline here (ARGS="--help" shows how)
	@exec $(VENV)/bin/python -m onebox $(value ARGS)

test: .test-ready $(STAMPS)/java-archives ## lint, unit tests, and integration tests against the real parts
	@for suite in unit integration; do \
	  $(VENV)/bin/pytest $(SIDE_BY_SIDE) tests/$$suite $(value ARGS) || { status=$$?; [ $$status = 5 ] || exit $$status; }; \
	done  # in processes of their own; 5: ARGS selects none there

unit: .test-ready ## only the tests that take seconds
	@$(VENV)/bin/pytest $(SIDE_BY_SIDE) tests/unit $(value ARGS)

fuzz: .test-ready ## every parser of what comes from outside, with 5,000 examples for each test
	@$(VENV)/bin/pytest $(SIDE_BY_SIDE) tests/unit -m fuzz --hypothesis-profile=fuzz --timeout=7200 $(value ARGS)

lint: .test-ready ## ruff, mypy, shellcheck, systemd-analyze, dashboard JSON
	@$(VENV)/bin/pytest tests/unit/tree/test_lint.py $(value ARGS)

bench: .bench-ready ## the job beside Telegraf and others: rates, CPU, memory, latency, within an hour (ARGS="--quick --json": five minutes)
	@PYTHONPATH=$(CURDIR) $(VENV)/bin/python -m bench.pipeline $(value ARGS)

# What `make bench` measures beside the job.
TELEGRAF := v1.37.2

MESOS := tests/fakes/mesos
bench-scheduler: .test-ready ## CPU and memory of the scheduler that holds three brokers and the job, for an hour (ARGS="--seconds N"; MESOS=FOLDER of a real Mesos)
	@PYTHONPATH=$(CURDIR) $(VENV)/bin/python bench/scheduler.py --mesos "$(MESOS)" $(value ARGS)

chaos: .chaos-ready ## the whole pipeline while its parts fail, every reading compared (ARGS="--minutes 30 --seed 1 --json")
	@PYTHONPATH=$(CURDIR) exec $(VENV)/bin/python -m tests.chaos $(value ARGS)

fetch: .jars $(STAMPS)/python-archives ## fill the cache of third-party parts, checked against their pins

deb: .debian-build $(SOURCE_PACKAGES:%=$(STAMPS)/deb-%) ## build every package into dist/

repo: deb ## make a signed apt repository of them for bookworm and trixie in dist/repo
	@third_party/make-repo dist dist/repo

mesos-deb: .debian-build ## make a package of a Mesos build (TARBALL=mesos-install.tar.gz ARCH= VERSION=)
	@[ -n "$(TARBALL)" ] || { echo "make mesos-deb: say TARBALL=mesos-install.tar.gz" >&2; exit 2; }
	@third_party/mesos-deb "$(TARBALL)" dist --architecture "$(ARCH)" --version "$(VERSION)"

test-packages: repo .test-ready .debian-packages ## install, run, upgrade, remove them in booted containers; as root (CI: ARGS="-m ci")
	@$(VENV)/bin/pytest tests/packages --timeout=2400 $(value ARGS)

test-cluster: repo .test-ready .debian-packages ## six nodes under load, with faults; as root (ARGS="-m mesos": on a real Mesos)
	@$(VENV)/bin/pytest tests/cluster --timeout=2400 $(value ARGS)

# What was asked is checked before anything is built.
IMAGES := PYTHONPATH=$(CURDIR):$(CURDIR)/packages/common/src $(PYTHON) -B -m images
image: .debian-image ## build ROLE's card for NODE in dist/images (docs/images.md has the other variables); as root
	@$(IMAGES) check
	@$(MAKE) --no-print-directory repo
	@$(IMAGES) build

test-image: repo .test-ready .debian-image .debian-image-test ## boot every role's image in QEMU; as root, slow
	@$(VENV)/bin/pytest tests/image --timeout=7200 $(value ARGS)

docs: .debian-docs ## draw docs/architecture.svg from docs/architecture.dot
	@sum=$$(sha256sum <docs/architecture.dot) && dot -Tsvg docs/architecture.dot \
	  | sed "1a <!-- of architecture.dot, SHA-256 $${sum%% *}, by make docs -->" >docs/architecture.svg

clean: ## remove all that was built or fetched here, and the data of `make run`
	rm -rf .cache .venv .run dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Setting up says what it does on standard error: standard output belongs to the target itself.
.PHONY: .run-ready .test-ready .bench-ready .chaos-ready .debian-run .debian-test .debian-bench .debian-chaos .debian-build .debian-packages .debian-image .debian-image-test .debian-docs .jars
.run-ready: .debian-run $(STAMPS)/python-run .jars
.test-ready: .run-ready .debian-test $(STAMPS)/python-test
.chaos-ready: .run-ready .debian-chaos
.bench-ready: .run-ready .debian-bench $(STAMPS)/python-bench $(STAMPS)/telegraf-$(TELEGRAF)

.debian-run .debian-test .debian-bench .debian-chaos .debian-build .debian-packages .debian-image .debian-image-test .debian-docs: .debian-%:
	@third_party/debian/install third_party/debian/$*.txt >&2

$(STAMPS)/venv: | .debian-run
	@echo "Making $(VENV)" >&2
	@$(PYTHON) -m venv --clear --system-site-packages $(VENV)
	@mkdir -p $(@D) && touch $@

# setuptools comes first and alone: the others are built with it.
$(STAMPS)/python-run: third_party/python/requirements.txt packages/*/pyproject.toml $(STAMPS)/venv
	@echo "Installing the Python parts (PySpark is 300 MB)" >&2
	@awk '/^[a-z]/ { on = /^setuptools==/ } on' $< > $(STAMPS)/setuptools.txt
	@$(PIP_INSTALL) -r $(STAMPS)/setuptools.txt >&2
	@$(PIP_INSTALL) -r $< >&2
	@$(PIP) install --no-deps --no-build-isolation $(DISTRIBUTIONS:%=-e packages/%) >&2
	@touch $@

$(STAMPS)/python-test: third_party/python/requirements-test.txt $(STAMPS)/python-run
	@echo "Installing the tests' Python parts" >&2
	@$(PIP_INSTALL) -r $< >&2
	@touch $@

$(STAMPS)/python-bench: third_party/python/requirements-bench.txt $(STAMPS)/python-run
	@echo "Installing the benchmark's Python parts" >&2
	@$(PIP_INSTALL) -r $< >&2
	@touch $@

# Only the plug-ins that are needed. Go checks the module against its checksum database.
GO_FOLDERS = GOBIN=$(CURDIR)/.cache/telegraf/$(TELEGRAF) GOPATH=$(CURDIR)/.cache/go GOCACHE=$(CURDIR)/.cache/go/build
$(STAMPS)/telegraf-$(TELEGRAF): | .debian-run
	@rm -rf .cache/telegraf && mkdir -p $(@D)
	@if ! command -v go >/dev/null; then echo "Go is not on PATH: no Telegraf" >&2; exit 0; fi; \
	  echo "Building Telegraf $(TELEGRAF), which takes some minutes" >&2; \
	  if $(GO_FOLDERS) GOFLAGS=-modcacherw CGO_ENABLED=0 go install \
	    -tags custom,inputs.kafka_consumer,outputs.influxdb,parsers.json \
	    github.com/influxdata/telegraf/cmd/telegraf@$(TELEGRAF) >&2; then touch $@; \
	  else echo "Telegraf could not be built" >&2; fi; rm -rf .cache/go

.jars: $(STAMPS)/jars-kafka $(STAMPS)/jars-spark
$(STAMPS)/jars-%: third_party/%/pom.xml third_party/%/SHA256SUMS | .debian-run
	@echo "Fetching the jars of $*" >&2
	@rm -rf .cache/jars/$* && mkdir -p .cache/jars/$* $(@D)
	@$(MVN) -f $< $(COPY_JARS) -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.cache/jars/$* >&2
	@cd .cache/jars/$* && sha256sum * | LC_ALL=C sort -k 2 | diff $(CURDIR)/third_party/$*/SHA256SUMS - >&2 \
	  || { echo "third_party/$*/SHA256SUMS: the jars are not those that were pinned" >&2; exit 1; }
	@touch $@

# The tests' JVMs start in half the time with these. A pipeline that does not run is for the tests to report.
$(STAMPS)/java-archives: $(wildcard tests/java_home/* tests/java_home/bin/*) third_party/python/requirements.txt \
  third_party/kafka/SHA256SUMS third_party/spark/SHA256SUMS | $(STAMPS)/python-run .jars
	@echo "Archiving the classes of Kafka and Spark for the tests" >&2
	@tests/java_home/make-archives $(VENV)/bin/python && touch $@ || echo "No archives: the tests will take longer" >&2

# The packages of Python libraries are made of what their makers publish; pip checks it by the same pins.
$(STAMPS)/python-archives: third_party/python/requirements.txt $(STAMPS)/venv
	@echo "Fetching the Python libraries to package (PySpark is 300 MB)" >&2
	@rm -rf .cache/python && mkdir -p .cache/python $(@D)
	@awk '/^[a-z]/ { on = /^(envirophat|kafka-python|pyspark)==/ } on' $< > .cache/python/requirements.txt
	@$(PIP) download --require-hashes --no-deps --no-build-isolation --no-binary envirophat,pyspark \
	  -d .cache/python -r .cache/python/requirements.txt >&2
	@touch $@

$(STAMPS)/deb-kafka: $(shell find third_party/kafka -type f) | .jars
$(STAMPS)/deb-spark: $(shell find third_party/spark -type f) $(STAMPS)/python-archives | .jars
$(STAMPS)/deb-kafka-python: $(shell find third_party/kafka-python -type f) $(STAMPS)/python-archives
$(STAMPS)/deb-envirophat: $(shell find third_party/envirophat -type f) $(STAMPS)/python-archives
$(STAMPS)/deb-sensorpi: LICENSE $(shell find debian docs grafana packages systemd -type f -not -path '*.egg-info/*' -not -name '*.pyc')
$(STAMPS)/deb-%: third_party/build-deb | .debian-build
	@echo "Building the packages of $*" >&2
	@rm -rf .cache/deb/$*.results && third_party/build-deb $* .cache/deb/$*.results
	@for deb in .cache/deb/$*.results/*.deb; do name=$${deb##*/}; rm -f dist/$${name%%_*}_*.deb; done
	@mkdir -p dist && cp .cache/deb/$*.results/*.deb dist/
	@touch $@

pins: .run-ready ## write the pins again after a change of *.in or pom.xml
	@third_party/pins $(VENV)
