#!/usr/bin/env bash
# Measures an optimised build through a real mount, against an emulator about as fast as Google.
#   scripts/bench.sh upload [COUNT...] [-- OPTION...]
#       copies so many photos of 300 KB, 200 and 1000 unless told, until Google has the last one
#   scripts/bench.sh write [-- OPTION...]
#       writes a video of 1 GB, beside the disk below
# The OPTIONs are those of `gphotosfs mount`; without them the defaults are measured.
# GPHOTOSFS_BENCH_DIR is where everything is kept meanwhile [default: a temporary directory].
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh

usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# As `emulator --speed realistic` says; seconds and bytes.
UPLOAD_S=0.25 UPLOAD_BYTES_PER_S=20000000 CREATE_S=0.4 CREATE_ITEM_S=0.02
# Most items that Google takes in one batchCreate.
BATCH=50
PHOTO_KB=275

what=${1-}
shift || usage
counts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    counts+=("$1")
    shift
done
options=("${@:2}")
case $what:${#counts[@]} in
    upload:0) counts=(200 1000) ;;
    upload:* | write:0) ;;
    *) usage ;;
esac

need_command fusermount3 fuse3
need_command curl curl
need_command cc build-essential
need_cargo
need_fuse_device
cargo build --locked --release --bin gphotosfs --example photos
target=$(realpath "${CARGO_TARGET_DIR:-target}")/release
gphotosfs=$target/gphotosfs
# Before own_settings points elsewhere: photos are taken once.
photo_dir=${XDG_CACHE_HOME:-$HOME/.cache}/gphotosfs-bench
bench_dir=$(realpath "${GPHOTOSFS_BENCH_DIR:-${TMPDIR:-/tmp}}")

dir='' emulator_pid='' mount_pid=''
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
    start_emulator --speed realistic
    log_in
    "$gphotosfs" -vv mount --foreground "${options[@]}" "$dir/mount" >"$dir/mount.log" 2>&1 &
    mount_pid=$!
    for _ in $(seq 100); do
        if mountpoint -q "$dir/mount"; then return; fi
        sleep 0.1
    done
    die "not mounted: $(cat "$dir/mount.log")"
}

tear_down() {
    if [ -n "$mount_pid" ]; then
        kill "$mount_pid"
        wait "$mount_pid"
    fi
    if [ -n "$emulator_pid" ]; then
        kill "$emulator_pid"
        wait "$emulator_pid"
    fi
    if [ -n "$dir" ]; then rm -rf --one-file-system "$dir"; fi
    mount_pid='' emulator_pid='' dir=''
} 2>/dev/null

# The mount's time on the processors in seconds, and its largest resident size in MB.
cpu_s() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/$mount_pid/stat"; }
peak_mb() { awk '/^VmHWM/ { printf "%.0f", $2 / 1000 }' "/proc/$mount_pid/status"; }

bench_upload() {
    local count=$1 photos=$photo_dir/$1-of-${PHOTO_KB}k album start copied committed before requests batches cpu
    if [ ! -e "$photos.done" ]; then
        "$target/examples/photos" "$photos" --count "$count" --min-kb "$PHOTO_KB" --max-kb "$PHOTO_KB"
        : >"$photos.done"
    fi
    # Measured is neither reading the photos from a cold disk nor writing back what came before.
    cat "$photos"/*.jpg >/dev/null
    sync
    set_up
    album=$dir/mount/album
    ls "$dir/mount" >/dev/null
    before=$(api_requests) cpu=$(cpu_s) start=$(now)
    mkdir "$album"
    cp "$photos"/*.jpg "$album/"
    copied=$(since "$start")
    "$gphotosfs" sync "$album"
    committed=$(awk "BEGIN { printf \"%.2f\", $(now) - $start }")
    requests=$(($(api_requests) - before))
    cpu=$(awk "BEGIN { printf \"%.2f\", $(cpu_s) - $cpu }")
    [ "$(find "$album" -type f | wc -l)" = "$count" ] || die 'some photos are missing'
    batches=$(sed -n 's/.* created call=[0-9]* items=\([0-9]*\).*/\1/p' "$dir/mount.log" | tr '\n' ' ')
    # Batches are serial and as large as they can be, and the first upload comes before the first of them.
    awk -v count="$count" -v bytes="$(cat "$photos"/*.jpg | wc -c)" -v copied="$copied" \
        -v committed="$committed" -v requests="$requests" -v batches="$batches" -v cpu="$cpu" \
        -v peak="$(peak_mb)" -v upload="$UPLOAD_S" -v rate="$UPLOAD_BYTES_PER_S" -v create="$CREATE_S" \
        -v item="$CREATE_ITEM_S" -v batch="$BATCH" 'BEGIN {
            first = upload + bytes / count / rate
            bound = first + int((count + batch - 1) / batch) * create + count * item
            printf "%d photos, %.0f MB\n", count, bytes / 1e6
            printf "  copied         %.1f s\n", copied
            printf "  all committed  %.2f s: %.2f times the bound of %.2f s\n", committed, committed / bound, bound
            printf "  requests       %d: %.3f a file\n", requests, requests / count
            printf "  batches        %s\n", batches
            printf "  mount process  %.2f s CPU, at most %d MB resident\n", cpu, peak
        }'
    tear_down
}

bench_write() {
    local below=$bench_dir/gphotosfs-bench.raw video disk_s mount_s start
    set_up
    video=$dir/video.mp4
    mkdir "$dir/mount/album"
    # The header by which a video is known, and then what no disk can leave out or compress.
    { printf '\0\0\0\40ftypisom\0\0\2\0isomiso2avc1mp41'; head -c 999999968 /dev/urandom; } >"$video"
    sync
    for round in 1 2 3; do
        start=$(now)
        dd if="$video" of="$below" bs=1M conv=fsync status=none
        disk_s=$(since "$start")
        rm "$below"
        start=$(now)
        dd if="$video" of="$dir/mount/album/$round.mp4" bs=1M conv=fsync status=none
        mount_s=$(since "$start")
        awk -v disk="$disk_s" -v mount="$mount_s" 'BEGIN {
            printf "1 GB: disk %.1f s, mount %.1f s: %.0f %% of the speed of the disk\n", disk, mount, 100 * disk / mount
        }'
        # What goes up meanwhile would be measured as well.
        rm "$dir/mount/album/$round.mp4"
        sync
    done
    tear_down
}

printf 'gphotosfs %s, %s; emulator --speed realistic\n' "$(git describe --always --dirty 2>/dev/null || echo '(no git)')" \
    "${options[*]:-default settings}"
awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo
printf '%s processors, %s, load %s, %s on %s\n' "$(nproc)" "$(uname -sr)" "$(cut -d' ' -f1 /proc/loadavg)" \
    "$bench_dir" "$(df --output=fstype "$bench_dir" | tail -n 1)"
case $what in
    upload) for count in "${counts[@]}"; do bench_upload "$count"; done ;;
    write) bench_write ;;
esac
