#include "waivers.hpp"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

namespace steward::compliance {
namespace {

constexpr std::size_t kMostBytes = 1024 * 1024;

bool is_date(const std::string& text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') {
        return false;
    }
    tm date{};
    const char* const end = strptime(text.c_str(), "%Y-%m-%d", &date);
    if (end == nullptr || *end != '\0') {
        return false;
    }
    // timegm() turns 31 February into a day of March.
    const tm asked = date;
    return timegm(&date) != -1 && date.tm_mday == asked.tm_mday && date.tm_mon == asked.tm_mon;
}

Waiver waiver_of(const std::string& path, const Poco::JSON::Object::Ptr& entry) {
    if (entry.isNull()) {
        throw std::runtime_error(path + ": each member of \"waive\" must be an object");
    }
    Waiver waiver;
    for (const auto& [name, target] :
         {std::pair{"id", &waiver.id}, {"reason", &waiver.reason}, {"until", &waiver.until}}) {
        if (!entry->has(name) || !entry->get(name).isString() ||
            entry->getValue<std::string>(name).empty()) {
            throw std::runtime_error(path + ": a waiver needs " + name + ", a text");
        }
        *target = entry->getValue<std::string>(name);
    }
    for (const auto& [name, ignored] : *entry) {
        if (name != "id" && name != "reason" && name != "until") {
            throw std::runtime_error(path + ": the waiver of " + waiver.id + " has " + name +
                                     "; it may have id, reason and until, nothing else");
        }
    }
    if (find_check(waiver.id) == nullptr) {
        throw std::runtime_error(path + ": there is no check " + waiver.id +
                                 " (see steward-compliance list)");
    }
    if (!is_date(waiver.until)) {
        throw std::runtime_error(path + ": until of " + waiver.id +
                                 " must be a day like 2027-01-31 (got " + waiver.until + ")");
    }
    return waiver;
}

}  // namespace

std::vector<Waiver> read_waivers(const std::string& path) {
    std::ifstream file(path);
    (void)file.peek();  // A folder opens, and fails here.
    if (!file.is_open() || file.bad()) {
        throw std::runtime_error(path + ": cannot be read; give the path of a file of waivers");
    }
    std::string text(kMostBytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMostBytes) {
        throw std::runtime_error(path +
                                 ": is larger than 1 MiB; give the path of a file of waivers");
    }
    std::vector<Waiver> waivers;
    try {
        Poco::JSON::Parser parser;
        const auto value = parser.parse(text);
        if (value.type() != typeid(Poco::JSON::Object::Ptr)) {
            throw std::runtime_error(path + ": must be a JSON object with a list \"waive\"");
        }
        const auto root = value.extract<Poco::JSON::Object::Ptr>();
        const auto list = root->getArray("waive");
        if (list.isNull()) {
            throw std::runtime_error(path + ": has no list \"waive\"");
        }
        for (unsigned i = 0; i < list->size(); ++i) {
            auto waiver = waiver_of(path, list->getObject(i));
            if (std::any_of(waivers.begin(), waivers.end(),
                            [&](const Waiver& other) { return other.id == waiver.id; })) {
                throw std::runtime_error(path + ": " + waiver.id +
                                         " is waived twice; leave one of the two");
            }
            waivers.push_back(std::move(waiver));
        }
    } catch (const Poco::Exception& e) {
        throw std::runtime_error(path + ": is no JSON object of waivers: " + e.displayText());
    }
    return waivers;
}

void apply_waivers(Report& report, const std::vector<Waiver>& waivers, const std::string& today) {
    for (Result& result : report.results) {
        for (const Waiver& waiver : waivers) {
            if (waiver.id != result.check->id || !is_bad(result.outcome)) {
                continue;
            }
            // Days written like this sort as text.
            if (result.outcome == Outcome::kCrash) {
                result.detail += " (a crash cannot be waived)";
            } else if (waiver.until < today) {
                result.detail += " (its waiver ran out on " + waiver.until + ")";
            } else {
                result.outcome = Outcome::kWaived;
                result.waiver = waiver.reason;
                result.until = waiver.until;
            }
        }
    }
}

std::string today() {
    const std::time_t now = std::time(nullptr);
    tm date{};
    char text[16];
    (void)std::strftime(text, sizeof text, "%Y-%m-%d", gmtime_r(&now, &date));
    return text;
}

}  // namespace steward::compliance
