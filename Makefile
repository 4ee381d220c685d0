# Everything here needs Go and make only. `make` lists the targets.
GO      ?= go
BUF     := $(GO) tool -modfile=proto/tools/buf.mod buf
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# The race detector needs cgo, thus a C compiler.
RACE    := $(shell command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 && echo -race)

.DEFAULT_GOAL := help
.PHONY: release help run test soak bench generate lint build breaking

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## start gateway, simulated CRM, sample form and watch page; prints the URLs
	@bin/leadgate demo

# Some tests build the binary themselves, which the cache of go test does not see: -count 1.
test: ## run every test, with the race detector where a C compiler is present
	$(GO) test -count 1 $(RACE) -timeout 15m ./...

soak: ## run the long tests: hundreds of kills, a million leads, a full disk; takes about three quarters of an hour
	LEADGATE_SOAK=1 $(GO) test -count 1 -p 1 -timeout 3h -v -run 'Soak|Kill|Crash|Disk|Outage|TwoBuilds|EverySystem|Whatever' ./worker/store/... ./worker ./server/cmd/leadgate ./server/deploy/...

bench: build ## measure the accept path against bare servers in the same run, then deliveries to simulated CRMs
	$(GO) run ./server/bench
	$(GO) test ./server/intake -run '^$$' -bench TenFields
	$(GO) test -run '^$$' -bench Delivery -benchtime 50000x ./worker

generate: ## make gen/ anew from proto/ and the pages' TypeScript
	$(GO) run ./proto/tools/thirdparty gen/thirdparty
	$(BUF) format -w proto
	$(BUF) generate
	$(BUF) build --path proto/leadgate/v1 -o gen/openapi/parts/image.binpb
	$(GO) run ./proto/tools/openapi gen/openapi/parts gen/openapi
	$(GO) run ./server/observe/prometheus/print > server/observe/prometheus/rules.yml.new
	mv server/observe/prometheus/rules.yml.new server/observe/prometheus/rules.yml
	$(GO) run ./proto/tools/bundle

lint: ## vet, golangci-lint, buf lint, and the types of the pages' TypeScript
	$(GO) vet ./...
	$(GO) tool -modfile=.golangci.mod golangci-lint run
	$(BUF) lint
	$(GO) tool -modfile=proto/tools/tsgo.mod tsgo -p server/console/web
	$(GO) tool -modfile=proto/tools/tsgo.mod tsgo -p clients/js

breaking: ## compare the API with the last tag, or with the commit before
	$(BUF) breaking --against ".git#ref=$$(git describe --tags --abbrev=0 2>/dev/null || git rev-parse HEAD~1)"

build: ## build bin/leadgate
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/leadgate ./server/cmd/leadgate

release: ## build for linux, darwin and windows into bin/release, with checksums and a list of all parts
	$(GO) run ./server/deploy/release -version $(VERSION) -time $$(git log -1 --format=%ct 2>/dev/null || echo 0)
