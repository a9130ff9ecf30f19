// Threads and calls: who calls whom, on which thread, for how long and with what left changed.
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstring>
#include <exception>
#include <latch>
#include <thread>

#include "check.hpp"
#include "library_copy.hpp"
#include "process_look.hpp"
#include "scene.hpp"
#include "settings.hpp"
#include "trial.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const auto& text : texts) {
        all += (all.empty() ? "" : "; ") + text;
    }
    return all;
}

// ---- thr-right-thread

void thr_right_thread(Trial& trial) {
    const auto all = trial.plugins();
    Scene scene(all);
    FakePluginHost host(FakePluginHost::Clock::kReal);
    Session session(trial.library(), host);
    const auto require_right = [&](const std::string& what) {
        std::vector<std::string> wrong;
        for (const auto& offence : host.offences()) {
            if (offence.find("thread") != std::string::npos) {
                wrong.push_back(offence);
            }
        }
        require(wrong.empty(), "by " + what + ": " + joined(wrong) +
                                   "; expected it on the thread that the plugin is called on");
    };
    require_right("init");
    for (const auto* plugin : all) {
        auto instance = session.create(*plugin);
        require_right("create");
        scene.use(host, instance, require_right);
        if (offers(*plugin, STEWARD_IFACE_HEALTH)) {
            Prober prober(host, instance);
            const steward_token probe = scene.next_probe();
            if (prober.start(probe, "127.0.0.1", scene.closed_port()) == STEWARD_OK &&
                prober.wait(1, 3s)) {
                const HealthReport& report = prober.of(probe).front();
                require(report.on_plugin_thread,
                        id_of(*plugin) +
                            ": done comes on another thread than start; expected the same");
                require(!report.inside_start,
                        id_of(*plugin) + ": done comes from inside start; expected it later");
            }
        }
        if (offers(*plugin, STEWARD_IFACE_METRICS)) {
            require(sample(instance, scene.metrics_question(host)).on_calling_thread,
                    id_of(*plugin) +
                        ": emit is called on another thread than sample; expected the same");
        }
        instance.destroy();
        require_right("destroy");
    }
    session.end();
    require_right("deinit");
}

// ---- thr-no-own

void thr_no_own(Trial& trial) {
    Scene scene(trial.plugins());
    FakePluginHost host(FakePluginHost::Clock::kReal);
    const auto before = threads();
    const bool declared = trial.library().has_own_threads();
    watch_reset();
    live_through(trial.library(), host, scene, [&](const std::string& what) {
        if (declared && what != "destroy" && what != "deinit") {
            return;
        }
        require(has_only_threads(before),
                "after " + what + " there are " + std::to_string(threads().size()) +
                    " threads, and " + std::to_string(before.size()) +
                    " before the library was used; expected " +
                    (declared ? "that destroy joins them all" : "no more"));
        require(declared || watch_count(WATCHED_THREAD) == 0,
                what +
                    " starts a thread, though the descriptor's capabilities lack "
                    "STEWARD_CAP_OWN_THREADS");
    });
}

// ---- thr-parallel-instances

constexpr int kParallelRounds = 20;
constexpr int kParallelQuestions = 10;

// A whole session on a thread of its own.
class Worker {
  public:
    Worker(const Library& library, std::uint64_t seed)
        : library_(library), seed_(seed), scene_(library.plugins()) {}

    std::thread start(std::latch* together) {
        answers_.clear();
        return std::thread([this, together] {
            try {
                work(together);
            } catch (...) {
                failure_ = std::current_exception();
            }
        });
    }

    // Throws what the work threw.
    [[nodiscard]] const std::vector<std::string>& answers() const {
        if (failure_) {
            std::rethrow_exception(failure_);
        }
        return answers_;
    }

  private:
    void work(std::latch* together) {
        if (together != nullptr) {
            together->arrive_and_wait();
        }
        FakePluginHost host(FakePluginHost::Clock::kReal);
        Session session(library_, host);
        for (const auto* plugin : library_.plugins()) {
            for (int i = 0; i < kParallelRounds; ++i) {
                const auto instance = session.create(*plugin);
                const auto more = scene_.answers(
                    host, instance, seed_ + static_cast<std::uint64_t>(i), kParallelQuestions);
                answers_.insert(answers_.end(), more.begin(), more.end());
            }
        }
    }

    const Library& library_;
    std::uint64_t seed_;
    Scene scene_;
    std::vector<std::string> answers_;
    std::exception_ptr failure_;
};

