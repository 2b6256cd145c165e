# A fresh machine needs Go 1.26, make and git. What else a target needs (node, wrangler, Chromium, a C compiler for the race
# detector) it installs by itself.

GO      ?= go
BIN     := bin/berth
DATA    ?= berth-data
SITE    ?= testdata/sites/hello
PKGS    := ./...
# How long each fuzz target runs: long by hand, short in `make test`.
FUZZTIME      ?= 60s
FUZZTIME_TEST ?= 1s
# FUZZ=Bundle runs only the targets whose name matches.
FUZZ          ?= .
CRASH_ROUNDS  ?= 200
# Flags of berth bench all: --quick, --only serve, --pass serve:--nice=-20.
BENCH         ?=

.DEFAULT_GOAL := build
.PHONY: build run test check unit e2e fuzz crash bench microbench profile pgo fmt clean help

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

build: ## build bin/berth
	$(GO) build -o $(BIN) ./cmd/berth

run: build ## serve testdata/sites/hello on this machine until Ctrl-C
	@./.ci/demo $(BIN) $(DATA) $(SITE)

test: unit fuzz-short e2e ## everything: unit tests, short fuzzing, real wrangler, real browser, real kill -9

# Tests are compiled without the profile (see pgo), which would have all that berth is made of compiled twice. e2e tests what is built.
unit: export GOFLAGS += -pgo=off
unit:
	$(GO) test -shuffle=on $(PKGS)

check: export CGO_ENABLED ?= 1
check: export GOFLAGS += -pgo=off
check: ## gofmt, vet, staticcheck, policy tests, race detector
	@./.ci/need cc
	@out=$$(git ls-files '*.go' | xargs gofmt -l); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet -tags e2e $(PKGS)
	$(GO) tool staticcheck -tags e2e $(PKGS)
	$(GO) test -race -shuffle=on -timeout 20m $(PKGS)

e2e: build ## the tests that need the real wrangler and a real browser
	@./.ci/need wrangler chromium nginx curl openssl python3
	PATH="$$(./.ci/need --path):$$PATH" $(GO) test -tags e2e -count=1 -shuffle=on -timeout 20m ./cmd/berth/e2e -berth $(CURDIR)/$(BIN)
	PATH="$$(./.ci/need --path):$$PATH" ./.ci/e2e-parts

fuzz: ## every fuzz target for FUZZTIME (60s)
	@./.ci/fuzz $(FUZZTIME) '$(FUZZ)'

.PHONY: fuzz-short
fuzz-short:
	@./.ci/fuzz $(FUZZTIME_TEST)

crash: build ## CRASH_ROUNDS (200) rounds of kill -9 under load, and as many in a backfill
	$(GO) test -tags e2e -count=1 -timeout 120m ./cmd/berth/e2e -run TestCrash -berth $(CURDIR)/$(BIN) -crash-rounds $(CRASH_ROUNDS)
	BERTH_CRASH=long $(GO) test -count=1 -timeout 60m ./store -run 'PowerCut|DiskError'
	$(GO) test -count=1 -timeout 60m ./assets/blob -run 'Sweep|PowerLoss'

WRANGLER := testdata/wrangler/node_modules/wrangler/bin/wrangler.js

bench: build ## Berth beside its peers, in two hours: BENCHMARKS.md, bin/bench/report.html (BENCH=--quick for minutes)
	@./.ci/need wrk
	@for peer in nginx lighttpd caddy wrangler; do ./.ci/need $$peer || echo "bench: goes on without $$peer" >&2; done
	PATH="$(CURDIR)/bin:$$(./.ci/need --path):$$PATH" $(BIN) bench all --results bin/bench --markdown BENCHMARKS.md --html bin/bench/report.html \
		$$(test ! -f $(WRANGLER) || echo --pass=deploy:--wrangler=$(WRANGLER)) $(BENCH)

microbench: ## Go's benchmarks of single packages
	$(GO) test -run '^$$' -bench . -benchmem ./bench/... ./router/... ./assets/... ./store/...

profile: build ## where the time of a request goes, beside the floor of the machine: bin/profiles
	$(BIN) bench profile --sites 2000 --hosts 20000 --profiles bin/profiles

# Go compiles cmd/berth by the profile in it: what is asked for most is inlined further. It need not be renewed often.
pgo: profile ## profile the hot paths anew for the compiler: cmd/berth/default.pgo
	$(GO) test -run '^$$' -bench 'LookupRoute/hosts=1000000|Update' -benchtime 3s -cpuprofile bin/profiles/store.pprof -o bin/store.test ./store
	$(GO) tool pprof -proto bin/profiles/*.pprof > bin/default.pgo
	mv bin/default.pgo cmd/berth/default.pgo

fmt:
	gofmt -w $$(git ls-files '*.go')

clean:
	rm -rf bin $(DATA)
