// steward-compliance: tries a plugin on every rule of the catalogue.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "catalogue_text.hpp"
#include "compliance_version.hpp"
#include "front.hpp"
#include "helper_process.hpp"
#include "report.hpp"
#include "runner.hpp"
#include "verdict.hpp"
#include "waivers.hpp"

namespace steward::compliance {
namespace {

constexpr int kReached = 0;
constexpr int kNotReached = 1;
constexpr int kWrongUse = 2;
constexpr int kNotLoaded = 3;

// A wrong command line, or something that the harness itself needs and does not get.
struct UsageError {
    std::string text;
};

struct RunOptions {
    std::string file;
    std::vector<std::string> only;
    std::vector<std::string> reports;
    std::string waivers;
    std::string grade = "bronze";
    std::string seed = "1";
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
    int front = -1;
};

std::vector<const Check*> chosen(const std::vector<std::string>& only) {
    for (const std::string& id : only) {
        if (find_check(id) == nullptr) {
            throw UsageError{"--only " + id +
                             ": there is no such check (see steward-compliance list)"};
        }
    }
    std::vector<const Check*> checks;
    for (const Group& group : catalogue()) {
        for (const Check& check : group.checks) {
            if (only.empty() || std::find(only.begin(), only.end(), check.id) != only.end()) {
                checks.push_back(&check);
            }
        }
    }
    return checks;
}

Grade wanted_grade(const std::string& name) {
    for (const Grade grade : {Grade::kBronze, Grade::kSilver, Grade::kGold}) {
        if (name == to_string(grade)) {
            return grade;
        }
    }
    throw UsageError{"--grade: must be bronze, silver or gold (got " + name + ")"};
}

std::uint64_t seed_of(const std::string& text) {
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw UsageError{"--seed: must be a number from 0 to 18446744073709551615 (got " + text +
                         ")"};
    }
    return seed;
}

using Writer = void (*)(std::ostream& out, const Report& report);

std::pair<Writer, std::string> report_target(const std::string& text) {
    const auto equals = text.find('=');
    const std::string form = text.substr(0, equals);
    if (equals != std::string::npos && equals + 1 < text.size()) {
        const std::string path = text.substr(equals + 1);
        if (form == "json") {
            return {&write_json, path};
        }
        if (form == "junit") {
            return {&write_junit, path};
        }
        if (form == "tap") {
            return {&write_tap, path};
        }
    }
    throw UsageError{"--report: must be json=PATH, junit=PATH or tap=PATH (got " + text +
                     "); the path - is standard output"};
}

void write_report(const std::pair<Writer, std::string>& target, const Report& report) {
    if (target.second == "-") {
        target.first(std::cout, report);
        return;
    }
    std::ofstream file(target.second);
    target.first(file, report);
    file.close();
    if (!file) {
        throw UsageError{"cannot write the report " + target.second + ": " + std::strerror(errno)};
    }
}

// One check alone has kept to the wanted grade if it is not bad or its level is above that grade.
int exit_code(const Report& report, Grade wanted) {
    if (!was_loaded(report)) {
        return kNotLoaded;
    }
    return report.grade() >= wanted ? kReached : kNotReached;
}

int run(const RunOptions& options) {
    const Grade wanted = wanted_grade(options.grade);
    RunRequest request;
    request.file = options.file;
    request.checks = chosen(options.only);
    request.seed = seed_of(options.seed);
    request.jobs = options.jobs;
    request.front = options.front;
    std::vector<std::pair<Writer, std::string>> targets;
    bool stdout_taken = false;
    for (const std::string& text : options.reports) {
        targets.push_back(report_target(text));
        if (targets.back().second == "-" && std::exchange(stdout_taken, true)) {
            throw UsageError{"--report: only one report can be on standard output; give " + text +
                             " a path"};
        }
    }
    const auto waivers =
        options.waivers.empty() ? std::vector<Waiver>() : read_waivers(options.waivers);
    if (isatty(STDERR_FILENO) != 0) {
        request.progress = [](const Check& last, std::size_t done, std::size_t all) {
            (void)std::fprintf(stderr, "\r\033[K[%zu/%zu] %s", done, all,
                               std::string(last.id).c_str());
            if (done == all) {
                (void)std::fputs("\r\033[K", stderr);
            }
        };
    }
    Report report = run_checks(request);
    apply_waivers(report, waivers, today());
    // For people first: it is told even if a report cannot be written.
    if (!stdout_taken) {
        write_text(std::cout, report);
        std::cout.flush();
    }
    for (const auto& target : targets) {
        write_report(target, report);
    }
    std::cout.flush();
    if (!std::cout) {
        throw UsageError{"standard output cannot be written"};
    }
    return exit_code(report, wanted);
}

int explain(const std::string& id) {
    const Check* const check = find_check(id);
    if (check == nullptr) {
        throw UsageError{id + ": there is no such check (see steward-compliance list)"};
    }
    write_explanation(std::cout, *check);
    return kReached;
}

// check ID FILE SEED PARENT [twin]: what the runner starts for each check.
int child_main(const std::vector<std::string>& arguments) {
    const Check* const check = arguments.size() >= 4 ? find_check(arguments[0]) : nullptr;
    if (check == nullptr) {
        return kWrongUse;
    }
    run_child(*check, arguments[1], std::strtoull(arguments[2].c_str(), nullptr, 10),
              std::atoi(arguments[3].c_str()), /*is_twin=*/arguments.size() == 5);
}

// `--report json=A junit=B` means `--report json=A --report junit=B`: a FILE may stand behind both.
std::vector<std::string> words_of(int argc, char** argv) {
    std::vector<std::string> words;
    bool in_reports = false;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const bool is_form =
            word.starts_with("json=") || word.starts_with("junit=") || word.starts_with("tap=");
        const bool follows_option = !words.empty() && words.back() == "--report";
        if (in_reports && is_form && !follows_option) {
            words.emplace_back("--report");
        }
        in_reports = word == "--report" || word.starts_with("--report=") || (in_reports && is_form);
        words.push_back(word);
    }
    return words;
}

