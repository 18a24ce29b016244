# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# read: photos cold and warm, a video of 1 GB streamed and sought in; beside rclone mount where it can be had.
#
# The emulator gives each connection its own 20 MB/s after 150 ms, and has as many as are asked for: it says nothing about
# a line that is shared, TLS, or how long Google takes for a video that nobody has looked at for months. Whether Google gives
# parts of files is not documented, so both are measured.

[ ${#counts[@]} = 0 ] || usage

bench_read() {
    set_up
    reading_library | edits
    # Sizes are asked for when a directory is listed, and are not measured here.
    ls -l "$dir/mount/read" >/dev/null
    echo 'gphotosfs'
    measure_reads "$dir/mount/read"
    printf '  mount process: %s s CPU, at most %s MB resident\n' "$(cpu_s)" "$(peak_mb)"
    tear_down
}

bench_rclone() {
    if ! have_rclone "$photo_dir"; then return; fi
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    run_without_network scripts/rclone-bench.sh read "$dir" "$gphotosfs" ||
        echo 'rclone did not get through: not compared with it'
    tear_down
}

need_command python3 python3
. scripts/listing.sh
. scripts/reading.sh
. scripts/rclone.sh
bench_read
bench_rclone
