# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# upload [COUNT...]: copies so many photos of 300 KB, 200 and 1000 unless told, until Google has the last one.

bench_upload() {
    local count=$1 photos album start copied committed before requests batches cpu bound
    make_photos "$count"
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
    bound=$(awk -v count="$count" -v bytes="$(cat "$photos"/*.jpg | wc -c)" -v upload="$UPLOAD_S" \
        -v rate="$UPLOAD_BYTES_PER_S" -v create="$CREATE_S" -v item="$CREATE_ITEM_S" -v batch="$BATCH" 'BEGIN {
            first = upload + bytes / count / rate
            printf "%.2f", first + int((count + batch - 1) / batch) * create + count * item
        }')
    awk -v count="$count" -v bytes="$(cat "$photos"/*.jpg | wc -c)" -v copied="$copied" \
        -v committed="$committed" -v requests="$requests" -v batches="$batches" -v cpu="$cpu" \
        -v peak="$(peak_mb)" -v bound="$bound" 'BEGIN {
            printf "%d photos, %.0f MB\n", count, bytes / 1e6
            printf "  copied         %.1f s\n", copied
            printf "  all committed  %.2f s: %.2f times the bound of %.2f s\n", committed, committed / bound, bound
            printf "  requests       %d: %.3f a file\n", requests, requests / count
            printf "  batches        %s\n", batches
            printf "  mount process  %.2f s CPU, at most %d MB resident\n", cpu, peak
        }'
    tear_down
    # Once is enough: it takes its time.
    if [ "$count" = "${counts[0]}" ]; then bench_rclone "$photos" "$bound"; fi
}

# bench_rclone PHOTOS BOUND: beside rclone, where it can be had.
bench_rclone() {
    if ! have_rclone "$photo_dir"; then return; fi
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    run_without_network scripts/rclone-bench.sh upload "$dir" "$gphotosfs" "$1" "$2" ||
        echo 'rclone did not get through: not compared with it'
    tear_down
}

. scripts/rclone.sh
[ ${#counts[@]} -gt 0 ] || counts=(200 1000)
for count in "${counts[@]}"; do bench_upload "$count"; done
