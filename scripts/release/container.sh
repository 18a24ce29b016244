#!/usr/bin/env bash
# Runs an image by crun as a NAS would, with a directory that the container's mount reaches: login, photos by another
# program of this machine, the health check, a stop in the middle of an upload, and a second start.
#   container.sh IMAGE.oci.tar TAG USER GPHOTOSFS     GPHOTOSFS: a program for this machine, for the emulator
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/setup.sh
. scripts/emulator.sh
. scripts/release/lib/chroot.sh
if [ -z "${INSIDE-}" ]; then
    # crun knows no mixture of the two kinds of control groups.
    INSIDE=1 exec unshare --mount --propagation private -- sh -euc '
        umount -R /sys/fs/cgroup 2>/dev/null || true
        mount -t cgroup2 none /sys/fs/cgroup
        exec "$@"' sh "$0" "$@"
fi
image=$1 tag=$2 user=$3 gphotosfs=$4
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
dir=$(temporary_dir)
own_settings
end() {
    status=$?
    set +e
    [ "$status" = 0 ] || tail -n 20 "$dir"/*.log
    [ -z "${emulator_pid-}" ] || kill "$emulator_pid"
    crun --root "$dir/crun" delete --force mount 2>/dev/null
    umount -l "$dir/shared/gphotos" 2>/dev/null
    umount -l "$dir/shared"
    rm -rf --one-file-system "$dir"
    exit "$status"
}
trap end EXIT

chmod 755 "$dir"
mkdir "$dir/layout" "$dir/shared" "$dir/data" "$dir/photos"
tar -C "$dir/layout" -xf "$image"
umoci unpack --image "$dir/layout:$tag" "$dir/bundle" >"$dir/umoci.log" 2>&1
cp "$dir/bundle/config.json" "$dir/image.json"
mount --bind "$dir/shared" "$dir/shared"
mount --make-rshared "$dir/shared"
mkdir "$dir/shared/gphotos"
chown "$user:$user" "$dir/shared/gphotos" "$dir/data"
make_photos "$dir/photos" 40

# contain NAME ARGUMENT...: as `docker run --user USER --device /dev/fuse --cap-add SYS_ADMIN --network host -v DATA:/data
# -v SHARED:/gphotos:rshared` does: the root directory, too, propagates then. Without arguments, the image's own.
contain() {
    local name=$1
    shift
    jq --arg dir "$dir" --argjson user "$user" --arg api "$GPHOTOSFS_API_URL" '
        ["CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_FOWNER"] as $caps
        | .process.terminal = false | .process.user = {uid: $user, gid: $user} | .process.noNewPrivileges = false
        | .process.env += ["GPHOTOSFS_API_URL=" + $api, "GPHOTOSFS_UPLOADS=2", "GPHOTOSFS_NOTIFY=off"]
        | .process.capabilities = ({bounding: $caps}
            + if $user == 0 then {permitted: $caps, effective: $caps} else {} end)
        | if $ARGS.positional == [] then . else .process.args = [.process.args[0]] + $ARGS.positional end
        | .root.readonly = true | .linux.rootfsPropagation = "shared" | del(.linux.seccomp)
        | .linux.namespaces |= map(select(.type != "network" and .type != "user"))
        | .linux.devices += [{path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 438}]
        | .linux.resources = {devices: [{allow: true, access: "rwm"}]}
        | .mounts |= map(select(.destination != "/sys" and .destination != "/sys/fs/cgroup"))
        | .mounts += [{destination: "/data", type: "bind", source: ($dir + "/data"), options: ["rbind", "rw"]},
            {destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]},
            {destination: "/gphotos", type: "bind", source: ($dir + "/shared/gphotos"), options: ["rbind", "rw", "rshared"]}]
        ' "$dir/image.json" --args -- "$@" >"$dir/bundle/config.json"
    # crun gives its standard input to the container's user: not this machine's /dev/null.
    : >"$dir/nothing"
    crun --root "$dir/crun" --cgroup-manager=disabled run --bundle "$dir/bundle" "$name" <"$dir/nothing"
}
is_mounted() { grep -q " $dir/shared/gphotos fuse" /proc/self/mounts; }
ended() { ! kill -0 "$mount_pid" 2>/dev/null; }
begin_mount() {
    contain mount >>"$dir/mount.log" 2>&1 &
    mount_pid=$!
    wait_until 'the mount reaches this machine' is_mounted
}
# stop_mount: as `docker stop` does.
stop_mount() {
    local begun=$SECONDS
    crun --root "$dir/crun" kill mount TERM
    wait_until 'the container ends' ended
    wait "$mount_pid"
    echo "stopped after $((SECONDS - begun)) s"
    [ $((SECONDS - begun)) -lt 10 ] || die 'a container has 10 s to stop'
    ! is_mounted || die 'its mount is left behind'
}
# As the user to whom the mount belongs.
as_user() { setpriv --reuid "$user" --regid "$user" --clear-groups -- "$@"; }
in_container() { crun --root "$dir/crun" exec --user "$user:$user" mount /usr/bin/gphotosfs "$@" <"$dir/nothing"; }

start_emulator --speed realistic
cp "$dir/emulator/client_secret.json" "$dir/data/"
chown "$user:$user" "$dir/data/client_secret.json"
contain login login --no-browser --client-secret /data/client_secret.json >"$dir/login.log" 2>&1 &
login_pid=$!
curl -fsSL -o "$dir/login.html" "$(wait_for_line "$dir/login.log" 'http://127\.0\.0\.1:[0-9]*/[^ ]*' "$login_pid")"
wait "$login_pid"

begin_mount
as_user mkdir "$dir/shared/gphotos/Trip"
as_user sh -c 'cp "$1"/* "$2"' sh "$dir/photos" "$dir/shared/gphotos/Trip"
in_container status --check
in_container status | grep '^Queue'
stop_mount
begin_mount
in_container sync /gphotos
for photo in "$dir"/photos/*; do as_user cmp "$photo" "$dir/shared/gphotos/Trip/${photo##*/}"; done
stop_mount
[ "$user" = 0 ] || ! as_user touch "$dir/shared/gphotos/stray" 2>/dev/null || die 'the directory can be written into'
arrived=$(curl -fsS "$GPHOTOSFS_API_URL/emulator/dump" | grep -o '"filename"' | wc -l)
[ "$arrived" = 40 ] || die "$arrived of 40 photos have arrived"
echo 'stopped in the middle of an upload and started again: 40 of 40 photos have arrived, each once'
