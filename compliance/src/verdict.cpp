#include "verdict.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <exception>
#include <sstream>

#include <Poco/Exception.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "call_note.hpp"
#include "front.hpp"
#include "trial.hpp"
#include "write_all.hpp"

namespace steward::compliance {
namespace {

Verdict try_check(const Check& check, const std::string& file, std::uint64_t seed, bool is_twin) {
    const Outcome bad = check.level == Level::kMust ? Outcome::kFail : Outcome::kWarn;
    // Lives on after the verdict: nothing of the library's is unmapped or destroyed behind it.
    auto* const trial = new Trial(check, file, seed, is_twin);
    try {
        check.run(*trial);
        return {};
    } catch (const Broken& verdict) {
        return {bad, verdict.text, false};
    } catch (const Skipped& verdict) {
        return {Outcome::kSkip, verdict.reason, false};
    } catch (const Unusable& verdict) {
        return {Outcome::kSkip, verdict.reason, true};
    } catch (const std::exception& e) {
        // What a plugin's function throws comes as Broken: this is the harness, or a callback.
        return {bad,
                std::string("the check ended with an exception: ") + e.what() +
                    "; if it is none of the plugin's, try again on a machine with more room",
                false};
    }
}

}  // namespace

std::string to_line(const Verdict& verdict) {
    Poco::JSON::Object object(Poco::JSON_PRESERVE_KEY_ORDER);
    object.set("status", std::string(to_string(verdict.outcome)));
    object.set("detail", as_utf8(verdict.detail));
    object.set("unusable", verdict.unusable);
    std::ostringstream out;
    object.stringify(out);
    return out.str() + "\n";
}

std::optional<Verdict> verdict_of(const std::string& line) {
    try {
        Poco::JSON::Parser parser;
        const auto object = parser.parse(line).extract<Poco::JSON::Object::Ptr>();
        const auto status = object->getValue<std::string>("status");
        for (const Outcome outcome :
             {Outcome::kPass, Outcome::kFail, Outcome::kWarn, Outcome::kSkip}) {
            if (status == to_string(outcome)) {
                return Verdict{outcome, object->getValue<std::string>("detail"),
                               object->getValue<bool>("unusable")};
            }
        }
    } catch (const Poco::Exception&) {
        // Half a line: the child was killed while it wrote.
    }
    return std::nullopt;
}

void run_child(const Check& check, const std::string& file, std::uint64_t seed, int runner,
               bool is_twin) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != runner) {
        _exit(1);
    }
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    share_call_note();
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    const Verdict verdict = try_check(check, file, seed, is_twin);
    (void)steward_set_plugin_side(0);
    // The same descriptor is for a twin's answers; what has none is told by there being none.
    if (!is_twin) {
        write_all(kVerdictFd, to_line(verdict));
    }
    // This process is a subreaper, so what its children leave comes here.
    end_all_children();
    // Not exit(): no destructor of a plugin's runs after the verdict.
    _exit(0);
}

}  // namespace steward::compliance
