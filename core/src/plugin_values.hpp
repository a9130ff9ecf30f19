// Between the values of the plugin ABI and the core's own.
#pragma once
#include <cstdint>
#include <string>

#include "steward/abi.h"
#include "steward/core/time.hpp"

namespace steward::core {

constexpr std::size_t kMaxPluginText = 4096;  // bytes taken of any text that a plugin gives

// The plugin's text as it is.
std::string plugin_text(steward_str s, std::size_t limit = kMaxPluginText);
// The plugin's text as people and JSON can bear it: UTF-8 without control characters.
std::string clean_text(steward_str s, std::size_t limit = kMaxPluginText);
steward_str as_str(const std::string& s);
// Nanoseconds of the monotonic clock.
std::int64_t as_ns(TimePoint at);
// Nanoseconds since 1970.
std::int64_t as_ns(WallTime at);

std::uint64_t random_bits();

// What a plugin's function writes its failure into.
struct CallError {
    steward_error value{sizeof(steward_error), 0, {}};
    std::string text(steward_status status) const;
};

// Gathers what a plugin writes, at most `limit` bytes; after the first refusal nothing more.
struct TextSink {
    explicit TextSink(std::size_t most = kMaxPluginText) : limit(most) {}
    TextSink(const TextSink&) = delete;
    TextSink& operator=(const TextSink&) = delete;

    std::string text;
    std::size_t limit;
    bool refused = false;
    steward_sink sink{sizeof(steward_sink), 0, this, &TextSink::write};
    static steward_status write(void* ctx, const void* data, std::size_t len);
};

}  // namespace steward::core