void thr_parallel_instances(Trial& trial) {
    const Library& one = trial.library();
    const Library other = load_copy(trial.file());
    std::array<Worker, 2> workers{Worker(one, trial.seed()), Worker(other, trial.seed() + 1000)};
    std::array<std::vector<std::string>, 2> alone;
    for (std::size_t i = 0; i < workers.size(); ++i) {
        workers[i].start(nullptr).join();
        alone[i] = workers[i].answers();
    }
    std::latch together(2);
    std::thread first = workers[0].start(&together);
    std::thread second = workers[1].start(&together);
    first.join();
    second.join();
    for (std::size_t i = 0; i < workers.size(); ++i) {
        const auto difference = first_difference(alone[i], workers[i].answers());
        require(difference.empty(),
                "alone, and while another copy of the library works on another thread: " +
                    difference + "; expected the same answers");
    }
}

// ---- call-budget

#ifdef STEWARD_SANITIZED
constexpr auto kMostForCall = 20ms;
#else
constexpr auto kMostForCall = 1ms;
#endif

// How long the calls of one function took, and whether it waited.
class Budget {
  public:
    explicit Budget(std::string name) : name_(std::move(name)) {}

    template <class F>
    void spend(F&& f) {
        watch_reset();
        const auto begun = thread_cpu_time();
        f();
        times_.push_back(thread_cpu_time() - begun);
        require(watch_count(WATCHED_BLOCK) == 0, name_ + " calls " + watch_name(WATCHED_BLOCK) +
                                                     " to wait; expected that it returns at once");
    }

    void judge() {
        std::sort(times_.begin(), times_.end());
        const auto most = times_[times_.size() * 99 / 100];
        require(most < kMostForCall, name_ + ": 99 % of " + std::to_string(times_.size()) +
                                         " calls take up to " + std::to_string(most / 1us) +
                                         " µs of processor time; expected less than " +
                                         std::to_string(kMostForCall / 1us) + " µs");
    }

  private:
    std::string name_;
    std::vector<std::chrono::nanoseconds> times_;
};

void probe_within_budget(FakePluginHost& host, const Instance& instance, Scene& scene) {
    constexpr int kCalls = 300;
    Budget starts("start");
    Budget cancels("cancel");
    Prober prober(host, instance);
    for (int i = 0; i < kCalls; ++i) {
        const auto probe = scene.next_probe();
        const auto port = i % 2 == 0 ? scene.unattended_port() : scene.closed_port();
        starts.spend([&] { (void)prober.start(probe, "127.0.0.1", port); });
        host.run_ready();
        cancels.spend([&] { prober.cancel(probe); });
        host.run_ready();
    }
    starts.judge();
    cancels.judge();
}

void call_budget(Trial& trial) {
    constexpr int kCalls = 1000;
    auto all = trial.plugins();
    std::erase_if(all, [](const steward_plugin* plugin) {
        return !is_pure(*plugin) && !offers(*plugin, STEWARD_IFACE_HEALTH);
    });
    if (all.empty()) {
        skip("no plugin in it offers " STEWARD_IFACE_RESTART ", " STEWARD_IFACE_PORT
             " or " STEWARD_IFACE_HEALTH);
    }
    Scene scene(all);
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : all) {
        const auto instance = session.create(*plugin);
        if (offers(*plugin, STEWARD_IFACE_RESTART)) {
            Budget decides("decide");
            for (int i = 0; i < kCalls; ++i) {
                const auto question = any_restart_question(trial.random());
                decides.spend([&] { (void)decide(instance, question); });
            }
            decides.judge();
        }
        if (offers(*plugin, STEWARD_IFACE_PORT)) {
            Budget proposes("propose");
            for (int i = 0; i < kCalls; ++i) {
                const auto question = any_port_question(trial.random());
                proposes.spend([&] { (void)propose(instance, question); });
            }
            proposes.judge();
        }
        if (offers(*plugin, STEWARD_IFACE_HEALTH)) {
            probe_within_budget(host, instance, scene);
        }
    }
}

// ---- call-reentrant-host

// Calls every [any] function of a library from inside a call of it, and compares with what came
// before.
class Reentry {
  public:
    explicit Reentry(const Library& library) : library_(library), expected_(look()) {}

