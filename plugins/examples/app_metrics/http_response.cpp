#include "http_response.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <steward/sdk/guard.hpp>

namespace examples::app_metrics {
namespace {

namespace sdk = steward::sdk;

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    const auto last = text.find_last_not_of(" \t");
    return first == std::string_view::npos ? std::string_view{}
                                           : text.substr(first, last - first + 1);
}

template <class Number>
std::optional<Number> whole_number(std::string_view text) {
    Number number = 0;
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, number);
    return result.ec == std::errc{} && result.ptr == end ? std::optional(number) : std::nullopt;
}

[[noreturn]] void refuse(const std::string& why) {
    throw sdk::Failure(STEWARD_E_UNSUPPORTED, why);
}

}  // namespace

bool HttpResponse::put(std::string_view bytes) {
    if (status_ != 0) {
        return take_body(bytes);
    }
    head_.append(bytes);
    const auto end = head_.find("\r\n\r\n");
    if (std::min(end, head_.size()) > kHeadLimit) {
        throw sdk::Failure(STEWARD_E_EXHAUSTED, "the answer's headers are larger than 16 KiB");
    }
    if (end == std::string::npos) {
        return false;
    }
    const std::string rest = head_.substr(end + 4);
    head_.resize(end);
    read_head(head_);
    return take_body(rest);
}

bool HttpResponse::put_end() {
    return status_ != 0 && (!length_ || body_.size() == *length_);
}

bool HttpResponse::take_body(std::string_view bytes) {
    body_.append(bytes.substr(0, length_.value_or(body_.size() + bytes.size()) - body_.size()));
    if (body_.size() > kBodyLimit) {
        throw sdk::Failure(STEWARD_E_EXHAUSTED, "the answer's body is larger than 256 KiB");
    }
    return length_ && body_.size() == *length_;
}

// "HTTP/1.1 200 OK", then a line for each header.
void HttpResponse::read_head(std::string_view head) {
    const std::string_view first = head.substr(0, head.find("\r\n"));
    const auto status = first.starts_with("HTTP/1.") && first.size() >= 12 && first[8] == ' ' &&
                                (first.size() == 12 || first[12] == ' ')
                            ? whole_number<std::uint16_t>(first.substr(9, 3))
                            : std::nullopt;
    if (!status || *status < 100 || *status > 599) {
        refuse("the answer is not HTTP: \"" + sdk::printable(first) + '"');
    }
    for (auto at = head.find("\r\n"); at != std::string_view::npos;) {
        const auto end = head.find("\r\n", at + 2);
        read_header(head.substr(at + 2, end == std::string_view::npos ? end : end - at - 2));
        at = end;
    }
    status_ = *status;
}

void HttpResponse::read_header(std::string_view line) {
    const auto colon = line.find(':');
    const std::string name = lower(line.substr(0, colon));
    const std::string_view value =
        colon == std::string_view::npos ? std::string_view{} : trimmed(line.substr(colon + 1));
    if (name == "content-length") {
        const auto length = whole_number<std::uint64_t>(value);
        if (!length || (length_ && *length_ != *length)) {
            refuse("the answer's Content-Length is wrong: \"" + sdk::printable(value) + '"');
        }
        if (*length > kBodyLimit) {
            throw sdk::Failure(STEWARD_E_EXHAUSTED, "the answer's body is larger than 256 KiB");
        }
        length_ = *length;
    } else if (name == "transfer-encoding" || (name == "content-encoding" && value != "identity")) {
        refuse("the answer is coded although that was not asked for: " + name + " " +
               sdk::printable(value));
    } else if (name == "content-type") {
        open_metrics_ = lower(value).starts_with("application/openmetrics-text");
    }
}

}  // namespace examples::app_metrics
