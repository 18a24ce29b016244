# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root and target
# Sourced by the scripts that try packages: fresh systems in directories, and a way into them.

# The mirror and the sources of this machine, which a fresh system gets its packages from, too.
debian_mirror() {
    local said
    said=$(sed -n 's/^URIs: *//p; s/^deb \(\[.*\] \)\?\([^ ]*\) .*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -m1 '/debian$') || true
    echo "${said:-http://deb.debian.org/debian}"
}

# fresh_system RELEASE DIRECTORY [ARCHITECTURE]: a minimal Debian or Ubuntu. The first one of its kind is kept as an
# archive.
fresh_system() {
    local release=$1 dir=$2 arch=${3:-amd64}
    local kept=$target/chroots/$release-$arch.tar mirror components=main options=() script=()
    case $release in
        jammy | noble)
            mirror=${UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu} components=main,universe
            # Debian may lack Ubuntu's keys. The chroot serves for a trial only, and nothing of it is released.
            [ -e /usr/share/keyrings/ubuntu-archive-keyring.gpg ] || options=(--no-check-gpg)
            # Debian 12 does not know the later ones by name; one script serves all.
            script=(gutsy)
            ;;
        *) mirror=$(debian_mirror) ;;
    esac
    mkdir -p "$dir"
    if [ ! -e "$kept" ]; then
        mkdir -p "$target/chroots"
        debootstrap --variant=minbase --arch="$arch" --components="$components" "${options[@]}" "$release" "$dir" \
            "$mirror" "${script[@]}" >"$dir.log" 2>&1 || {
            tail -n 20 "$dir.log" >&2
            die "debootstrap failed"
        }
        rm -f "$dir.log" "$dir"/var/cache/apt/archives/*.deb
        tar -C "$dir" -cf "$kept.part" .
        mv "$kept.part" "$kept"
    else
        tar -C "$dir" -xf "$kept"
    fi
    chmod 755 "$dir"
    rm -f "$dir"/etc/apt/sources.list.d/*
    echo "deb $mirror $release ${components//,/ }" >"$dir/etc/apt/sources.list"
    cp /etc/resolv.conf "$dir/etc/resolv.conf"
    # As every system that has been started.
    [ -e "$dir/etc/mtab" ] || ln -s ../proc/self/mounts "$dir/etc/mtab"
}

# fresh_busybox DIRECTORY BUSYBOX: nothing but a static busybox.
fresh_busybox() {
    local dir=$1 applet
    mkdir -p "$dir"/{bin,dev,etc,proc,root,tmp,usr}
    install -m 755 "$2" "$dir/bin/busybox"
    for applet in $(busybox --list); do
        [ -e "$dir/bin/$applet" ] || ln -s busybox "$dir/bin/$applet"
    done
    echo 'root:x:0:0::/root:/bin/sh' >"$dir/etc/passwd"
    echo '127.0.0.1 localhost' >"$dir/etc/hosts"
}

# enter DIRECTORY COMMAND...: in namespaces of its own, so that no process and no mount outlives it.
enter() {
    # shellcheck disable=SC2016  # the inner shell expands it
    unshare --mount --pid --fork --kill-child -- sh -eu -c '
        root=$1
        shift
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount -t tmpfs dev "$root/dev"
        for device in null zero random urandom tty; do
            touch "$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        # As udev makes it, whatever it is here.
        mknod -m 666 "$root/dev/fuse" c 10 229
        exec env -i HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
    ' sh "$@"
}

# run_foreign: has the kernel run arm64 programs by qemu, with any root directory, until this script ends. The flag
# has the kernel open the interpreter here and now.
run_foreign() {
    local binfmt=/proc/sys/fs/binfmt_misc magic mask
    [ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"
    if [ -e "$binfmt/gphotosfs-arm64" ]; then return; fi
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    printf '%s' ":gphotosfs-arm64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" >"$binfmt/register"
    trap 'echo -1 >/proc/sys/fs/binfmt_misc/gphotosfs-arm64' EXIT
}

# make_photos DIRECTORY COUNT: small JPEG files, all different.
make_photos() {
    cargo run --locked --quiet -p gphotosfs-photos -- "$1" --count "$2" --max-kb 200
    chmod -R a+rX "$1"
}

# temporary_dir: makes a directory below target and prints its path. The step removes it at its end.
temporary_dir() {
    mkdir -p "$target/tries"
    mktemp -d "$target/tries/XXXXXX"
}
