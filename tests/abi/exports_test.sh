#!/bin/sh
# exports_test.sh PLUGIN.so... - the link line of each plugin kept its promises. Prints what fails; exit status 0, or 1.
set -u
failures=0

fail() {
    echo "FAILED: $plugin: $1"
    failures=$((failures + 1))
}

for plugin in "$@"; do
    symbols=$(nm -D --defined-only "$plugin" | awk '{ print $NF }' | tr '\n' ' ')
    [ "$symbols" = "steward_plugin_entry " ] || fail "exports $symbols"
    nm "$plugin" | grep -q ' u ' && fail "has unique symbols, which pin it in memory"

    dynamic=$(readelf -dW "$plugin")
    echo "$dynamic" | grep -q 'BIND_NOW\|FLAGS.*NOW' || fail "is bound lazily"
    echo "$dynamic" | grep -q 'TEXTREL' && fail "has text relocations"
    echo "$dynamic" | grep -Eq 'RPATH|RUNPATH' && fail "has a run path"
    needed=$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -Ev '^(libc|libm|libstdc\+\+|libgcc_s|ld-linux-x86-64)\.so\.')
    [ -z "$needed" ] || fail "needs $needed"

    # One pointer: the compiler's own frame_dummy. Each static constructor would add one.
    size=$(readelf -SW "$plugin" | sed -n 's/.*\.init_array *INIT_ARRAY *[0-9a-f]* [0-9a-f]* \([0-9a-f]*\).*/\1/p')
    [ "$size" = 000008 ] || fail "runs code when it is loaded (.init_array of 0x$size bytes)"

    forbidden=$(nm -D --undefined-only "$plugin" | awk '{ print $NF }' | sed 's/@.*//' |
        grep -Ex 'fork|vfork|system|popen|signal|sigaction|wait|waitpid|waitid|setenv|putenv|chdir|umask|setlocale|dup2|exit|_exit')
    [ -z "$forbidden" ] || fail "imports $forbidden"
done

echo "$# plugins, $failures failures"
[ "$failures" -eq 0 ] && [ "$#" -ge 1 ]
