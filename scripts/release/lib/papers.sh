# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root, target, tools, out, made and version
# Sourced by scripts/release.sh: what a program consists of, for people and for scanners.

# The texts of all licences, which the packages contain, too.
step_licences() {
    local texts=$made/licences.txt triple crate
    mkdir -p "$made"
    # Also the crates of other systems, which no build here has needed.
    cargo fetch --locked
    cargo about generate --locked --offline --fail --config packaging/about.toml packaging/licences.hbs >"$texts"
    sed 's/^/  /' /usr/share/doc/musl/copyright >>"$texts"
    for triple in "${triples[@]}"; do
        # As `name version`, without those that run in the compiler alone.
        cargo tree --locked --offline --edges normal,no-proc-macro --target "$triple" --prefix none \
            --format '{p}' | sed 's/^\([^ ]*\) v\([^ ]*\).*/\1 \2/' | sort -u | while read -r crate; do
            grep -qx "  $crate" "$texts" || die "$texts lacks the licence of $crate"
        done
    done
    cp "$texts" "$out/gphotosfs-$version-licences.txt"
    echo "$(grep -c '^  [a-z][a-z0-9_-]* [0-9]' "$texts") entries, $(wc -c <"$texts") bytes"
}

# A bill of materials by CycloneDX for each program. The tool writes beside each Cargo.toml: into a copy, then.
step_sboms() {
    local triple dir
    dir=$(temporary_dir)
    git archive HEAD | tar -C "$dir" -x
    for triple in "${triples[@]}"; do
        (cd "$dir" && cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$triple" \
            --override-filename sbom)
        cp "$dir/sbom.json" "$out/gphotosfs-$version-$(arch_of "$triple").cdx.json"
        grep -c '"type": "library"' "$dir/sbom.json"
    done
    rm -rf "$dir"
}

# Once more, from a copy in another directory with a target directory of its own: the same bytes.
step_reproduced() {
    local triple dir
    dir=$(temporary_dir)
    git archive --prefix=elsewhere/ HEAD | tar -C "$dir" -x
    for triple in "${triples[@]}"; do
        build_program "$triple" "$dir/elsewhere" "$dir/target"
        cmp "$(program_of "$triple")" "$dir/target/$triple/release/gphotosfs"
        echo "$triple: the same bytes from another directory"
    done
    rm -rf "$dir"
}
