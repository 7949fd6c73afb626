SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

GO        ?= go
TOOL       = $(GO) tool -modfile=$(CURDIR)/tools/go.mod
TESTFLAGS ?=
COUNT     ?= 10
BENCHTIME ?= 1s
FUZZTIME  ?= 30s
VULNDB    ?=
SOAK      ?= 30m

.DEFAULT_GOAL := help
.PHONY: help build check fmt lint lint-more test race bench bench-compare fuzz golden cover vuln planted soak bench-e2e bench-slow

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/meterd
	$(GO) build -trimpath -o bin/ ./cmd/...

check: lint test race vuln ## Everything that must hold before a change goes in

fmt: ## Format the code
	$(TOOL) gofumpt -l -w .

lint: ## Format check, vet, staticcheck
	@list=$$($(TOOL) gofumpt -l .); [ -z "$$list" ] || { echo "not formatted (make fmt):"; echo "$$list"; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	cd test/sdk && $(GO) vet ./... && $(TOOL) staticcheck ./...
	cd test/sqlcheck && $(GO) vet ./...

lint-more: ## golangci-lint, which is beside the gate; takes minutes to build the first time
	$(GO) tool -modfile=tools/golangci/go.mod golangci-lint run ./...

# test/sdk is a module of its own, so that the AWS SDKs bind nobody's versions. It
# is one package, and go test runs there without a package list: only then does it
# show what a passing run prints, which is how those tests say that a client is
# not installed. The root's run hides such lines; what it may leave out is said at
# the end. Half of its time it waits: so it runs beside the root, and what it says
# follows. The store on PostgreSQL waits as much and takes the longest: it goes
# first, so that it is not left to end alone.
LONGEST = ./internal/store/postgres
test: ## Run every test; say what this machine had to leave out
	@said=$$(mktemp); sdk=; failed=0; \
	trap '[ -z "$$sdk" ] || kill -INT $$sdk 2>/dev/null || true; rm -f "$$said"' EXIT; \
	(cd test/sdk && exec $(GO) test $(TESTFLAGS)) >"$$said" 2>&1 & sdk=$$!; \
	$(GO) test $(TESTFLAGS) $(LONGEST) ./... || failed=1; \
	wait $$sdk || failed=1; \
	sdk=; cat "$$said"; exit $$failed
	cd test/sqlcheck && $(GO) test $(TESTFLAGS) ./...
	@cd internal/store/postgres/pgtest && $(GO) test -count=1 -run='^TestLeftOut$$' | sed -n '/^left out/p'
	@cd internal/bucket/s3test && $(GO) test -count=1 -run='^TestLeftOut$$' | sed -n '/^left out/p'
	@[ -n "$${METERD_SIGV4_VECTORS:-}" ] || echo "left out: AWS's public signing vectors (METERD_SIGV4_VECTORS does not name their folder)"
	@for tool in curl jq openssl; do command -v $$tool >/dev/null || echo "left out: docs/operations.md, run as it is written ($$tool is not installed)"; done
	@command -v openssl >/dev/null || echo "left out: instance identity documents, verified as AWS's page says (openssl is not installed)"
	@command -v haproxy >/dev/null || echo "left out: docs/operations.md, three nodes behind a load balancer (haproxy is not installed)"
	@[ -e /proc/self/schedstat ] || echo "left out: a short run of make bench-e2e (it reads Linux's /proc)"
	@command -v aws >/dev/null || echo "left out: the AWS CLI's call of docs/operations.md (aws is not installed)"

race: ## Run the tests again, shorter, under the race detector
	$(GO) test -race -short $(TESTFLAGS) ./...
	@echo "left out here, and run by make test: PostgreSQL 15 (18 is run), most scripts of the commands and all that need a database, docs/operations.md, a rolling upgrade, exports and imports that are killed, the canaries, an archive of a hundred thousand files, a short run of make bench-e2e and the death of one of its servers, greedy clients"

soak: ## Run the tests of faults for SOAK=30m, or SOAK=full, and print what they did
	$(GO) run ./test/soak $(if $(filter full,$(SOAK)),-full,-for $(SOAK)) $(if $(TEST),-run '$(TEST)')

planted: ## Plant known bugs, one after the other, and show that the tests catch each; takes minutes
	$(GO) run ./test/planted $(if $(BUG),-run '$(BUG)')

bench: ## Benchmark into bench.txt; COUNT=10, BENCHTIME=1s
	$(GO) test -run='^$$' -bench=. -benchmem -count=$(COUNT) -benchtime=$(BENCHTIME) ./... | tee bench.txt

# FLAGS='-h' shows what can be said in FLAGS.
bench-e2e: ## Measure whole servers beside one another; print docs/bench/end-to-end.md's table
	$(GO) run ./test/load $(FLAGS)

bench-compare: ## Compare bench.txt with docs/bench/baseline.txt
	$(TOOL) benchstat docs/bench/baseline.txt bench.txt

bench-slow: ## Measure honest calls beside greedy clients: SLOW="CONNECTIONS ROUNDS SECONDS"
	cd cmd/meterd && SLOW="$${SLOW:-5000 5 4}" $(GO) test -count=1 -timeout=30m -v -run='^TestSlowClients$$' .

fuzz: ## Fuzz every target for FUZZTIME=30s each
	@grep -rl --include='*_test.go' '^func Fuzz' cmd internal | xargs -r -n1 dirname | sort -u | while read -r d; do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$d/*_test.go | cut -c6-); do \
	    echo "fuzz $$d $$f"; \
	    $(GO) test -run='^$$' -fuzz="^$$f\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1x ./$$d; \
	  done; \
	done

golden: ## Rewrite golden files and transcripts from what the code does now; review them as prose
	UPDATE=1 $(GO) test -count=1 ./...
	@git --no-pager diff --stat -- '*/testdata/*'

cover: ## Coverage of internal/
	$(GO) test -coverpkg=./internal/... -coverprofile=cover.out ./...
	@$(GO) tool cover -func=cover.out | tail -1

# Findings and every other error fail. Only a database that cannot be reached is
# let pass; VULNDB=file:///folder names another.
vuln: ## Known vulnerabilities in what we call
	@err=$$(mktemp); trap 'rm -f "$$err"' EXIT; \
	if $(TOOL) govulncheck $(if $(VULNDB),-db $(VULNDB)) ./... 2>"$$err"; then :; \
	elif grep -q '^govulncheck: fetching vulnerabilities:' "$$err"; then \
	  echo "vuln: NOT CHECKED: the vulnerability database cannot be reached"; \
	else cat "$$err" >&2; exit 1; fi
