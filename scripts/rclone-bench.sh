#!/usr/bin/env bash
# Called by scripts/bench.sh, without a network: has rclone do what gphotosfs was measured at.
#   scripts/rclone-bench.sh upload DIR GPHOTOSFS PHOTOS BOUND     BOUND in seconds, as for gphotosfs
#   scripts/rclone-bench.sh local DIR GPHOTOSFS ROUNDS            with DIR/video.mp4
#   scripts/rclone-bench.sh list DIR GPHOTOSFS
#   scripts/rclone-bench.sh read DIR GPHOTOSFS
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh
. scripts/rclone.sh
. scripts/dd.sh
. scripts/listing.sh
. scripts/reading.sh

# shellcheck disable=SC2034  # for emulator.sh and rclone.sh
what=$1 dir=$2 gphotosfs=$3 emulator_pid='' mount_pid=''
clean_up() {
    set +e
    if [ -n "$mount_pid" ]; then umount -l "$dir/rclone"; kill "$mount_pid"; fi
    end_rclone
    if [ -n "$emulator_pid" ]; then kill "$emulator_pid"; wait "$emulator_pid"; fi
    mount_pid='' emulator_pid=''
    rm -rf --one-file-system "$dir/emulator" "$dir/rclone-cache"
} 2>/dev/null
trap clean_up EXIT

items() { curl -fsS "$GPHOTOSFS_API_URL/emulator/dump" | grep -o '"sha256"' | wc -l; }

# arrived COUNT: waits until the emulator has so many items.
arrived() {
    for _ in $(seq 1800); do
        if [ "$(items)" -ge "$1" ]; then return; fi
        sleep 0.1
    done
    die "only $(items) of $1 photos arrived"
}

# upload NAME PHOTOS BOUND COMMAND...: times the command and what goes on behind it.
upload() {
    local name=$1 photos=$2 bound=$3 count start before returned
    shift 3
    count=$(find "$photos" -name '*.jpg' | wc -l)
    start_emulator --speed realistic
    rclone_to_emulator "$GPHOTOSFS_API_URL" "$dir/emulator"
    rclone mkdir photos:album/album
    before=$(api_requests) start=$(now)
    "$@" "$photos"
    returned=$(since "$start")
    arrived "$count"
    awk -v name="$name" -v returned="$returned" -v took="$(since "$start")" -v bound="$bound" \
        -v requests="$(($(api_requests) - before))" -v count="$count" 'BEGIN {
            printf "  %-22s %.1f s: %.2f times the bound; returned after %.1f s; %.3f requests a file\n",
                name, took, took / bound, returned, requests / count
        }'
    clean_up
}

copy() { rclone copy -q "$@" photos:album/album; }
copy_tuned() { copy --transfers 50 --gphotos-batch-size 50 --gphotos-batch-timeout 300ms "$1"; }

# mount_rclone OPTION...: mounts $remote, or the album, on $dir/rclone.
mount_rclone() {
    mkdir -p "$dir/rclone"
    RCLONE_CACHE_DIR=$dir/rclone-cache rclone mount "$@" "${remote-photos:album/album}" \
        "$dir/rclone" 2>"$dir/rclone.log" &
    mount_pid=$!
    for _ in $(seq 100); do
        if mountpoint -q "$dir/rclone"; then return; fi
        sleep 0.1
    done
    die "rclone has not mounted: $(cat "$dir/rclone.log")"
}

# through_mount OPTION... PHOTOS: copies as one would with gphotosfs, and unmounts.
through_mount() {
    mount_rclone --vfs-cache-mode writes "${@:1:$#-1}"
    cp "${@: -1}"/*.jpg "$dir/rclone/"
    sync "$dir/rclone"
}
mount_tuned() { through_mount --vfs-write-back 0s --transfers 50 --gphotos-batch-size 50 --gphotos-batch-timeout 300ms "$1"; }

# list: the same looks as scripts/bench/list.sh, in a smaller library: rclone lists everything again after each mount.
list() {
    start_emulator --speed realistic
    rclone_to_emulator "$GPHOTOSFS_API_URL" "$dir/emulator"
    { seed_album large 20000; seed_album middle 3000; for at in $(seq 498); do seed_album "album $at" 1; done; } | edits
    remote=photos:album mount_rclone
    cold_walk '500 albums' "$dir/rclone" 10
    cold_walk '3,000 items' "$dir/rclone/middle" 30
    cold_walk '20,000 items' "$dir/rclone/large" 200
    awk -v took="$(took ls -l "$dir/rclone/large")" -v size="$(stat -c %s "$dir/rclone/large/IMG_000000.jpg")" 'BEGIN {
        printf "  ls -l of 20,000 items, again: %.0f ms, with sizes of %d\n", 1000 * took, size
    }'
    # mount_pid is the shell around it.
    awk '/^VmHWM/ { printf "  at most %.0f MB resident\n", $2 / 1000 }' "/proc/$(pgrep -P "$mount_pid")/status"
    # That ends it.
    umount "$dir/rclone"
    wait "$mount_pid" || true
    remote=photos:album mount_rclone
    cold_walk '3,000, another mount' "$dir/rclone/middle" 0
    clean_up
}

raise_loopback
case $what in
    upload)
        rclone version | sed -n 1p
        if rclone_batches; then
            upload 'copy, tuned' "$4" "$5" copy_tuned
            upload 'mount, tuned' "$4" "$5" mount_tuned
        else
            echo '  this rclone is too old for --gphotos-batch-size: copy and mount are not measured tuned'
        fi
        upload 'mount, default' "$4" "$5" through_mount
        ;;
    local)
        rclone version | sed -n 1p
        start_emulator
        rclone_to_emulator "$GPHOTOSFS_API_URL" "$dir/emulator"
        rclone mkdir -q photos:album/album
        # It keeps what was written for an hour before it uploads it, so that only the local side is measured.
        mount_rclone --vfs-cache-mode full --vfs-write-back 1h
        # The mount's own process is a child.
        server_pid=$(pgrep -P "$mount_pid")
        measure_writing "$4" "$dir/video.mp4" "$dir/rclone" "$dir"
        cp "$dir/video.mp4" "$dir/rclone/"
        measure_reading "$4" "$dir/rclone/video.mp4" "$(find "$dir/rclone-cache" -type f -size +900M | head -n 1)"
        ;;
    list)
        rclone version | sed -n 1p
        list
        ;;
    read)
        rclone version | sed -n 1p
        start_emulator --speed realistic
        rclone_to_emulator "$GPHOTOSFS_API_URL" "$dir/emulator"
        reading_library | edits
        # Files of unknown size cannot be read through its mount.
        remote=photos:album mount_rclone --vfs-cache-mode full --gphotos-read-size
        ls -l "$dir/rclone/read" >/dev/null
        measure_reads "$dir/rclone/read"
        ;;
    *) die "unknown: $what" ;;
esac
