#include "report.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <ostream>
#include <steward/sdk/text.hpp>

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include "compliance_version.hpp"
#include "program_names.hpp"

namespace steward::compliance {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;

std::string seconds(std::chrono::milliseconds time) {
    char text[32];
    (void)std::snprintf(text, sizeof text, "%.3f", static_cast<double>(time.count()) / 1000);
    return text;
}

// As an argument of a shell command.
std::string quoted(const std::string& text) {
    const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               std::string_view("_-./+,:@%").find(c) != std::string_view::npos;
    });
    if (plain) {
        return text;
    }
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
}

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// XML 1.0 has no way to write most control characters.
std::string xml(std::string_view text) {
    std::string out;
    for (const char c : text) {
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
            default:
                out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
        }
    }
    return out;
}

std::string one_line(std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

std::string yaml(const std::string& text) {
    std::string out = "'";
    for (const char c : one_line(text)) {
        out += c == '\'' ? std::string("''") : std::string(1, c);
    }
    return out + "'";
}

std::size_t checks_in_catalogue() {
    std::size_t all = 0;
    for (const Group& group : catalogue()) {
        all += group.checks.size();
    }
    return all;
}

std::string grade_line(const Report& report) {
    const std::size_t all = checks_in_catalogue();
    // Some of the checks say nothing of the grade.
    std::string grade(to_string(report.grade()));
    if (report.results.size() < all) {
        grade = std::to_string(report.results.size()) + " of " + std::to_string(all) + " checks";
    } else if (report.grade() == Grade::kNone) {
        grade = "no grade";
    }
    std::string text = base_name(report.file) + ": " + grade + " (";
    const char* separator = "";
    for (const Outcome outcome :
         {Outcome::kPass, Outcome::kFail, Outcome::kCrash, Outcome::kTimeout, Outcome::kWarn,
          Outcome::kWaived, Outcome::kSkip}) {
        if (const int count = report.count(outcome); count > 0) {
            text += separator + std::to_string(count) + " " + std::string(to_string(outcome));
            separator = ", ";
        }
    }
    return text + ") in " + seconds(report.duration) + " s";
}

}  // namespace

std::string_view to_string(Outcome outcome) {
    switch (outcome) {
        case Outcome::kPass:
            return "pass";
        case Outcome::kFail:
            return "fail";
        case Outcome::kCrash:
            return "crash";
        case Outcome::kTimeout:
            return "timeout";
        case Outcome::kWarn:
            return "warn";
        case Outcome::kSkip:
            return "skip";
        case Outcome::kWaived:
            return "waived";
    }
    return "";
}

std::string_view to_string(Grade grade) {
    switch (grade) {
        case Grade::kNone:
            return "none";
        case Grade::kBronze:
            return "bronze";
        case Grade::kSilver:
            return "silver";
        case Grade::kGold:
            return "gold";
    }
    return "";
}

