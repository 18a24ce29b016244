# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# local: writes a video of 1 GB, beside the disk below.

[ ${#counts[@]} = 0 ] || usage

bench_local() {
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

bench_local
