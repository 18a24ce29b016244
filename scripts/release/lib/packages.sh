# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root, target, tools, out, made and version
# Sourced by scripts/release.sh: packages of distributions.

# make_deb TRIPLE FILE OPTION...
make_deb() {
    local triple=$1 file=$2
    shift 2
    # The directory must be named, or the tool looks into its own idea of it.
    CARGO_TARGET_DIR=$target cargo deb --quiet --no-build --no-strip --target "$triple" \
        --variant static --output "$file" "$@"
}

step_debs() {
    local triple arch
    for triple in "${triples[@]}"; do
        arch=$(debian_arch "$triple")
        make_deb "$triple" "$out/gphotosfs_${version}_$arch.deb"
        dpkg-deb --info "$out/gphotosfs_${version}_$arch.deb" | sed -n '/Package/,$p'
    done
}

step_rpms() {
    local triple arch
    for triple in "${triples[@]}"; do
        arch=$(arch_of "$triple")
        CARGO_TARGET_DIR=$target cargo generate-rpm --target "$triple" --arch "$arch" \
            --source-date "$SOURCE_DATE_EPOCH" --output "$out/gphotosfs-$version-1.$arch.rpm"
    done
}
