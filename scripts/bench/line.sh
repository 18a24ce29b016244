# shellcheck shell=bash
# shellcheck disable=SC2154  # sourced by bench.sh, whose helpers it uses
# line [--full | CASE...]: uploads over slow, breaking and lossy lines to an HTTP/2 front, beside rclone; a dozen cases unless told.

# The way is private to this script: a network namespace with one TUN interface, whose packets crates/line
# delays, loses and forgets (crates/line/src/packets.rs). Both ends have the kernel's TCP. Where there is no TUN,
# the bytes of the connections pass a relay instead: a rate, a queue, a delay and breaks, but no losses.

# A case is: kbit/s, round trip in ms, percent lost, seconds between breaks (0: none), photos, KB each, HTTP/2's
# windows in KiB, MB of a video beside them, bytes of the largest packet (0: any). --full takes all combinations.
declare -A LINE_CASES=(
    [0.3]='300 50 0 0 8 300 1024 0 0'
    [0.3-one]='300 50 0 0 1 4000 1024 0 0'
    [1-shaky]='1000 50 0 30 20 300 1024 0 0'
    [1-large]='1000 200 0 0 2 4000 64 0 0'
    [2]='2000 50 0 0 5 4000 256 0 0'
    [2-breaking]='2000 50 0 200 4 20000 1024 0 0'
    [2-shaky]='2000 50 0 30 4 4000 1024 0 0'
    [5-far-lossy]='5000 200 2 0 20 2000 1024 0 0'
    [5-lossy]='5000 50 0.5 0 100 300 1024 0 0'
    [20]='20000 10 0 0 30 4000 1024 0 0'
    [20-far-lossy]='20000 200 2 0 30 4000 1024 0 0'
    [20-small]='20000 50 0 0 400 300 1024 0 0'
    [video]='20000 50 0 0 20 4000 1024 300 0'
    [100]='100000 10 0 0 60 4000 1024 0 0'
    [100-far]='100000 200 0 0 20 20000 1024 0 0'
    [hole]='5000 50 0 0 10 2000 1024 0 1400'
    # Seconds, to see whether all this works.
    [short]='4000 20 0 0 8 1000 1024 0 0'
    [short-shaky]='4000 20 0 3 8 1000 1024 0 0'
)
LINE_ORDER=(0.3 0.3-one 1-shaky 1-large 2 2-breaking 2-shaky 5-far-lossy 5-lossy 20 20-far-lossy 20-small video 100
    100-far)
# A case may take so often the ideal time and so many seconds more; then it has failed.
LINE_PATIENCE=3
# The most that a broken line is silent, in seconds.
LINE_BREAK_FOR=2
speed=instant

full_cases() {
    local rate round_trip loss breaks kb count name
    for rate in 300 1000 2000 5000 20000 100000; do
        for round_trip in 10 50 200; do
            for loss in 0 0.5 2; do
                for breaks in 0 30 200; do
                    for kb in 300 4000 20000; do
                        # About two minutes, or a few files.
                        count=$((rate * 120 / 8 / kb))
                        count=$((count < 2 ? 2 : count > 400 ? 400 : count))
                        name=$rate/$round_trip/$loss/$breaks/$kb
                        LINE_CASES[$name]="$rate $round_trip $loss $breaks $count $kb 1024 0 0"
                        counts+=("$name")
                    done
                done
            done
        done
    done
}

# start_line RATE ROUND_TRIP LOSS BREAKS WINDOW MTU: sets line_pid; the API is behind the line from now on.
start_line() {
    local options=(--to "$GPHOTOSFS_API_URL" --authority "$dir/authority.pem" --up "$1" --down "$(($1 * 4))"
        --round-trip "$2" --queue "$queue_kb" --break-every "$4" --window "$5")
    direct_url=$GPHOTOSFS_API_URL
    if [ "$LINE_WAY" = packets ]; then
        tun_line --packets --loss "$3" --break-for "$LINE_BREAK_FOR" --mtu "$6" "${options[@]}" >"$dir/line.log" 2>&1 &
    else
        "$target/line" "${options[@]}" >"$dir/line.log" 2>&1 &
    fi
    line_pid=$!
    SSL_CERT_FILE=$dir/authority.pem
    GPHOTOSFS_API_URL=$(wait_for_line "$dir/line.log" 'https://[a-z0-9.:]*' "$line_pid")
    export GPHOTOSFS_API_URL SSL_CERT_FILE
}

# tun_line OPTION...: the line, with a new TUN interface as its standard input.
tun_line() {
    exec python3 - "$target/line" "$@" <<'PYTHON'
import fcntl, os, struct, subprocess, sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN | IFF_NO_PI))
# cubic is what most systems have.
for command in ("link set line up", "addr add 10.0.0.1/32 dev line",
                "route add 10.0.0.0/24 dev line src 10.0.0.1 congctl cubic"):
    subprocess.run(["ip", *command.split()], check=True)
