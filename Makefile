# Everything a person or a machine does here. `make help` lists it. Tools are pinned below and live in .tollgate/tools.
GO            ?= go
SERVICES      := bin/tollgate services --
TAGS          := grpcnotrace # without it the linker keeps every method of every type: golang.org/x/net/trace fills templates
TOOLS         := $(CURDIR)/.tollgate/tools
SQLC          := $(TOOLS)/sqlc-v1.30.0
BUF           := $(TOOLS)/buf-v1.57.2
GOLANGCI_LINT := $(TOOLS)/golangci-lint-v2.5.0
FUZZTIME      ?= 30s
TARGETS       ?=
UP_FLAGS      ?=
BENCH_FLAGS   ?=
KILLS         ?= 30
RESTORES      ?= 0
SEED          ?= 1
BENCHTIME     ?= 60s
STEPS         ?= 1000000
ROUNDS        ?= 1

export CGO_ENABLED ?= 0
.DEFAULT_GOAL := help
.PHONY: help up dev build prepare generate fmt lint test race e2e python agents fuzz bench bench-ingest torture hostile overshoot redis-loss bursts property check

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

up: build ## build what is missing and start everything on this machine; Ctrl-C stops it (UP_FLAGS="--port-base 9400")
	@exec bin/tollgate up $(UP_FLAGS)

dev: up ## the same as up

build: ## the three programs into bin/
	@echo "make: fetching Go modules"; $(GO) mod download
	@echo "make: building bin/tollgate, bin/controlplane, bin/edge (the first time takes some minutes)"
	@mkdir -p bin
	$(GO) build -v -tags $(TAGS) -o bin/ ./cmd/...

prepare: ## install what tests need and is absent: redis-server, a browser, fonts, npm packages
	@.ci/prepare

generate: $(SQLC) $(BUF) ## write all generated code again (stylesheet and assets need npm)
	cd web && npm install --no-save --no-audit --no-fund --loglevel=error && npm run --silent build
	$(BUF) generate
	$(SQLC) generate
	$(SQLC) vet
	$(GO) tool templ generate

fmt: ## format the sources
	gofmt -l -w $$(git ls-files '*.go')
	$(GO) tool templ fmt web

lint: $(GOLANGCI_LINT) ## all linters
	$(GOLANGCI_LINT) run ./...

test: build prepare ## all tests: unit, store, e2e, browser
	$(SERVICES) $(GO) test -count=1 -timeout 20m ./...

race: build prepare ## all tests but the end-to-end ones, with the race detector
	CGO_ENABLED=1 $(SERVICES) $(GO) test -count=1 -timeout 20m -race $$($(GO) list ./... | grep -v '^tollgate.dev/e2e')

e2e: build prepare ## the end-to-end tests alone
	$(SERVICES) $(GO) test -count=1 -timeout 20m -v ./e2e/...

python: build prepare ## the Python frameworks through an edge: OpenAI, Anthropic, Agents, AutoGen, CrewAI, LangGraph, Pydantic AI, Strands (installs 2 GB)
	@.ci/python
	@TOLLGATE_PYTHON=$(CURDIR)/.tollgate/python $(SERVICES) $(GO) test -count=1 -timeout 20m -v -run 'Python' ./e2e

agents: build prepare ## coding agents through an edge: Claude Code, Codex, Gemini CLI, OpenCode, Cline (installs 2 GB; says what it skips)
	@.ci/agents
	@$(SERVICES) $(GO) test -count=1 -timeout 20m -v -run '^TestCodingAgents$$' ./e2e

fuzz: ## every fuzz target for FUZZTIME each, and a table of executions and failures (FUZZTIME=1000000x TARGETS=pipeline)
	@FUZZTIME=$(FUZZTIME) TARGETS='$(TARGETS)' GO=$(GO) .ci/fuzz

bench: build ## the edge beside nginx, in the table of figures; the last line is JSON (BENCH_FLAGS=-quick for a smoke test)
	@command -v nginx >/dev/null || { echo "make: please install nginx (as root: apt-get install nginx-light)"; exit 1; }
	@$(SERVICES) $(GO) run ./e2e/bench $(BENCH_FLAGS)

