#!/usr/bin/env bash
# Runs the official conformance suite against a stdio server, through the HTTP bridge beside this file: the scored scenarios of
# both revisions must pass.
#
#   run.sh NODE_MODULES [SERVER [ARG...]]
#
# NODE_MODULES is where `npm install node@22 @modelcontextprotocol/conformance@0.2.0-alpha.12` was run: its node_modules
# folder. SERVER is the program to measure, by default the fixture server in build/tests. REVISIONS names the requirement sets,
# by default both. LOGS is where the output goes, by default a folder that is removed at the end.
set -u -o pipefail

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: run.sh NODE_MODULES [SERVER [ARG...]]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
modules=$(cd "$1" && pwd)
shift
if [ $# -eq 0 ]; then
    set -- "$here/../../../build/tests/mcp_fixture_server"
fi
node=$modules/node/bin/node
suite=$modules/@modelcontextprotocol/conformance/dist/index.js
for file in "$node" "$suite" "$1"; do
    if [ ! -e "$file" ]; then
        echo "run.sh: $file is missing" >&2
        exit 2
    fi
done

logs=${LOGS:-$(mktemp -d)}
mkdir -p "$logs"
bridge=
running=
# shellcheck disable=SC2317 # the trap calls it
finish() {
    for pid in $running $bridge; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    if [ -z "${LOGS:-}" ]; then
        rm -rf "$logs"
    fi
}
trap finish EXIT
trap 'exit 1' INT TERM

# Sets `url`, or ends the script.
start_bridge() {
    : >"$logs/bridge" # the bridge before this one has left its address there
    "$node" "$here/mcp_http_bridge.mjs" -- "$@" 2>>"$logs/bridge" &
    bridge=$!
    for _ in $(seq 100); do
        url=$(sed -n 's/^bridge on //p' "$logs/bridge")
        if [ -n "$url" ] || ! kill -0 "$bridge" 2>/dev/null; then
            break
        fi
        sleep 0.1
    done
    if [ -z "$url" ]; then
        cat "$logs/bridge" >&2
        exit 1
    fi
}

# Prints "PASSED of SCORED" from the output of the suite; what is not scored is named at its end.
count() {
    awk '/^=== SUMMARY/ { summary = 1 }
         /^Not scored/ { summary = 0; rest = 1 }
         summary && ($1 == "✓" || $1 == "✗") { sub(":", "", $2); mark[$2] = $1 }
         rest && ($1 == "✓" || $1 == "✗") { delete mark[$2] }
         END { for (name in mark) { scored++; passed += mark[name] == "✓" } print passed + 0 " of " scored + 0 }' "$1"
}

status=0
for revision in ${REVISIONS:-2025-11-25 2026-07-28}; do
    start_bridge "$@"
    # The exit code is that of the scored scenarios alone.
    "$node" "$suite" server --url "$url" --requirements "$revision" >"$logs/$revision" 2>&1 &
    running=$! # in the background, so that a signal to this script is not held up
    wait "$running"
    code=$?
    running=
    kill "$bridge"
    wait "$bridge" || code=1 # a line on stdout was not JSON
    bridge=
    passed=$(count "$logs/$revision")
    # A suite that ran nothing has not passed.
    if [ $code -eq 0 ] && [ "${passed% of *}" = "${passed#* of }" ] && [ "${passed% of *}" -gt 0 ]; then
        echo "$revision: $passed scored scenarios passed"
    else
        status=1
        echo "$revision: FAILED, $passed scored scenarios passed"
        sed -n '/^=== SUMMARY/,$p' "$logs/$revision"
        cat "$logs/bridge"
    fi
done
exit $status
