# For run.sh and product.sh: where the suite is, and the bridge from the suite's HTTP to a server's stdin and stdout. `here` is
# this folder.
# shellcheck shell=bash disable=SC2154

# NODE_MODULES: sets `node` and `suite`, or ends the script.
find_suite() {
    local modules file
    modules=$(cd "$1" && pwd) || exit 2
    node=
    # Under a Node of another age, npm installs the program itself in one of these places.
    for file in "$modules"/node-linux-*/bin/node "$modules/node/bin/node"; do
        if [ -x "$file" ]; then
            node=$file
            break
        fi
    done
    suite=$modules/@modelcontextprotocol/conformance/dist/index.js
    if [ -z "$node" ] || [ ! -e "$suite" ]; then
        echo "$0: no Node or no conformance suite in $modules: run tests/clients/install.sh" >&2
        exit 2
    fi
}

logs=${LOGS:-$(mktemp -d)}
mkdir -p "$logs"
bridge=
running=
# shellcheck disable=SC2317 # the trap calls it
finish() {
    local pid
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

# SERVER [ARG...]: sets `url`, or ends the script.
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

# Fails when a line on the server's stdout was not JSON.
stop_bridge() {
    local status=0
    kill "$bridge"
    wait "$bridge" || status=1
    bridge=
    return $status
}

# FILE ARG...: runs the suite, with its output in the file, and returns its exit status. In the background, so that a signal
# to the script is not held up.
run_suite() {
    local file=$1 status=0
    shift
    "$node" "$suite" server --url "$url" "$@" >"$file" 2>&1 &
    running=$!
    wait "$running" || status=$?
    running=
    return $status
}
