#: make conformance                        build our reference runtime and test it
#: make conformance RUNTIMES="runc crun"   test others: names in PATH, or paths (RUNTIMES=/path/to/mine)
#: make reports RUNTIMES="runc crun"       test them, and put the reports into reports/, by version and host
#: make test                               build and run all tests; the last line is "N passed, N failed"
#: make soak                               ten thousand containers in a row, and the runtime killed at each system call
#: make deps                               install what is missing (Debian, Ubuntu), or name it
#: make bench                              what a container's life costs, against the least that it can cost
#: make lint                               rustfmt, clippy and shellcheck, without a warning
#: make install                            build `ocf` for use and install it where cargo does
#: make clean                              remove what was built, and conformance-report/
#:
#: Each sets up what it needs, as root or through sudo. Building is the user's; only `ocf` and the tests,
#: which start containers, run as root.
#:
#: RUNTIMES=ocf-runtime     runtimes to test, separated by spaces; `ocf-runtime` is the one built here
#: OUT=conformance-report   directory for report.html, report.json and junit.xml
#: BENCH_ARGS='...'         arguments for the benchmark: --rounds 50, --cgroups v1 or v2
#: WRAP='COMMAND WORD...'   for `make reports`: runs it under this prefix, in a virtual machine or elsewhere
#: OCF_ARGS='...'           more arguments for `ocf test`: ids, chapters, --level must, --keep ...
#: PARTIAL=fail             a partial report fails, too
#: DEPS=no                  neither look for missing packages nor install them
#: CARGO=cargo              the cargo to build with
#:
#: `make conformance` succeeds if `ocf` says conformant (0) or partial (3: nothing failed, not everything
#: could be decided), and fails if a MUST failed (1) or the run can't be trusted (2).

RUNTIMES ?= ocf-runtime
OUT      ?= conformance-report
OCF_ARGS ?=
BENCH_ARGS ?=
WRAP     ?=
PARTIAL  ?=
DEPS     ?= yes
CARGO    ?= cargo
export OUT PARTIAL DEPS CARGO WRAP

# Where a user's PATH often doesn't reach: Debian's runc, and a Rust that was installed a minute ago.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin:$(HOME)/.cargo/bin

# Cargo plans its own parallel jobs, and would complain of ours.
unexport MAKEFLAGS MFLAGS
.NOTPARALLEL:

.DEFAULT_GOAL := help
.PHONY: help deps conformance reports bench test soak lint install clean

help:
	@sed -n 's/^#: \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

deps:
	@.ci/deps $(RUNTIMES)

conformance:
	@.ci/conformance $(RUNTIMES) -- $(OCF_ARGS)

reports:
	@.ci/reports $(RUNTIMES) -- $(OCF_ARGS)

bench:
	@.ci/bench $(RUNTIMES) -- $(BENCH_ARGS)

test:
	@.ci/test

soak:
	@.ci/soak

lint:
	@.ci/deps shellcheck
	shellcheck conformance/src/reproduce/stage.sh .ci/bench .ci/bench-validate .ci/build .ci/conformance .ci/deps .ci/as-root .ci/report .ci/reports .ci/run .ci/runtime .ci/soak .ci/test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

install:
	@.ci/deps
	$(CARGO) install --locked --path conformance

clean:
	$(CARGO) clean
	rm -rf conformance-report
