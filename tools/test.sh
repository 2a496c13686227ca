#!/usr/bin/env bash
# Run all tests, or those that the arguments choose; they go to the test runner: tools/test.sh -p warrant
# One OpenClaw Gateway with the stand-in model is installed if missing and started while the code compiles;
# COUNTERSIGN_TEST_GATEWAY names its run folder (gateway.url, gateway.token, model.url) to the tests.
# Foreign clients are tested too: buf is on the PATH, COUNTERSIGN_TEST_PYTHON names a Python with grpcio.
# Each step may take COUNTERSIGN_TEST_TIMEOUT (a whole number of s, m, h or d; default 45m).
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/common.sh"
cd "$HERE/.."
LIMIT=${COUNTERSIGN_TEST_TIMEOUT:-45m}
limited() { timeout --foreground --kill-after=30s "$LIMIT" "$@"; }
# The gateway outlives all beside which it runs: its own start, the build, the examples and the tests.
declare -A SECONDS_OF=([m]=60 [h]=3600 [d]=86400)
START_S=900
LIFETIME_S=$((START_S + 3 * ${LIMIT%[smhd]} * ${SECONDS_OF[${LIMIT: -1}]:-1}))
"$HERE/check-machine.sh"

# The tests never use a provider's model, and no proxy stands between them and this machine's own ports.
unset OPENAI_API_KEY ANTHROPIC_API_KEY
export NO_PROXY="127.0.0.1,localhost,::1${NO_PROXY:+,$NO_PROXY}" no_proxy="127.0.0.1,localhost,::1${no_proxy:+,$no_proxy}"

RUN=$(mktemp -d "${TMPDIR:-/tmp}/countersign-test.XXXXXX")
starter=""
cleanup() {
  [ -z "$starter" ] || kill "$starter" 2>/dev/null || true
  deploy/openclaw/stop.sh "$RUN/gateway"
  rm -rf "$RUN"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Before the gateway's clock runs, so that the downloads don't get in each other's way.
"$HERE/install-tools.sh" buf grpcio openssl
COUNTERSIGN_TEST_PYTHON="$(cache_dir)/tools/grpcio/bin/python"
export COUNTERSIGN_TEST_PYTHON
deploy/openclaw/install.sh
# The tests also need an agent with a few reading tools, for tool calls.
OPENCLAW_AGENTS="$PWD/tests/gateway-agents.json" START_TIMEOUT_S=$START_S PARENT_PID=$$ MAX_LIFETIME_S=$LIFETIME_S deploy/openclaw/start.sh "$RUN/gateway" >"$RUN/start.log" 2>&1 </dev/null &
starter=$!

say "building the programs and the tests"
limited cargo build --locked --workspace --bins --tests

say "waiting for the OpenClaw Gateway"
wait "$starter" || {
  starter=""
  cat "$RUN/start.log" >&2
  die "the OpenClaw Gateway did not start"
}
starter=""
tail -1 "$RUN/start.log"
export COUNTERSIGN_TEST_GATEWAY="$RUN/gateway"

[ $# -gt 0 ] || set -- --workspace
if cargo nextest --version >/dev/null 2>&1; then
  if [ "$*" = --workspace ]; then
    say "examples in the documentation"
    limited cargo test --locked --workspace --doc
  fi
  say "tests"
  limited cargo nextest run --locked "$@"
else
  say "tests (cargo-nextest is not installed: running them with cargo test, without its limit for each test)"
  limited cargo test --locked "$@"
fi
