#!/usr/bin/env bash
# Looks at the emulator's pages as a person would: uploads a few real JPEG files, opens the pages in
# headless Chromium, checks that they show the album and its thumbnails, and takes screenshots.
#   scripts/emulator-screenshot.sh [DIR]     screenshots go to DIR, or to a new temporary directory
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

need_command curl curl
need_command openssl openssl
need_command chromium chromium
need_cargo
cargo build --locked -p gphotosfs -p gphotosfs-photos --bins
target=$(realpath "${CARGO_TARGET_DIR:-target}")/debug

pictures=${1:-$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-pages.XXXXXX")}
mkdir -p "$pictures"
dir=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-screenshot.XXXXXX")
emulator_pid=''
clean_up() {
    if [ -n "$emulator_pid" ]; then kill "$emulator_pid"; fi
    rm -rf --one-file-system "$dir"
}
trap clean_up EXIT

"$target/gphotosfs" emulator --auto-approve --state "$dir/state" >"$dir/log" &
emulator_pid=$!
for _ in $(seq 100); do
    if grep -q 'client secret' "$dir/log"; then break; fi
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$dir/log")
[ -n "$url" ] || die "the emulator does not start"

# A login without a browser: the emulator approves by redirecting at once.
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }
client_id=$(field client_id <"$dir/state/client_secret.json")
client_secret=$(field client_secret <"$dir/state/client_secret.json")
verifier=$(openssl rand -hex 32)
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | openssl base64 | tr '+/' '-_' | tr -d '=')
scopes=https://www.googleapis.com/auth/photoslibrary
redirected=$(curl -fsS -G -o /dev/null -w '%{redirect_url}' "$url/o/oauth2/auth" \
    -d response_type=code -d client_id="$client_id" -d redirect_uri=http://127.0.0.1:9 \
    -d code_challenge="$challenge" -d code_challenge_method=S256 \
    --data-urlencode "scope=$scopes.appendonly $scopes.readonly.appcreateddata")
code=$(printf %s "$redirected" | sed 's/.*[?&]code=\([^&]*\).*/\1/; s/%2F/\//g')
token=$(curl -fsS "$url/token" -d grant_type=authorization_code --data-urlencode code="$code" \
    -d client_id="$client_id" -d client_secret="$client_secret" \
    -d redirect_uri=http://127.0.0.1:9 -d code_verifier="$verifier" | field access_token)

api() { curl -fsS "$url/v1/$1" -H "Authorization: Bearer $token" "${@:2}"; }
json() { api "$1" -H 'Content-Type: application/json' -d "$2"; }
title='Trip <2019> & more'
album=$(json albums "{\"album\":{\"title\":\"$title\"}}" | field id)
json albums '{"album":{"title":"Empty"}}' >/dev/null
"$target/photos" "$dir/photos" --count 6
for photo in "$dir"/photos/*; do
    upload=$(api uploads -H 'Content-Type: application/octet-stream' \
        -H 'X-Goog-Upload-Protocol: raw' --data-binary "@$photo")
    json mediaItems:batchCreate "{\"albumId\":\"$album\",\"newMediaItems\":[{\"simpleMediaItem\":
        {\"uploadToken\":\"$upload\",\"fileName\":\"$(basename "$photo")\"}}]}" >/dev/null
done

browser() {
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$dir/browser" --window-size=1200,800 --virtual-time-budget=10000 \
        "$@" 2>"$dir/browser.log"
}
shoot() {
    browser --screenshot="$pictures/$1.png" "$2"
    [ -s "$pictures/$1.png" ] || die "no screenshot: $(cat "$dir/browser.log")"
}
# expect PATTERN COUNT TEXT: the page's source has it so often.
expect() {
    found=$(grep -oE "$1" <<<"$3" | wc -l)
    [ "$found" = "$2" ] || die "expected $2 times '$1' and found $found in:"$'\n'"$3"
}

home=$(browser --dump-dom "$url/")
expect 'Trip &lt;2019&gt; &amp; more \(6\)' 1 "$home"
expect 'Empty \(0\)' 1 "$home"
shoot home "$url/"
page=$(browser --dump-dom "$url/lr/album/$album")
expect '<img ' 6 "$page"
expect 'href="/lr/photo/' 6 "$page"
shoot album "$url/lr/album/$album"
item=$(grep -om1 '/lr/photo/[A-Za-z0-9_-]*' <<<"$page" | head -n 1)
expect 'SHA-256: [0-9a-f]{64}' 1 "$(browser --dump-dom "$url$item")"
shoot photo "$url$item"
# The browser loaded the pictures: each page's images once or more.
downloads=$(curl -fsS "$url/emulator/stats" | sed -n 's/.*"media.download": *\([0-9]*\).*/\1/p' | tail -n 1)
[ "$downloads" -ge 20 ] || die "only $downloads pictures were loaded"
echo "The pages show what was uploaded; see $pictures"
