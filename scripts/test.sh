#!/usr/bin/env bash
# Everything a change has to pass: format, lints, tests on a real mount, documentation, licences.
#   scripts/test.sh [--long]     --long also runs tests that take minutes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

profile=default
ignored=()
case "${1-}" in
    '') ;;
    --long) profile=long; ignored=(--include-ignored) ;;
    *) echo "usage: scripts/test.sh [--long]" >&2; exit 2 ;;
esac

need_command fusermount3 fuse3
need_command cc build-essential
# The programs that the tests run.
need_command faketime faketime
need_command getfattr attr
need_command setfacl acl
need_command busybox busybox
need_command curl curl
need_command dbus-daemon dbus-daemon
need_command exiftool libimage-exiftool-perl
need_command ffmpeg ffmpeg
need_command gio libglib2.0-bin
need_command jpegtran libjpeg-turbo-progs
need_command mogrify imagemagick
need_command python3 python3
need_command rsync rsync
need_command script bsdutils
need_command sponge moreutils
need_command unzip unzip
need_command zip zip
if [ "$profile" = long ]; then
    need_command chromium chromium
    need_command cwebp webp
    need_command heif-enc libheif-examples
    need_command rclone rclone
fi
need_cargo
need_fuse_device
for component in rustfmt clippy; do
    cargo "${component#rust}" --version >/dev/null 2>&1 || rustup component add "$component"
done

took=()
step() {
    printf '\n== %s\n' "$*"
    local begun=$SECONDS
    "$@"
    took+=("${*:1:2} $((SECONDS - begun)) s")
}

# Every build has the same features, so that the steps share what is built.
build=(--locked --workspace --features crash-points)
not_run=()
tests=()
# `tests/root` makes and mounts disks. An ordinary user leaves it out, and the summary says so.
if [ "$(id -u)" != 0 ]; then
    not_run+=('tests/root, which only root can run')
    tests=(--lib --bins --examples --test cli --test crash --test in_process --test mount --test random)
else
    need_command mkfs.ext4 e2fsprogs
    if [ "$profile" = long ]; then
        need_command debootstrap debootstrap
        need_command systemd-nspawn systemd-container
    fi
    tests=(--all-targets)
fi

step cargo fmt --all --check
step cargo clippy "${build[@]}" --all-targets -- -D warnings
# The oldest Rust that Cargo.toml promises. Without its toolchain, only a long run installs it.
oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
if [ "$profile" = long ]; then rustup toolchain install "$oldest" --profile minimal; fi
if rustup run "$oldest" cargo --version >/dev/null 2>&1; then
    step env CARGO_TARGET_DIR=target/oldest rustup run "$oldest" cargo check "${build[@]}" --all-targets
else
    not_run+=("a build with Rust $oldest, whose toolchain is not installed")
fi
if cargo nextest --version >/dev/null 2>&1; then
    # Most tests wait most of the time.
    step cargo nextest run "${build[@]}" "${tests[@]}" --profile "$profile" \
        --test-threads $((2 * $(nproc))) ${ignored:+--run-ignored all}
else
    echo 'Tests run faster with cargo nextest: cargo install --locked cargo-nextest'
    step cargo test "${build[@]}" "${tests[@]}" -- "${ignored[@]}"
fi
step cargo test "${build[@]}" --doc
# The library is for its own developers, who see private items too.
RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' \
    step cargo doc "${build[@]}" --no-deps --document-private-items
# A client that we did not write.
if [ "$profile" = long ]; then step scripts/rclone-conformance.sh; fi
if try_cargo_deny; then
    # It looks into the crates of all targets. A build has fetched those of this one only.
    step cargo fetch --locked
    step cargo deny --offline check licenses bans
    if timeout 120 cargo deny fetch db >/dev/null 2>&1; then
        step cargo deny --offline check advisories
    else
        not_run+=('cargo deny check advisories, whose database cannot be fetched from here')
    fi
else
    not_run+=('cargo deny, which is not installed and cannot be had')
fi

printf '\nAll good in %s s (' "$SECONDS"
printf '%s; ' "${took[@]}" | sed 's/; $/)\n/'
printf 'Not run: %s\n' "${not_run[@]:-nothing}"
