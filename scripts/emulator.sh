# shellcheck shell=bash
# shellcheck disable=SC2154  # whoever sources it sets gphotosfs, the binary, and dir, for everything else
# Sourced after setup.sh by scripts that use gphotosfs against an emulator.

now() { date +%s.%N; }
since() { awk "BEGIN { printf \"%.1f\", $(now) - $1 }"; }

# wait_for_line FILE PATTERN PID: prints what matched as soon as the process has written it.
wait_for_line() {
    for _ in $(seq 300); do
        if grep -om1 "$2" "$1"; then return; fi
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    grep -om1 "$2" "$1" || die "process $3 ended or hangs: $(cat "$1")"
}

# wait_until WHAT COMMAND...: until the command succeeds.
wait_until() {
    local what=$1
    shift
    for _ in $(seq 600); do if "$@"; then return; fi; sleep 0.1; done
    die "$what: not within a minute"
}

# own_settings: nothing of the user's own settings, logins and mounts is touched.
own_settings() {
    unset "${!GPHOTOSFS_@}"
    export XDG_CONFIG_HOME=$dir/config XDG_STATE_HOME=$dir/state XDG_CACHE_HOME=$dir/cache
}

# start_emulator OPTION...: sets emulator_pid, GPHOTOSFS_API_URL and GPHOTOSFS_PICKER_URL.
start_emulator() {
    "$gphotosfs" emulator --auto-approve --listen 127.0.0.1:0 --state "$dir/emulator" "$@" \
        >"$dir/emulator.log" 2>&1 &
    emulator_pid=$!
    GPHOTOSFS_API_URL=$(wait_for_line "$dir/emulator.log" 'http://127\.0\.0\.1:[0-9]*' "$emulator_pid")
    GPHOTOSFS_PICKER_URL=$GPHOTOSFS_API_URL/picker
    export GPHOTOSFS_API_URL GPHOTOSFS_PICKER_URL
}

# log_in OPTION...: follows the link that a person would open in a browser.
log_in() {
    "$gphotosfs" login --no-browser --client-secret "$dir/emulator/client_secret.json" "$@" \
        </dev/null >"$dir/login.log" 2>&1 &
    local login_pid=$! link
    link=$(wait_for_line "$dir/login.log" 'http://127\.0\.0\.1:[0-9]*/[^ ]*' "$login_pid")
    curl -fsSL -o "$dir/login.html" "$link"
    wait "$login_pid"
}

api_requests() {
    curl -fsS "$GPHOTOSFS_API_URL/emulator/stats" | sed -n 's/.*"api_requests_today": *\([0-9]*\).*/\1/p'
}
