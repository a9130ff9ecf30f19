// What the product's tools need behind them: a session whose app obeys at once, and the prompts on
// the caller's thread. The prompts themselves are real files.
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>

#include "action_progress.hpp"
#include "flask_tools.hpp"
#include "harness.hpp"
#include "prompt_completion.hpp"
#include "prompt_resources.hpp"
#include "prompt_source.hpp"
#include "prompt_tools.hpp"
#include "prompt_worker.hpp"
#include "session.hpp"
#include "status_reader.hpp"

namespace fs = std::filesystem;

namespace steward::host {
namespace {

struct Library {
    fs::path folder;
    std::map<std::string, fs::file_time_type> files;
    std::unique_ptr<prompts::PromptStore> store;
};

Library& library() {
    static auto* const made = new Library;
    return *made;
}

std::map<std::string, fs::file_time_type> files_of(const fs::path& folder) {
    std::map<std::string, fs::file_time_type> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        out.emplace(entry.path().string(), entry.last_write_time());
    }
    return out;
}

fs::path make_folder() {
    const char* const wanted = std::getenv("TMPDIR");
    std::string name = std::string(wanted != nullptr ? wanted : "/tmp") + "/steward-fuzz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
        fuzz::violated("no temporary folder", name);
    }
    std::atexit([] { fs::remove_all(library().folder); });
    return name;
}

void fill(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        fs::remove_all(entry.path());
    }
    const auto write = [&folder](const std::string& name, const std::string& text) {
        fs::create_directories((folder / name).parent_path());
        std::ofstream(folder / name) << text;
    };
    write("coding/one.json",
          R"({"title":"One","content":"The {{first}}","tags":["a"],"more":[1,{"x":null}]})");
    write("coding/two.json", R"({"title":"Two","content":"Zwei \u00e4"})");
    write("writing/same.json", R"({"title":"One","content":"The same name"})");
    write("writing/broken.json", "{");
    write(".lock", "");
}

}  // namespace

// ---- the session

constexpr const char* kStatus =
    R"({"schema":1,"healthy":true,"state":"running","since":"","cause":"","port":1,)"
    R"("url":null,"pid":1,"restarts":0})";

struct Session::Impl {};

Session::Session(Setup /*setup*/) : impl_(std::make_unique<Impl>()) {}
Session::~Session() = default;

void Session::post(std::function<void()> task) {
    task();
}

std::string Session::status_json() {
    return kStatus;
}

// Without a supervisor nothing settles: such a call is dropped, and answered with an error.
void Session::start(const std::string& /*reason*/, Settled /*settled*/) {}
void Session::restart(const std::string& /*reason*/, Settled /*settled*/) {}
void Session::stop(const std::string& /*reason*/, Settled /*settled*/) {}

core::Supervisor& Session::supervisor() {
    fuzz::violated("there is no supervisor", "");
}

core::Service& Session::service() {
    fuzz::violated("there is no service", "");
}

const std::string& Session::log_file() const {
    fuzz::violated("there is no log", "");
}

std::uint64_t Session::status_version() const {
    return 0;
}

void StatusReader::ask(Answer answer) {
    answer(kStatus);
}

core::EventLog::SubscriberId report_events(const Bridge& /*bridge*/, const CallPtr& /*call*/,
                                           const Words& /*words*/,
                                           const LastLogged& /*last_logged*/) {
    return {};
}

// ---- the prompts

PromptWorker::PromptWorker(Options options) : options_(std::move(options)) {}
PromptWorker::~PromptWorker() = default;

std::string PromptWorker::ask(Job job, std::size_t /*bytes*/) {
    try {
        if (auto answer = job(*library().store)) {
            options_.to_owner(std::move(answer));
        }
    } catch (const std::exception& e) {
        fuzz::violated("a job has thrown", e.what());
    }
    return {};
}

}  // namespace steward::host

namespace steward::fuzz {
namespace {

// The one whose calls the worker answers.
Harness* current = nullptr;

// As McpUpdates tells it.
void tell(const prompts::Change& change) {
    auto& server = current->server();
    server.resources_updated_if(
        [&change](std::string_view uri) { return host::is_affected(uri, change); });
    if (change.list_changed) {
        server.prompts_changed();
    }
}

}  // namespace

void restore_prompts() {
    auto& library = host::library();
    if (library.folder.empty()) {
        library.folder = host::make_folder();
    } else if (host::files_of(library.folder) == library.files) {
        return;
    }
    library.store.reset();
    host::fill(library.folder);
    library.files = host::files_of(library.folder);
    prompts::StoreOptions options;
    options.now = [] { return std::chrono::system_clock::time_point(std::chrono::hours(500'000)); };
    options.on_change = [](const prompts::Change& change) {
        current->later([change] { tell(change); });
    };
    library.store = std::make_unique<prompts::PromptStore>(library.folder.string(), options);
}

void register_product(Harness& harness) {
    static auto* const session = new host::Session({});
    static auto* const worker = [] {
        host::PromptWorker::Options options;
        options.to_owner = [](std::function<void()> task) { current->later(std::move(task)); };
        return new host::PromptWorker(std::move(options));
    }();
    current = &harness;
    host::register_prompt_resources(harness.server(), *worker);
    host::register_prompt_tools(harness.server(), *worker,
                                {[&harness](std::chrono::nanoseconds, std::function<void()> task) {
                                     return harness.arm(std::move(task));
                                 },
                                 [&harness](std::uint64_t timer) { harness.disarm(timer); }});
    host::register_prompt_source(harness.server(), *worker);
    host::register_prompt_completion(harness.server(), *worker);
    const host::Bridge bridge{
        *session, [&harness](std::function<void()> task) { harness.later(std::move(task)); }};
    host::register_flask_tools(harness.server(), bridge, host::Words("promptbin"));
}

}  // namespace steward::fuzz
