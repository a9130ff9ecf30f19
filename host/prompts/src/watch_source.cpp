#include "steward/prompts/watch_source.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "disk.hpp"

namespace steward::prompts {
namespace {

// One mask for all folders: a second watch of one folder, by a link, must not change the first.
constexpr std::uint32_t kMask = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF |
                                IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kItself = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;

class Inotify final : public WatchSource {
  public:
    explicit Inotify(FileDescriptor fd) noexcept : fd_(std::move(fd)) {}

    [[nodiscard]] int fd() const noexcept override { return fd_.get(); }

    [[nodiscard]] int add(const std::string& folder) override {
        return inotify_add_watch(fd_.get(), folder.c_str(), kMask);
    }

    void remove(int watch) override { inotify_rm_watch(fd_.get(), watch); }

    [[nodiscard]] std::vector<WatchEvent> drain() override {
        std::vector<WatchEvent> events;
        alignas(inotify_event) std::array<char, 16 * 1024> buffer;
        for (;;) {
            const ssize_t size = read(fd_.get(), buffer.data(), buffer.size());
            if (size < 0 && errno == EINTR) {
                continue;
            }
            if (size <= 0) {
                return events;
            }
            append(events, buffer.data(), static_cast<std::size_t>(size));
        }
    }

  private:
    static void append(std::vector<WatchEvent>& events, const char* data, std::size_t size) {
        for (std::size_t at = 0; at + sizeof(inotify_event) <= size;) {
            inotify_event event{};
            std::memcpy(&event, data + at, sizeof event);
            at += sizeof event;
            WatchEvent& one = events.emplace_back();
            one.watch = event.wd;
            one.lost = (event.mask & IN_Q_OVERFLOW) != 0;
            one.itself = (event.mask & kItself) != 0 || event.len == 0;
            if (event.len > 0) {
                one.name.assign(data + at, strnlen(data + at, event.len));
            }
            at += event.len;
        }
    }

    FileDescriptor fd_;
};

}  // namespace

std::unique_ptr<WatchSource> make_inotify() {
    FileDescriptor fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!fd.is_open()) {
        return nullptr;
    }
    return std::make_unique<Inotify>(std::move(fd));
}

}  // namespace steward::prompts
