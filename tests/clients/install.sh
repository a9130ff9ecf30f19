#!/usr/bin/env bash
# Installs the npm packages of package-lock.json, a Node that is new enough for them among them, into build/node/node_modules.
# Does nothing, quickly, when they are there. Needs npm (script/bootstrap ci) and, the first time, the network.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
target=$(cd "$here/../.." && pwd -P)/build/node

# The copy of the lock file is made last, and says that all of it is installed.
if cmp --silent "$here/package-lock.json" "$target/installed"; then
    exit 0
fi
if ! command -v npm >/dev/null; then
    echo "tests/clients/install.sh: npm is missing: script/bootstrap ci installs it" >&2
    exit 1
fi

mkdir -p "$target"
rm -f "$target/installed"
cp "$here/package.json" "$here/package-lock.json" "$target"
cd "$target"
# No package needs its install script, so none is run. What npm says of engines is about the Node that runs npm, not ours.
for pause in 10 30 none; do
    if npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error --fetch-timeout=60000; then
        # npm 9 makes no link to it in node_modules/.bin.
        ln -sfn node_modules/node-linux-*/bin/node node
        ./node --version
        cp package-lock.json installed
        exit 0
    fi
    if [ "$pause" != none ]; then
        echo "tests/clients/install.sh: once more in $pause s" >&2
        sleep "$pause"
    fi
done
exit 1
