#!/bin/sh
# asan_test.sh BUILD_DIR - steward-compliance-asan tries plugins with AddressSanitizer: those of the default set are gold, a hidden
# fault is found, and the programs without it say what to use. Prints one line for each; exit status 0, or 1.
set -u
build=$1
asan="$build/bin/steward-compliance-asan"
plugins="$build/tests/asan_plugins"
failures=0

# NAME STATUS PATTERN COMMAND...: ends with this status and prints this.
expect() {
    name=$1 status=$2 pattern=$3
    shift 3
    output=$("$@" 2>&1 </dev/null)
    code=$?
    if [ "$code" -ne "$status" ] || ! printf '%s\n' "$output" | grep -Eq "$pattern"; then
        printf 'FAILED %s: exit status %s, not %s, or no "%s" in\n%s\n' "$name" "$code" "$status" "$pattern" "$output"
        failures=$((failures + 1))
    else
        echo "ok     $name: $(printf '%s\n' "$output" | tail -1)"
    fi
}

for id in health_http restart_backoff port_sequential metrics_proc; do
    expect "$id" 0 ': gold' "$asan" run "$plugins/$id/steward_$id.so" --grade gold
done
expect overread 1 'heap-buffer-overflow' "$asan" run "$plugins/overread/steward_faulty.so" --only restart-total
expect 'the command to repeat it' 1 'again: steward-compliance-asan run ' "$asan" run "$plugins/overread/steward_faulty.so"
expect overflow 1 'signed integer overflow' "$asan" run "$plugins/overflow/steward_faulty.so" --only restart-total
expect 'without a sanitizer' 0 ': gold' "$asan" run "$build/bin/plugins/steward_restart_backoff.so" --grade gold
expect 'the plain harness' 3 'steward-compliance-asan' "$build/bin/steward-compliance" run "$plugins/overread/steward_faulty.so"
expect 'the plain list' 0 'steward-compliance-asan' "$build/bin/steward" plugins --plugin-dir "$plugins/overread"

echo "$failures failures"
[ "$failures" -eq 0 ]