os.dup2(tun, 0)
os.execv(sys.argv[1], sys.argv[1:])
PYTHON
}

# end_line: sets carried, the counts of the line.
end_line() {
    kill "$line_pid"
    wait "$line_pid" || true
    line_pid=''
    carried=$(tail -n 1 "$dir/line.log")
    GPHOTOSFS_API_URL=$direct_url
}

count_of() { sed -n "s/.*\"line\":{[^}]*\"$1\":\([0-9]*\).*/\1/p" <<<"$carried"; }
arrived() { curl -fsS "$direct_url/emulator/dump" | { grep -o '"sha256"' || true; } | wc -l; }

# watch_meanwhile: how long mkdir and a read of 500 kB that nobody has read take, every few seconds.
watch_meanwhile() {
    local start n=0
    while sleep 5; do
        n=$((n + 1)) start=$(now)
        mkdir "$dir/mount/meanwhile $n" 2>/dev/null && echo "$(since "$start")" >>"$dir/mkdir.times"
        start=$(now)
        if [ -e "$dir/mount/before/$n.jpg" ]; then
            cat "$dir/mount/before/$n.jpg" >/dev/null && echo "$(since "$start")" >>"$dir/read.times"
        fi
    done
}

largest() { sort -n "$1" | tail -n 1; }

# wait_for_all COUNT LIMIT START: sets first and took.
wait_for_all() {
    local there
    first=''
    while awk "BEGIN { exit !($(since "$3") < $2) }"; do
        there=$(($(arrived) - before_count))
        if [ -z "$first" ] && [ "$there" -gt 0 ]; then first=$(since "$3"); fi
        if [ "$there" -ge "$1" ]; then break; fi
        sleep 0.2
    done
    took=$(since "$3")
}

# row NAME WHO: prints a row of the table.
row() {
    local requests
    requests=$(GPHOTOSFS_API_URL=$direct_url api_requests)
    awk -v name="$1" -v who="$2" -v rate="$rate" -v bytes="$bytes" -v ideal="$ideal" -v took="$took" -v count="$count" \
        -v done="$(($(arrived) - before_count))" -v first="${first:--}" -v up="$(count_of up)" -v shape="$shape" \
        -v requests="$((requests - before_requests))" -v mkdir="${mkdir:--}" -v bound="$bound" -v read="${read:--}" 'BEGIN {
            share = ideal / count
            printf "| %s | %s | %s | %d of %d | %.0f s of %.0f | %.2f | %.2f | %s s (%.1f) | %s (%.1f) | %s | %d |\n", name, shape, who,
                done, count, took, ideal, ideal / took, up / bytes, first, first / share, mkdir, bound, read, requests
        }'
    printf '%s %s %s\n' "$1" "$2" "$carried" >>"$line_results"
}

