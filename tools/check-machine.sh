#!/usr/bin/env bash
# See that this machine has what a build needs; install a missing C compiler with apt where that is possible.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v cargo >/dev/null || die "Rust is needed: install it with rustup (https://rustup.rs), then run this again"
command -v python3 >/dev/null || die "Python 3 is needed"
command -v git >/dev/null || die "git is needed"

# SQLite and the cryptography are built from C.
command -v cc >/dev/null || apt_install build-essential "$(mktemp)"
