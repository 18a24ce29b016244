#!/usr/bin/env bash
# Makes a minimal Debian or Ubuntu of this machine's release that systemd-nspawn can boot, with an ordinary user `me` whose
# units start at boot. tests/root/systemd.rs tries the units in it.
#   scripts/booted-system.sh DIRECTORY
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/release/lib/chroot.sh

[ $# = 1 ] || { echo "usage: scripts/booted-system.sh DIRECTORY" >&2; exit 2; }
[ "$(id -u)" = 0 ] || die "needs root, to enter the fresh system"
dir=$1
need_command debootstrap debootstrap
need_command systemd-nspawn systemd-container
need_command unshare util-linux
need_fuse_device

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# A program that was built here needs the C library of this release.
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
kept=$target/chroots/$release-booted.tar
mkdir -p "$target/chroots" "$dir"
# Tests that begin together make one archive.
exec 9>"$kept.lock"
flock 9
if [ -e "$kept" ]; then
    tar -C "$dir" -xf "$kept"
    exit
fi
fresh_system "$release" "$dir"
enter "$dir" bash -euc '
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends systemd-sysv libpam-systemd dbus mount fuse3 ca-certificates \
        >/install.log 2>&1 || { cat /install.log >&2; exit 1; }
    apt-get clean
    rm /install.log
    useradd --create-home --shell /bin/bash me
    # As "loginctl enable-linger me".
    mkdir -p /var/lib/systemd/linger
    touch /var/lib/systemd/linger/me'
tar -C "$dir" -cf "$kept.part" .
mv "$kept.part" "$kept"
