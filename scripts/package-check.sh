#!/usr/bin/env bash
# Installs the Debian package in a fresh Debian or Ubuntu, in a directory that is deleted afterwards, and tries it there
# as an ordinary user: the emulator, login, mounts by hand and by /etc/fstab, a photo there and back.
#   scripts/package-check.sh FILE.deb [RELEASE]     bookworm, noble...; this machine's, if none is named
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/release/lib/chroot.sh

case $# in 1 | 2) ;; *) echo "usage: scripts/package-check.sh FILE.deb [RELEASE]" >&2; exit 2 ;; esac
[ "$(id -u)" = 0 ] || die "needs root, to enter the fresh system"
need_command debootstrap debootstrap
need_command unshare util-linux
need_fuse_device
deb=$(realpath "$1")

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
root=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-debian.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
release=${2-$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")}
echo "$release into $root"
fresh_system "$release" "$root"
cp "$deb" "$root/gphotosfs.deb"

make_photos "$root/photos" 3
mkdir "$root/scripts"
cp scripts/setup.sh scripts/emulator.sh "$root/scripts/"

cat >"$root/install" <<'INSIDE'
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
date +%s >/begun
apt-get update -qq
apt-get install -y -qq --no-install-recommends /gphotosfs.deb curl >/install.log 2>&1 || { cat /install.log >&2; exit 1; }
test -e /usr/share/man/man1/gphotosfs-mount.1.gz
test -e /usr/lib/systemd/user/gphotosfs.service
useradd --create-home somebody
echo 'photos /home/somebody/fstab fuse.gphotosfs noauto,user,_netdev,profile=test 0 0' >/etc/fstab
su somebody -c 'cd && bash /try' &
tried=$!
wait_for() { until [ -e "$1" ]; do kill -0 "$tried"; sleep 0.1; done; }
wait_for /tmp/tried
set -x
# The process of the mount before may still be ending.
mount -t gphotosfs photos /home/somebody/boot -o profile=test,setuid=somebody
su somebody -c 'cd && diff -r /photos boot/Trip && gphotosfs --profile test umount boot'
touch /tmp/done
wait "$tried"
INSIDE

cat >"$root/try" <<'INSIDE'
set -euo pipefail
. /scripts/setup.sh
. /scripts/emulator.sh
export GPHOTOSFS_PROFILE=test
gphotosfs=gphotosfs dir=~
start_emulator
trap 'kill "$emulator_pid"' EXIT
log_in
# What mounts are told without an environment.
echo "api_url = '$GPHOTOSFS_API_URL'" >~/.config/gphotosfs/test/config.toml
unset GPHOTOSFS_API_URL
mkdir mnt fstab boot
set -x
gphotosfs mount mnt
mkdir mnt/Trip
cp /photos/* mnt/Trip/
gphotosfs sync mnt/Trip
echo "from apt-get to the first photos at the emulator: $(($(date +%s) - $(cat /begun))) s"
gphotosfs diff /photos mnt/Trip
gphotosfs umount mnt
mount ~/fstab
diff -r /photos fstab/Trip
umount ~/fstab
touch /tmp/tried
set +x
until [ -e /tmp/done ]; do sleep 0.1; done
INSIDE

enter "$root" bash /install
echo "The package works in a fresh $release."