std::string as_utf8(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = sdk::utf8_sequence(text);
        out += length == 0 ? std::string_view("?") : text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

bool is_bad(Outcome outcome) {
    return outcome == Outcome::kFail || outcome == Outcome::kCrash ||
           outcome == Outcome::kTimeout || outcome == Outcome::kWarn;
}

Grade Report::grade() const {
    if (!refused.empty()) {
        return Grade::kNone;
    }
    Grade best = Grade::kGold;
    for (const Result& result : results) {
        if (!is_bad(result.outcome)) {
            continue;
        }
        if (result.outcome == Outcome::kCrash) {
            return Grade::kNone;
        }
        switch (result.check->level) {
            case Level::kMust:
                return Grade::kNone;
            case Level::kShould:
                best = std::min(best, Grade::kBronze);
                break;
            case Level::kNote:
                best = std::min(best, Grade::kSilver);
                break;
        }
    }
    return best;
}

int Report::count(Outcome outcome) const {
    return static_cast<int>(
        std::count_if(results.begin(), results.end(),
                      [outcome](const Result& result) { return result.outcome == outcome; }));
}

std::string Report::reproduce(const Result& result) const {
    std::string command(kProgram);
    command.append(" run ").append(quoted(file));
    return command + " --only " + std::string(result.check->id) + " --seed " + std::to_string(seed);
}

void write_text(std::ostream& out, const Report& report) {
    if (!report.refused.empty()) {
        out << "steward refuses it: " << report.refused << '\n';
    }
    // One check alone is told whatever came of it.
    const bool all = report.results.size() == 1;
    for (const Result& result : report.results) {
        if (!all && !is_bad(result.outcome) && result.outcome != Outcome::kWaived) {
            continue;
        }
        out << to_string(result.outcome) << ' ' << result.check->id << " ("
            << to_string(result.check->level) << ')';
        if (!result.detail.empty()) {
            out << ": " << one_line(result.detail);
        }
        out << '\n';
        if (result.outcome == Outcome::kWaived) {
            out << "    waived until " << result.until << ": " << result.waiver << '\n';
        }
        if (is_bad(result.outcome)) {
            out << "    rule: " << result.check->rule << '\n'
                << "    to mend it: " << result.check->fix << '\n'
                << "    again: " << report.reproduce(result) << '\n';
            if (!result.output.empty()) {
                out << "    it printed: " << one_line(result.output.substr(0, 400)) << '\n';
            }
        }
    }
    out << grade_line(report) << '\n';
}

void write_json(std::ostream& out, const Report& report) {
    const auto object = [] { return Object::Ptr(new Object(Poco::JSON_PRESERVE_KEY_ORDER)); };
    auto root = object();
    root->set("schema", "steward.compliance/1");
    auto tool = object();
    tool->set("name", "steward-compliance");
    tool->set("version", std::string(kVersion));
    root->set("tool", tool);
    auto plugin = object();
    plugin->set("file", report.file);
    plugin->set("sha256", report.sha256);
    plugin->set("id", report.id);
    plugin->set("version", report.version);
    if (!report.refused.empty()) {
        plugin->set("refused", report.refused);
    }
    root->set("plugin", plugin);
    auto env = object();
    utsname names{};
    (void)uname(&names);
    env->set("kernel", std::string(names.sysname) + " " + names.release);
    env->set("machine", std::string(names.machine));
    env->set("compiler", std::string(kCompiler));
    root->set("env", env);
    root->set("seed", report.seed);
    Array::Ptr results = new Array;
    for (const Result& result : report.results) {
        auto row = object();
        row->set("id", std::string(result.check->id));
        row->set("number", result.check->number);
        row->set("group", std::string(group_of(*result.check)));
        row->set("level", std::string(to_string(result.check->level)));
        row->set("status", std::string(to_string(result.outcome)));
        row->set("detail", result.detail);
        if (result.outcome == Outcome::kWaived) {
            row->set("waiver", result.waiver);
            row->set("until", result.until);
        }
        if (!result.output.empty()) {
            row->set("output", result.output);
        }
        if (is_bad(result.outcome)) {
            row->set("reproduce", report.reproduce(result));
        }
        row->set("duration_ms", static_cast<std::int64_t>(result.duration.count()));
        results->add(row);
    }
    root->set("results", results);
    auto counts = object();
    for (const Outcome outcome :
         {Outcome::kPass, Outcome::kFail, Outcome::kCrash, Outcome::kTimeout, Outcome::kWarn,
          Outcome::kSkip, Outcome::kWaived}) {
        counts->set(std::string(to_string(outcome)), report.count(outcome));
    }
    root->set("counts", counts);
    // Some of the checks say nothing of the grade.
    const bool complete = report.results.size() == checks_in_catalogue();
    root->set("complete", complete);
    root->set("grade", std::string(to_string(complete ? report.grade() : Grade::kNone)));
    root->set("duration_ms", static_cast<std::int64_t>(report.duration.count()));
    root->stringify(out);
    out << '\n';
}

void write_junit(std::ostream& out, const Report& report) {
    const auto bad = std::count_if(report.results.begin(), report.results.end(),
                                   [](const Result& result) { return is_bad(result.outcome); });
    out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"steward-compliance\""
        << " tests=\"" << report.results.size() << "\" failures=\"" << bad << "\" time=\""
        << seconds(report.duration) << "\">\n";
    for (const Group& group : catalogue()) {
        std::vector<const Result*> members;
        std::chrono::milliseconds time{};
        int failures = 0;
        int skipped = 0;
        for (const Result& result : report.results) {
            if (group_of(*result.check) == group.name) {
                members.push_back(&result);
                time += result.duration;
                failures += is_bad(result.outcome) ? 1 : 0;
                skipped += result.outcome == Outcome::kSkip || result.outcome == Outcome::kWaived;
            }
        }
        if (members.empty()) {
            continue;
        }
        out << "  <testsuite name=\"" << xml(group.name) << "\" tests=\"" << members.size()
            << "\" failures=\"" << failures << "\" skipped=\"" << skipped << "\" time=\""
            << seconds(time) << "\">\n";
        for (const Result* result : members) {
            out << "    <testcase name=\"" << result->check->id << "\" classname=\""
                << xml(base_name(report.file)) << "\" time=\"" << seconds(result->duration)
                << "\">";
            if (is_bad(result->outcome)) {
                out << "<failure type=\"" << to_string(result->outcome) << "\" message=\""
                    << xml(one_line(result->detail)) << "\">" << xml(report.reproduce(*result))
                    << "</failure>";
            } else if (result->outcome == Outcome::kSkip) {
                out << "<skipped message=\"" << xml(one_line(result->detail)) << "\"/>";
            } else if (result->outcome == Outcome::kWaived) {
                out << "<skipped message=\"waived until " << result->until << ": "
                    << xml(one_line(result->waiver)) << "\"/>";
            }
            if (!result->output.empty()) {
                out << "<system-out>" << xml(result->output) << "</system-out>";
            }
            out << "</testcase>\n";
        }
        out << "  </testsuite>\n";
    }
    out << "</testsuites>\n";
}

void write_tap(std::ostream& out, const Report& report) {
    out << "TAP version 14\n1.." << report.results.size() << '\n';
    int number = 0;
    for (const Result& result : report.results) {
        const bool bad = is_bad(result.outcome);
        out << (bad || result.outcome == Outcome::kWaived ? "not ok " : "ok ") << ++number << " - "
            << result.check->id;
        if (result.outcome == Outcome::kSkip) {
            out << " # SKIP " << one_line(result.detail);
        } else if (result.outcome == Outcome::kWaived) {
            // What is known and excused does not fail a TAP run.
            out << " # TODO waived until " << result.until << ": " << one_line(result.waiver);
        }
        out << '\n';
        if (bad) {
            out << "  ---\n  status: " << to_string(result.outcome)
                << "\n  level: " << to_string(result.check->level)
                << "\n  message: " << yaml(result.detail)
                << "\n  reproduce: " << yaml(report.reproduce(result)) << "\n  ...\n";
        }
    }
}

}  // namespace steward::compliance
