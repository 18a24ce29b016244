#!/usr/bin/env bash
# Opens an album of 300 photos that are not on this machine in Thunar, Nautilus and PCManFM, on a screen that nobody
# sees, scrolls to its end, and counts how many photos each of them downloads. Takes screenshots to look at.
#   scripts/file-managers.sh [--photos N] [--to DIR] [--only PROGRAM] [--build PROFILE]
#     --to DIR          where the screenshots go; otherwise a new temporary directory
#     --build PROFILE   of cargo; release, unless told otherwise
# Ends with 1 if a program has downloaded a photo although the mount makes thumbnails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh

count=300 pictures='' programs=(thunar nautilus pcmanfm) build=release
while [ $# -ge 2 ]; do
    case $1 in
        --photos) count=$2 ;;
        --to) pictures=$2 ;;
        --only) programs=("$2") ;;
        --build) build=$2 ;;
        *) break ;;
    esac
    shift 2
done
[ $# = 0 ] || { echo "usage: scripts/file-managers.sh [--photos N] [--to DIR] [--only PROGRAM] [--build PROFILE]" >&2; exit 2; }

need_command fusermount3 fuse3
need_command curl curl
need_command Xvfb xvfb
need_command xdotool xdotool
need_command import imagemagick
need_command dbus-run-session dbus-daemon
need_command gdbus libglib2.0-bin
need_command pkill procps
need_command thunar thunar
[ -e /usr/share/dbus-1/services/org.xfce.Tumbler.Thumbnailer1.service ] || need_package tumbler
need_command nautilus nautilus
need_command bwrap bubblewrap
need_command gdk-pixbuf-thumbnailer libgdk-pixbuf2.0-bin
need_command pcmanfm pcmanfm
[ -e /usr/share/mime/packages/freedesktop.org.xml ] || need_package shared-mime-info
need_cargo
need_fuse_device
cargo build --locked --profile "$build" -p gphotosfs -p gphotosfs-photos --bins
target=$(realpath "${CARGO_TARGET_DIR:-target}")/$build
[ "$build" != dev ] || target=${target%dev}debug
gphotosfs=$target/gphotosfs

# How long an answer of Google's takes, in milliseconds.
LATENCY_MS=150
# Seconds without a request, after which a program has all that it wants.
QUIET_S=12
# A program that takes longer is not waited for.
PATIENCE_S=150

pictures=${pictures:-$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-screens.XXXXXX")}
mkdir -p "$pictures"
dir=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-desktop.XXXXXX")
own_settings
mount=$dir/gphotos album=$dir/gphotos/20190428
export HOME=$dir/home XDG_RUNTIME_DIR=$dir/run XDG_DATA_HOME=$dir/data
mkdir -p "$mount" "$HOME" "$XDG_DATA_HOME"
mkdir -m 700 "$XDG_RUNTIME_DIR"
emulator_pid='' screen_pid='' program_pid='' mounted=''

clean_up() {
    local status=$?
    trap - EXIT
    set +e
    [ "$status" = 0 ] || tail -n 20 "$dir"/*.log
    end_program
    if [ -n "$mounted" ]; then "$gphotosfs" umount --now "$mount" || fusermount3 -uz "$mount"; fi
    for pid in $screen_pid $emulator_pid; do
        kill "$pid"
        wait "$pid"
    done 2>/dev/null
    rm -rf --one-file-system "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# end_program: ends the file manager with its session, in which all that it has started runs.
end_program() {
    if [ -z "$program_pid" ]; then return; fi
    pkill -TERM -s "$program_pid" || true
    for _ in $(seq 50); do
        pgrep -s "$program_pid" >/dev/null || break
        sleep 0.1
    done
    pkill -KILL -s "$program_pid" || true
    wait "$program_pid" 2>/dev/null || true
    program_pid=''
}

# counter NAME: of the emulator's statistics.
counter() { curl -fsS "$GPHOTOSFS_API_URL/emulator/stats" | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p"; }

# wait_until_quiet: until the program downloads nothing more, and the mount neither.
wait_until_quiet() {
    local begun=$SECONDS quiet=$SECONDS seen='' now
    while [ $((SECONDS - quiet)) -lt "$QUIET_S" ] && [ $((SECONDS - begun)) -lt "$PATIENCE_S" ]; do
        now="$(counter pictures) $(counter originals)"
        if [ "$now" != "$seen" ]; then seen=$now quiet=$SECONDS; fi
        sleep 0.5
    done
}

# begin PROGRAM: opens the album, in a session of its own.
begin() {
    # Nobody sees the screen: no graphics processor is needed for it.
    setsid env GDK_BACKEND=x11 GSK_RENDERER=cairo LIBGL_ALWAYS_SOFTWARE=1 NO_AT_BRIDGE=1 GIO_USE_VFS=local \
        dbus-run-session -- "$1" "$album" >"$dir/$1.log" 2>&1 &
    program_pid=$!
}

# scroll: to the end of the album, as the wheel of a mouse does.
scroll() {
    local window place
    window=$(xdotool search --onlyvisible --name 20190428 2>/dev/null | tail -n 1) || true
    [ -n "$window" ] || return 0
    place=$(xdotool getwindowgeometry --shell "$window")
    xdotool mousemove $(($(sed -n 's/^X=//p' <<<"$place") + $(sed -n 's/^WIDTH=//p' <<<"$place") * 6 / 10)) \
        $(($(sed -n 's/^Y=//p' <<<"$place") + $(sed -n 's/^HEIGHT=//p' <<<"$place") / 2))
    xdotool click --repeat 150 --delay 30 5
}

# measure PROGRAM MODE NEW: opens the album and prints a row. With NEW, nothing at all is known of the album here.
measure() {
    local program=$1 mode=$2 shot=$pictures/$1-$2${3:+-new} begun first originals
    rm -rf "$XDG_CACHE_HOME"/{gphotosfs,thumbnails}
    if [ -n "$3" ]; then rm -rf "$XDG_STATE_HOME"; fi
    "$gphotosfs" mount --thumbnails "$mode" "$mount"
    mounted=1
    # The account is known, as long before a person opens an album.
    ls "$mount" >/dev/null
    curl -fsS -X POST "$GPHOTOSFS_API_URL/emulator/stats/reset" >/dev/null
    begun=$(now)
    begin "$program"
    # Nautilus waits for an indexer first, which is not here.
    timeout 90 xdotool search --sync --onlyvisible --name 20190428 >/dev/null 2>&1 || die "$program shows no album"
    wait_until_quiet
    import -window root "$shot-1.png"
    first="$(counter originals) of $count"
    scroll
    wait_until_quiet
    import -window root "$shot-2.png"
    originals=$(counter originals)
    printf '%-10s %-4s %-12s %-16s %-10s %-10s %s\n' "$program" "$mode" "${3:-known}" "$first" "$originals" \
        "$(counter pictures)" "$(since "$begun")"
    end_program
    "$gphotosfs" umount --now "$mount"
    mounted=''
    if [ "$mode" = auto ] && [ "$originals" != 0 ]; then failed=1; fi
}

"$target/photos" "$dir/photo" --count "$count" --min-kb 100 --max-kb 300
# shellcheck disable=SC2119  # no options but its own
start_emulator
log_in
"$gphotosfs" mount "$mount"
mounted=1
mkdir "$album"
cp "$dir"/photo/* "$album/"
"$gphotosfs" sync "$album"
"$gphotosfs" umount "$mount"
mounted=''
curl -fsS -o /dev/null -X PATCH -d "{\"calls\":{\"media.download\":{\"latency_ms\":$LATENCY_MS}}}" \
    "$GPHOTOSFS_API_URL/emulator/faults"

Xvfb -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp 3>"$dir/display" >"$dir/screen.log" 2>&1 &
screen_pid=$!
DISPLAY=:$(wait_for_line "$dir/display" '[0-9][0-9]*' "$screen_pid")
export DISPLAY

# At its first start it looks for codecs, which takes longer than Thunar waits.
dbus-run-session -- gdbus wait --session --activate org.freedesktop.thumbnails.Thumbnailer1 --timeout 120 \
    >"$dir/tumbler.log" 2>&1 || die 'tumbler does not start'

failed=''
printf '%-10s %-4s %-12s %-16s %-10s %-10s %s\n' program mode 'the album is' 'photos, opened' scrolled thumbnails seconds
for program in "${programs[@]}"; do
    measure "$program" off ''
    measure "$program" auto ''
    measure "$program" auto new
done
echo "Screenshots: $pictures"
[ -z "$failed" ] || die 'a program has downloaded photos'
