#!/usr/bin/env bash
# Runs real MCP clients against the program: both TypeScript SDKs and the Inspector, as AI tools use them.
#
#   tests/clients/run.sh                      all, against build/bin/steward
#   tests/clients/run.sh PROGRAM [FILE...]    another program, or only some files: sdk_v2.mjs
#
# Installs the clients into build/node first (install.sh). Fails when one file fails; the last line counts the files.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
"$here/install.sh" || exit 1

program=${1:-$root/build/bin/steward}
shift $(($# > 0))
if [ ! -x "$program" ]; then
    echo "tests/clients/run.sh: $program is missing: script/build makes it" >&2
    exit 1
fi
if [ $# -eq 0 ]; then
    set -- sdk_v1.mjs sdk_v2.mjs inspector.mjs connects.mjs
fi

failed=0
for file in "$@"; do
    "$root/build/node/node" --test-reporter=spec --test-force-exit "$here/$file" "$program" "$root/build/node/node_modules" ||
        failed=$((failed + 1))
done
echo "clients: $(($# - failed)) files passed, $failed failed"
[ $failed -eq 0 ]
