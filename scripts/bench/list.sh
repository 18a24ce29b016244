# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# list: looks at a library of 100,000 items in 500 albums; beside bindfs, and rclone where it can be had.

[ ${#counts[@]} = 0 ] || usage

ALBUMS=500 SMALL=157 COPIED=1000

library() {
    # What is looked at is on the first page of the albums, and each is looked at once.
    seed_album large 20000
    seed_album middle 3000
    seed_album head 3000
    for ((at = 4; at <= ALBUMS; at++)); do seed_album "album $at" "$SMALL"; done
}

remount() {
    end_mount
    start_mount
}

resident_mb() { awk '/^VmRSS/ { printf "%.0f", $2 / 1000 }' "/proc/$mount_pid/status"; }

# row WHAT SECONDS BOUND
row() { awk -v what="$1" -v took="$2" -v bound="$3" 'BEGIN { printf "  %-44s %4.0f ms (bound %.0f)\n", what, 1000 * took, 1000 * bound }'; }

# best COMMAND...: of three times.
best() { for _ in 1 2 3; do took "$@"; done | sort -n | head -n 1; }

bench_list() {
    local mount before entries ours theirs
    set_up
    mount=$dir/mount
    library | edits

    echo 'never looked at before:'
    cold_walk "$ALBUMS albums" "$mount" $((ALBUMS / ALBUMS_A_PAGE))
    cold_walk '3,000 items' "$mount/middle" $((3000 / ITEMS_A_PAGE))
    cold_walk '20,000 items' "$mount/large" $((20000 / ITEMS_A_PAGE))
    before=$(api_requests)
    # ls writes what it has when it has 4 KB of names, and learns with the next 4 KB that nobody reads.
    # shellcheck disable=SC2012  # ls is what is measured
    ls -U "$mount/head" 2>/dev/null | head >/dev/null || true
    printf '  ls -U | head of 3,000 items: %d requests\n' "$(($(api_requests) - before))"

    echo 'all listed once, with sizes learnt (each is asked for once), after another mount:'
    latency 0
    ls -l "$mount/large" >/dev/null
    entries=$(find "$mount" | wc -l)
    remount
    latency 150
    before=$(api_requests)
    walk "$mount/large" | awk '{ printf "  20,000 items: first entry %.1f ms, all %.0f ms\n", 1000 * $1, 1000 * $2 }'
    printf '  requests for that: %d (bound 0)\n' "$(($(api_requests) - before))"
    remount
    row 'ls -l of 20,000 items, cold' "$(took ls -l "$mount/large")" 0.250
    row 'ls -l of 20,000 items, again' "$(best ls -l "$mount/large")" 0.060
    ours=$(best find "$mount")

    mkdir "$dir/tree" "$dir/bound"
    (cd "$mount" && find . -type d -print0) | (cd "$dir/tree" && xargs -0 mkdir -p)
    (cd "$mount" && find . -type f -print0) | (cd "$dir/tree" && xargs -0 touch)
    printf '  %-44s %4.0f ms\n' 'the same of 20,000 files on the disk, again' "$(best ls -l "$dir/tree/large" | awk '{ print 1000 * $1 }')"
    bindfs "$dir/tree" "$dir/bound"
    theirs=$(best find "$dir/bound")
    fusermount3 -u "$dir/bound"
    awk -v entries="$entries" -v ours="$ours" -v theirs="$theirs" 'BEGIN {
        printf "  find, warm: %d entries, %.0f a second; bindfs: %.0f a second\n", entries, entries / ours, entries / theirs
    }'

    printf '  resident after find: %d MB' "$(resident_mb)"
    make_photos "$COPIED"
    latency 20
    mkdir "$mount/copied"
    cp "$photos"/*.jpg "$mount/copied/"
    "$gphotosfs" sync "$mount/copied"
    printf ', and after copying %d photos: %d MB (at most %d; bound 64)\n' "$COPIED" "$(resident_mb)" "$(peak_mb)"
    tear_down
    bench_rclone
}

bench_rclone() {
    if ! have_rclone "$photo_dir"; then return; fi
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    run_without_network scripts/rclone-bench.sh list "$dir" "$gphotosfs" ||
        echo 'rclone did not get through: not compared with it'
    tear_down
}

need_command python3 python3
need_command bindfs bindfs
. scripts/rclone.sh
. scripts/listing.sh
bench_list
