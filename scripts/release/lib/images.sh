# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root, target, tools, out, made and version
# Sourced by scripts/release.sh: images for containers, built and tried without a daemon.

# image_root TRIPLE DIRECTORY: the program, fusermount3 with its C library for users other than root, and root
# certificates. There is no shell: everything that a person runs there is a command of gphotosfs.
image_root() {
    local triple=$1 to=$2 arch multiarch parts package file
    arch=$(debian_arch "$triple") multiarch=$(arch_of "$triple")-linux-gnu
    parts=$tools/image-$arch
    for package in libc6 fuse3 ca-certificates; do
        [ -e "$parts/usr/share/doc/$package" ] || debian_package "$package" "$arch" "$parts"
        install -D -m 644 -t "$to/usr/share/doc/$package" "$parts/usr/share/doc/$package/copyright"
    done
    install -D -m 644 -t "$to/usr/share/doc/gphotosfs" LICENSE-* "$made/licences.txt"
    install -D -m 755 "$(program_of "$triple")" "$to/usr/bin/gphotosfs"
    install -D -m 4755 -t "$to/usr/bin" "$parts/bin/fusermount3"
    install -D -m 755 -t "$to/lib/$multiarch" "$parts/lib/$multiarch"/{libc.so.6,ld-linux-*}
    for file in "$parts"/lib/ld-linux-* "$parts"/lib64/ld-linux-*; do
        if [ -e "$file" ] || [ -L "$file" ]; then
            file=${file#"$parts/"}
            mkdir -p "$to/${file%/*}"
            ln -s "/lib/$multiarch/${file##*/}" "$to/$file"
        fi
    done
    mkdir -p "$to"/{etc/ssl/certs,dev,proc,sys,gphotos}
    find "$parts/usr/share/ca-certificates/mozilla" -name '*.crt' -print0 | sort -z | xargs -0 cat \
        >"$to/etc/ssl/certs/ca-certificates.crt"
    # Any number may be the container's user, and fusermount3 mounts for users with a name only.
    { echo 'root:x:0:0:::'; seq 1 65533 | sed 's/.*/u&:x:&:0:::/'; } >"$to/etc/passwd"
    echo 'root:x:0:' >"$to/etc/group"
    echo 'user_allow_other' >"$to/etc/fuse.conf"
    ln -s ../proc/self/mounts "$to/etc/mtab"
    # The directories of a profile below it are made for its user alone.
    install -d -m 1777 "$to/data" "$to/tmp"
}

buildah_here() { buildah --root "$images/root" --runroot "$images/run" --storage-driver vfs "$@"; }

# Two files for each architecture: one by the standard, and one for Docker, which alone knows of health checks.
step_images() {
    local triple arch dir container name images
    for triple in "${triples[@]}"; do
        arch=$(debian_arch "$triple") name=$out/gphotosfs-$version-image-$(arch_of "$triple")
        dir=$(temporary_dir) images=$dir/images
        image_root "$triple" "$dir/root"
        archive "$dir/root.tar.gz" "$dir/root" .
        container=$(buildah_here from --format docker scratch)
        buildah_here add --quiet "$container" "$dir/root.tar.gz" / >/dev/null
        buildah_here config --arch "$arch" --os linux --stop-signal SIGTERM --workingdir / \
            --entrypoint '["/usr/bin/gphotosfs"]' --cmd 'mount --foreground /gphotos' \
            --env PATH=/usr/bin --env HOME=/data --env XDG_CONFIG_HOME=/data/config \
            --env XDG_STATE_HOME=/data/state --env XDG_CACHE_HOME=/data/cache --volume /data \
            --label org.opencontainers.image.title=gphotosfs \
            --label "org.opencontainers.image.version=$version" \
            --label 'org.opencontainers.image.licenses=MIT OR Apache-2.0' "$container"
        rm -f "$name".{oci.tar,docker.tar.gz}
        buildah_here commit --quiet --format oci --disable-compression=false --timestamp "$SOURCE_DATE_EPOCH" "$container" \
            "oci-archive:$name.oci.tar:$version" >/dev/null
        buildah_here config --healthcheck 'CMD /usr/bin/gphotosfs status --check' \
            --healthcheck-interval 60s --healthcheck-start-period 60s "$container"
        buildah_here commit --quiet --format docker --timestamp "$SOURCE_DATE_EPOCH" "$container" \
            "docker-archive:$dir/docker.tar:gphotosfs:$version" >/dev/null
        gzip -n -9 <"$dir/docker.tar" >"$name.docker.tar.gz"
        buildah_here rm "$container" >/dev/null
        rm -rf --one-file-system "$dir"
    done
}

# The image as root, as an ordinary user, and without root; see container.sh and rootless.sh. That of arm64 cannot mount here (see try_tarballs).
step_try_images() {
    need_fuse_device
    local user
    for user in 0 1026; do
        echo "as user $user"
        scripts/release/container.sh "$out/gphotosfs-$version-image-x86_64.oci.tar" "$version" "$user" \
            "$(program_of "${triples[0]}")"
    done
    echo 'without root'
    scripts/release/rootless.sh "$out/gphotosfs-$version-image-x86_64.docker.tar.gz" "$version" \
        "$(program_of "${triples[0]}")"
}
