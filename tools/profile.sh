#!/usr/bin/env bash
# Record anew what `make release` optimises for: builds everything with counters, runs the overhead benchmark, and merges
# what they counted into pgo/countersign.profdata. Ten minutes on two cores.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/common.sh"
cd "$HERE/.."

host=$(rustc --version --verbose | sed -n 's/^host: //p')
case "$host" in x86_64-*) ;; *) die "the profile is of x86_64, this is $host" ;; esac
profdata="$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata"
if [ ! -x "$profdata" ]; then
  command -v rustup >/dev/null || die "llvm-profdata is needed: install llvm-tools beside your Rust"
  say "installing llvm-tools with rustup"
  rustup component add llvm-tools
fi

build=$PWD/target/profiling
counts=$build/counts
rm -rf "$counts"
export LLVM_PROFILE_FILE="$counts/%p.profraw"
# With a target, cargo builds its own build scripts and macros without counters.
flags=(--locked --workspace --profile dist --target "$host" --target-dir "$build"
  --config "target.$host.rustflags = ['-Cprofile-generate']")

say "building with counters"
cargo build "${flags[@]}" --bins --examples
# Only this benchmark: the others repeat one step by the million, and beside them whatever a run needs would count as cold.
say "counting (the figures mean nothing)"
ROUNDS=1 cargo bench "${flags[@]}" --bench overhead

"$profdata" merge --sparse -o pgo/countersign.profdata "$counts"/*.profraw
say "recorded: pgo/countersign.profdata, $(stat -c %s pgo/countersign.profdata) bytes"
