#!/usr/bin/env bash
# Installs the Debian package in a fresh Debian, in a directory that is deleted afterwards, and tries it there as an
# ordinary user: the emulator, login, mounts by hand and by /etc/fstab, a photo there and back.
#   scripts/package-check.sh FILE.deb
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

[ $# = 1 ] || { echo "usage: scripts/package-check.sh FILE.deb" >&2; exit 2; }
[ "$(id -u)" = 0 ] || die "needs root, to enter the fresh Debian"
need_command debootstrap debootstrap
need_command unshare util-linux
need_fuse_device
deb=$(realpath "$1")

root=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-debian.XXXXXX")
trap 'rm -rf --one-file-system "$root"' EXIT
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[.*\] \)\?\([^ ]*\) .*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1) || true
echo "Debian $release into $root"
debootstrap --variant=minbase "$release" "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; die "debootstrap failed"; }
rm -f "$root.log"
chmod 755 "$root"
cp "$deb" "$root/gphotosfs.deb"
# Packages come from where this machine has them from.
cp -a /etc/apt/. "$root/etc/apt/"
cp /etc/resolv.conf "$root/etc/resolv.conf"

cargo run --locked --release --quiet -p gphotosfs-photos -- "$root/photos" --count 3 --max-kb 400
chmod -R a+rX "$root/photos"
mkdir "$root/scripts"
cp scripts/setup.sh scripts/emulator.sh "$root/scripts/"

cat >"$root/install" <<'INSIDE'
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends /gphotosfs.deb curl >/install.log 2>&1 || { cat /install.log >&2; exit 1; }
test -e /usr/share/man/man1/gphotosfs-mount.1.gz
test -e /usr/lib/systemd/user/gphotosfs.service
# As every Debian that has been started.
ln -s ../proc/self/mounts /etc/mtab
useradd --create-home somebody
echo 'photos /home/somebody/fstab fuse.gphotosfs noauto,user,_netdev,profile=test 0 0' >/etc/fstab
su somebody -c 'cd && bash /try' &
tried=$!
wait_for() { until [ -e "$1" ]; do kill -0 "$tried"; sleep 0.1; done; }
wait_for /tmp/tried
set -x
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
gphotosfs diff /photos mnt/Trip
gphotosfs umount mnt
mount ~/fstab
diff -r /photos fstab/Trip
umount ~/fstab
touch /tmp/tried
set +x
until [ -e /tmp/done ]; do sleep 0.1; done
INSIDE

# In namespaces of its own: no process and no mount outlives it.
unshare --mount --pid --fork --kill-child -- sh -eu -c '
    root=$1
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t tmpfs dev "$root/dev"
    for device in null zero random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    # As udev makes it, whatever it is here.
    mknod -m 666 "$root/dev/fuse" c 10 229
    exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 bash /install
' sh "$root"
echo "The package works in a fresh Debian $release."
