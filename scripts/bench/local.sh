# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# local [ROUNDS]: writes a video of 1 GB and reads it back, 5 times unless told, beside the disk below and rclone mount.

[ ${#counts[@]} -le 1 ] || usage
rounds=${counts[0]-5}

# The header by which a video is known, and then what no disk can leave out or compress.
make_video() {
    { printf '\0\0\0\40ftypisom\0\0\2\0isomiso2avc1mp41'; head -c 999999968 /dev/urandom; } >"$1"
}

bench_local() {
    local album copy
    set_up
    album=$dir/mount/album server_pid=$mount_pid
    mkdir "$album"
    make_video "$dir/video.mp4"
    echo 'gphotosfs, a file of 1 GB'
    measure_writing "$rounds" "$dir/video.mp4" "$album" "$dir"
    cp "$dir/video.mp4" "$album/"
    "$gphotosfs" sync "$album"
    copy=$(find "$XDG_CACHE_HOME" -type f -size +900M)
    measure_reading "$rounds" "$album/video.mp4" "$copy"
    end_mount
    start_mount --read-only
    server_pid=$mount_pid
    head -c 1 "$album/video.mp4" >/dev/null
    if grep -q 'passthrough: the kernel reads' "$dir/mount.log"; then
        echo 'gphotosfs --read-only, with passthrough'
        measure_reading "$rounds" "$album/video.mp4" "$copy"
    else
        echo 'gphotosfs --read-only: no passthrough with this user, kernel and disk'
    fi
    tear_down
}

bench_rclone() {
    if ! have_rclone "$photo_dir"; then return; fi
    need_command pgrep procps
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    make_video "$dir/video.mp4"
    run_without_network scripts/rclone-bench.sh local "$dir" "$gphotosfs" "$rounds" ||
        echo 'rclone did not get through: not compared with it'
    tear_down
}

. scripts/rclone.sh
# Nothing that is measured here is on its way to Google.
speed=instant
bench_local
bench_rclone
