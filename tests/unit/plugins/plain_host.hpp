// A host for plugins that are called through their C interface and need nothing from it: the clock
// stands at 0, entropy is 0, what is logged is dropped, and there is no extension.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <steward/abi.h>

namespace steward::test {

inline steward_host plain_host() {
    steward_host host{};
    host.size = sizeof host;
    host.abi_major = STEWARD_ABI_MAJOR;
    host.abi_minor = STEWARD_ABI_MINOR;
    host.name = {"test", 4};
    host.version = {"0.0.0", 5};
    host.now = [](const steward_host*) { return steward_ns{0}; };
    host.entropy = [](const steward_host*) { return std::uint64_t{0}; };
    host.log = [](const steward_host*, std::int32_t, steward_str) {};
    host.post = [](const steward_host*, void (*)(void*), void*) {
        return steward_status{STEWARD_E_UNSUPPORTED};
    };
    host.on_plugin_thread = [](const steward_host*) { return 1; };
    host.get_extension = [](const steward_host*, const char*) -> const void* { return nullptr; };
    return host;
}

inline steward_error empty_error() {
    steward_error error{};
    error.size = sizeof error;
    return error;
}

inline steward_str as_str(std::string_view text) {
    return {text.data(), text.size()};
}

// Collects what is written to a sink; refuses after `limit` bytes.
struct Collector {
    std::string text;
    std::size_t limit = 1 << 20;

    [[nodiscard]] steward_sink sink() {
        return {sizeof(steward_sink), 0, this,
                [](void* ctx, const void* data, size_t length) -> steward_status {
                    auto* self = static_cast<Collector*>(ctx);
                    if (self->text.size() + length > self->limit) {
                        return STEWARD_E_IO;
                    }
                    self->text.append(static_cast<const char*>(data), length);
                    return STEWARD_OK;
                }};
    }
};

// An instance made by a plugin, destroyed at the end of the scope; null if create failed.
class Instance {
  public:
    Instance(const steward_plugin* plugin, std::string_view settings) : plugin_(plugin) {
        status_ = plugin_->create(&host_, as_str(settings), &instance_, &error_);
    }
    ~Instance() {
        if (instance_ != nullptr) {
            plugin_->destroy(instance_);
        }
    }
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;
    Instance(Instance&&) = delete;
    Instance& operator=(Instance&&) = delete;

    [[nodiscard]] steward_instance* get() const { return instance_; }
    [[nodiscard]] steward_status status() const { return status_; }
    [[nodiscard]] std::string error() const { return error_.text; }

  private:
    steward_host host_ = plain_host();
    steward_error error_ = empty_error();
    const steward_plugin* plugin_;
    steward_instance* instance_ = nullptr;
    steward_status status_ = STEWARD_E_INTERNAL;
};

}  // namespace steward::test
