#include "table.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>

namespace steward::bench {
namespace {

// Fewer samples than this have a maximum, but no 99th percentile.
constexpr std::size_t kEnoughForP99 = 100;

std::string number(double value) {
    char out[32];
    std::snprintf(out, sizeof out,
                  value >= 100                 ? "%.0f"
                  : value == std::floor(value) ? "%.0f"
                                               : "%.3g",
                  value);
    return out;
}

std::string cell(const Contest& contest, Who who) {
    const auto remark = contest.remarks.find(who);
    const auto found = contest.samples.find(who);
    if (found == contest.samples.end() || found->second.count() == 0) {
        return remark != contest.remarks.end() ? remark->second : "–";
    }
    const auto& samples = found->second;
    std::string out = "**" + number(samples.median()) + "**";
    if (samples.count() > 1) {
        // The bad end of a throughput is the low one.
        const double bad = samples.percentile(contest.most_wins ? 0 : 100);
        out += samples.count() >= kEnoughForP99 && !contest.most_wins
                   ? " / " + number(samples.percentile(99))
                   : std::string(contest.most_wins ? ", min " : ", max ") + number(bad);
        out += " (" + std::to_string(samples.count()) + ")";
    }
    return out;
}

std::optional<double> median(const Contest& contest, Who who) {
    const auto found = contest.samples.find(who);
    if (found == contest.samples.end() || found->second.count() == 0) {
        return std::nullopt;
    }
    return found->second.median();
}

std::string listed(std::string list, const std::string& more) {
    return list + (list.empty() ? "" : "; ") + more;
}

std::string verdict(const Contest& contest) {
    const auto steward = median(contest, Who::kSteward);
    if (!steward) {
        return "not measured";
    }
    std::string out;
    const auto bare = median(contest, Who::kBare);
    if (contest.of_bare > 0 && bare && *bare > 0) {
        const double ratio = *steward / *bare;
        const bool met =
            contest.most_wins ? ratio >= 1 / contest.of_bare : ratio <= contest.of_bare;
        out = "x" + number(ratio) + " of bare, aim x" +
              number(contest.most_wins ? 1 / contest.of_bare : contest.of_bare) +
              (met ? ": met" : ": **missed**");
    }
    if (contest.at_most >= 0) {
        out = listed(out, "aim at most " + number(contest.at_most) +
                              (*steward <= contest.at_most ? ": met" : ": **missed**"));
    }
    std::string behind;
    int peers = 0;
    for (const Who who : kEverybody) {
        const auto other = median(contest, who);
        if (who == Who::kSteward || who == Who::kBare || !other) {
            continue;
        }
        ++peers;
        if (contest.most_wins ? *other > *steward : *other < *steward) {
            behind += (behind.empty() ? "" : ", ") + std::string(name_of(who));
        }
    }
    if (contest.ahead && peers > 0) {
        out = listed(out, behind.empty() ? "no peer ahead" : "**behind " + behind + "**");
    }
    return out;
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c == '\n' ? "\\n" : std::string(1, c);
    }
    return out + "\"";
}

std::string today() {
    const std::time_t now = std::time(nullptr);
    std::tm day{};
    gmtime_r(&now, &day);
    char out[16];
    std::strftime(out, sizeof out, "%F", &day);
    return out;
}

// "6.1.0" of "6.1.0-13-amd64": what comes behind is the machine's own.
std::string kernel() {
    utsname name{};
    uname(&name);
    const std::string release = name.release;
    return release.substr(0, release.find_first_not_of("0123456789."));
}

// "supervisor 4.2.5-1, s6 ...", or empty where there is no dpkg.
std::string peer_versions() {
    std::string out;
    FILE* const pipe = popen(
        "dpkg-query --show --showformat='${Package} ${Version}\\n' runit s6 supervisor monit "
        "2>/dev/null",
        "r");
    if (pipe != nullptr) {
        char line[256];
        while (std::fgets(line, sizeof line, pipe) != nullptr) {
            std::string text = line;
            out += (out.empty() ? "" : ", ") + text.substr(0, text.find('\n'));
        }
        pclose(pipe);
    }
    return out;
}

}  // namespace

std::string markdown(const std::vector<Contest>& contests) {
    std::string out = "| what | unit |";
    std::string line = "|---|---|";
    for (const Who who : kEverybody) {
        out += std::string(" ") + name_of(who) + " |";
        line += "---|";
    }
    out += " aims |\n" + line + "---|\n";
    for (const auto& contest : contests) {
        out += "| " + contest.what + " | " + contest.unit + " |";
        for (const Who who : kEverybody) {
            out += " " + cell(contest, who) + " |";
        }
        out += " " + verdict(contest) + " |\n";
    }
    return out;
}

std::string json(const std::vector<Contest>& contests, const std::string& table,
                 double load_before) {
    const double gib = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                       static_cast<double>(sysconf(_SC_PAGE_SIZE)) / (1024.0 * 1024 * 1024);
    std::string out = "{\"date\":" + quoted(today()) +
                      ",\"processors\":" + std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) +
                      ",\"memory_gib\":" + number(gib) + ",\"kernel\":" + quoted(kernel()) +
                      ",\"peers\":" + quoted(peer_versions()) +
                      ",\"load_before\":" + number(load_before) +
                      ",\"load_after\":" + number(load_average()) + ",\n\"rows\":[\n";
    for (std::size_t i = 0; i < contests.size(); ++i) {
        const auto& contest = contests[i];
        out += std::string(i > 0 ? ",\n" : "") + "{\"id\":" + quoted(contest.id) +
               ",\"what\":" + quoted(contest.what) + ",\"unit\":" + quoted(contest.unit) +
               ",\"most_wins\":" + (contest.most_wins ? "true" : "false") + ",\"samples\":{";
        bool first = true;
        for (const auto& [who, samples] : contest.samples) {
            out += (first ? "\"" : ",\"") + std::string(name_of(who)) + "\":[";
            first = false;
            for (std::size_t n = 0; n < samples.count(); ++n) {
                char text[32];
                std::snprintf(text, sizeof text, "%s%.3f", n > 0 ? "," : "", samples.values()[n]);
                out += text;
            }
            out += "]";
        }
        out += "},\"remarks\":{";
        first = true;
        for (const auto& [who, text] : contest.remarks) {
            out += (first ? "" : ",") + quoted(name_of(who)) + ":" + quoted(text);
            first = false;
        }
        out += "}}";
    }
    return out + "\n],\n\"table\":" + quoted(table) + "}\n";
}

}  // namespace steward::bench
