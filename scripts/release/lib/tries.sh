# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root, target, tools, out, made and version
# Sourced by scripts/release.sh: tries the archives and packages in systems that have nothing else.

# static_busybox ARCHITECTURE: prints the path of Debian's static busybox for it.
static_busybox() {
    local dir=$tools/busybox-$1
    [ -e "$dir/bin/busybox" ] || debian_package busybox-static "$1" "$dir"
    echo "$dir/bin/busybox"
}

step_try_tarballs() {
    need_fuse_device
    run_foreign
    local triple arch dir photos
    photos=$(temporary_dir)/photos
    make_photos "$photos" 5
    for triple in "${triples[@]}"; do
        arch=$(arch_of "$triple")
        dir=$(temporary_dir)
        fresh_busybox "$dir" "$(static_busybox amd64)"
        mkdir -p "$dir/usr/local"
        tar -xzf "$out/gphotosfs-$version-$arch-linux.tar.gz" --strip-components=1 \
            -C "$dir/usr/local"
        cp -r "$photos" scripts/release/story.sh "$dir/"
        echo "$arch, with busybox alone"
        # qemu-user lacks an ioctl of FUSE (FUSE_DEV_IOC_CLONE), so that no mount can begin.
        case $arch in
            x86_64) enter "$dir" /bin/sh /story.sh /photos ;;
            *) enter "$dir" /bin/sh /story.sh /photos login ;;
        esac
        rm -rf --one-file-system "$dir"
    done
    rm -rf "${photos%/*}"
}

try_deb_in() {
    local release
    for release in "$@"; do
        scripts/package-check.sh "$out/gphotosfs_${version}_amd64.deb" "$release"
    done
}
step_try_debs() { try_deb_in bookworm trixie; }
step_try_ubuntu() { try_deb_in jammy noble; }

# From PREVIOUS_DEB, or from this very program with an earlier version.
step_try_upgrade() {
    need_fuse_device
    local release dir old=${PREVIOUS_DEB-}
    if [ -z "$old" ]; then
        old=$target/tries/old.deb
        mkdir -p "$target/tries"
        make_deb "${triples[0]}" "$old" --deb-version "$version~pre" --fast
    fi
    for release in bookworm trixie; do
        dir=$(temporary_dir)
        fresh_system "$release" "$dir"
        cp "$old" "$dir/old.deb"
        cp "$out/gphotosfs_${version}_amd64.deb" "$dir/new.deb"
        make_photos "$dir/photos" 50
        mkdir "$dir/scripts"
        cp scripts/setup.sh scripts/emulator.sh scripts/release/upgrade.sh "$dir/scripts/"
        echo "Debian $release"
        enter "$dir" bash /scripts/upgrade.sh /old.deb /new.deb /photos
        rm -rf --one-file-system "$dir"
    done
}

# As far as Debian's tools go: the headers, the digests, an installation, and a removal.
step_try_rpms() {
    run_foreign
    local triple arch rpm dir
    for triple in "${triples[@]}"; do
        arch=$(arch_of "$triple")
        rpm=$out/gphotosfs-$version-1.$arch.rpm
        rpm --checksig --nosignature "$rpm"
        rpm --query --package --requires "$rpm"
        dir=$(temporary_dir)
        mkdir -p "$dir"/{bin,usr/sbin}
        install -m 755 "$(static_busybox amd64)" "$dir/bin/sh"
        ln -s sh "$dir/bin/ln"
        ln -s sh "$dir/bin/rm"
        ln -s sh "$dir/bin/["
        rpm --root "$dir" --install --nodeps --ignorearch "$rpm"
        [ "$(chroot "$dir" /usr/bin/gphotosfs --version)" = "gphotosfs $version" ]
        [ "$(readlink "$dir/usr/sbin/mount.gphotosfs")" = ../bin/gphotosfs ]
        rpm --root "$dir" --erase --nodeps gphotosfs
        [ ! -e "$dir/usr/bin/gphotosfs" ] && [ ! -L "$dir/usr/sbin/mount.gphotosfs" ]
        rm -rf --one-file-system "$dir"
    done
}
