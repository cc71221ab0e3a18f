# On a fresh machine with Node 20 or newer and npm: `make start` runs the broker, `make test` proves it.

.PHONY: help start test check build bench format install redis

help:
	@echo 'make start    run the whole broker in one process: http://localhost:8080'
	@echo 'make test     run every test; installs Redis if there is none'
	@echo 'make check    types, lint, formatting, architecture rules'
	@echo 'make build    compile to dist/'
	@echo 'make bench    side-by-side measurements'
	@echo 'make format   format the source'

start: build
	@npm start --silent

test: install redis
	@npm test --silent

check: install
	@npm run --silent check

bench: build redis
	@npm run --silent bench

format: install
	@npm run --silent format

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
