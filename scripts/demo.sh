#!/usr/bin/env bash
# The whole story on real JPEG files, against an emulator on this machine:
# log in, mount, copy a folder, wait for it, count, find the one that is missing, read one back. Then
# find the one that is missing in an album of the phone, by a pick and by a Takeout export.
#   scripts/demo.sh [--keep] [--release]
#     --keep      leaves everything running and says how to look around
#     --release   measures an optimised build
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh

keep='' build=demo
for arg in "$@"; do
    case $arg in
        --keep) keep=1 ;;
        --release) build=release ;;
        *) echo "usage: scripts/demo.sh [--keep] [--release]" >&2; exit 2 ;;
    esac
done

say() { printf '\n== %s\n' "$*"; }
# run COMMAND...: shows the command as a user would type it.
run() { printf '$ %s\n' "${*/#"$gphotosfs"/gphotosfs}"; "$@"; }

say 'Making sure that everything is there'
need_command fusermount3 fuse3
need_command curl curl
need_command cc build-essential
need_cargo
need_fuse_device
# A checkout of somebody else's can be tried, too.
if [ ! -w . ]; then export CARGO_TARGET_DIR="${XDG_CACHE_HOME:-$HOME/.cache}/gphotosfs-demo"; fi
cargo build --locked --profile "$build" -p gphotosfs -p gphotosfs-photos --bins
target=$(realpath "${CARGO_TARGET_DIR:-target}")/$build
gphotosfs=$target/gphotosfs
photos=$target/photos

dir=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-demo.XXXXXX")
own_settings
folder=$dir/photo/20190428 mount=$dir/gphotos
album=$mount/20190428
mkdir -p "$mount"
emulator_pid='' mounted=''

clean_up() {
    status=$?
    trap - EXIT
    set +e
    if [ "$status" != 0 ]; then
        say "The demo failed (exit status $status)"
        tail -n 20 "$dir"/*.log
    fi
    if [ -n "$mounted" ]; then
        "$gphotosfs" umount --now "$mount" || fusermount3 -uz "$mount"
    fi
    if [ -n "$emulator_pid" ]; then
        kill "$emulator_pid"
        wait "$emulator_pid" 2>/dev/null
    fi
    rm -rf --one-file-system "$dir"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say 'Taking 200 photos, the last one a copy of the first'
run "$photos" "$folder" --count 200 --twins
du -sh "$folder"

say 'Starting a Google Photos on this machine'
# shellcheck disable=SC2119  # no options but its own
start_emulator
url=$GPHOTOSFS_API_URL
echo "It is at $url"

say 'Logging in; following the link that a person would open in a browser'
echo "\$ gphotosfs login --picker --no-browser --client-secret $dir/emulator/client_secret.json"
log_in --picker
cat "$dir/login.log"

say 'Mounting and copying'
run "$gphotosfs" mount "$mount"
mounted=1
requests_before=$(api_requests) start=$(now)
run mkdir "$album"
echo "\$ cp -p $folder/*.jpg $album/"
cp -p "$folder"/*.jpg "$album/"
copied=$(since "$start")
run "$gphotosfs" sync "$album"
synced=$(since "$start") spent=$(($(api_requests) - requests_before))

say 'The same number on both sides'
here=$(ls "$folder" | wc -l) there=$(ls "$album" | wc -l)
echo "ls $folder | wc -l: $here"
echo "ls $album | wc -l: $there"
[ "$here" = "$there" ] || die 'the numbers differ'
run "$gphotosfs" diff "$folder" "$album"

say 'Taking one photo out of the album behind the back of the mount'
curl -fsS "$url/emulator/edit" -H 'Content-Type: application/json' -o "$dir/edit.json" \
    -d '{"op": "remove_from_album", "album": "20190428", "item": "IMG_0042.jpg"}'
differ=0
run "$gphotosfs" diff "$folder" "$album" | tee "$dir/diff.log" || differ=$?
[ "$differ" = 1 ] || die "diff ended with $differ, not 1"
grep -q '^  IMG_0042\.jpg$' "$dir/diff.log" || die 'diff does not name IMG_0042.jpg'

say 'An album of 20 photos that the phone has uploaded, one of them not in the album'
hike=$dir/photo/20190501
run "$photos" "$hike" --count 20 --seed 2 --max-kb 300
edit() { curl -fsS "$url/emulator/edit?client=google_app" -H 'Content-Type: application/json' -o "$dir/edit.json" -d @-; }
export_dir=$dir/takeout
folder_there="$export_dir/Takeout/Google Photos/Hike"
mkdir -p "$folder_there"
printf '{"title": "Hike", "access": "private"}' >"$folder_there/metadata.json"
printf '{"op": "create_album", "title": "Hike"}' | edit
for file in "$hike"/*.jpg; do
    name=${file##*/}
    if [ "$name" = IMG_0007.jpg ]; then continue; fi
    printf '{"op": "add_item", "album": "Hike", "filename": "%s", "foreign": false, "content": "%s"}' \
        "$name" "$(base64 -w0 "$file")" | edit
    cp -p "$file" "$folder_there/"
    printf '{"title": "%s", "photoTakenTime": {"timestamp": "%s"}}' "$name" "$(stat -c %Y "$file")" \
        >"$folder_there/$name.supplemental-metadata.json"
