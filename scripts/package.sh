#!/usr/bin/env bash
# Builds the Debian package, target/debian/gphotosfs_VERSION_ARCH.deb.
#   scripts/package.sh [--check]     --check also installs it in a fresh Debian and tries it there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

check=
case "${1-}" in
    '') ;;
    --check) check=1 ;;
    *) echo "usage: scripts/package.sh [--check]" >&2; exit 2 ;;
esac

need_command cc build-essential
need_command dpkg-shlibdeps dpkg-dev
need_cargo
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=$target/tools
[ -x "$tools/bin/cargo-deb" ] || cargo install --locked --quiet --root "$tools" cargo-deb@3.8.0
cargo build --locked --release --bin gphotosfs

. scripts/release/lib/contents.sh
made=$PWD/target/package
make_contents "$target/release/gphotosfs"

rm -f "$target"/debian/gphotosfs_*.deb
PATH="$tools/bin:$PATH" cargo deb --no-build
deb=$(ls "$target"/debian/gphotosfs_*.deb)

if [ -n "$check" ]; then scripts/package-check.sh "$deb"; fi
printf '\n%s\n' "$deb"
