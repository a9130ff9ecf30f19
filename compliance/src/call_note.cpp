#include "call_note.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace steward::compliance {
namespace {

// What a slot holds is a place in this list; 0: no call.
constexpr std::array<std::string_view, 20> kNames{
    "",        "cancel", "config_schema", "create",        "decide",        "deinit",     "destroy",
    "dlclose", "dlopen", "entropy",       "get_extension", "get_interface", "get_plugin", "init",
    "log",     "now",    "post",          "propose",       "sample",        "start",
};

// One for each thread; with more threads than slots, some share one.
constexpr std::size_t kSlots = 64;
using Slots = std::array<std::atomic<unsigned char>, kSlots>;
static_assert(sizeof(Slots) == kSlots && std::atomic<unsigned char>::is_always_lock_free);

Slots nowhere{};
Slots* slots = &nowhere;
std::atomic<std::size_t> threads{0};

std::atomic<unsigned char>& slot_of_thread() noexcept {
    thread_local const std::size_t own = threads++ % kSlots;
    return (*slots)[own];
}

}  // namespace

core::UniqueFd make_call_note() {
    core::UniqueFd fd(memfd_create("call", MFD_CLOEXEC));
    if (!fd || ftruncate(fd.get(), kSlots) != 0) {
        throw std::runtime_error(std::string("cannot make a file in memory: ") +
                                 std::strerror(errno));
    }
    return fd;
}

std::string read_call_note(int fd) {
    std::array<unsigned char, kSlots> noted{};
    std::string text;
    const ssize_t got = pread(fd, noted.data(), noted.size(), 0);
    for (ssize_t i = 0; i < got; ++i) {
        const unsigned char name = noted[static_cast<std::size_t>(i)];
        if (name != 0 && name < kNames.size()) {
            text += (text.empty() ? "" : ", ") + std::string(kNames[name]) + "()";
        }
    }
    return text;
}

void share_call_note() {
    void* const page = mmap(nullptr, kSlots, PROT_READ | PROT_WRITE, MAP_SHARED, kCallFd, 0);
    if (page != MAP_FAILED) {
        slots = static_cast<Slots*>(page);
    }
    (void)close(kCallFd);
}

NoteCall::NoteCall(std::string_view name) noexcept {
    const auto* const found = std::find(kNames.begin(), kNames.end(), name);
    const auto place = found == kNames.end() ? 0 : found - kNames.begin();
    before_ = slot_of_thread().exchange(static_cast<unsigned char>(place));
}

NoteCall::~NoteCall() {
    slot_of_thread().store(before_);
}

}  // namespace steward::compliance
