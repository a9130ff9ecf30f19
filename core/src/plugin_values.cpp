#include "plugin_values.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "utf8.hpp"

namespace steward::core {

std::string plugin_text(steward_str s, std::size_t limit) {
    return s.ptr == nullptr ? std::string() : std::string(s.ptr, std::min(s.len, limit));
}

std::string clean_text(steward_str s, std::size_t limit) {
    std::string out;
    append_escaped(out, plugin_text(s, limit));
    return out;
}

steward_str as_str(const std::string& s) {
    return {s.data(), s.size()};
}

std::int64_t as_ns(TimePoint at) {
    return at.time_since_epoch().count();
}

std::int64_t as_ns(WallTime at) {
    return Duration(at.time_since_epoch()).count();
}

std::uint64_t random_bits() {
    std::uint64_t value = 0;
    (void)!getrandom(&value, sizeof value, 0);
    return value;
}

std::string CallError::text(steward_status status) const {
    const std::size_t length = strnlen(value.text, sizeof value.text);
    return length > 0 ? clean_text({value.text, length}) : "status " + std::to_string(status);
}

steward_status TextSink::write(void* ctx, const void* data, std::size_t len) {
    auto& self = *static_cast<TextSink*>(ctx);
    self.refused = self.refused || len > self.limit - self.text.size();
    if (self.refused) {
        return STEWARD_E_EXHAUSTED;
    }
    try {
        self.text.append(static_cast<const char*>(data), len);
        return STEWARD_OK;
    } catch (...) {
        return STEWARD_E_NOMEM;
    }
}

}  // namespace steward::core
