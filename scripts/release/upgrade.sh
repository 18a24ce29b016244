#!/bin/bash
# Upgrades the package in a fresh Debian while a mount runs and 50 files are queued, then counts what became of them.
#   upgrade.sh OLD.deb NEW.deb PHOTOS
set -euo pipefail
. /scripts/setup.sh
. /scripts/emulator.sh
old=$1 new=$2 photos=$3
gphotosfs=gphotosfs dir=$(mktemp -d)
own_settings
trap 'status=$?; [ "$status" = 0 ] || cat "$dir"/*.log; kill %% 2>/dev/null || true' EXIT
version() { dpkg-query -W -f '${Version}' gphotosfs; }
# The state after an answer of the mount.
queued() { gphotosfs status --json | tr -d ' \n' | sed 's/.*"queue":{\([^}]*\)}.*/\1/'; }

apt-get update -qq
apt-get install -y -qq --no-install-recommends "$old" curl >"$dir/old.log" 2>&1
echo "installed $(version)"
start_emulator
log_in
mkdir "$dir/mnt"
gphotosfs mount "$dir/mnt"
mkdir "$dir/mnt/Trip"
# Google takes nothing until the new version runs.
kill "$emulator_pid"
wait "$emulator_pid" || true
cp "$photos"/* "$dir/mnt/Trip/"
count=$(ls "$photos" | wc -l)
queued | grep -q "\"sealed\":$count," || die "not all of them are queued: $(queued)"

apt-get install -y -qq --no-install-recommends "$new" >"$dir/new.log" 2>&1
echo "upgraded to $(version) with a mount running and $count files queued"
[ "$(ls "$dir/mnt/Trip" | wc -l)" = "$count" ] || die "the running mount does not list them all"
for photo in "$photos"/*; do cmp "$photo" "$dir/mnt/Trip/${photo##*/}"; done
gphotosfs umount --now "$dir/mnt"

port=${GPHOTOSFS_API_URL##*:}
gphotosfs emulator --auto-approve --listen "127.0.0.1:$port" --state "$dir/emulator" \
    >"$dir/emulator-2.log" 2>&1 &
emulator_pid=$!
wait_for_line "$dir/emulator-2.log" 'http://127\.0\.0\.1:[0-9]*' "$emulator_pid" >/dev/null
gphotosfs mount "$dir/mnt"
gphotosfs sync "$dir/mnt"
gphotosfs diff "$photos" "$dir/mnt/Trip"

lost=0 arrived=$(curl -fsS "$GPHOTOSFS_API_URL/emulator/dump" | grep -o '"filename"' | wc -l)
for photo in "$photos"/*; do [ -e "$dir/mnt/Trip/${photo##*/}" ] || lost=$((lost + 1)); done
refused=$(queued | grep -o '"failed":[0-9]*' | cut -d : -f 2)
skipped=$((arrived < count ? count - arrived : 0))
duplicated=$((arrived > count ? arrived - count : 0))
echo "lost $lost, skipped $skipped, duplicated $duplicated, refused $refused"
[ "$lost $skipped $duplicated $refused" = "0 0 0 0" ] || die "an upgrade must change none of them"

gphotosfs umount "$dir/mnt"
files=$(dpkg-query -L gphotosfs)
apt-get purge -y -qq gphotosfs >"$dir/purge.log" 2>&1
for file in $files; do
    if [ -e "$file" ] && [ ! -d "$file" ]; then die "purge leaves $file"; fi
    case $file in */gphotosfs) [ ! -d "$file" ] || die "purge leaves $file" ;; esac
done
[ -e "$XDG_STATE_HOME/gphotosfs/default/gphotosfs.db" ] || die "purge has deleted a user's database"
echo "purged, with the user's files left alone"
