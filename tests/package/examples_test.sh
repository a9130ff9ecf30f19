#!/bin/sh
# examples_test.sh PREFIX SOURCE_DIR [CXX] - builds each plugin of plugins/examples/ as its author would: alone, from a copy, against
# the Steward that is installed in PREFIX; then lets that Steward's own prober load the file, and looks at its link line. Prints
# what fails; exit status 0, or 1.
set -u
prefix=$1
source=$2
cxx=${3:-c++}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
count=0

fail() {
    echo "FAILED: $id: $1"
    [ ! -f "$work/log" ] || sed 's/^/    /' "$work/log"
    failures=$((failures + 1))
}

for folder in "$source"/plugins/examples/*/; do
    id=$(basename "$folder")
    count=$((count + 1))
    cp -R "$folder" "$work/$id" || exit 1
    # Nothing of the project's own tree may help, nor a Steward that is installed elsewhere.
    if ! (cd / && cmake -S "$work/$id" -B "$work/build-$id" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$cxx" \
        -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF \
        -DSteward_ROOT="$prefix" && cmake --build "$work/build-$id") >"$work/log" 2>&1; then
        fail "does not build against $prefix"
        continue
    fi
    grep -q "Steward_DIR:PATH=$prefix" "$work/build-$id/CMakeCache.txt" || fail "found another Steward"
    file=$work/build-$id/steward_$id.so
    if [ ! -f "$file" ]; then
        fail "made no steward_$id.so"
        continue
    fi
    "$source/tests/abi/exports_test.sh" "$file" >"$work/log" 2>&1 || fail "its link line is wrong"
    chmod go-w "$file"
    "$prefix/bin/steward" plugins --plugin-dir "$work/build-$id" >"$work/log" 2>&1 || fail "steward plugins failed"
    grep -q "^$id 1.0.0 " "$work/log" || fail "steward does not take it"
done

echo "$count plugins, $failures failures"
[ "$failures" -eq 0 ] && [ "$count" -ge 4 ]
