# shellcheck shell=bash
# Sourced after emulator.sh by what measures a large file on its way into a mount and out of it, beside the disk below.

# cpu_s [PID]: time of a process, or of the mount, on the processors until now, in seconds.
cpu_s() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / hz }' "/proc/${1-$mount_pid}/stat"; }

# timed COMMAND...: prints how many seconds it takes, and the time that it and the process server_pid are on the processors.
timed() {
    local before TIMEFORMAT='%R %U %S' took
    # shellcheck disable=SC2154  # whoever measures sets it
    before=$(cpu_s "$server_pid")
    took=$({ time "$@"; } 2>&1)
    awk -v took="$took" -v served="$(cpu_s "$server_pid")" -v before="$before" \
        'BEGIN { split(took, t, " "); printf "%.3f %.3f\n", t[1], t[2] + t[3] + served - before }'
}

# drop FILE...: out of the page cache, which takes no rights, but what is dirty stays.
drop() {
    local file
    sync
    for file; do dd if="$file" iflag=nocache count=0 status=none; done
}

# compare LABEL ROUNDS PREPARE ON_DISK ON_MOUNT: in turns, because disks and neighbours have moods; PREPARE comes before
# each and is not measured. Prints medians, and in brackets the best and the worst. Processor time minds neighbours less.
compare() {
    for _ in $(seq "$2"); do
        $3
        echo "disk $(timed "$4")"
        $3
        echo "mount $(timed "$5")"
    done | awk -v label="$1" '
        function sort(values, n,   i, j, t) {
            for (i = 2; i <= n; i++) for (j = i; j > 1 && values[j - 1] > values[j]; j--) {
                t = values[j]; values[j] = values[j - 1]; values[j - 1] = t
            }
        }
        function median(values, n) {
            return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
        }
        $1 == "disk" { disk[++rounds] = $2; disk_cpu[rounds] = $3 }
        $1 == "mount" { mount[rounds] = $2; mount_cpu[rounds] = $3 }
        END {
            sort(disk, rounds); sort(mount, rounds); sort(disk_cpu, rounds); sort(mount_cpu, rounds)
            d = median(disk, rounds); m = median(mount, rounds)
            printf "  %-26s disk %.2f s (%.2f-%.2f), mount %.2f s (%.2f-%.2f): %.0f %% of the speed of the disk\n",
                label, d, disk[1], disk[rounds], m, mount[1], mount[rounds], 100 * d / m
            d = median(disk_cpu, rounds); m = median(mount_cpu, rounds)
            printf "  %-26s disk %.2f s, mount %.2f s: %.0f %%\n", "  on the processors", d, m, 100 * d / m
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
