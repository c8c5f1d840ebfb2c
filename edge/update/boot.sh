#!/bin/sh
# PREFIX/boot edge run FILE: starts the release that is current. No update ever changes this file.
# A release on trial (trial/version) that says why it failed (failed/VERSION), or was started $starts_max times in vain,
# gives way to the one before (trial/before). Under systemd this process becomes the agent; elsewhere it stays above it
# and starts it again when it asks for that (exit code $again) or while it is on trial.
set -u
prefix=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
starts_max=3
again=75
child=
stopping=

drop() { rm -rf "$prefix/trial.old"; mv "$prefix/trial" "$prefix/trial.old" && rm -rf "$prefix/trial.old"; }

settle() {
    [ -d "$prefix/trial" ] || return 0
    tried=$(cat "$prefix/trial/version")
    before=$(cat "$prefix/trial/before")
    if [ ! -e "$prefix/failed/$tried" ]; then
        if [ "$(readlink "$prefix/current")" != "releases/$tried" ]; then drop; return 0; fi
        starts=$(cat "$prefix/trial/starts" 2>/dev/null | wc -c)
        if [ "$starts" -lt "$starts_max" ] && [ -x "$prefix/current/bin/aid4" ]; then
            printf . >>"$prefix/trial/starts"
            return 0
        fi
        mkdir -p "$prefix/failed"
        echo "it was started $starts times and never said that all is well" >"$prefix/failed/.new" &&
            mv "$prefix/failed/.new" "$prefix/failed/$tried"
    fi
    rm -f "$prefix/current.new"
    ln -s "releases/$before" "$prefix/current.new" && mv -T "$prefix/current.new" "$prefix/current" && drop
}

export AID4_PREFIX="$prefix"
if [ -n "${NOTIFY_SOCKET:-}" ]; then
    settle
    exec "$prefix/current/bin/aid4" "$@"
fi
trap 'stopping=1; [ -z "$child" ] || kill -TERM "$child"' TERM INT
trap '[ -z "$child" ] || kill -HUP "$child"' HUP
while [ -z "$stopping" ]; do
    settle
    "$prefix/current/bin/aid4" "$@" &
    child=$!
    while :; do
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=
    [ "$code" -eq "$again" ] && continue
    if [ -d "$prefix/trial" ] && [ -z "$stopping" ]; then sleep 1; continue; fi
    exit "$code"
done
