#!/usr/bin/env bash
# Runs the official conformance suite against a stdio server, through the HTTP bridge beside this file: all scored scenarios
# of both revisions must pass.
#
#   run.sh NODE_MODULES [SERVER [ARG...]]
#
# NODE_MODULES is what tests/clients/install.sh installs: build/node/node_modules. SERVER is the program to measure, by default
# the fixture server in build/tests. REVISIONS names the requirement sets, by default both. LOGS is where the output goes, by
# default a folder that is removed at the end.
set -u -o pipefail

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: run.sh NODE_MODULES [SERVER [ARG...]]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=bridge.sh
. "$here/bridge.sh"
find_suite "$1"
shift
if [ $# -eq 0 ]; then
    set -- "$here/../../../build/tests/mcp_fixture_server"
fi
if [ ! -e "$1" ]; then
    echo "run.sh: $1 is missing" >&2
    exit 2
fi

# How many scenarios each set scores in the release of the suite that is installed: fewer means that some were not run.
declare -A scored=([2025-11-25]=30 [2026-07-28]=37)

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
    run_suite "$logs/$revision" --requirements "$revision"
    code=$?
    stop_bridge || code=1
    passed=$(count "$logs/$revision")
    if [ $code -eq 0 ] && [ "$passed" = "${scored[$revision]} of ${scored[$revision]}" ]; then
        echo "$revision: $passed scored scenarios passed"
    else
        status=1
        echo "$revision: FAILED, $passed scored scenarios passed, must be ${scored[$revision]} of ${scored[$revision]}"
        sed -n '/^=== SUMMARY/,$p' "$logs/$revision"
        cat "$logs/bridge"
    fi
done
exit $status
