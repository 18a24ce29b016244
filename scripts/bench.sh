#!/usr/bin/env bash
# Measures an optimised build through a real mount, against an emulator about as fast as Google.
#   scripts/bench.sh WHAT [COUNT...] [-- OPTION...]
# WHAT is a file of scripts/bench; its first lines say what it measures and what COUNT means.
# The OPTIONs are those of `gphotosfs mount`; without them the defaults are measured.
# GPHOTOSFS_BENCH_DIR is where everything is kept meanwhile [default: a temporary directory].
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
    sed -sn '3s/^# /    /p' scripts/bench/*.sh >&2
    exit 2
}

# As `emulator --speed realistic` says; seconds and bytes.
UPLOAD_S=0.25 UPLOAD_BYTES_PER_S=20000000 CREATE_S=0.4 CREATE_ITEM_S=0.02
# Most items that Google takes in one batchCreate.
BATCH=50

what=${1-}
case $what in
    '' | */*) usage ;;
esac
[ -e "scripts/bench/$what.sh" ] || usage
shift
counts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    counts+=("$1")
    shift
done
options=("${@:2}")

need_command fusermount3 fuse3
need_command curl curl
need_command cc build-essential
need_cargo
need_fuse_device
cargo build --locked --release -p gphotosfs -p gphotosfs-photos --bins
target=$(realpath "${CARGO_TARGET_DIR:-target}")/release
gphotosfs=$target/gphotosfs
# Before own_settings points elsewhere: photos are taken once.
photo_dir=${XDG_CACHE_HOME:-$HOME/.cache}/gphotosfs-bench
bench_dir=$(realpath "${GPHOTOSFS_BENCH_DIR:-${TMPDIR:-/tmp}}")

# A file of scripts/bench may choose another one.
speed=realistic
dir='' emulator_pid='' mount_pid='' line_pid=''
clean_up() {
    status=$?
    trap - EXIT
    set +e
    if [ "$status" != 0 ] && [ -n "$dir" ]; then tail -n 20 "$dir"/*.log >&2; fi
    tear_down
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# set_up: an empty library, mounted on $dir/mount.
set_up() {
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    mkdir "$dir/mount"
    start_emulator --speed "$speed"
    log_in
    start_mount
}

# start_mount OPTION...: mounts once more, with OPTIONs in addition, after end_mount.
start_mount() {
    "$gphotosfs" -vv mount --foreground "${options[@]}" "$@" "$dir/mount" >>"$dir/mount.log" 2>&1 &
    mount_pid=$!
    for _ in $(seq 100); do
        if mountpoint -q "$dir/mount"; then return; fi
        sleep 0.1
    done
    die "not mounted: $(cat "$dir/mount.log")"
}

end_mount() {
    kill "$mount_pid"
    wait "$mount_pid"
    mount_pid=''
}

PHOTO_KB=275
# make_photos COUNT: sets photos to a directory of so many of this size.
make_photos() {
    photos=$photo_dir/$1-of-${PHOTO_KB}k
    if [ ! -e "$photos.done" ]; then
        "$target/photos" "$photos" --count "$1" --min-kb "$PHOTO_KB" --max-kb "$PHOTO_KB"
        : >"$photos.done"
    fi
}

tear_down() {
    if [ -n "$mount_pid" ]; then end_mount; fi
    if [ -n "$line_pid" ]; then
        kill "$line_pid"
        wait "$line_pid"
    fi
    if [ -n "$emulator_pid" ]; then
        kill "$emulator_pid"
        wait "$emulator_pid"
    fi
    if [ -n "$dir" ]; then rm -rf --one-file-system "$dir"; fi
    mount_pid='' emulator_pid='' line_pid='' dir=''
} 2>/dev/null

# The mount's largest resident size in MB.
peak_mb() { awk '/^VmHWM/ { printf "%.0f", $2 / 1000 }' "/proc/$mount_pid/status"; }

printf 'gphotosfs %s, %s\n' "$(git describe --always --dirty 2>/dev/null || echo '(no git)')" \
    "${options[*]:-default settings}"
awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo
printf '%s processors, %s, load %s, %s on %s\n' "$(nproc)" "$(uname -sr)" "$(cut -d' ' -f1 /proc/loadavg)" \
    "$bench_dir" "$(df --output=fstype "$bench_dir" | tail -n 1)"
. scripts/dd.sh
. "scripts/bench/$what.sh"