// `front`: as RunRequest's.
int command_line(int argc, char** argv, int front) {
    CLI::App app("Tries a Steward plugin on every rule of the catalogue.", "steward-compliance");
    app.require_subcommand(1);
    app.set_version_flag("--version", std::string(kVersion));

    RunOptions options;
    options.front = front;
    auto* const runs = app.add_subcommand("run", "try a plugin file");
    runs->add_option("FILE", options.file, "steward_<id>.so")->required();
    runs->add_option("--only", options.only, "this check; may be repeated")
        ->type_name("ID")
        ->expected(1)
        ->take_all();
    runs->add_option("--seed", options.seed, "of the random parts [1]")->type_name("N");
    runs->add_option("--grade", options.grade,
                     "exit 0 only from this grade on: bronze, silver, gold [bronze]")
        ->type_name("GRADE");
    runs->add_option("--waivers", options.waivers, "what may fail, why and until when")
        ->type_name("FILE");
    runs->add_option("--report", options.reports,
                     "json=PATH, junit=PATH or tap=PATH, or several of them; the path - is "
                     "standard output")
        ->type_name("FORM=PATH")
        ->expected(1)
        ->take_all();
    runs->add_option("--jobs", options.jobs, "checks at the same time [one for each processor]")
        ->type_name("N")
        ->check(CLI::Range(1U, 256U));

    auto* const lists = app.add_subcommand("list", "all checks");
    bool json = false;
    bool ids = false;
    bool markdown = false;
    lists->add_flag("--json", json, "as JSON");
    lists->add_flag("--ids", ids, "one id in a line");
    lists->add_flag("--markdown", markdown, "as docs/compliance.md has it");

    std::string id;
    auto* const explains =
        app.add_subcommand("explain", "a check's rule, its reason and the remedy");
    explains->add_option("ID", id, "of the check")->required();

    try {
        auto words = words_of(argc, argv);
        std::reverse(words.begin(), words.end());  // as it wants them
        app.parse(words);
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::RequiredError&) {
        throw UsageError{
            "give a command: run FILE, list or explain ID (see steward-compliance --help)"};
    } catch (const CLI::ParseError& e) {
        throw UsageError{std::string(e.what()) + " (see steward-compliance --help)"};
    }
    if (runs->parsed()) {
        return run(options);
    }
    if (explains->parsed()) {
        return explain(id);
    }
    if (json) {
        write_catalogue_json(std::cout);
    } else if (ids) {
        write_catalogue_ids(std::cout);
    } else if (markdown) {
        write_catalogue_markdown(std::cout);
    } else {
        write_catalogue_text(std::cout);
    }
    return kReached;
}

}  // namespace
}  // namespace steward::compliance

int main(int argc, char** argv) {
    using namespace steward::compliance;
    try {
        // Modes for the program's own children; each runs on the thread that this one begins with.
        const std::string mode = argc > 1 ? argv[1] : "";
        if (mode == "check") {
            return child_main({argv + 2, argv + argc});
        }
        if (const int status = helper_main({argv + std::min(argc, 1), argv + argc}); status >= 0) {
            return status;
        }
        if (mode == "run") {
            return run_behind_front({argv + 1, argv + argc});
        }
        // behind FRONT run …: what the front starts.
        if (argc > 3 && mode == "behind") {
            const int front = watch_front(std::atoi(argv[2]));
            return front < 0 ? 2 : command_line(argc - 2, argv + 2, front);
        }
        return command_line(argc, argv, /*front=*/-1);
    } catch (const UsageError& e) {
        std::cerr << "steward-compliance: " << e.text << '\n';
    } catch (const std::exception& e) {
        std::cerr << "steward-compliance: " << e.what() << '\n';
    }
    return 2;
}
