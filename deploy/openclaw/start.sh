#!/usr/bin/env bash
# Start an OpenClaw Gateway on loopback and wait until it is ready.
#   start.sh RUN_DIR      RUN_DIR gets gateway.url, gateway.token, the state, the logs and the pids
# Environment, all optional:
#   OPENAI_API_KEY, ANTHROPIC_API_KEY   use that provider's model; without one a stand-in model answers, and says so
#   COUNTERSIGN_MODEL                   the provider's model to use instead of the default one
#   GATEWAY_PORT                        a fixed port (default: a free one)
#   OPENCLAW_CONFIG                     another configuration template than openclaw.json beside this file
#   OPENCLAW_AGENTS                     a JSON file with further agents ("agents.entries"), for the tests
#   WARM=0                              skip the first turn of each agent (10 to 30 s; it is slow only once)
#   MAX_LIFETIME_S                      stop gateway and model after this many seconds, whatever became of the starter
#   PARENT_PID                          stop them when this process is gone
#   START_TIMEOUT_S                     give up after this long (default 240)
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/common.sh
. "$HERE/../../tools/common.sh"
[ $# -eq 1 ] || die "usage: start.sh RUN_DIR"
TIMEOUT=${START_TIMEOUT_S:-240}

"$HERE/install.sh"
INSTALL=$(openclaw_dir)
NODE=$(echo "$INSTALL"/node_modules/node-linux-*/bin/node)

umask 077
mkdir -p "$1"
RUN=$(cd "$1" && pwd)
if "$HERE/stop.sh" --running "$RUN"; then
  die "a gateway is already running in $RUN; stop it first with $HERE/stop.sh $RUN"
fi
rm -f "$RUN"/{status,gateway.url,gateway.pid,model.url,supervisor.pid}

# A process group of its own: Ctrl-C in the terminal reaches this script, which then stops the gateway in order.
set -m
"$NODE" "$HERE/supervisor.mjs" "$INSTALL" "$RUN" >"$RUN/supervisor.log" 2>&1 </dev/null &
SUPERVISOR=$!
set +m
disown "$SUPERVISOR"
trap '"$HERE/stop.sh" "$RUN"; exit 130' INT TERM

started=$SECONDS
shown=""
while :; do
  status=$(cat "$RUN/status" 2>/dev/null || echo "starting")
  case $status in
    ready*) break ;;
    failed*) say "  $status" >&2 ;;
    *) ;;
  esac
  if [[ $status == failed* ]] || ! kill -0 "$SUPERVISOR" 2>/dev/null || ((SECONDS - started > TIMEOUT)); then
    say "start.sh: the gateway did not become ready within $((SECONDS - started)) s; the end of its logs:" >&2
    tail -n 15 "$RUN/supervisor.log" "$RUN/gateway.log" >&2 || true
    "$HERE/stop.sh" "$RUN"
    exit 1
  fi
  if [ "$status" != "$shown" ]; then
    shown=$status
    say "  gateway: $status"
  elif (((SECONDS - started) % 10 == 9)); then
    say "  gateway: still $status ($((SECONDS - started)) s)"
  fi
  sleep 1
done
trap - INT TERM
say "  gateway: ready after $((SECONDS - started)) s at $(cat "$RUN/gateway.url"), ${status#ready: }"
