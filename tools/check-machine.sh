#!/usr/bin/env bash
# See that this machine has what a build needs; install a missing C compiler with apt where that is possible.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v cargo >/dev/null || die "Rust is needed: install it with rustup (https://rustup.rs), then run this again"
command -v python3 >/dev/null || die "Python 3 is needed"
command -v git >/dev/null || die "git is needed"

if ! command -v cc >/dev/null; then
  command -v apt-get >/dev/null || die "a C compiler is needed (SQLite and the cryptography are built from C)"
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  say "no C compiler is there: installing build-essential with apt"
  export DEBIAN_FRONTEND=noninteractive
  with_progress "installing build-essential" "$(mktemp)" \
    sh -c '"$@" apt-get update && "$@" apt-get install -y --no-install-recommends build-essential' sh env "${as_root[@]}" ||
    die "installing build-essential failed; install a C compiler by hand"
fi
