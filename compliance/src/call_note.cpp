#include "call_note.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace steward::compliance {
namespace {

constexpr std::size_t kSize = 64;

std::array<char, kSize> nowhere;
char* note = nowhere.data();

}  // namespace

int make_call_note() {
    const int fd = memfd_create("call", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, kSize) != 0) {
        throw std::runtime_error(std::string("cannot make a file in memory: ") +
                                 std::strerror(errno));
    }
    return fd;
}

std::string read_call_note(int fd) {
    std::array<char, kSize> text{};
    const ssize_t got = pread(fd, text.data(), text.size() - 1, 0);
    return got <= 0 ? std::string() : std::string(text.data());
}

void share_call_note() {
    void* const page = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, kCallFd, 0);
    if (page != MAP_FAILED) {
        note = static_cast<char*>(page);
    }
    (void)close(kCallFd);
}

NoteCall::NoteCall(std::string_view name) noexcept {
    const std::size_t length = std::min(name.size(), kSize - 1);
    std::memcpy(note, name.data(), length);
    note[length] = '\0';
}

NoteCall::~NoteCall() {
    note[0] = '\0';
}

}  // namespace steward::compliance
