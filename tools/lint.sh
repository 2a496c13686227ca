#!/usr/bin/env bash
# Everything that reads the code without running it: messages, contract, dependencies, clippy.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/common.sh"
cd "$HERE/.."
"$HERE/install-tools.sh"

say "messages: lower case, no full stop"
python3 "$HERE/check_messages.py"

say "contract: buf lint"
buf lint
say "contract: buf breaking against proto/baseline.binpb"
buf breaking --against proto/baseline.binpb

say "dependencies: bans, licences, sources"
# cargo-deny reads the sources of every locked crate, whatever the platform, and is kept off the network itself.
cargo fetch --locked
cargo deny --locked --offline check --hide-inclusion-graph --allow duplicate bans licenses sources

say "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings
