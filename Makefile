# The same commands as in README; `make check` is what CI runs.
.PHONY: run test check build compose fmt

run: ; go run ./deployments/local
test: ; go test work
check: ; bash .ci/run
build: ; go build -o bin/gateway ./gateway && go build -o bin/worker ./worker
compose: ; docker compose up --build --scale worker=4
fmt: ; gofmt -w shared gateway worker deployments