done

say 'Picking it in a page of Google'\''s: somebody searches "Hike" there, ticks all, and presses Done'
curl -fsS -X PATCH "$url/emulator/faults" -H 'Content-Type: application/json' -o "$dir/edit.json" \
    -d '{"picker": {"poll_interval_ms": 200}}'
echo '$ gphotosfs pick --no-browser Hike'
"$gphotosfs" pick --no-browser Hike </dev/null >"$dir/pick.log" 2>&1 &
pick_pid=$!
wait_for_line "$dir/pick.log" 'http://[^ ]*/autoclose' "$pick_pid" >/dev/null
curl -fsS "$url/emulator/pick" -H 'Content-Type: application/json' -o "$dir/edit.json" \
    -d '{"op": "pick", "choice": {"album": "Hike"}}'
wait "$pick_pid"
cat "$dir/pick.log"
names_it() {
    differ=0
    run "$gphotosfs" diff "$@" | tee "$dir/diff.log" || differ=$?
    [ "$differ" = 1 ] || die "diff ended with $differ, not 1"
    grep -q '^  IMG_0007\.jpg$' "$dir/diff.log" || die 'diff does not name IMG_0007.jpg'
}
names_it "$hike" "$mount/.gphotos/picked/Hike"

say 'The same from a Google Takeout export, by the bytes'
names_it "$hike" "$export_dir" --album Hike

say 'Reading one back'
(cd "$folder" && sha256sum IMG_0100.jpg) | tee "$dir/sum"
(cd "$album" && run sha256sum -c "$dir/sum")

say 'Status'
run "$gphotosfs" status

if [ -n "$keep" ]; then
    trap - EXIT
    say 'Everything is left running'
    cat <<END
In a browser:  $url/
In a shell:    export XDG_CONFIG_HOME=$XDG_CONFIG_HOME XDG_STATE_HOME=$XDG_STATE_HOME \\
                   XDG_CACHE_HOME=$XDG_CACHE_HOME GPHOTOSFS_API_URL=$url \\
                   GPHOTOSFS_PICKER_URL=$GPHOTOSFS_PICKER_URL
               PATH=$target:\$PATH
               ls -l $album
               gphotosfs info $album/IMG_0001.jpg
               gphotosfs status --watch
To end it:     gphotosfs umount $mount; kill $emulator_pid; rm -r $dir
END
else
    say 'Unmounting'
    run "$gphotosfs" umount "$mount"
    mounted=''
fi

say 'Measured'
awk -v files="$here" -v copied="$copied" -v synced="$synced" -v spent="$spent" 'BEGIN {
    printf "%d files copied in %.1f s; all at the server after %.1f s: %.1f files/s\n",
        files, copied, synced, files / synced
    printf "%d API requests, %.3f for each file\n", spent, spent / files
}'
