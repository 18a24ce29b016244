#!/bin/sh
# Tries an installed gphotosfs as a user would: the emulator, login, mounts, photos there and back. A shell, busybox's
# tools and /dev/fuse are enough.
#   story.sh PHOTOS [login]     a directory of photos; `login`: ends before the first mount
set -eu
photos=$1 until=${2-}
dir=$(mktemp -d)
export XDG_CONFIG_HOME="$dir/config" XDG_STATE_HOME="$dir/state" XDG_CACHE_HOME="$dir/cache"
emulator=''
trap 'status=$?; [ -z "$emulator" ] || kill "$emulator"; [ "$status" = 0 ] || cat "$dir"/*.log' EXIT

# wait_for_line FILE PATTERN: prints what matched, once the file has it.
wait_for_line() {
    tries=600
    until grep -om1 "$2" "$1" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" != 0 ] || { echo "no '$2' in $1" >&2; exit 1; }
        sleep 0.1
    done
}

gphotosfs --version
gphotosfs emulator --auto-approve --listen 127.0.0.1:0 --state "$dir/emulator" >"$dir/emulator.log" 2>&1 &
emulator=$!
GPHOTOSFS_API_URL=$(wait_for_line "$dir/emulator.log" 'http://127\.0\.0\.1:[0-9]*')
GPHOTOSFS_PICKER_URL=$GPHOTOSFS_API_URL/picker
export GPHOTOSFS_API_URL GPHOTOSFS_PICKER_URL

gphotosfs login --no-browser --client-secret "$dir/emulator/client_secret.json" \
    </dev/null >"$dir/login.log" 2>&1 &
login=$!
link=$(wait_for_line "$dir/login.log" 'http://127\.0\.0\.1:[0-9]*/[^ ]*')
if command -v curl >/dev/null; then curl -fsSL -o /dev/null "$link"; else wget -q -O /dev/null "$link"; fi
wait "$login"

if [ "$until" = login ]; then
    gphotosfs status | grep '^Login'
    gphotosfs estimate "$photos"
    exit
fi
set -x
mkdir "$dir/mnt"
gphotosfs mount "$dir/mnt"
mkdir "$dir/mnt/Trip"
cp "$photos"/* "$dir/mnt/Trip/"
gphotosfs sync "$dir/mnt/Trip"
gphotosfs diff "$photos" "$dir/mnt/Trip"
gphotosfs status --check
gphotosfs umount "$dir/mnt"
# Once more, from the database and the emulator alone.
gphotosfs mount "$dir/mnt"
[ "$(ls "$dir/mnt/Trip" | wc -l)" = "$(ls "$photos" | wc -l)" ]
for photo in "$photos"/*; do cmp "$photo" "$dir/mnt/Trip/${photo##*/}"; done
gphotosfs umount "$dir/mnt"
set +x
! gphotosfs status --check || { echo "status --check is content without a mount" >&2; exit 1; }
echo "The story ends well."