    void call_back(const std::string& from) {
        if (inside_) {
            return;
        }
        inside_ = true;
        const auto now = look();
        inside_ = false;
        if (failure_.empty()) {
            const auto difference = first_difference(expected_, now);
            if (!difference.empty()) {
                failure_ = "get_plugin, get_interface and config_schema, called from inside " +
                           from + ": " + difference + "; expected what they give elsewhere";
            }
        }
    }
    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

  private:
    std::vector<std::string> look() const {
        std::vector<std::string> lines;
        for (const auto* plugin : library_.plugins()) {
            for (const char* const* id = plugin->desc->interfaces; *id != nullptr; ++id) {
                lines.push_back(std::string(*id) + (interface_of(*plugin, *id) == nullptr
                                                        ? " is missing"
                                                        : " is there"));
            }
            const Sink schema;
            const steward_status status =
                call("config_schema", [&] { return plugin->config_schema(schema.get()); });
            lines.push_back("config_schema gives status " + std::to_string(status) + " and " +
                            std::to_string(schema.text().size()) + " bytes");
        }
        return lines;
    }

    const Library& library_;
    bool inside_ = false;
    std::string failure_;
    std::vector<std::string> expected_;
};

// The one that the host's functions below call back with.
Reentry* reentry = nullptr;

// A sink that calls back at each write.
steward_status write_and_call_back(void* ctx, const void* /*data*/, std::size_t /*len*/) {
    const OnHostSide side;
    reentry->call_back(static_cast<const char*>(ctx));
    return STEWARD_OK;
}

steward_sink calling_sink(const char* from) {
    return {sizeof(steward_sink), 0, const_cast<char*>(from), &write_and_call_back};
}

void call_back_from_decide(const Instance& instance, Random& random) {
    const auto* const restart =
        static_cast<const steward_restart*>(interface_of(instance.plugin(), STEWARD_IFACE_RESTART));
    const auto question = any_restart_question(random);
    steward_restart_input input{};
    input.size = sizeof input;
    input.event_count = static_cast<std::uint32_t>(question.events.size());
    input.events = question.events.data();
    input.now = question.now;
    steward_restart_decision out{};
    out.size = sizeof out;
    const auto why = calling_sink("decide's write of the reason");
    steward_error error{};
    error.size = sizeof error;
    const steward_status status =
        call("decide", [&] { return restart->decide(instance.get(), &input, &out, &why, &error); });
    require(status == STEWARD_OK, "decide gives status " + std::to_string(status) +
                                      " when the host calls back from inside its sink");
}

void call_back_from_sample(const Instance& instance, const MetricsQuestion& question) {
    const auto* const metrics =
        static_cast<const steward_metrics*>(interface_of(instance.plugin(), STEWARD_IFACE_METRICS));
    steward_metrics_request request{};
    request.size = sizeof request;
    request.app_pid = question.app_pid;
    request.tree_pid = question.tree_pid;
    request.proc_root = str_of(question.proc_root);
    request.now = question.now;
    request.deadline = question.deadline;
    request.address = str_of(question.address);
    steward_error error{};
    error.size = sizeof error;
    const auto emit = [](void* /*ud*/, const steward_metric* /*metric*/) {
        const OnHostSide side;
        reentry->call_back("emit");
    };
    (void)call("sample",
               [&] { return metrics->sample(instance.get(), &request, emit, nullptr, &error); });
}

void call_reentrant_host(Trial& trial) {
    const Library& library = trial.library();
    const auto all = trial.plugins();
    Scene scene(all);
    Reentry state(library);
    reentry = &state;
    const auto require_sound = [&](const std::string& /*what*/) {
        require(state.failure().empty(), state.failure());
    };
    for (const auto* plugin : all) {
        const auto sink = calling_sink("config_schema's write");
        const steward_status status =
            call("config_schema", [&] { return plugin->config_schema(&sink); });
        require(status == STEWARD_OK, "config_schema gives status " + std::to_string(status) +
                                          " when the host calls back from inside its sink");
    }
    require_sound("config_schema");

    FakePluginHost host(FakePluginHost::Clock::kReal);
    static steward_host behind;
    behind = *host.host();
    host.raw().now = [](const steward_host* raw) {
        const OnHostSide side;
        reentry->call_back("the host's now()");
        return behind.now(raw);
    };
    host.raw().log = [](const steward_host* raw, std::int32_t level, steward_str message) {
        const OnHostSide side;
        reentry->call_back("the host's log()");
        behind.log(raw, level, message);
    };
    host.raw().get_extension = [](const steward_host* raw, const char* id) {
        const OnHostSide side;
        reentry->call_back("the host's get_extension()");
        return behind.get_extension(raw, id);
    };
    Session session(library, host);
    for (const auto* plugin : all) {
        auto instance = session.create(*plugin);
        if (offers(*plugin, STEWARD_IFACE_RESTART)) {
            call_back_from_decide(instance, trial.random());
        }
        if (offers(*plugin, STEWARD_IFACE_METRICS)) {
            call_back_from_sample(instance, scene.metrics_question(host));
        }
        scene.use(host, instance, require_sound);
        instance.destroy();
    }
    session.end();
    require_sound("deinit");
}

