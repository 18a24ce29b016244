# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# diff [COUNT]: compares so many photos of 50 KB, 5000 unless told, with their album: diff, adopt and verify.

[ ${#counts[@]} -le 1 ] || usage
count=${counts[0]-5000}

PHOTO_KB=50

# run WHAT COMMAND...: what it took, and the first line that it said.
run() {
    local what=$1 start before said
    shift
    before=$(api_requests) start=$(now)
    said=$("$gphotosfs" "$@" "$photos" "$dir/mount/album" | sed -n 1p)
    printf '  %-28s %6.2f s %4d requests  %s\n' "$what" "$(since "$start")" $(($(api_requests) - before)) "$said"
}

bench_diff() {
    local photos=$photo_dir/$count-of-${PHOTO_KB}k
    if [ ! -e "$photos.done" ]; then
        "$target/photos" "$photos" --count "$count" --min-kb "$PHOTO_KB" --max-kb "$PHOTO_KB"
        : >"$photos.done"
    fi
    set_up
    mkdir "$dir/mount/album"
    cp -p "$photos"/*.jpg "$dir/mount/album/"
    "$gphotosfs" sync "$dir/mount/album"
    printf '%d photos, %.0f MB, in the album\n' "$count" "$(du -sb "$photos" | awk '{ print $1 / 1e6 }')"
    run 'diff, all hashed' diff
    run 'diff, hashes kept' diff
    end_mount
    # As on a new machine: sizes are asked for as well.
    rm -r "$XDG_STATE_HOME" "$XDG_CACHE_HOME"
    start_mount
    run 'diff, nothing known' diff
    run 'adopt' adopt
    run 'diff, all adopted' diff
    run 'verify, 100 of them' verify --against
    tear_down
}

# Our own time is measured, not the service's.
speed=instant
bench_diff