bench-ingest: build ## usage events a second that one control plane takes in and folds, on a Postgres that waits for the disk, then what they wait at the promised rate (BENCHTIME=60s)
	@bin/tollgate services --durable -- $(GO) test ./controlplane/internal/ingest -run '^$$' -bench '^BenchmarkIngest' -benchtime $(BENCHTIME) -timeout 20m

torture: build ## kill edges, control plane, Postgres and Redis under load and compare every ledger (KILLS=800 SEED=1; RESTORES=5 puts Postgres back to older copies too)
	@$(GO) run ./e2e/torture -kills $(KILLS) -restores $(RESTORES) -seed $(SEED)

hostile: build ## slow callers, floods, bombs and garbage at their full sizes, with the figures
	@TOLLGATE_HOSTILE_MUTATIONS=6000 $(GO) test -count=1 -timeout 30m -run 'Garbled|Compressed|WithoutEnd|Bomb|NoCoding|InProportion|AlwaysWhole|Frames|DoesNotListen' ./dataplane/internal/pipeline
	@$(GO) test -count=1 -run 'Framing|Odd|HalfClosed' ./dataplane/internal/ingress
	@TOLLGATE_HOSTILE=full $(SERVICES) $(GO) test -count=1 -timeout 30m -v -run '^(TestSlowCallers|TestABodyThatIsTooLong|TestALargeFile|TestHTTP2|TestOverload)' ./e2e

overshoot: build ## call hard budgets dry from eight edges, 1,000 calls at a time (ROUNDS=1)
	@$(SERVICES) $(GO) test -count=$(ROUNDS) -timeout 5h -v -run '^TestHardBudgets' ./e2e

redis-loss: build ## lose Redis in every way, in one edge and in a whole house: counters, speed, bill (ROUNDS=200)
	@$(SERVICES) env TOLLGATE_REDIS_LOSS_ROUNDS=$(if $(filter-out 1,$(ROUNDS)),$(ROUNDS),200) $(GO) test -count=1 -timeout 1h -v -run '^(TestRedisLoss|TestLiteLLM.*)$$' ./dataplane/internal/limit
	@$(SERVICES) env TOLLGATE_REDIS_LOSSES=$(if $(filter-out 1,$(ROUNDS)),$(ROUNDS),200) TOLLGATE_REDIS_LOSS_SECONDS=10 $(GO) test -count=1 -timeout 2h -v -run '^TestRedisIsLost$$' ./e2e

bursts: build ## burst over eight edges at a rate limit; each burst must keep it within 1 % (ROUNDS=20)
	@$(SERVICES) env TOLLGATE_BURSTS=$(if $(filter-out 1,$(ROUNDS)),$(ROUNDS),20) $(GO) test -count=1 -timeout 1h -v -run '^TestEightEdgesKeepARateLimitTogether$$' ./e2e

property: ## edges' leases against the ledger's rules through crashes and partitions (STEPS=1000000 SEED=1)
	$(GO) test -count=1 -timeout 60m -run '^TestLeasesAreExactThroughCrashesAndPartitions$$' -v ./dataplane/internal/budget -property.steps=$(STEPS) -property.seed=$(SEED)

check: $(SQLC) $(BUF) $(GOLANGCI_LINT) ## formatting, lint, generated code, architecture
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "make: run make fmt:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(MAKE) lint generate
	git diff --exit-code
	$(GO) test -count=1 ./e2e -run "^($$(grep -ohE '^func Test[A-Za-z]+' e2e/architecture_test.go | cut -c6- | paste -sd'|'))$$"

# One rule per tool, its version in its name: a changed pin is a missing file.
$(SQLC): tool := github.com/sqlc-dev/sqlc/cmd/sqlc
$(BUF): tool := github.com/bufbuild/buf/cmd/buf
$(GOLANGCI_LINT): tool := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(SQLC) $(BUF) $(GOLANGCI_LINT):
	@echo "make: installing $(notdir $@) (takes minutes, once)"
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install $(tool)@$(lastword $(subst -v, v,$(notdir $@)))
	mv $(TOOLS)/$(notdir $(tool)) $@
