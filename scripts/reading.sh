# shellcheck shell=bash
# shellcheck disable=SC2154  # whoever sources it sets dir
# Sourced after emulator.sh and listing.sh by what measures reading: photos, and a video of 1 GB.

# As `emulator --speed realistic` says; seconds and bytes.
READ_S=0.15 READ_BYTES_PER_S=20000000
PHOTOS=50 PHOTO_BYTES=3000000 VIDEO_BYTES=1000000000
# Of a video without parts, which takes its time.
SHORT_BYTES=200000000
# What is read at a place that was sought.
PART_BYTES=1000000

# reading_library: the edits that make what is read. The emulator makes the bytes up as it sends them, of photos only;
# a large photo stands for a video.
reading_library() {
    printf '{"op":"create_album","title":"%s"}\n' read
    seed_files one "$PHOTOS" "$PHOTO_BYTES"
    seed_files eight "$PHOTOS" "$PHOTO_BYTES"
    seed_files stream 1 "$VIDEO_BYTES"
    seed_files seek 1 "$VIDEO_BYTES"
    seed_files whole 1 "$SHORT_BYTES"
}

# seed_files PREFIX COUNT BYTES
seed_files() { printf '{"op":"seed","album":"read","prefix":"%s","count":%d,"size":%d}\n' "$@"; }

media_requests() {
    curl -fsS "$GPHOTOSFS_API_URL/emulator/stats" | sed -n 's/.*"media_requests_today": *\([0-9]*\).*/\1/p'
}

# ranges true|false: whether the server gives parts from now on.
ranges() {
    curl -fsS -o /dev/null -X PATCH -H 'Content-Type: application/json' -d "{\"photo_ranges\":$1}" \
        "$GPHOTOSFS_API_URL/emulator/faults"
}

# read_at FILE OFFSET: reads a part; prints the seconds to its first byte and to its last.
read_at() {
    python3 -c '
import sys, time
begun = time.monotonic()
with open(sys.argv[1], "rb", buffering=0) as file:
    file.seek(int(sys.argv[2]))
    left = int(sys.argv[3])
    left -= len(file.read(1))
    first = time.monotonic() - begun
    while left > 0 and (got := len(file.read(min(left, 1 << 17)))):
        left -= got
print(f"{first:.3f} {time.monotonic() - begun:.3f}")
' "$1" "$2" "${3-$PART_BYTES}"
}

# report NAME SECONDS BOUND REQUESTS
report() {
    awk -v name="$1" -v took="$2" -v bound="$3" -v requests="$4" 'BEGIN {
        printf "  %-34s %6.2f s: %5.2f times the bound of %.2f s; media requests %d\n", name, took, took / bound, bound, requests
    }'
}

# bound REQUESTS BYTES: seconds for so many requests one after the other, and the bytes of all of them.
bound() { awk -v n="$1" -v bytes="$2" -v wait="$READ_S" -v rate="$READ_BYTES_PER_S" 'BEGIN { print n * wait + bytes / rate }'; }

# measured NAME BOUND COMMAND...
measured() {
    local name=$1 limit=$2 before seconds
    shift 2
    before=$(media_requests)
    seconds=$(took "$@")
    report "$name" "$seconds" "$limit" "$(($(media_requests) - before))"
}

# measured_part NAME BOUND FILE OFFSET [BYTES]
measured_part() {
    local before times
    before=$(media_requests)
    times=$(read_at "${@:3}")
    report "$1" "${times#* }" "$2" "$(($(media_requests) - before))"
    printf '    first byte after %.2f s (bound %.2f)\n' "${times% *}" "$READ_S"
}

# measure_reads DIR: of the library above, when it has been listed with sizes.
measure_reads() {
    local in_turn names=$dir/names
    printf '%s\n' "$1"/eight* >"$names"
    in_turn=$(bound "$PHOTOS" $((PHOTOS * PHOTO_BYTES)))
    measured "$PHOTOS photos, one after the other" "$in_turn" cat "$1"/one*
    measured "$PHOTOS photos, 8 at a time" "$(awk -v n="$PHOTOS" -v all="$in_turn" 'BEGIN { print int((n + 7) / 8) * all / n }')" \
        xargs -P 8 -n 1 -a "$names" cat
    printf '  the same %d photos again: %.2f s\n' "$PHOTOS" "$(took cat "$1"/one*)"
    measured_part 'a video of 1 GB, streamed' "$(bound 1 "$VIDEO_BYTES")" "$1/stream000000.jpg" 0 "$VIDEO_BYTES"
    measured_part '1 MB of another at 90 %' "$(bound 1 "$PART_BYTES")" "$1/seek000000.jpg" $((VIDEO_BYTES * 9 / 10))
    measured_part '1 MB at its head' "$(bound 1 "$PART_BYTES")" "$1/seek000000.jpg" 0
    measured_part '1 MB at its tail' "$(bound 1 "$PART_BYTES")" "$1/seek000000.jpg" $((VIDEO_BYTES - PART_BYTES))
    measured_part '1 MB in its middle' "$(bound 1 "$PART_BYTES")" "$1/seek000000.jpg" $((VIDEO_BYTES / 2))
    ranges false
    measured_part '1 MB at 90 % of 200 MB, no parts' "$(bound 1 $((SHORT_BYTES * 9 / 10 + PART_BYTES)))" \
        "$1/whole000000.jpg" $((SHORT_BYTES * 9 / 10))
}
