# On a fresh machine with Node 20 or newer and npm: `make start` runs the broker, `make test` proves it.

.PHONY: help start test check build bench format install redis haproxy image cluster cluster-down cluster-local cluster-local-down loadtest

help:
	@echo 'make start    run the whole broker in one process: http://localhost:8080'
	@echo 'make test     run every test; installs Redis and HAProxy if they lack'
	@echo 'make check    types, lint, formatting, architecture rules'
	@echo 'make build    compile to dist/'
	@echo 'make bench    side-by-side measurements'
	@echo 'make format   format the source'
	@echo 'make loadtest PROFILE=ci|laptop|fleet  k6 against AGENTWIRE_URL, else against a local cluster of its own'
	@echo 'make image    the container image `agentwire`'
	@echo 'make cluster  a cluster in containers: http://localhost:8080; make cluster-down ends it'
	@echo 'make cluster-local  the same as plain processes, without Docker; make cluster-local-down ends it'

start: build
	@npm start --silent

test: build redis haproxy
	@npm test --silent

check: install
	@npm run --silent check

bench: build redis
	@npm run --silent bench

PROFILE = ci

# SCENARIOS= names some of them, K6_ARGS= is for k6 itself.
loadtest: install
	@[ -n "$$AGENTWIRE_URL" ] || $(MAKE) --no-print-directory build redis haproxy
	@npm run --silent loadtest -- --profile $(PROFILE) $(SCENARIOS) -- $(K6_ARGS)

format: install
	@npm run --silent format

image:
	@docker build -f deploy/docker/Dockerfile -t agentwire .

# A fault in the settings is named before anything starts or is replaced. A start that fails otherwise leaves nothing
# running; one that changes a cluster which runs leaves it to be looked at. Why it failed comes last, or it would be lost
# among the logs.
cluster: SHELL = bash
cluster:
	@docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 || { \
	  echo 'make cluster needs a Docker engine that answers, and the compose plugin; without: make cluster-local' >&2; \
	  exit 2; }
	@! docker compose config gateway | grep -q 'replicas: 0$$' || { \
	  echo 'GATEWAYS must be 1 or more: without a gateway nobody is served' >&2; exit 2; }
	@docker compose build
	@docker compose run --rm --no-deps --no-TTY gateway node --eval \
	  "import('/app/dist/services/process/process.js').then(({ configOf }) => ['gateway', 'worker'].map(configOf))"
	@before=$$(docker compose ps --quiet); said=$$(mktemp); trap 'rm -f "$$said"' EXIT; set -o pipefail; \
	docker compose up --detach --wait 2>&1 | tee "$$said" || { \
	  docker compose logs --tail 20; \
	  [ -n "$$before" ] || docker compose down; \
	  echo 'make cluster: the start failed:' >&2; tail -n 2 "$$said" >&2; \
	  exit 1; }
	@docker compose ps --format 'table {{.Service}}\t{{.Name}}\t{{.Status}}'
	@echo "agentwire   http://$$(docker compose port haproxy 8080)"
	@echo "prometheus  http://$$(docker compose port prometheus 9090)"

# What Redis holds stays for the next `make cluster`; `docker compose down --volumes` throws it away.
cluster-down:
	@docker compose down

# PORT=, GATEWAYS= and WORKERS= change where it is and how many they are.
cluster-local: build redis haproxy
	@npm run --silent cluster-local up

cluster-local-down: install
	@npm run --silent cluster-local down

build: dist/.built

# dist goes first: a file that is gone from the source must not live on there.
dist/.built: package-lock.json tsconfig.json $(shell find shared services -type f) | install
	@rm -rf dist
	@npm run --silent build
	@touch $@

# Compared by content, because a checkout gives every file a new time. Not `npm ci`: it refuses a lock file that leaves
# out another platform's optional binary, which npm itself does where a registry lacks that one; and it would take
# node_modules away under a process that runs.
install:
	@cmp -s package-lock.json node_modules/.agentwire-lock || { \
	  npm install --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.agentwire-lock; }

redis:
	@command -v redis-server >/dev/null 2>&1 || .ci/install-redis

# Debian has it where only root's PATH leads.
haproxy:
	@PATH="$$PATH:/usr/local/sbin:/usr/sbin"; command -v haproxy >/dev/null 2>&1 || .ci/install-haproxy
