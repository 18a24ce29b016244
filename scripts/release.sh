#!/usr/bin/env bash
# Builds, tests and gathers all that a release consists of, in target/release-VERSION. It tags and uploads nothing.
#   scripts/release.sh VERSION [STEP...]     --help lists the steps; without any, all of them run
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
# shellcheck disable=SC1090
for part in scripts/release/lib/*.sh; do . "$part"; done

steps=(consistent tools binaries reproduced contents licences sboms tarballs debs rpms images crates recipes
    try_tarballs try_debs try_ubuntu try_upgrade try_rpms try_images try_crates sums)

case "${1-}" in
    [0-9]*) version=$1 ;;
    *)
        echo "usage: scripts/release.sh VERSION [STEP...]"
        echo "steps: ${steps[*]}"
        [ "${1-}" = --help ] && exit
        exit 2
        ;;
esac
shift
if [ $# != 0 ]; then steps=("$@"); fi

root=$PWD
# shellcheck disable=SC2034  # the steps use them
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# The parts of packages that the program makes; Cargo.toml's lists of assets name this directory.
made=$root/target/package
tools=$root/target/tools
out=$root/target/release-$version
mkdir -p "$out" "$tools"
# Everything that is built bears the time of the commit.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
need_cargo
PATH=$tools/bin:$PATH
umask 022

# This script begins itself anew for each step, so that a deadline can end all that the step has begun.
if [ -n "${RELEASE_STEP-}" ]; then
    "step_$RELEASE_STEP"
    exit
fi

# deadline_of STEP: a tool that waits for an answer from elsewhere may wait for ever. In minutes, for a machine with
# other things to do.
deadline_of() {
    case $1 in
        binaries | reproduced) echo 240 ;;
        tools | try_crates) echo 120 ;;
        *) echo 45 ;;
    esac
}

[ $# != 0 ] || : >"$out/times.txt"
for step in "${steps[@]}"; do
    declare -F "step_$step" >/dev/null || die "there is no step '$step'"
done
running=''
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for step in "${steps[@]}"; do
    printf '\n== %s\n' "$step"
    begun=$SECONDS
    RELEASE_STEP=$step timeout --kill-after=60 "$(deadline_of "$step")m" "scripts/${0##*/}" "$version" &
    running=$!
    status=0
    wait "$running" || status=$?
    running=''
    case $status in
        0) ;;
        124 | 137) die "the step '$step' took longer than $(deadline_of "$step") minutes" ;;
        *) die "the step '$step' failed" ;;
    esac
    printf '%-14s %5d s\n' "$step" "$((SECONDS - begun))" | tee -a "$out/times.txt"
done

printf '\n%s\n' "$out"
(cd "$out" && ls -l --block-size=K | sed 1d)
