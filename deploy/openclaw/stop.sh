#!/usr/bin/env bash
# Stop the gateway and the model that start.sh started.
#   stop.sh RUN_DIR             stop them; no error when nothing runs
#   stop.sh --running RUN_DIR   only tell whether they run (exit status)
set -u
MODE=stop
if [ "${1:-}" = --running ]; then
  MODE=ask
  shift
fi
RUN=$(cd "${1:?usage: stop.sh [--running] RUN_DIR}" 2>/dev/null && pwd) || exit "$([ "$MODE" = ask ] && echo 1 || echo 0)"

# A pid counts only while it still belongs to a process that names this run folder: pids are used again.
owned() {
  [ -n "$1" ] && grep -qzxF -e "$RUN" "/proc/$1/cmdline" 2>/dev/null
}

supervisor=$(cat "$RUN/supervisor.pid" 2>/dev/null)
if [ "$MODE" = ask ]; then
  owned "$supervisor"
  exit
fi
if owned "$supervisor"; then
  kill -TERM "$supervisor" 2>/dev/null
  for _ in $(seq 1 150); do
    owned "$supervisor" || break
    sleep 0.1
  done
  owned "$supervisor" && kill -KILL "$supervisor" 2>/dev/null
fi
# The gateway ends by itself within a second or two of its supervisor.
exit 0
