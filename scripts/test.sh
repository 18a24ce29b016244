#!/usr/bin/env bash
# Everything a change has to pass: format, lints, tests on a real mount, documentation, licences.
#   scripts/test.sh [--long]     --long also runs what takes minutes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

long=()
case "${1-}" in
    '') ;;
    --long) long=(-- --include-ignored) ;;
    *) echo "usage: scripts/test.sh [--long]" >&2; exit 2 ;;
esac

need_command fusermount3 fuse3
need_command cc build-essential
# The programs of tests/mount/midnight.rs and tests/mount/tools.rs.
need_command faketime faketime
need_command exiftool libimage-exiftool-perl
need_command gio libglib2.0-bin
need_command jpegtran libjpeg-turbo-progs
need_command mogrify imagemagick
need_command python3 python3
need_command rsync rsync
need_command script bsdutils
need_command sponge moreutils
need_command unzip unzip
need_command zip zip
need_cargo
need_fuse_device
for component in rustfmt clippy; do
    cargo "${component#rust}" --version >/dev/null 2>&1 || rustup component add "$component"
done

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --all --check
# The crash suite needs points at which the program may be asked to die; no other build has them.
step cargo clippy --locked --workspace --all-targets --features crash-points -- -D warnings
step cargo test --locked --workspace --all-targets --features crash-points "${long[@]}"
step cargo test --locked --workspace --doc
# The library is for its own developers, who see private items too.
RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' step cargo doc --locked --workspace --no-deps --document-private-items
if cargo deny --version >/dev/null 2>&1; then
    step cargo deny --offline check licenses bans
else
    printf '\n== cargo-deny is not installed: licences not checked\n'
fi
printf '\nAll good.\n'
