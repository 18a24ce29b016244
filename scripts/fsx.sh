#!/usr/bin/env bash
# Runs fsx, the file system exerciser, on staged files of a real mount: random reads, writes, mappings, truncations,
# holes, copies and closes, and whatever is read is compared with what it has to be. A seed takes some minutes.
#   scripts/fsx.sh [OPERATIONS [SEED...]]     100000 operations and the seeds 1 2 3 4 unless told
# Each seed runs twice: alone, where the page cache is used, and beside a writer that keeps the kernel from using it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh

operations=${1-100000}
seeds=("${@:2}")
[ ${#seeds[@]} -gt 0 ] || seeds=(1 2 3 4)

need_command fusermount3 fuse3
need_command curl curl
need_command cc build-essential
need_cargo
need_fuse_device
cargo build --locked --bin gphotosfs
target=$(realpath "${CARGO_TARGET_DIR:-target}")
gphotosfs=$target/debug/gphotosfs
# A tool of its own, not part of the build.
cargo install --quiet --locked --root "$target/fsx" fsx@0.3.2 2>/dev/null || die 'the crate fsx cannot be installed'

dir=$(mktemp -d) emulator_pid='' mount_pid=''
clean_up() {
    status=$?
    trap - EXIT
    set +e
    if [ -n "$mount_pid" ]; then kill "$mount_pid"; wait "$mount_pid"; fi
    if [ -n "$emulator_pid" ]; then kill "$emulator_pid"; wait "$emulator_pid"; fi
    rm -rf --one-file-system "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

own_settings
mkdir "$dir/mount"
start_emulator
log_in
"$gphotosfs" mount --foreground "$dir/mount" >"$dir/mount.log" 2>&1 &
mount_pid=$!
for _ in $(seq 100); do
    if mountpoint -q "$dir/mount"; then break; fi
    sleep 0.1
done
mkdir "$dir/mount/album"

cat >"$dir/fsx.toml" <<'TOML'
flen = 1048576
[opsize]
max = 262144
[weights]
close_open = 1
copy_file_range = 3
fdatasync = 0.2
fsync = 0.2
invalidate = 1
mapread = 10
mapwrite = 10
posix_fadvise = 1
posix_fallocate = 2
punch_hole = 2
read = 10
sendfile = 3
truncate = 5
write = 10
TOML

# exercise SEED FILE HOW
exercise() {
    local start
    start=$(now)
    "$target/fsx/bin/fsx" -q -N "$operations" -S "$1" -P "$dir" -f "$dir/fsx.toml" "$2" >"$dir/fsx.log" 2>&1 || {
        tail -n 40 "$dir/fsx.log" "$dir/mount.log" >&2
        die "seed $1, $3: what was read is not what was written"
    }
    printf 'seed %s, %s: %s operations in %s s\n' "$1" "$3" "$operations" "$(since "$start")"
}

for seed in "${seeds[@]}"; do
    # What fsx writes is no photo: such a name is for files that are not uploaded yet.
    file=$dir/mount/album/$seed.part
    exercise "$seed" "$file" 'through the page cache'
    # The first descriptor decides: see src/fuse/modes.rs.
    exec {writer}>>"$file"
    exercise "$seed" "$file" 'direct'
    exec {writer}>&-
    rm "$file"
done
