#include "unavailable_answer.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "utf8.hpp"

namespace steward::core {
namespace {

constexpr std::size_t kMaxCause = 2000;
constexpr int kMaxRefresh = 10;
constexpr int kMaxRetryAfter = 86400;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r";
    const auto first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Cuts off and returns what stands before the separator.
std::string_view next_part(std::string_view& rest, char separator) {
    const auto end = rest.find(separator);
    const auto part = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    return part;
}

// "q=0.25" in thousandths; 1000 for anything else.
int quality(std::string_view parameters) {
    while (!parameters.empty()) {
        const auto parameter = trimmed(next_part(parameters, ';'));
        if (parameter.size() < 3 || lower(parameter[0]) != 'q' || parameter[1] != '=') {
            continue;
        }
        const auto value = parameter.substr(2);
        if (value[0] != '0') {
            return 1000;
        }
        int thousandths = 0;
        int weight = 100;
        for (std::size_t i = 2; i < value.size() && i < 5 && value[i] >= '0' && value[i] <= '9';
             ++i) {
            thousandths += (value[i] - '0') * weight;
            weight /= 10;
        }
        return thousandths;
    }
    return 1000;
}

// How much the client wants this type, by the most specific range that matches; 0 if none does.
int wanted(std::string_view accept, std::string_view type, std::string_view range) {
    int best = 0;
    int best_rank = -1;
    while (!accept.empty()) {
        auto entry = next_part(accept, ',');
        const auto name = trimmed(next_part(entry, ';'));
        const int rank = same(name, type) ? 2 : same(name, range) ? 1 : name == "*/*" ? 0 : -1;
        if (rank > best_rank) {
            best_rank = rank;
            best = quality(entry);
        }
    }
    return best;
}

std::string_view header(std::string_view head, std::string_view name) {
    (void)next_part(head, '\n');
    while (!head.empty()) {
        auto line = next_part(head, '\n');
        const auto key = next_part(line, ':');
        if (same(trimmed(key), name)) {
            return trimmed(line);
        }
    }
    return {};
}

std::string json_text(std::string_view text) {
    std::string clean;
    append_escaped(clean, text);
    std::string out = "\"";
    for (const char c : clean) {
        if (c == '\t') {
            out += "\\t";
            continue;
        }
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + '"';
}

std::string html_text(std::string_view text) {
    std::string clean;
    append_escaped(clean, text);
    std::string out;
    for (const char c : clean) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string json_body(const PortAnswer& answer, std::string_view cause, int retry_after) {
    return "{\"status\":\"unavailable\",\"state\":" + json_text(answer.state) +
           ",\"cause\":" + json_text(cause) + ",\"retry_after\":" + std::to_string(retry_after) +
           "}\n";
}

std::string html_body(const PortAnswer& answer, std::string_view cause, int retry_after) {
    const std::string refresh = std::to_string(std::min(retry_after, kMaxRefresh));
    return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
           "<meta http-equiv=\"refresh\" content=\"" +
           refresh +
           "\">"
           "<meta name=\"viewport\" content=\"width=device-width\">"
           "<title>Not available</title>"
           "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em "
           "auto;padding:0 1em}"
           "@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}}</style></head>\n"
           "<body><main><h1>The app is not available right now</h1>\n<p>State: <strong>" +
           html_text(answer.state) + "</strong></p>\n<p>" + html_text(cause) +
           "</p>\n<p>This page reloads itself every " + refresh + " s.</p></main></body></html>\n";
}

}  // namespace

bool request_head_complete(std::string_view received) {
    return received.find("\r\n\r\n") != std::string_view::npos ||
           received.find("\n\n") != std::string_view::npos;
}

bool is_whole_request(std::string_view received) {
    // The first blank line is the end of what was received.
    const auto end = std::min(received.find("\r\n\r\n"), received.find("\n\n"));
    if (end == std::string_view::npos ||
        received.substr(end).find_first_not_of("\r\n") != std::string_view::npos) {
        return false;
    }
    const auto length = header(received, "content-length");
    return (length.empty() || length == "0") && header(received, "transfer-encoding").empty();
}

AnswerForm answer_form(std::string_view request_head) {
    std::string_view rest = request_head;
    auto line = next_part(rest, '\n');
    AnswerForm form;
    form.body = next_part(line, ' ') != "HEAD";
    auto target = trimmed(next_part(line, ' '));
    if (next_part(target, '?') == "/health") {
        form.json = true;
        return form;
    }
    const auto accept = header(request_head, "accept");
    form.json =
        wanted(accept, "application/json", "application/*") > wanted(accept, "text/html", "text/*");
    return form;
}

std::string unavailable_response(const PortAnswer& answer, AnswerForm form) {
    const int retry_after = std::clamp(answer.retry_after_s, 1, kMaxRetryAfter);
    std::string_view cause = answer.cause;
    if (cause.size() > kMaxCause) {
        cause = cause.substr(0, kMaxCause);
        cause.remove_suffix(utf8_unfinished(cause));
    }
    const std::string body =
        form.json ? json_body(answer, cause, retry_after) : html_body(answer, cause, retry_after);
    std::string out =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: " + std::to_string(retry_after) +
        "\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: " +
        (form.json ? "application/json" : "text/html; charset=utf-8") +
        "\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'"
        "\r\nX-Content-Type-Options: nosniff\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n";
    if (form.body) {
        out += body;
    }
    return out;
}

}  // namespace steward::core
