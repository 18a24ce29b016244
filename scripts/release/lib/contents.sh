# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root, target, tools, out, made and version
# Sourced by scripts/release.sh: what all packages have in common, and the archives.

# make_contents PROGRAM: what the program says of itself, and its names as a helper of mount(8).
make_contents() {
    local program=$1 shell name
    rm -rf "$made"
    mkdir -p "$made/completions"
    "$program" man --dir "$made/man"
    for shell in bash zsh fish; do
        "$program" completions "$shell" >"$made/completions/$shell"
    done
    for name in mount.gphotosfs mount.fuse.gphotosfs; do ln -s ../bin/gphotosfs "$made/$name"; done
}

step_contents() {
    make_contents "$(program_of "${triples[0]}")"
}

# archive FILE DIRECTORY PATH...: the same paths and bytes always give the same archive.
archive() {
    local file=$1 dir=$2
    shift 2
    tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
        --mode=u+rwX,go+rX,go-w --format=gnu --directory "$dir" "$@" | gzip -n -9 >"$file"
}

# Laid out as a prefix, so that `tar --strip-components=1 -C /usr/local` installs it all.
step_tarballs() {
    local triple name dir to
    for triple in "${triples[@]}"; do
        name=gphotosfs-$version-$(arch_of "$triple")-linux
        dir=$(mktemp -d)
        to=$dir/$name
        install -D -m 755 "$(program_of "$triple")" "$to/bin/gphotosfs"
        mkdir "$to/sbin"
        cp -P "$made"/mount.* "$to/sbin/"
        install -D -m 644 -t "$to/share/man/man1" "$made"/man/*.1
        install -D -m 644 "$made/completions/bash" \
            "$to/share/bash-completion/completions/gphotosfs"
        install -D -m 644 "$made/completions/zsh" "$to/share/zsh/site-functions/_gphotosfs"
        install -D -m 644 "$made/completions/fish" \
            "$to/share/fish/vendor_completions.d/gphotosfs.fish"
        install -D -m 644 -t "$to/lib/systemd/user" packaging/*.service
        install -D -m 644 -t "$to/share/doc/gphotosfs" README.md CHANGELOG.md SECURITY.md \
            LICENSE-MIT LICENSE-APACHE "$made/licences.txt"
        cp -r docs "$to/share/doc/gphotosfs/"
        archive "$out/$name.tar.gz" "$dir" "$name"
        rm -rf "$dir"
    done
    git archive --format=tar --prefix="gphotosfs-$version/" HEAD | gzip -n -9 \
        >"$out/gphotosfs-$version.tar.gz"
}

step_sums() {
    rm -f "$out/SHA256SUMS"
    (cd "$out" && sha256sum -- gphotosfs* >SHA256SUMS && cat SHA256SUMS)
}
