#!/usr/bin/env bash
# Install the checkers that `make ci` uses, at pinned versions, into the user's cache folder. Clones share them.
#   install-tools.sh [buf] [cargo-deny] [rust-components] [grpcio] [openssl]      default: the first three
# grpcio is a Python environment with what tests/clients/requirements.txt lists: the tests' foreign client. openssl is the
# system's; a documented example, which a test runs, makes keys with it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/common.sh"

BUF_VERSION=1.75.0
CARGO_DENY_VERSION=0.20.2
TOOLS="$(cache_dir)/tools"

if [ "${COUNTERSIGN_TOOLS_LOCKED:-}" != 1 ]; then
  COUNTERSIGN_TOOLS_LOCKED=1 exec python3 "$HERE/with-lock.py" "$TOOLS/install.lock" "${BASH_SOURCE[0]}" "$@"
fi

# The npm package @bufbuild/buf is a script around a package for each platform, which holds buf itself.
install_buf() {
  [ "$("$TOOLS/bin/buf" --version 2>/dev/null)" = "$BUF_VERSION" ] && return
  command -v npm >/dev/null || die "npm is needed to install buf (apt-get install npm)"
  local package
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) package=buf-linux-x64 ;;
    Linux-aarch64) package=buf-linux-aarch64 ;;
    Darwin-x86_64) package=buf-darwin-x64 ;;
    Darwin-arm64) package=buf-darwin-arm64 ;;
    *) die "there is no buf for $(uname -sm)" ;;
  esac
  say "installing buf $BUF_VERSION into $TOOLS (once)"
  mkdir -p "$TOOLS/bin" "$TOOLS/buf"
  with_progress "downloading buf with npm" "$TOOLS/buf.log" \
    npm install --prefix "$TOOLS/buf" --no-audit --no-fund --ignore-scripts --loglevel=error "@bufbuild/$package@$BUF_VERSION"
  ln -sf "../buf/node_modules/@bufbuild/$package/bin/buf" "$TOOLS/bin/buf"
  [ "$("$TOOLS/bin/buf" --version)" = "$BUF_VERSION" ] || die "buf $BUF_VERSION was installed but does not run"
}

install_cargo_deny() {
  [ "$("$TOOLS/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $CARGO_DENY_VERSION" ] && return
  say "installing cargo-deny $CARGO_DENY_VERSION into $TOOLS (once; it is compiled, two to five minutes)"
  mkdir -p "$TOOLS"
  with_progress "compiling cargo-deny" "$TOOLS/cargo-deny.log" \
    cargo install cargo-deny --locked --version "$CARGO_DENY_VERSION" --root "$TOOLS" --target-dir "$TOOLS/build"
  rm -rf "$TOOLS/build"
}

install_rust_components() {
  if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then return; fi
  command -v rustup >/dev/null || die "rustfmt and clippy are needed: install them beside your Rust"
  say "installing rustfmt and clippy with rustup"
  rustup component add rustfmt clippy
}

# On Debian, Python comes without what puts pip into a new environment; pip itself may be there, or apt brings both.
make_python_environment() {
  if python3 -c 'import ensurepip' 2>/dev/null; then
    with_progress "making a Python environment" "$TOOLS/grpcio.log" python3 -m venv "$1"
  elif python3 -m pip --version >/dev/null 2>&1; then
    with_progress "making a Python environment" "$TOOLS/grpcio.log" python3 -m venv --without-pip "$1"
  else
    apt_install python3-venv "$TOOLS/grpcio.log"
    with_progress "making a Python environment" "$TOOLS/grpcio.log" python3 -m venv "$1"
  fi
}

install_grpcio() {
  local requirements="$HERE/../tests/clients/requirements.txt" target="$TOOLS/grpcio" wanted pip
  wanted="$(python3 --version; cat "$requirements")"
  [ "$(cat "$target/installed" 2>/dev/null)" = "$wanted" ] && "$target/bin/python" -c "" 2>/dev/null && return
  say "installing grpcio for Python into $target (once)"
  rm -rf "$target"
  mkdir -p "$TOOLS"
  make_python_environment "$target"
  pip=("$target/bin/python" -m pip install)
  "$target/bin/python" -m pip --version >/dev/null 2>&1 ||
    pip=(python3 -m pip install --target "$("$target/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')")
  with_progress "downloading grpcio with pip" "$TOOLS/grpcio.log" \
    "${pip[@]}" --disable-pip-version-check --no-input --only-binary=:all: --requirement "$requirements"
  "$target/bin/python" -c 'import grpc, grpc_health, grpc_reflection, google.rpc' || die "grpcio was installed but does not run"
  printf '%s\n' "$wanted" >"$target/installed"
}

install_openssl() {
  command -v openssl >/dev/null || apt_install openssl "$TOOLS/openssl.log"
}

for tool in "${@:-all}"; do
  case $tool in
    buf) install_buf ;;
    cargo-deny) install_cargo_deny ;;
    rust-components) install_rust_components ;;
    grpcio) install_grpcio ;;
    openssl) install_openssl ;;
    all) install_rust_components && install_buf && install_cargo_deny ;;
    *) die "unknown tool: $tool" ;;
  esac
done
