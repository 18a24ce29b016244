# shellcheck shell=bash
# Sourced after emulator.sh by what measures a large file on its way into a mount and out of it, beside the disk below.

# timed COMMAND...: prints how many seconds it takes.
timed() {
    local start
    start=$(now)
    "$@"
    awk "BEGIN { printf \"%.3f\n\", $(now) - $start }"
}

# drop FILE...: out of the page cache, which takes no rights, but what is dirty stays.
drop() {
    sync
    for file; do dd if="$file" iflag=nocache count=0 status=none; done
}

# compare LABEL ROUNDS PREPARE ON_DISK ON_MOUNT: in turns, because disks and neighbours have moods; PREPARE comes before
# each and is not measured. Prints the medians, and in brackets the best and the worst.
compare() {
    local on_disk=() on_mount=()
    for _ in $(seq "$2"); do
        $3
        on_disk+=("$(timed "$4")")
        $3
        on_mount+=("$(timed "$5")")
    done
    printf '%s\n' "${on_disk[*]}" "${on_mount[*]}" | awk -v label="$1" '
        function sorted(   i, j, t) {
            for (i = 2; i <= NF; i++) for (j = i; j > 1 && $(j - 1) > $j; j--) { t = $j; $j = $(j - 1); $(j - 1) = t }
        }
        {
            sorted()
            median[NR] = (NF % 2) ? $((NF + 1) / 2) : ($(NF / 2) + $(NF / 2 + 1)) / 2
            range[NR] = sprintf("%.2f-%.2f", $1, $NF)
        }
        END {
            printf "  %-28s disk %.2f s (%s), mount %.2f s (%s): %.0f %% of the speed of the disk\n", label,
                median[1], range[1], median[2], range[2], 100 * median[1] / median[2]
        }'
}

# measure_writing ROUNDS VIDEO ALBUM BELOW: under a name that is not uploaded, since that would go on behind the next.
measure_writing() {
    local video=$2 into=$3/video.mp4.part beside=$4/gphotosfs-bench.raw
    nothing_there() {
        rm -f "$into" "$beside"
        cat "$video" >/dev/null
        sync
    }
    to_disk() { dd if="$video" of="$beside" bs=1M conv=fsync status=none; }
    to_mount() { dd if="$video" of="$into" bs=1M conv=fsync status=none; }
    compare 'written and synced' "$1" nothing_there to_disk to_mount
    rm -f "$into" "$beside"
}

# measure_reading ROUNDS FILE COPY: of a file in the mount whose bytes are in COPY, on the disk.
measure_reading() {
    local file=$2 copy=$3
    cold() { drop "$file" "$copy"; }
    warm() {
        drop "$file"
        cat "$copy" >/dev/null
    }
    from_disk() { dd if="$copy" of=/dev/null bs=1M status=none; }
    from_mount() { dd if="$file" of=/dev/null bs=1M status=none; }
    compare 'read from the disk' "$1" cold from_disk from_mount
    compare 'read from the page cache' "$1" warm from_disk from_mount
}
