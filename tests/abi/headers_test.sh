#!/bin/sh
# headers_test.sh INCLUDE_DIR LAYOUT_C CC CXX - each header of the SDK compiles alone and twice, without a warning: the ABI as C11
# and C++20, the C++ layer as C++20. Prints what fails; exit status 0, or 1.
set -u
include=$1
layout=$2
cc=$3
cxx=$4
flags="-Wall -Wextra -pedantic -Werror -fsyntax-only"
count=0
failures=0

# Source on standard input.
as_c() { "$cc" -x c -std=c11 $flags "-I$include" - || fail "$cc as C11"; }
as_cxx() { "$cxx" -x c++ -std=c++20 $flags "-I$include" - || fail "$cxx as C++20"; }

fail() {
    echo "FAILED: $header with $1"
    failures=$((failures + 1))
}

for header in $(cd "$include" && find steward -name '*.h' -o -name '*.hpp' | sort); do
    count=$((count + 1))
    printf '#include <%s>\n#include <%s>\n' "$header" "$header" >"$PWD/twice.$$"
    case $header in
    *.h) as_c <"$PWD/twice.$$" ;;
    esac
    as_cxx <"$PWD/twice.$$"
done
rm -f "$PWD/twice.$$"

header=$layout
as_c <"$layout"
as_cxx <"$layout"

echo "$count headers and the layout, $failures failures"
[ "$failures" -eq 0 ] && [ "$count" -ge 17 ]