// ---- call-errno-locale

// What belongs to the calling thread.
std::map<std::string, std::string> thread_state() {
    std::map<std::string, std::string> state;
    state["rounding mode"] = std::to_string(std::fegetround());
    state["trapped floating-point exceptions"] = std::to_string(fegetexcept());
    const char* const locale = std::setlocale(LC_ALL, nullptr);  // NOLINT: only asks
    state["locale"] = locale == nullptr ? "" : locale;
    const locale_t own = uselocale(static_cast<locale_t>(nullptr));
    state["locale of the thread"] = own == LC_GLOBAL_LOCALE ? "the process's" : "one of its own";
    char name[32] = {};
    (void)pthread_getname_np(pthread_self(), name, sizeof name);
    state["name of the thread"] = name;
    sigset_t mask;
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    std::string blocked;
    for (int number = 1; number <= SIGRTMAX; ++number) {
        if (sigismember(&mask, number) == 1) {
            blocked += (blocked.empty() ? "" : " ") + std::to_string(number);
        }
    }
    state["blocked signals"] = blocked;
    return state;
}

void call_errno_locale(Trial& trial) {
    Scene scene(trial.plugins());
    FakePluginHost host(FakePluginHost::Clock::kReal);
    const auto before = thread_state();
    live_through(trial.library(), host, scene, [&](const std::string& what) {
        const auto changed = difference(before, thread_state());
        require(changed.empty(), what + " changes the thread that it is called on: " + changed);
    });
}

constexpr std::array kChecks{
    Check{38, "thr-right-thread", Level::kMust, "",
          "functions of the host marked [plugin], done and emit are called on the plugin's thread "
          "alone; done never from inside start",
          "the host's reactor has no lock: a call from another thread corrupts it for all services "
          "of the plugin",
          "hand over what a thread of your own has found with the host's post()", 10s,
          &thr_right_thread},
    Check{39, "thr-no-own", Level::kMust, "",
          "no thread is started without STEWARD_CAP_OWN_THREADS; with it, all are joined when "
          "destroy returns",
          "a library with a running thread must never be unmapped: who does not know of it lets "
          "the supervisor crash",
          "do network work with steward.host.reactor/1; else declare the capability and join in "
          "destroy",
          10s, &thr_no_own},
    Check{40, "thr-parallel-instances", Level::kShould, "",
          "two copies of the library, each driven by its own thread at the same time, answer as "
          "each does alone",
          "each library has a thread of its own in the host: what is shared behind their backs, as "
          "a static buffer of the C library, mixes services up once in a million calls",
          "use the reentrant functions (gmtime_r, strerror_r), and nothing that belongs to the "
          "process",
          20s, &thr_parallel_instances},
    Check{41, "call-budget", Level::kShould, "",
          "decide, propose, start and cancel do not wait, and 99 % of their calls take less than "
          "1 ms of processor time",
          "one thread serves all services of a plugin: what one call takes all others wait for",
          "begin what lasts with the reactor and return; keep decisions free of input and output",
          20s, &call_budget},
    Check{42, "call-reentrant-host", Level::kMust, "",
          "get_plugin, get_interface and config_schema, which are [any], work from inside every "
          "callback and sink",
          "a host may look at a plugin while it is called back by it: a lock that is held over a "
          "callback stops the plugin's thread for good",
          "hold no lock while you call the host, a sink, emit or done", 5s, &call_reentrant_host},
    Check{43, "call-errno-locale", Level::kNote, "",
          "no call changes the thread's rounding mode, locale, signal mask or name",
          "the thread is the host's: its next number is rounded or written differently, in "
          "another plugin's call",
          "put back what you change before the call returns (uselocale, fesetround)", 10s,
          &call_errno_locale},
};

}  // namespace

const std::span<const Check> kThreadChecks{kChecks};

}  // namespace steward::compliance
