#!/usr/bin/env bash
# Compares settings of Cargo's release profile: processor seconds of a build, the size of the program,
# and processor seconds of a task that computes (smaller copies of 20 photos). A build takes over what an earlier one
# has made alike: thin and fat differ in their last step alone.
#   scripts/release/profiles.sh [LTO:UNITS...]     [default: false:16 thin:16 fat:16]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/setup.sh
. scripts/release/lib/chroot.sh
need_command cc build-essential
need_cargo
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
dir=$(temporary_dir)
trap 'rm -rf "$dir"' EXIT
cargo run --locked --quiet -p gphotosfs-photos -- "$dir/photos" --count 20

# cpu COMMAND...: the processor seconds that it takes.
cpu() {
    local TIMEFORMAT='%U %S'
    { time "$@" >"$dir/said" 2>&1; } 2>&1 | awk '{ printf "%.1f\n", $1 + $2 }'
    [ "${PIPESTATUS[0]}" = 0 ] || { cat "$dir/said" >&2; die "$* failed"; }
}

profiles=("$@")
[ $# != 0 ] || profiles=(false:16 thin:16 fat:16)
printf '%-8s %6s %10s %8s %8s\n' lto units 'build s' MiB 'task s'
for profile in "${profiles[@]}"; do
    export CARGO_PROFILE_RELEASE_LTO=${profile%:*} CARGO_PROFILE_RELEASE_CODEGEN_UNITS=${profile#*:}
    triple=x86_64-unknown-linux-musl
    built=$(cpu cargo build --locked --release --target-dir "$dir/target" --target "$triple" --bin gphotosfs)
    program=$dir/target/$triple/release/gphotosfs
    task=$(cpu env XDG_CONFIG_HOME="$dir/c" XDG_STATE_HOME="$dir/s" XDG_CACHE_HOME="$dir/k" \
        "$program" estimate "$dir/photos")
    printf '%-8s %6s %10s %8s %8s\n' "${profile%:*}" "${profile#*:}" "$built" \
        "$(awk -v size="$(stat -c %s "$program")" 'BEGIN { printf "%.1f", size / 1048576 }')" "$task"
done
