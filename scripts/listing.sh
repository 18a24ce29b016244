# shellcheck shell=bash
# Sourced after emulator.sh by what measures listings: a large library, and a look at a directory.

# edits: sends the edits on standard input, one JSON object a line, to the emulator.
edits() {
    python3 -c '
import http.client, sys, urllib.parse
url = urllib.parse.urlparse(sys.argv[1])
connection = http.client.HTTPConnection(url.hostname, url.port)
for line in sys.stdin:
    connection.request("POST", "/emulator/edit", line, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        sys.exit(text)
' "$GPHOTOSFS_API_URL"
}

# seed_album TITLE ITEMS: the edits that make an album.
seed_album() {
    printf '{"op":"create_album","title":"%s"}\n' "$1"
    printf '{"op":"seed","album":"%s","count":%d}\n' "$1" "$2"
}

# latency MS: how long every call takes from now on.
latency() {
    curl -fsS -o /dev/null -X PATCH -H 'Content-Type: application/json' \
        -d "{\"calls\":null,\"every_call\":{\"latency_ms\":$1},\"daily_media_requests\":1000000,\"daily_requests\":1000000}" \
        "$GPHOTOSFS_API_URL/emulator/faults"
}

# walk DIR: reads a directory, as `ls -U` does; prints the seconds to the first entry, those to the last, and how
# many entries there are.
walk() {
    python3 -c '
import os, sys, time
begun = time.monotonic()
entries = os.scandir(sys.argv[1])
next(entries)
first = time.monotonic()
count = 1 + sum(1 for _ in entries)
print(f"{first - begun:.3f} {time.monotonic() - begun:.3f} {count}")
' "$1"
}

# took COMMAND...: the seconds that it takes, without those for starting a program.
took() {
    python3 -c '
import subprocess, sys, time
subprocess.run(["true"])
begun = time.monotonic()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(f"{time.monotonic() - begun:.3f}")
' "$@"
}

# cold_walk NAME DIR PAGES: looks at a directory that nobody has looked at; prints it beside its bounds.
cold_walk() {
    local before seen
    before=$(api_requests)
    seen=$(walk "$2")
    # shellcheck disable=SC2086  # three numbers
    printf '%s\n' "$seen" | awk -v name="$1" -v pages="$3" -v requests="$(($(api_requests) - before))" -v page_s="$PAGE_S" '{
        printf "  %-24s first entry %5.0f ms (bound %.0f), all %d %6.2f s (bound %.2f), requests %d (bound %d)\n",
            name, 1000 * $1, 1300 * page_s, $3, $2, 1.1 * pages * page_s, requests, pages
    }'
}

# What a page takes by `emulator --speed realistic`.
# shellcheck disable=SC2034  # for those who source this
PAGE_S=0.15 ITEMS_A_PAGE=100 ALBUMS_A_PAGE=50
