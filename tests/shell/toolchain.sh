# Which Rust: the machine's own where it is recent and whole, else Debian's from the security archive.
# shellcheck shell=bash

# rustc and cargo 1.96, their linter and formatter. bookworm-security has them for the browsers' sake.
DEBIAN_RUST=(rustc-web cargo-web rustfmt-web rust-web-clippy)

# The least version, which Cargo.toml knows.
minimum_minor() {
  sed -n 's/^rust-version = "1\.\([0-9]*\)"$/\1/p' "$ROOT/Cargo.toml"
}

# recent CARGO: whether it is a cargo of at least that version.
recent() {
  local minor
  minor=$("$1" --version 2>/dev/null | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
  [[ -n $minor && $minor -ge $(minimum_minor) ]]
}

# What of it is missing, as Debian packages. Some crates build C, and rustc links with cc.
rust_packages() {
  command -v cc >/dev/null || printf '%s\n' gcc libc6-dev
  own_toolchain || printf '%s\n' "${DEBIAN_RUST[@]}"
}

# Whether the cargo of PATH is recent, formats and lints.
own_toolchain() {
  recent cargo && cargo fmt --version &>/dev/null && cargo clippy --version &>/dev/null
}

# Sets the environment for every part; fails, and says so, where no toolchain is whole.
choose_toolchain() {
  export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
  # A cold build takes a fifth less without what the next one would need.
  export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
  # Flags of the caller would replace those of .cargo/config.toml.
  unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTDOCFLAGS
  own_toolchain || export PATH="/usr/bin:$PATH"
  if ! own_toolchain; then
    echo "tests/run: no Rust 1.$(minimum_minor) with rustfmt and clippy: is bookworm-security among the sources of apt?" >&2
    return 1
  fi
  echo "$(cargo --version), $(command -v cargo)"
}
