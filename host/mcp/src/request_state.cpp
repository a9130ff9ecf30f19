#include "request_state.hpp"

#include <Poco/HMACEngine.h>
#include <Poco/SHA2Engine.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "base64.hpp"

namespace steward::mcp {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kExpiryBytes = 8;
constexpr std::size_t kSignatureBytes = 32;

// Poco's HMAC asks the hash for its sizes, which Poco's SHA-2 does not tell.
class Sha256 : public Poco::SHA2Engine {
  public:
    // NOLINTNEXTLINE(readability-identifier-naming): the names are those that Poco asks for
    enum { BLOCK_SIZE = 64, DIGEST_SIZE = kSignatureBytes };
    Sha256() : SHA2Engine(SHA_256) {}
};

std::string random_key() {
    std::string key(kKeyBytes, '\0');
    for (std::size_t got = 0; got < key.size();) {
        const ssize_t count = getrandom(key.data() + got, key.size() - got, 0);
        if (count < 0 && errno != EINTR) {
            throw std::system_error(errno, std::generic_category(), "getrandom");
        }
        got += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    return key;
}

std::string to_bytes(std::uint64_t value) {
    std::string bytes(8, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<char>(value >> (56U - 8U * i) & 0xFFU);
    }
    return bytes;
}

std::uint64_t from_bytes(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char byte : bytes) {
        value = value << 8U | static_cast<unsigned char>(byte);
    }
    return value;
}

// Takes the same time wherever the two differ.
bool equal(std::string_view a, std::string_view b) {
    unsigned difference = a.size() == b.size() ? 0 : 1;
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
    }
    return difference == 0;
}

}  // namespace

RequestState::RequestState(Now now, std::chrono::seconds lifetime)
    : now_(std::move(now)), lifetime_(lifetime) {}

std::string RequestState::sign(std::string_view binding, std::string_view expiry,
                               std::string_view text) const {
    Poco::HMACEngine<Sha256> engine(key_);
    // The length in front keeps one part from passing for the beginning of the next.
    engine.update(to_bytes(binding.size()));
    engine.update(binding.data(), binding.size());
    engine.update(expiry.data(), expiry.size());
    engine.update(text.data(), text.size());
    const auto& digest = engine.digest();
    return {digest.begin(), digest.end()};
}

std::string RequestState::seal(std::string_view binding, std::string_view text) {
    if (key_.empty()) {
        key_ = random_key();
    }
    const auto expiry = std::chrono::nanoseconds((now_() + lifetime_).time_since_epoch()).count();
    std::string sealed = to_bytes(static_cast<std::uint64_t>(expiry));
    sealed += sign(binding, sealed, text);
    sealed += text;
    std::string out;
    append_base64(out, sealed);
    return out;
}

std::optional<std::string> RequestState::open(std::string_view binding,
                                              std::string_view sealed) const {
    const auto bytes = decode_base64(sealed);
    if (!bytes || bytes->size() < kExpiryBytes + kSignatureBytes || key_.empty()) {
        return std::nullopt;
    }
    const std::string_view all = *bytes;
    const std::string_view expiry = all.substr(0, kExpiryBytes);
    const std::string_view signature = all.substr(kExpiryBytes, kSignatureBytes);
    const std::string_view text = all.substr(kExpiryBytes + kSignatureBytes);
    if (!equal(signature, sign(binding, expiry, text))) {
        return std::nullopt;
    }
    const auto now = std::chrono::nanoseconds(now_().time_since_epoch()).count();
    if (static_cast<std::int64_t>(from_bytes(expiry)) <= now) {
        return std::nullopt;
    }
    return std::string(text);
}

}  // namespace steward::mcp
