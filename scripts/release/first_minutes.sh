#!/usr/bin/env bash
# Measures the first minutes of a newcomer. In a fresh system that has git and sudo, an ordinary user clones this repository and runs
# scripts/demo.sh, which installs the rest. Prints the story, each line with its second.
#   first_minutes.sh [RELEASE]     bookworm, noble...; trixie, if none is named
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/setup.sh
. scripts/release/lib/chroot.sh
[ "$(id -u)" = 0 ] || die "needs root, to enter the fresh system"
need_command debootstrap debootstrap
need_fuse_device
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
root=$(temporary_dir)
trap 'rm -rf --one-file-system "$root"' EXIT
fresh_system "${1:-trixie}" "$root"
git clone --quiet --bare . "$root/srv/gphotosfs.git"

# A network may vouch for itself. Its certificates are this machine's own.
cp "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/certificates.crt"
cat >"$root/prepare" <<'INSIDE'
set -euo pipefail
apt-get update -qq
apt-get install -y -qq --no-install-recommends git sudo ca-certificates >/prepare.log 2>&1
cp /certificates.crt /etc/ssl/certs/ca-certificates.crt
useradd --create-home --shell /bin/bash somebody
echo 'somebody ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/somebody
git config --system --add safe.directory '*'
exec su - somebody -c 'bash /begin'
INSIDE
cat >"$root/begin" <<'INSIDE'
set -euo pipefail
SECONDS=0
{ git clone -q /srv/gphotosfs.git && cd gphotosfs && scripts/demo.sh; } 2>&1 |
    while IFS= read -r line; do printf '%5d  %s\n' "$SECONDS" "$line"; done | grep -v '  Downloaded '
INSIDE
enter "$root" bash /prepare