bench_line() {
    local rate round_trip loss breaks count kb window video mtu photos bytes ideal limit bound shape first took queue_kb
    local watcher mkdir='' read='' before_count=0 before_requests
    read -r rate round_trip loss breaks count kb window video mtu <<<"${LINE_CASES[$1]}"
    # A modem's buffer: what the line carries in a round trip, but not less than is usual.
    queue_kb=$((rate * round_trip / 8 / 1024))
    queue_kb=$((queue_kb < 64 ? 64 : queue_kb))
    PHOTO_KB=500
    make_photos 40
    local others=$photos
    PHOTO_KB=$kb
    make_photos "$count"
    dir=$(mktemp -d "$bench_dir/gphotosfs-bench.XXXXXX")
    own_settings
    mkdir "$dir/mount" "$dir/files"
    ln -s "$photos"/*.jpg "$dir/files/"
    if [ "$video" -gt 0 ]; then
        { printf '\0\0\0\030ftypmp42\0\0\0\0mp42isom' && head -c "${video}000000" /dev/urandom; } >"$dir/files/a-video.mp4"
        count=$((count + 1))
    fi
    start_emulator --speed "$speed"
    log_in
    # Photos to read later, which are not here any more.
    start_mount
    mkdir "$dir/mount/before"
    local n=0 other
    for other in "$others"/*.jpg; do n=$((n + 1)) && cp "$other" "$dir/mount/before/$n.jpg"; done
    "$gphotosfs" sync "$dir/mount/before"
    end_mount
    rm -rf "$dir/cache"
    direct_url=$GPHOTOSFS_API_URL
    before_count=$(arrived)
    start_line "$rate" "$round_trip" "$loss" "$breaks" "$window" "$mtu"
    start_mount
    bytes=$(cat "$dir"/files/* | wc -c)
    ideal=$(awk "BEGIN { printf \"%.1f\", $bytes * 8 / $rate / 1000 }")
    limit=$(awk "BEGIN { printf \"%d\", $ideal * $LINE_PATIENCE + 20 }")
    # Five round trips, each behind a full queue.
    bound=$(awk "BEGIN { printf \"%.1f\", 5 * ($round_trip / 1000 + $queue_kb * 1024 * 8 / $rate / 1000) }")
    shape="$(awk "BEGIN { print $rate / 1000 }") Mbit/s, $round_trip ms, $loss %, $breaks s, ${kb} kB × $count, $window KiB"
    mkdir "$dir/mount/album"
    ls "$dir/mount/before" >/dev/null
    : >"$dir/mkdir.times"
    : >"$dir/read.times"
    before_requests=$(GPHOTOSFS_API_URL=$direct_url api_requests)
    local start syncing
    start=$(now)
    cp -L "$dir"/files/* "$dir/mount/album/"
    "$gphotosfs" sync "$dir/mount/album" >"$dir/sync.log" 2>&1 & syncing=$!
    watch_meanwhile & watcher=$!
    wait_for_all "$count" "$limit" "$start"
    kill "$watcher" "$syncing" 2>/dev/null || true
    wait "$watcher" "$syncing" 2>/dev/null || true
    mkdir=$(largest "$dir/mkdir.times") read=$(largest "$dir/read.times")
    end_line
    row "$1" gphotosfs
    kill -9 "$mount_pid"
    wait "$mount_pid" 2>/dev/null || true
    fusermount3 -uz "$dir/mount" || true
    mount_pid=''
    if [ "$LINE_WAY" = packets ] && [ "$LINE_RCLONE" = yes ]; then bench_rclone_line "$1"; fi
    tear_down
}

# bench_rclone_line NAME: the same files over the same line, by rclone.
bench_rclone_line() {
    kill "$emulator_pid"
    wait "$emulator_pid" || true
    rm -r "$dir/emulator"
    before_count=0 mkdir='' read=''
    start_emulator --speed "$speed"
    rclone_log_in "$GPHOTOSFS_API_URL" "$dir/emulator" >"$dir/rclone.log" 2>&1
    start_line "$rate" "$round_trip" "$loss" "$breaks" "$window" "$mtu"
    cp "$dir/authority.pem" "$dir/cert.pem"
    # Its uploads are made items one by one unless told.
    local start copying batches=()
    if rclone_batches; then batches=(--gphotos-batch-size 50); fi
    before_requests=$(GPHOTOSFS_API_URL=$direct_url api_requests)
    start=$(now)
    rclone copy -q -L "${batches[@]}" "$dir/files" photos:album/album >>"$dir/rclone.log" 2>&1 & copying=$!
    wait_for_all "$count" "$limit" "$start"
    kill "$copying" 2>/dev/null || true
    wait "$copying" 2>/dev/null || true
    end_line
    row "$1" rclone
}

. scripts/rclone.sh
cargo build --locked --release -p gphotosfs-line --bins
if [ -z "${GPHOTOSFS_BENCH_WAY-}" ]; then
    need_command ip iproute2
    need_command python3 python3
    GPHOTOSFS_BENCH_RCLONE=no
    if have_rclone "$photo_dir"; then GPHOTOSFS_BENCH_RCLONE=yes; fi
    export GPHOTOSFS_BENCH_RCLONE GPHOTOSFS_BENCH_WAY=bytes
    if [ -w /dev/net/tun ] && run_without_network true 2>/dev/null; then
        GPHOTOSFS_BENCH_WAY=packets
        trap - EXIT
        run_without_network scripts/bench.sh line "${counts[@]}" -- "${options[@]}"
        exit
    fi
    echo 'no TUN interface or no network namespace: the line carries bytes, and loses none'
fi
LINE_WAY=$GPHOTOSFS_BENCH_WAY LINE_RCLONE=$GPHOTOSFS_BENCH_RCLONE line_pid=''
if [ "$LINE_WAY" = packets ]; then
    raise_loopback
    hosts=$(mktemp)
    printf '127.0.0.1 localhost\n10.0.0.2 photoslibrary.googleapis.com\n' >"$hosts"
    mount --bind "$hosts" /etc/hosts
    rm "$hosts"
fi
line_results=$(mktemp)
if [ "${counts[*]-}" = --full ]; then
    counts=()
    full_cases
fi
[ ${#counts[@]} -gt 0 ] || counts=("${LINE_ORDER[@]}")
echo '| case | line, files, windows | by | there | time of ideal | of the line | carried | first (shares) | mkdir (5 round trips) | read | requests |'
echo '|---|---|---|---|---|---|---|---|---|---|---|'
for name in "${counts[@]}"; do
    [ -n "${LINE_CASES[$name]-}" ] || die "no such case: $name (there are: ${!LINE_CASES[*]})"
    bench_line "$name"
done
cat "$line_results"
rm "$line_results"
