// The figures in a status file; no process.
#include "policy.hpp"

#include <cstdio>

namespace {

int failures = 0;

void expect(const char* what, bool ok) {
    if (!ok) {
        std::printf("not so: %s\n", what);
        ++failures;
    }
}

constexpr std::string_view kStatus =
    "Name:\tpython3\nState:\tS (sleeping)\nVmRSS:\t   30720 kB\nRssAnon:\t   20480 kB\n"
    "RssFile:\t   10236 kB\nRssShmem:\t       4 kB\nVmSwap:\t     512 kB\nThreads:\t4\n";

}  // namespace

int main() {
    const policy::Memory memory = policy::memory_of(kStatus);
    expect("each kind is read, in bytes", memory.anonymous == 20480.0 * 1024 &&
                                              memory.file == 10236.0 * 1024 &&
                                              memory.shared == 4096 && memory.swap == 512.0 * 1024);
    expect("the resident ones add up", memory.resident() == 30720.0 * 1024);
    expect("a process that has ended has nothing",
           policy::memory_of("Name:\tpython3\nState:\tZ (zombie)\n").resident() == 0);
    expect("only a whole name counts", policy::bytes_of("XVmSwap:\t1 kB\n", "VmSwap") == 0 &&
                                           policy::bytes_of("VmSwapX:\t1 kB\n", "VmSwap") == 0);
    expect("a file that is cut is no fault", policy::bytes_of("VmSwap:\t12", "VmSwap") == 12288 &&
                                                 policy::bytes_of("VmSwap:", "VmSwap") == 0 &&
                                                 policy::bytes_of("", "VmSwap") == 0);
    expect("an impossible number is left out",
           policy::bytes_of("VmSwap:\t99999999999999999999 kB\n", "VmSwap") == 0 &&
               policy::bytes_of("VmSwap:\t18446744073709551615 kB\n", "VmSwap") == 0);
    return failures == 0 ? 0 : 1;
}
