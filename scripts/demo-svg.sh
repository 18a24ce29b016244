#!/usr/bin/env bash
# Makes docs/demo.svg, the picture in README.md, of what a terminal shows in a real run against an emulator on this
# machine. Drawn by Rich (https://rich.readthedocs.io), which is installed for it in a directory of its own.
#   scripts/demo-svg.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/emulator.sh

need_command fusermount3 fuse3
need_command curl curl
need_command cc build-essential
need_command script bsdutils
need_command python3 python3
need_cargo
need_fuse_device
cargo build --locked -p gphotosfs -p gphotosfs-photos --bins
target=$(realpath "${CARGO_TARGET_DIR:-target}")
gphotosfs=$target/debug/gphotosfs

dir=$(mktemp -d "${TMPDIR:-/tmp}/gphotosfs-demo.XXXXXX")
own_settings
emulator_pid='' width=118
clean_up() {
    status=$?
    trap - EXIT
    set +e
    if mountpoint -q "$dir/gphotos"; then
        "$gphotosfs" umount --now "$dir/gphotos" || fusermount3 -uz "$dir/gphotos"
    fi
    if [ -n "$emulator_pid" ]; then
        kill "$emulator_pid"
        wait "$emulator_pid" 2>/dev/null
    fi
    rm -rf --one-file-system "$dir"
    exit "$status"
}
trap clean_up EXIT

python3 -m venv "$dir/venv" || die "needs Python's venv module (Debian calls the package python3-venv)"
"$dir/venv/bin/pip" install --quiet 'rich==15.*'

# The picture shows a user's home directory.
export HOME=$dir PATH=$target/debug:$PATH
mkdir -p "$HOME/gphotos"
"$target/debug/photos" "$HOME/photo/20190428" --count 200 --twins >/dev/null
# shellcheck disable=SC2119  # no options but its own
start_emulator
cp "$dir/emulator/client_secret.json" "$HOME"
# Follows the link as a person does.
export BROWSER=$dir/browser
# shellcheck disable=SC2016  # the script's own argument
printf '#!/bin/sh\nexec curl -fsSL -o /dev/null "$1"\n' >"$BROWSER"
chmod +x "$BROWSER"
cd "$HOME"

# show COMMAND [STATUS]: runs it in a terminal; it must end with that status.
show() {
    printf '\033[1;32m$\033[0m %s\n' "$1"
    local ended=0
    script -qec "stty cols $width; $1" /dev/null </dev/null || ended=$?
    [ "$ended" = "${2:-0}" ] || die "'$1' ended with $ended"
}
{
    show 'gphotosfs login --client-secret client_secret.json'
    show 'gphotosfs mount ~/gphotos'
    show 'mkdir ~/gphotos/20190428 && cp -p ~/photo/20190428/* ~/gphotos/20190428'
    show 'gphotosfs status'
    show 'gphotosfs sync'
    show 'ls ~/photo/20190428 | wc -l; ls ~/gphotos/20190428 | wc -l'
    show 'gphotosfs diff ~/photo/20190428 ~/gphotos/20190428'
    show 'rm ~/gphotos/20190428/IMG_0042.jpg'
    show 'gphotosfs diff ~/photo/20190428 ~/gphotos/20190428' 1
} >"$dir/recorded"
cd - >/dev/null

"$dir/venv/bin/python" - "$dir/recorded" "$dir" "$width" docs/demo.svg <<'PYTHON'
import os, re, sys

from rich.console import Console
from rich.text import Text

recorded, home, width, picture = sys.argv[1:]
with open(recorded, encoding="utf-8", newline="") as file:
    text = file.read().replace("\r\n", "\n").replace(home, "~")
# What was drawn over, as a progress bar is, is not seen in the end.
text = re.sub(r"\x1b\[[0-9;?]*[A-Zac-ln-z]", "", text)
text = "\n".join(line.rsplit("\r", 1)[-1] for line in text.split("\n"))
# Which kernel this machine has is of no interest,
text = re.sub(r"(Linux \d+\.\d+)[\w.+-]*", r"\1", text)
# and the link of a login is a screenful of its own.
text = re.sub(r"(/o/oauth2/auth\?)\S+", r"\1…", text)
console = Console(record=True, width=int(width), file=open(os.devnull, "w"), force_terminal=True)
console.print(Text.from_ansi(text))
svg = console.export_svg(title="gphotosfs", unique_id="demo")
# A picture fetches nothing from elsewhere: the reader's own fonts do.
svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)
svg = svg.replace("Fira Code", "monospace")
with open(picture, "w", encoding="utf-8") as file:
    # Not every program that shows pictures keeps blanks otherwise.
    file.write(svg.replace("<svg ", '<svg xml:space="preserve" ', 1))
PYTHON
echo "docs/demo.svg: $(stat -c %s docs/demo.svg) bytes"
