# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/release.sh sets root, target, tools, out, made and version
# Sourced by scripts/release.sh: the checks before a release, its tools, and the programs.

# The targets of the compiler, and the names that packages and people give them.
triples=(x86_64-unknown-linux-musl aarch64-unknown-linux-musl)
arch_of() { echo "${1%%-*}"; }
# debian_arch TRIPLE: Debian's name of it.
debian_arch() {
    case $1 in x86_64-*) echo amd64 ;; aarch64-*) echo arm64 ;; esac
}

step_consistent() {
    local said
    said=$(cargo metadata --locked --no-deps --format-version 1 |
        grep -o '"name":"gphotosfs","version":"[^"]*"' | cut -d '"' -f 8)
    [ "$said" = "$version" ] || die "Cargo.toml has version $said, not $version"
    grep -q "^## \[$version\] - [0-9-]*\$" CHANGELOG.md ||
        die "CHANGELOG.md lacks the heading '## [$version] - YYYY-MM-DD'"
    [ -z "$(git status --porcelain)" ] || die "commit your changes first: $(git status --short)"
}

# install_tool CRATE VERSION OPTION...: into target/tools, unless that version is there.
install_tool() {
    local crate=$1 wanted=$2
    shift 2
    if grep -qs "\"$crate $wanted " "$tools/.crates.toml"; then return; fi
    # They run for seconds: optimizing them takes longer.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install --locked --quiet --root "$tools" --target-dir "$target/tools" "$@" \
        "$crate@$wanted"
}

step_tools() {
    need_command cc build-essential
    need_command musl-gcc musl-tools
    need_command aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    need_command qemu-aarch64-static qemu-user-static
    need_command debootstrap debootstrap
    need_command buildah buildah
    need_command crun crun
    need_command podman podman
    need_command newuidmap uidmap
    need_command jq jq
    need_command umoci umoci
    need_command rpm rpm
    need_command unshare util-linux
    need_cargo
    install_tool cargo-deb 3.8.0
    install_tool cargo-generate-rpm 0.21.1
    install_tool cargo-cyclonedx 0.5.9
    install_tool cargo-about 0.9.3 --features cli
    local triple
    for triple in "${triples[@]}"; do
        [ -d "$(rustc --print sysroot)/lib/rustlib/$triple" ] || rustup target add "$triple"
    done
    [ -e "$(musl_arm64)" ] || debian_package musl-dev arm64 "$tools/musl-arm64"
}

# debian_package NAME ARCHITECTURE DIRECTORY: unpacks a package, of any architecture. The lists of that architecture go
# into a directory of ours, so that this machine's own stay as they are.
debian_package() {
    local name=$1 arch=$2 dir=$3 lists=$tools/apt-$2
    mkdir -p "$lists/lists/partial"
    local options=(-qq -o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
        -o "Dir::State::lists=$lists/lists" -o "Dir::Cache=$lists" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    (cd "$lists" && apt-get "${options[@]}" download "$name")
    dpkg-deb -x "$lists/${name}"_*.deb "$dir"
    rm -rf "$lists"
}

# musl's headers, for the C parts of the arm64 program. Rust has the library itself.
musl_arm64() { echo "$tools/musl-arm64/usr/include/aarch64-linux-musl"; }

# cross_flags: exports what the compilers need for the arm64 program, and sets cross_cflags. Debian's compiler is one
# for glibc: it gets other headers, and must not call helpers of glibc's libgcc.
cross_flags() {
    export CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc
    export AR_aarch64_unknown_linux_musl=aarch64-linux-gnu-ar
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=rust-lld
    cross_cflags="-nostdinc -isystem $(musl_arm64) -mno-outline-atomics"
    cross_cflags+=" -isystem $(aarch64-linux-gnu-gcc -print-file-name=include)"
}

# build_program TRIPLE SOURCE TARGET_DIR: a static program in TARGET_DIR/TRIPLE/release. No path of this machine gets
# into it, so that its bytes depend on the sources and the compilers alone.
build_program() {
    local triple=$1 source=$2 dir=$3 name=${1//-/_} paths flags='' pair
    local home=${CARGO_HOME:-$HOME/.cargo}
    paths=("$home=/cargo" "$source=/gphotosfs" "$dir=/target")
    for pair in "${paths[@]}"; do flags+=" --remap-path-prefix=$pair"; done
    (
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
        export "CARGO_TARGET_${name^^}_RUSTFLAGS=$flags"
        cross_cflags=
        case $triple in aarch64-*) cross_flags ;; esac
        export "CFLAGS_$name=${paths[*]/#/-ffile-prefix-map=} $cross_cflags"
        cd "$source"
        cargo build --locked --release --target-dir "$dir" --target "$triple" --bin gphotosfs
    )
}

program_of() { echo "$target/$1/release/gphotosfs"; }

step_binaries() {
    local triple
    for triple in "${triples[@]}"; do
        build_program "$triple" "$root" "$target"
        ! readelf --dynamic "$(program_of "$triple")" | grep NEEDED ||
            die "$(program_of "$triple") needs shared libraries"
    done
}
