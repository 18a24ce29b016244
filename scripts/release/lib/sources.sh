# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root, target, tools, out, made and version
# Sourced by scripts/release.sh: the crates, and the recipes of distributions that build from them.

# What the registry would take; without their build, which try_crates does.
step_crates() {
    cargo publish --dry-run --locked --no-verify --target-dir "$target/crates" -p gphotosfs-emulator -p gphotosfs
    cp "$target/crates/package/tmp-crate/"gphotosfs{,-emulator}"-$version.crate" "$out/"
}

# unpack_crates DIRECTORY
unpack_crates() {
    local name
    for name in gphotosfs gphotosfs-emulator; do tar -C "$1" -xzf "$out/$name-$version.crate"; done
}

# `cargo install gphotosfs`, and its documentation, without this repository. The registry does not have the emulator's
# crate yet.
step_try_crates() {
    local dir
    dir=$(mktemp -d)
    unpack_crates "$dir"
    (
        cd "$dir/gphotosfs-$version"
        options=(--target-dir "$target/crates" --profile demo
            --config "patch.crates-io.gphotosfs-emulator.path='$dir/gphotosfs-emulator-$version'")
        cargo install --quiet --path . --root "$dir/root" "${options[@]}"
        cargo doc --quiet --no-deps --lib "${options[@]}"
    )
    [ "$("$dir/root/bin/gphotosfs" --version)" = "gphotosfs $version" ]
    "$dir/root/bin/gphotosfs" emulator --help >/dev/null
    rm -rf "$dir"
}

# step_recipes: with this version and the digest of its crate; checked as far as Debian's tools go.
step_recipes() {
    local sum dir
    need_command makepkg makepkg
    need_command nix-instantiate nix-bin
    need_command ruby ruby
    sum=$(sha256sum "$out/gphotosfs-$version.crate" | cut -d ' ' -f 1)
    sed "s/^pkgver=.*/pkgver=$version/; s/'SKIP'/'$sum'/" packaging/PKGBUILD >"$out/PKGBUILD"
    sed "s/gphotosfs-[0-9.]*\.crate/gphotosfs-$version.crate/; s/\"0\{64\}\"/\"$sum\"/" \
        packaging/gphotosfs.rb >"$out/gphotosfs.rb"
    grep -q "$sum" "$out/PKGBUILD" && grep -q "$sum" "$out/gphotosfs.rb"

    bash -n "$out/PKGBUILD"
    ruby -wc "$out/gphotosfs.rb"
    nix-instantiate --parse packaging/flake.nix >/dev/null
    # makepkg does not run as root, and wants a pacman, which it does not need for this.
    dir=$(mktemp -d)
    cp "$out/PKGBUILD" "$dir/"
    chmod -R a+rwX "$dir"
    (cd "$dir" && setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$dir" PACMAN=true \
        makepkg --printsrcinfo)
    rm -rf "$dir"
}
