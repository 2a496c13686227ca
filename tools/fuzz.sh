#!/usr/bin/env bash
# Fuzz the classifier and the policy loader, each for FUZZ_SECONDS (default 60), from the corpus in classifier-svc/fuzz.
# What is found lies in classifier-svc/fuzz/artifacts; put it into the corpus once it is mended.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/common.sh"
cd "$HERE/../classifier-svc"
command -v cargo-fuzz >/dev/null || {
  say "installing cargo-fuzz"
  cargo install --locked cargo-fuzz
}
# The sanitizer's switches are unstable; the pinned toolchain takes them with this.
export RUSTC_BOOTSTRAP=1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for target in classify policy; do
  say "fuzzing $target"
  mkdir "$scratch/$target"
  cargo fuzz run "$target" "$scratch/$target" "fuzz/corpus/$target" -- -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536
done
