#!/usr/bin/env bash
# See that this machine has what a build needs; install a missing C compiler with apt where that is possible.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v cargo >/dev/null || die "Rust is needed: install it with rustup (https://rustup.rs), then run this again"
command -v python3 >/dev/null || die "Python 3 is needed"
command -v git >/dev/null || die "git is needed"
# Only npm has the OpenClaw Gateway; one of the user's own needs none.
command -v npm >/dev/null || [ -e "$(openclaw_dir)/complete" ] || [ -n "${OPENCLAW_URL:-}" ] ||
  die "npm is needed to install the OpenClaw Gateway (apt-get install npm)"

# SQLite and the cryptography are built from C.
command -v cc >/dev/null || apt_install build-essential "$(mktemp)"
