# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# saver [COUNT]: copies so many photos of a camera, 40 unless told, over a line of 10 Mbit/s: as they are, and then smaller.

# Three of four have 12 megapixels, and one has 24 and is resized. Then one of 100 is copied, for the memory that it takes.

[ ${#counts[@]} -le 1 ] || usage
count=${counts[0]-40}
LINE_KBIT=10000
LINE_ROUND_TRIP_MS=30

# scene WIDTH HEIGHT SEED: a picture with surfaces, edges and grain, as PPM.
scene() {
    "$im" -size "$(($1 / 4))x$(($2 / 4))" -seed "$3" plasma:fractal -resize "$1x$2!" -attenuate 0.25 +noise Gaussian ppm:-
}

# make_scenes: sets scenes to a directory of the photos.
make_scenes() {
    local n size
    scenes=$photo_dir/$count-scenes
    if [ -e "$scenes.done" ]; then return; fi
    mkdir -p "$scenes"
    for n in $(seq "$count"); do
        size='4000 3000'
        if [ $((n % 4)) = 0 ]; then size='6000 4000'; fi
        # shellcheck disable=SC2086  # two words
        scene $size "$n" | cjpeg -quality 95 -sample 2x2 >"$scenes/IMG_$(printf %04d "$n").jpg"
    done
    : >"$scenes.done"
}

# make_large FILE OPTION...: a photo of 101 megapixels: six strips, because a single picture takes gigabytes to make.
make_large() {
    local strip=$photo_dir/strip file=$1
    if [ -e "$file" ]; then return; fi
    [ -e "$strip" ] || scene 11600 1456 1 | tail -c $((11600 * 1456 * 3)) >"$strip"
    { printf 'P6 11600 8736 255\n' && cat "$strip" "$strip" "$strip" "$strip" "$strip" "$strip"; } |
        cjpeg -quality 95 -sample 2x2 "${@:2}" >"$file.part"
    mv "$file.part" "$file"
}

# start_line: the API is behind the line from now on.
start_line() {
    "$target/line" --to "$GPHOTOSFS_API_URL" --authority "$dir/authority.pem" --up "$LINE_KBIT" \
        --down "$((LINE_KBIT * 4))" --round-trip "$LINE_ROUND_TRIP_MS" >"$dir/line.log" 2>&1 &
    line_pid=$!
    export SSL_CERT_FILE=$dir/authority.pem
    GPHOTOSFS_API_URL=$(wait_for_line "$dir/line.log" 'https://[a-z0-9.:]*' "$line_pid")
}

# bench_quality QUALITY: prints a row of the table.
bench_quality() {
    local start copied committed cpu bytes sent ideal
    cat "$scenes"/*.jpg >/dev/null
    sync
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    mkdir "$dir/mount"
    start_emulator --speed "$speed"
    log_in
    start_line
    start_mount --quality "$1"
    ls "$dir/mount" >/dev/null
    cpu=$(cpu_s) start=$(now)
    mkdir "$dir/mount/album"
    cp "$scenes"/*.jpg "$dir/mount/album/"
    copied=$(since "$start")
    "$gphotosfs" sync "$dir/mount/album" >>"$dir/sync.log" 2>&1
    committed=$(since "$start")
    cpu=$(awk "BEGIN { printf \"%.2f\", $(cpu_s) - $cpu }")
    bytes=$(cat "$scenes"/*.jpg | wc -c)
    sent=$(sed -n 's/^gphotosfs_stored_bytes_total //p' "$dir/mount/.gphotos/metrics")
    ideal=$(awk "BEGIN { printf \"%.1f\", $sent * 8 / $LINE_KBIT / 1000 }")
    awk -v quality="$1" -v count="$count" -v bytes="$bytes" -v sent="$sent" -v copied="$copied" -v committed="$committed" \
        -v ideal="$ideal" -v cpu="$cpu" -v peak="$(peak_mb)" 'BEGIN {
            printf "| %s | %.0f MB of %.0f | %.1f s | %.1f s | %.1f s | %.1f s | %.1f | %d MB |\n", quality, sent / 1e6,
                bytes / 1e6, copied, committed, ideal, cpu, count * 60 / cpu, peak
        }'
    sed -n 's/^gphotosfs: \(sent .*files smaller\)/  \1/p' "$dir/sync.log"
    tear_down
}

# bench_memory NAME FILE: the memory that a mount takes at most for one large photo.
bench_memory() {
    set_up
    local before cpu
    before=$(peak_mb) cpu=$(cpu_s)
    mkdir "$dir/mount/album"
    cp "$2" "$dir/mount/album/"
    "$gphotosfs" sync "$dir/mount/album" >>"$dir/sync.log" 2>&1
    printf '  %-12s %s: %d MB at most, %d before; %.1f s CPU\n' "$1" \
        "$(getfattr --only-values -n user.gphotos.quality "$dir/mount/album/${2##*/}" 2>/dev/null)" \
        "$(peak_mb)" "$before" "$(awk "BEGIN { print $(cpu_s) - $cpu }")"
    tear_down
}

need_command cjpeg libjpeg-turbo-progs
need_command convert imagemagick
need_command getfattr attr
# Another program may have the usual name.
im=$(command -v convert-im6.q16 || command -v convert)
cargo build --locked --release -p gphotosfs-line --bins
mkdir -p "$photo_dir"
make_scenes
printf '%d photos over %d Mbit/s\n' "$count" $((LINE_KBIT / 1000))
echo '| quality | sent | cp | last item | of the line alone | CPU of the mount | photos a minute and core | resident |'
echo '|---|---|---|---|---|---|---|---|'
for quality in original saver; do bench_quality "$quality"; done
echo 'one photo of 101 megapixels'
options+=(--quality saver)
for coding in baseline progressive; do
    make_large "$photo_dir/$coding-101.jpg" "-$coding"
    bench_memory "$coding" "$photo_dir/$coding-101.jpg"
done
