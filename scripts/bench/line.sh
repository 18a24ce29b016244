# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# line [CASE...]: uploads over slow, breaking and lossy lines with an HTTP/2 front, all cases unless told.

# A case is: rate in kbit/s, round trip in ms, most kbit/s of a connection (0: all), seconds between
# breaks (0: none), photos, KB each, and how often the ideal time it may take.
declare -A LINE_CASES=(
    [one]='300 50 0 0 1 7000 2'
    [slower]='150 50 0 0 1 2000 3'
    [slow]='500 50 0 0 20 2000 2'
    [breaking]='2000 50 0 200 40 4000 2'
    [shaky]='2000 50 0 30 20 4000 3'
    # At 200 ms and 2 % loss, a connection carries about this.
    [lossy]='5000 200 600 0 40 2000 2'
    [decent]='20000 20 0 0 40 4000 2'
    [many]='20000 20 0 0 200 300 3'
    # Short enough to be run now and then.
    [short]='4000 20 0 0 8 1000 3'
    [short-shaky]='4000 20 0 3 8 1000 4'
)
LINE_ORDER=(one slower slow breaking shaky lossy decent many)
LINE_OPTIONS=${GPHOTOSFS_BENCH_LINE-}
speed=instant

# start_line OPTION...: sets line_pid; the API is behind the line from now on.
start_line() {
    # shellcheck disable=SC2086  # options
    "$target/line" --to "$GPHOTOSFS_API_URL" --authority "$dir/authority.pem" $LINE_OPTIONS "$@" \
        >"$dir/line.log" 2>&1 &
    line_pid=$!
    SSL_CERT_FILE=$dir/authority.pem
    direct_url=$GPHOTOSFS_API_URL
    GPHOTOSFS_API_URL=$(wait_for_line "$dir/line.log" 'https://localhost:[0-9]*' "$line_pid")
    export GPHOTOSFS_API_URL SSL_CERT_FILE
}

# end_line: sets carried, the counts of the line.
end_line() {
    kill "$line_pid"
    wait "$line_pid" || true
    carried=$(tail -n 1 "$dir/line.log")
    GPHOTOSFS_API_URL=$direct_url
}

count_of() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" <<<"$carried"; }
created() { sed -n 's/.* created call=[0-9]* items=\([0-9]*\).*/\1/p' "$dir/mount.log" | awk '{ n += $1 } END { print n + 0 }'; }

# watch_control: how long mkdir takes meanwhile, every few seconds.
watch_control() {
    local start n=0
    while sleep 5; do
        n=$((n + 1)) start=$(now)
        mkdir "$dir/mount/meanwhile $n" 2>/dev/null && since "$start" >>"$dir/mkdir.times" && echo >>"$dir/mkdir.times"
    done
}

bench_line() {
    local rate round_trip connection breaks count kb factor photos bytes ideal start limit first watcher
    read -r rate round_trip connection breaks count kb factor <<<"${LINE_CASES[$1]}"
    PHOTO_KB=$kb
    make_photos "$count"
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    mkdir "$dir/mount"
    start_emulator --speed "$speed"
    log_in
    start_line --up "$rate" --down "$((rate * 4))" --connection "$connection" \
        --round-trip "$round_trip" --break-every "$breaks"
    start_mount
    bytes=$(cat "$photos"/*.jpg | wc -c)
    ideal=$(awk "BEGIN { printf \"%.1f\", $bytes * 8 / $rate / 1000 }")
    limit=$(awk "BEGIN { printf \"%d\", $ideal * $factor + 10 }")
    mkdir "$dir/mount/album"
    : >"$dir/mkdir.times"
    start=$(now)
    cp "$photos"/*.jpg "$dir/mount/album/"
    watch_control & watcher=$!
    first=''
    while awk "BEGIN { exit !($(since "$start") < $limit) }"; do
        if [ -z "$first" ] && [ "$(created)" -gt 0 ]; then first=$(since "$start"); fi
        if [ "$(created)" -ge "$count" ]; then break; fi
        sleep 0.2
    done
    local took
    took=$(since "$start")
    kill "$watcher" && wait "$watcher" || true
    end_line
    awk -v name="$1" -v rate="$rate" -v bytes="$bytes" -v ideal="$ideal" -v took="$took" \
        -v done="$(created)" -v count="$count" -v first="${first:--}" -v up="$(count_of up)" \
        -v connections="$(count_of connections | head -n 1)" -v requests="$(GPHOTOSFS_API_URL=$direct_url api_requests)" \
        -v mkdir="$(sort -n "$dir/mkdir.times" | awk 'NF { last = $1 } END { print last + 0 }')" 'BEGIN {
            printf "%-12s %6d kbit/s, %d photos of %.1f MB: %d there after %.0f s of %.0f (%.2f of the line), ",
                name, rate, count, bytes / count / 1e6, done, took, ideal, ideal / took
            printf "first after %s s, %.1f MB carried (%.2f times), %d requests, mkdir at most %.1f s\n",
                first, up / 1e6, up / bytes, requests, mkdir
        }'
    printf '             %s\n' "$carried"
    kill -9 "$mount_pid"
    wait "$mount_pid" || true
    fusermount3 -uz "$dir/mount" || true
    mount_pid=''
    tear_down
}

need_command fusermount3 fuse3
cargo build --locked --release -p gphotosfs-line --bins
[ ${#counts[@]} -gt 0 ] || counts=("${LINE_ORDER[@]}")
for name in "${counts[@]}"; do
    [ -n "${LINE_CASES[$name]-}" ] || die "no such case: $name (there are: ${!LINE_CASES[*]})"
    bench_line "$name"
done
