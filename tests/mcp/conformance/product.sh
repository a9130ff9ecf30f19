#!/usr/bin/env bash
# Runs the scenarios of the official conformance suite that need no fixture against the program itself, with the web app, on a
# copy of the prompts of tests/data.
#
#   product.sh NODE_MODULES [PROGRAM]
#
# NODE_MODULES as for run.sh; PROGRAM is by default build/bin/steward. LOGS as for run.sh.
set -u -o pipefail

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: product.sh NODE_MODULES [PROGRAM]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=bridge.sh
. "$here/bridge.sh"
find_suite "$1"
program=${2:-$here/../../../build/bin/steward}
if [ ! -x "$program" ]; then
    echo "product.sh: $program is missing" >&2
    exit 2
fi

# REVISION SCENARIO, and how many of its checks pass. All others have to be in `untestable`.
scenarios='
2025-11-25 server-initialize 3
2025-11-25 ping 2
2025-11-25 logging-set-level 2
2025-11-25 tools-list 3
2025-11-25 resources-list 2
2025-11-25 prompts-list 2
2026-07-28 tools-list 4
2026-07-28 resources-list 2
2026-07-28 prompts-list 2
2026-07-28 sep-2164-resource-not-found 4
2026-07-28 caching 8
2026-07-28 input-required-result-missing-input-response 1
2026-07-28 input-required-result-unsupported-methods 2
2026-07-28 input-required-result-ignore-extra-params 1
2026-07-28 input-required-result-validate-input 3
2026-07-28 server-stateless 24
'
# SCENARIO CHECK: what does not pass because the program has no tools with the names that the check calls
# (test_missing_capability, test_streaming_elicitation, test_logging_tool, test_trigger_*, test_input_required_*).
untestable='
input-required-result-ignore-extra-params sep-2322-ignore-unexpected-params
input-required-result-missing-input-response sep-2322-missing-response-rerequests
server-stateless sep-2575-http-server-no-independent-requests-on-stream
server-stateless sep-2575-missing-capability-http-400
server-stateless sep-2575-server-no-log-without-loglevel
server-stateless sep-2575-server-rejects-undeclared-capability
server-stateless sep-2575-server-sends-prompts-list-changed-on-subscription
server-stateless sep-2575-server-sends-tools-list-changed-on-subscription
'

folder=$(mktemp -d)
trap 'finish; rm -rf "$folder"' EXIT
cp -r "$here/../../data/promptbin-data" "$folder/data"
export HOME=$folder XDG_STATE_HOME=$folder/state XDG_CACHE_HOME=$folder/cache XDG_RUNTIME_DIR=$folder
port=$("$node" -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
start_bridge "$program" mcp --port "$port" --data-dir "$folder/data"

# FILE: the checks that the suite made, as "NAME STATUS".
checks() {
    sed -E 's/\x1b\[[0-9;]*m//g' "$1" | sed -nE 's/^[0-9TZ.:-]+ \[([^] ]+) *\] ([A-Z]+) .*/\1 \2/p'
}

good=0
bad=0
while read -r revision scenario wanted; do
    if [ -z "$revision" ]; then
        continue
    fi
    log=$logs/$revision.$scenario
    run_suite "$log" --spec-version "$revision" --scenario "$scenario"
    passed=$(checks "$log" | grep -c ' SUCCESS$')
    failed=$(checks "$log" | awk '$2 != "SUCCESS" { print $1 }' | sort | paste -sd ' ')
    excused=$(awk -v scenario="$scenario" '$1 == scenario { print $2 }' <<<"$untestable" | sort | paste -sd ' ')
    if [ "$passed" = "$wanted" ] && [ "$failed" = "$excused" ]; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        echo "$revision $scenario: FAILED, $passed checks passed, must be $wanted"
        echo "  not passed: ${failed:-none}; must be: ${excused:-none}"
        sed -E 's/\x1b\[[0-9;]*m//g; /Server Implementation Requirements/,$d; / SUCCESS /d' "$log"
    fi
done <<<"$scenarios"
stop_bridge || bad=$((bad + 1))
if [ $bad -ne 0 ]; then
    cat "$logs/bridge"
fi
echo "the program: $good scenarios passed, $bad failed"
[ $bad -eq 0 ]
