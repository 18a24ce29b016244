#!/usr/bin/env bash
# Runs an image by Podman as an ordinary user: login, a mount within the container, photos by another program of the same
# user, the health check, and a stop.
#   rootless.sh IMAGE.docker.tar.gz TAG GPHOTOSFS     GPHOTOSFS: a program for this machine, for the emulator
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/setup.sh
. scripts/emulator.sh
. scripts/release/lib/chroot.sh
user=nas
if [ -z "${INSIDE-}" ]; then
    dir=$(mktemp -d)
    trap 'rm -rf --one-file-system "$dir"' EXIT
    # The user exists here only. crun knows no mixture of the two kinds of control groups.
    { cat /etc/passwd && echo "$user:x:1026:1026::$dir/home:/bin/sh"; } >"$dir/passwd"
    { cat /etc/group && echo "$user:x:1026:"; } >"$dir/group"
    echo "$user:300000:65536" | tee "$dir/subuid" >"$dir/subgid"
    # shellcheck disable=SC2016  # the inner shell expands it
    INSIDE=$dir unshare --mount --propagation private -- sh -euc '
        umount -R /sys/fs/cgroup 2>/dev/null || true
        mount -t cgroup2 none /sys/fs/cgroup
        for name in passwd group subuid subgid; do mount --bind "$INSIDE/$name" "/etc/$name"; done
        exec "$@"' sh "$0" "$@"
    exit
fi
image=$1 tag=$2 gphotosfs=$3 dir=$INSIDE
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
own_settings
as_user() { setpriv --reuid "$user" --regid "$user" --init-groups -- "$@"; }
podman_here() {
    as_user env -i HOME="$dir/home" PATH="$PATH" XDG_RUNTIME_DIR="$dir/home/run" \
        podman --log-level error --storage-driver vfs --runtime crun --cgroup-manager cgroupfs "$@" </dev/null
}
end() {
    status=$?
    set +e
    [ "$status" = 0 ] || tail -n 20 "$dir"/*.log
    [ -z "${emulator_pid-}" ] || kill "$emulator_pid"
    podman_here rm --force --all >/dev/null 2>&1
    # Its files belong to numbers that are the user's, too.
    podman_here unshare rm -rf "$dir/home/.local"
    podman_here system migrate >/dev/null 2>&1
    exit "$status"
}
trap end EXIT

chmod 755 "$dir"
mkdir -p "$dir"/home/{run,data}
# Podman 4.3 reads no compressed one.
gzip -dc "$image" >"$dir/home/image.tar"
chown -R "$user:$user" "$dir/home"
make_photos "$dir/photos" 10
start_emulator
install -o "$user" -g "$user" -m 600 "$dir/emulator/client_secret.json" "$dir/home/data/"
podman_here load --input "$dir/home/image.tar"

# contain NAME ARGUMENT...: without arguments, those of the image.
contain() {
    local name=$1
    shift
    podman_here run --name "$name" --cgroups disabled --network host --device /dev/fuse --cap-add SYS_ADMIN \
        --volume "$dir/home/data:/data" --env GPHOTOSFS_NOTIFY=off --env "GPHOTOSFS_API_URL=$GPHOTOSFS_API_URL" \
        "gphotosfs:$tag" "$@"
}
contain login login --no-browser --client-secret /data/client_secret.json >"$dir/login.log" 2>&1 &
login_pid=$!
# The login takes the answer of its own user's browser only.
as_user curl -fsSL -o /dev/null "$(wait_for_line "$dir/login.log" 'http://127\.0\.0\.1:[0-9]*/[^ ]*' "$login_pid")"
wait "$login_pid"

contain mount >"$dir/mount.log" 2>&1 &
is_mounted() {
    init=$(podman_here inspect --format '{{.State.Pid}}' mount 2>/dev/null) &&
        grep -q ' /gphotos fuse' "/proc/$init/mounts" 2>/dev/null
}
wait_until 'the mount is there' is_mounted
# Other programs of the user see it through the container's process.
album=/proc/$init/root/gphotos/Trip
as_user mkdir "$album"
# shellcheck disable=SC2016  # the inner shell expands it
as_user sh -c 'cp "$1"/* "$2"' sh "$dir/photos" "$album"
podman_here exec mount gphotosfs sync /gphotos
podman_here healthcheck run mount
for photo in "$dir"/photos/*; do as_user cmp "$photo" "$album/${photo##*/}"; done
begun=$SECONDS
podman_here stop --time 10 mount
echo "stopped after $((SECONDS - begun)) s"
[ "$(podman_here inspect --format '{{.State.ExitCode}}' mount)" = 0 ] || die 'it did not end by itself'
arrived=$(curl -fsS "$GPHOTOSFS_API_URL/emulator/dump" | grep -o '"filename"' | wc -l)
[ "$arrived" = 10 ] || die "$arrived of 10 photos have arrived"
echo 'without root: 10 of 10 photos have arrived through a mount within the container'
