#!/usr/bin/env bash
# Runs pjdfstest, the POSIX conformance suite that kernel filesystems are held to, in an album of a real mount. Needs
# root, because it changes users. tests/pjdfstest.toml names each test that does not apply, with the reason; all others
# have to pass, and those that do not apply have to fail, so that the list stays true.
#   scripts/pjdfstest.sh [PATTERN...]     only tests whose name contains one of the patterns
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh

[ "$(id -u)" = 0 ] || die 'run it as root: it becomes other users'
need_command fusermount3 fuse3
need_command curl curl
need_command cc build-essential
need_cargo
need_fuse_device
version=0.2.2
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
suite=$target/pjdfstest-$version
if [ ! -x "$suite/bin/pjdfstest" ]; then
    cargo install --locked "pjdfstest@$version" --root "$suite" --target-dir "$suite/build"
    rm -r "$suite/build"
fi
cargo build --locked --features crash-points --bin gphotosfs
gphotosfs=$target/debug/gphotosfs

dir=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-pjdfstest.XXXXXX")
own_settings
mount=$dir/mnt emulator_pid=''
mkdir "$mount" "$dir/other" "$dir/bin"
# The suite remounts, which the kernel does without the help of a mount program of ours.
printf '#!/bin/sh\nexec %s -i "$@"\n' "$(command -v mount)" >"$dir/bin/mount"
chmod +x "$dir/bin/mount"
# The suite's users pass through.
chmod 0755 "$dir"

clean_up() {
    status=$?
    trap - EXIT
    set +e
    mountpoint -q "$mount" && { "$gphotosfs" umount --now "$mount" || fusermount3 -uz "$mount"; }
    mountpoint -q "$dir/other" && umount "$dir/other"
    if [ -n "$emulator_pid" ]; then
        kill "$emulator_pid"
        wait "$emulator_pid" 2>/dev/null
    fi
    if [ "$status" != 0 ]; then
        echo "The log is kept: $dir/state/gphotosfs/default/log"
    else
        rm -rf --one-file-system "$dir"
    fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Links and renames from one filesystem to another are tried.
mount -t tmpfs tmpfs "$dir/other"
# shellcheck disable=SC2119  # no options but its own
start_emulator
log_in
"$gphotosfs" mount --allow-other "$mount"
mkdir "$mount/A"

suite() { PATH=$dir/bin:$PATH "$suite/bin/pjdfstest" -s "$dir/other" -p "$mount/A" "$@"; }
# Tests that are expected to fail leave files open, and then nothing can be remounted.
sed 's/^allow_remount = false/allow_remount = true/' tests/pjdfstest.toml >"$dir/remount.toml"
suite -c "$dir/remount.toml" erofs
# Its file is no photo and leaves the album when the kernel tells of the last descriptor, before or after it is opened
# again: it may fail.
either=ftruncate::shrink_not_empty
suite -c tests/pjdfstest.toml "$@" | tee "$dir/suite.log" || {
    others=$(grep -E 'FAILED|PASSED UNEXPECTEDLY' "$dir/suite.log" | grep -cv "$either") || true
    [ "$others" = 0 ] && grep -q "$either .*FAILED" "$dir/suite.log"
}
