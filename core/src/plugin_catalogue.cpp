#include "steward/core/plugin_catalogue.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <sstream>

#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "plugin_file.hpp"
#include "steward/abi.h"
#include "steward/core/machine.hpp"
#include "steward/core/schema.hpp"
#include "steward/core/spawn.hpp"

#include "built_in_plugin.hpp"

namespace steward::core {
namespace {

namespace fs = std::filesystem;
using Poco::JSON::Object;

constexpr int kProbeTimeMs = 2000;  // for each file
constexpr int kEndTimeMs = 500;
// Of the plugin's own code the prober runs only this.
constexpr const char* kMustReturn =
    ": its static constructors, get_plugin, get_interface and config_schema must return";
constexpr std::size_t kMaxProbeOutput = 4 * 1024 * 1024;

// An answer is good for the ABI that it was judged by.
std::string cache_format() {
    return "3/abi" + std::to_string(STEWARD_ABI_MAJOR) + "." + std::to_string(STEWARD_ABI_MINOR);
}

std::int64_t now_ms() {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return std::int64_t{ts.tv_sec} * 1000 + ts.tv_nsec / 1'000'000;
}

std::string identity(const struct stat& s) {
    std::ostringstream key;
    key << s.st_dev << ':' << s.st_ino << ':' << s.st_mtim.tv_sec << '.' << s.st_mtim.tv_nsec << ':'
        << s.st_size;
    return key.str();
}

std::string stem_id(const std::string& file) {
    const std::string name = fs::path(file).filename().string();
    constexpr std::string_view kPrefix = "steward_";
    constexpr std::string_view kSuffix = ".so";
    if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) ||
        !name.ends_with(kSuffix)) {
        return {};
    }
    return name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
}

PluginInfo info_from(const Object::Ptr& answer) {
    PluginInfo info;
    info.file = answer->optValue<std::string>("file", "");
    if (!answer->optValue<bool>("ok", false)) {
        info.error = answer->optValue<std::string>("error", "cannot be loaded");
        return info;
    }
    const auto plugins = answer->getArray("plugins");
    const auto plugin = plugins && plugins->size() > 0 ? plugins->getObject(0) : Object::Ptr();
    if (!plugin) {
        info.error = "holds no plugin";
        return info;
    }
    info.id = plugin->optValue<std::string>("id", "");
    info.name = plugin->optValue<std::string>("name", "");
    info.vendor = plugin->optValue<std::string>("vendor", "");
    info.version = plugin->optValue<std::string>("version", "");
    info.license = plugin->optValue<std::string>("license", "");
    info.url = plugin->optValue<std::string>("url", "");
    info.summary = plugin->optValue<std::string>("summary", "");
    if (const auto interfaces = plugin->getArray("interfaces")) {
        for (const auto& interface : *interfaces) {
            info.interfaces.push_back(interface.convert<std::string>());
        }
    }
    if (const auto schema = plugin->getObject("schema")) {
        std::ostringstream text;
        schema->stringify(text);
        info.schema = text.str();
    } else {
        info.error = "the settings' schema is no JSON object: config_schema must write one";
    }
    return info;
}

// What of a schema would only be noticed when the plugin is used.
std::string schema_fault(const Object::Ptr& schema) {
    constexpr const char* kNoObjects =
        "the settings' schema has properties that are no objects: describe each setting by one";
    if (schema->has("properties")) {
        const auto properties = schema->getObject("properties");
        if (!properties) {
            return kNoObjects;
        }
        for (const auto& [key, ignored] : *properties) {
            if (!properties->getObject(key)) {
                return kNoObjects;
            }
        }
    }
    const auto compiled = SchemaValidator::compile(schema);
    if (!compiled) {
        return compiled.error().text + ": see config_schema in steward/abi.h";
    }
    return {};
}

Object::Ptr json_of(const PluginInfo& info) {
    Object::Ptr plugin = new Object;
    Object::Ptr answer = new Object;
    answer->set("file", info.file);
    answer->set("ok", true);
    plugin->set("id", info.id);
    plugin->set("name", info.name);
    plugin->set("vendor", info.vendor);
    plugin->set("version", info.version);
    plugin->set("license", info.license);
    plugin->set("url", info.url);
    plugin->set("summary", info.summary);
    Poco::JSON::Array::Ptr interfaces = new Poco::JSON::Array;
    for (const auto& interface : info.interfaces) {
        interfaces->add(interface);
    }
    plugin->set("interfaces", interfaces);
    Poco::JSON::Parser parser;
    plugin->set("schema", parser.parse(info.schema));
    Poco::JSON::Array::Ptr plugins = new Poco::JSON::Array;
    plugins->add(plugin);
    answer->set("plugins", plugins);
    return answer;
}

Object::Ptr parse_line(const std::string& line) {
    try {
        Poco::JSON::Parser parser;
        const auto value = parser.parse(line);
        return value.type() == typeid(Object::Ptr) ? value.extract<Object::Ptr>() : Object::Ptr();
    } catch (const Poco::Exception&) {
        return {};
    }
}

// What the prober said of one file. A schema is checked by the prober no further than that it
// cannot break the line.
PluginInfo info_from_line(const Object::Ptr& answer) {
    PluginInfo info;
    if (!answer) {
        info.error = "the settings' schema is no JSON: config_schema must write an object";
        return info;
    }
    try {
        info = info_from(answer);
        if (info.error.empty()) {
            info.error =
                schema_fault(answer->getArray("plugins")->getObject(0)->getObject("schema"));
        }
        return info;
    } catch (const Poco::Exception& e) {
        info.error = "what it says of itself cannot be read: " + e.displayText();
        return info;
    }
}

// How a prober ended.
struct ProberRun {
    bool loading = false;  // it was loading the file after those that it answered for
    std::string end;       // "ended the process that loaded it (exit code 3)"
};

// Takes what the prober prints until it ends, prints too much or is silent for too long. It answers
// for the files in their order, so a path that is no UTF-8 does no harm. True: it was silent.
bool read_answers(int fd, int pidfd, std::size_t expected, std::vector<PluginInfo>& answers,
                  bool& loading) {
    std::string text;
    std::array<char, 65536> buffer;
    std::int64_t deadline = now_ms() + kProbeTimeMs;
    for (;;) {
        // What a plugin has started may hold the output open longer than the prober lives.
        std::array<pollfd, 2> waiting{{{fd, POLLIN, 0}, {pidfd, POLLIN, 0}}};
        const auto left = std::max<std::int64_t>(0, deadline - now_ms());
        const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(left));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0 || text.size() > kMaxProbeOutput) {
            return true;
        }
        if (waiting[0].revents == 0) {
            return false;
        }
        const ssize_t n = read(fd, buffer.data(), buffer.size());
        if (n <= 0) {
            return false;
        }
        text.append(buffer.data(), static_cast<std::size_t>(n));
        for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
            const auto line = parse_line(text.substr(0, end));
            text.erase(0, end + 1);
            if (answers.size() == expected) {
                continue;
            }
            // The line after "loading" is the answer, whatever it holds: leaving it out would give
            // its place to the next file's.
            if (loading) {
                answers.push_back(info_from_line(line));
            }
            loading = !loading && line && line->optValue<bool>("loading", false);
            deadline = now_ms() + kProbeTimeMs;
        }
    }
}

// Kills and reaps the prober, however it is left (an exception).
class ProberEnd {
  public:
    explicit ProberEnd(ChildProcess child) : child_(std::move(child)) {}
    ~ProberEnd() { (void)wait_status(); }
    ProberEnd(const ProberEnd&) = delete;
    ProberEnd& operator=(const ProberEnd&) = delete;

    int pidfd() const { return child_.pidfd.get(); }

    // Waits for its end; false: it has not come.
    bool wait(int ms) const {
        const std::int64_t deadline = now_ms() + ms;
        pollfd end{child_.pidfd.get(), POLLIN, 0};
        int ready = 0;
        do {
            const auto left = std::max<std::int64_t>(0, deadline - now_ms());
            ready = ::poll(&end, 1, static_cast<int>(left));
        } while (ready < 0 && errno == EINTR);
        return ready > 0;
    }

    // Ends it, if it has not ended by itself.
    int wait_status() {
        if (!ended_) {
            ended_ = true;
            syscall(SYS_pidfd_send_signal, child_.pidfd.get(), SIGKILL, nullptr, 0);
            // Not reaped yet, so the number of its group is its own.
            (void)kill(-child_.pid, SIGKILL);
            (void)wait(kProbeTimeMs);
            reap_later(std::move(child_), &status_);
        }
        return status_;
    }

    // Reaps what can be reaped; what not even SIGKILL has ended is tried again with the next
    // prober.
    static void reap_later(ChildProcess child, int* status) {
        static std::mutex mutex;
        static auto& left = *new std::vector<ChildProcess>();
        const std::lock_guard lock(mutex);
        std::erase_if(left, [](const ChildProcess& other) { return reap(other); });
        if (!reap(child, status)) {
            left.push_back(std::move(child));
        }
    }

  private:
    ChildProcess child_;
    bool ended_ = false;
    int status_ = 0;
};

ProberRun run_prober(const std::string& prober, const std::vector<std::string>& files,
                     std::vector<PluginInfo>& answers) {
    ProberRun run;
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        run.end = system_error("no pipe can be made").text;
        return run;
    }
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    ProcessSpec spec;
    spec.file = prober;
    spec.argv = {"steward-plugin-probe"};
    spec.argv.insert(spec.argv.end(), files.begin(), files.end());
    spec.descriptors = {{-1, 0}, {writer.get(), 1}, {-1, 2}};
    spec.new_session = true;  // What a plugin starts while it is loaded ends with the prober.
    auto child = spawn(spec);
    if (!child) {
        run.end = child.error().text;
        return run;
    }
    writer.reset();
    ProberEnd prober_end(std::move(*child));
    const bool silent =
        read_answers(reader.get(), prober_end.pidfd(), files.size(), answers, run.loading);
    if (!silent) {
        (void)prober_end.wait(kEndTimeMs);  // Who closes its output is about to end by itself.
    }
    const int status = prober_end.wait_status();
    const bool killed = WIFSIGNALED(status);
    const std::string how = describe_exit(killed, killed ? WTERMSIG(status) : WEXITSTATUS(status));
    if (silent) {
        run.end = run.loading ? "did not come back within 2 s from being loaded"
                              : "steward-plugin-probe says nothing";
    } else {
        run.end =
            (run.loading ? "ended the process that loaded it (" : "steward-plugin-probe ended (") +
            how + ")";
    }
    return run;
}

// Absolute, without dots and without a slash at the end. A path that cannot be made so stays as it
// is.
std::string absolute_path(const std::string& path) {
    std::error_code error;
    const fs::path absolute = fs::absolute(path, error);
    if (error) {
        return path;
    }
    const fs::path normal = absolute.lexically_normal();
    return (normal.has_filename() ? normal : normal.parent_path()).string();
}

// Why a folder cannot be searched; empty: it can.
std::string folder_fault(const std::string& folder) {
    std::error_code error;
    const fs::directory_iterator it(folder, error);
    return error ? "cannot be searched: " + error.message() +
                       ": give a folder with steward_ID.so "
                       "files"
                 : std::string();
}

// Also when it is a link that leads nowhere: that is told then.
bool exists(const std::string& file) {
    struct stat status {};
    return lstat(file.c_str(), &status) == 0;
}

}  // namespace

bool PluginInfo::has(const std::string& interface) const {
    return std::find(interfaces.begin(), interfaces.end(), interface) != interfaces.end();
}

PluginCatalogue::PluginCatalogue(PluginPlaces places) : places_(std::move(places)) {
    places_.own_folder = absolute_path(places_.own_folder);
}

std::vector<std::string> PluginCatalogue::files_of(const std::string& folder) const {
    std::vector<std::string> files;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        if (!stem_id(it->path().string()).empty()) {
            files.push_back(absolute_path(it->path().string()));
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::vector<PluginInfo> PluginCatalogue::list() {
    std::vector<std::pair<std::string, std::string>> files;
    std::vector<PluginInfo> found;
    for (const auto& folder : places_.extra) {
        if (auto fault = folder_fault(folder); !fault.empty()) {
            PluginInfo info;
            info.file = absolute_path(folder);
            info.origin = "--plugin-dir " + folder;
            info.error = std::move(fault);
            found.push_back(std::move(info));
        }
        for (auto& file : files_of(folder)) {
            files.emplace_back(std::move(file), "--plugin-dir " + folder);
        }
    }
    const std::size_t extra = files.size();
    for (auto& file : files_of(places_.own_folder)) {
        files.emplace_back(std::move(file), "next to the program");
    }
    auto examined = examine(files);
    examined.insert(examined.begin() + static_cast<std::ptrdiff_t>(extra), built_in().begin(),
                    built_in().end());
    std::move(examined.begin(), examined.end(), std::back_inserter(found));
    std::map<std::string, std::string> first;
    for (auto& info : found) {
        if (info.error.empty()) {
            const auto [it, is_new] = first.emplace(info.id, info.file);
            if (!is_new) {
                info.shadowed_by = it->second;
            }
        }
    }
    return found;
}

Result<PluginInfo> PluginCatalogue::find(const std::string& name) {
    std::vector<std::pair<std::string, std::string>> files;
    if (name.find('/') != std::string::npos) {
        files.emplace_back(absolute_path(name), "given by path");
    } else {
        const std::string base = "steward_" + name + ".so";
        for (const auto& folder : places_.extra) {
            if (const auto fault = folder_fault(folder); !fault.empty()) {
                return Error{"--plugin-dir " + folder + ": " + fault};
            }
            const auto file = absolute_path((fs::path(folder) / base).string());
            if (exists(file)) {
                files.emplace_back(file, "--plugin-dir " + folder);
                break;
            }
        }
        for (const auto& info : built_in()) {
            if (files.empty() && info.id == name) {
                return info.error.empty() ? Result<PluginInfo>(info)
                                          : Error{info.file + ": " + info.error};
            }
        }
        const auto own = (fs::path(places_.own_folder) / base).string();
        if (files.empty() && exists(own)) {
            files.emplace_back(own, "next to the program");
        }
    }
    if (files.empty()) {
        return Error{name +
                     ": no such plugin; see `steward plugins`, or give the folder of steward_" +
                     name + ".so with --plugin-dir"};
    }
    auto found = examine(files);
    if (found.empty()) {
        return Error{name + ": cannot be examined"};
    }
    if (!found.front().error.empty()) {
        return Error{found.front().file + ": " + found.front().error};
    }
    return std::move(found.front());
}

std::vector<PluginInfo> PluginCatalogue::examine(
    const std::vector<std::pair<std::string, std::string>>& files_and_origins) {
    load_cache();
    examined_.clear();
    std::map<std::string, PluginInfo> answers;
    std::map<std::string, std::string> keys;
    std::vector<std::string> unknown;
    for (const auto& [file, origin] : files_and_origins) {
        PluginInfo info;
        info.file = file;
        struct stat status {};
        const bool own = fs::path(file).parent_path() == places_.own_folder;
        info.error = plugin_file_fault(file, status);
        if (info.error.empty() && !own) {
            info.error = plugin_file_distrust(file, status);
        }
        if (!info.error.empty()) {
            answers[file] = info;
            continue;
        }
        keys[file] = identity(status);
        const auto known = known_.find(file);
        if (known != known_.end() && known->second.key == keys[file]) {
            answers[file] = known->second.info;
        } else {
            unknown.push_back(file);
        }
    }
    probe(unknown, answers);
    for (const auto& file : unknown) {
        // Not what says nothing about the file: a prober that could not be started.
        if (examined_.count(file) != 0) {
            known_[file] = {keys[file], answers[file]};
            dirty_ = dirty_ || answers[file].error.empty();
        }
    }
    std::vector<PluginInfo> out;
    for (const auto& [file, origin] : files_and_origins) {
        auto info = answers[file];
        info.file = file;
        info.origin = origin;
        // The prober has said so already, unless this is another file's answer.
        if (info.error.empty() && info.id != stem_id(file)) {
            info.error =
                "its id is " + info.id + ", so the file must be called steward_" + info.id + ".so";
        }
        out.push_back(std::move(info));
    }
    return out;
}

const std::vector<PluginInfo>& PluginCatalogue::built_in() {
    if (!built_in_) {
        built_in_.emplace();
        for (const auto* entry : built_in_plugins()) {
            built_in_->push_back(built_in_info(*entry));
        }
    }
    return *built_in_;
}

// The one that the prober dies or hangs on is named, and a new prober goes on behind it.
void PluginCatalogue::probe(std::vector<std::string> files,
                            std::map<std::string, PluginInfo>& answers) {
    while (!files.empty()) {
        std::vector<PluginInfo> got;
        const ProberRun run = run_prober(places_.prober, files, got);
        for (std::size_t i = 0; i < got.size(); ++i) {
            answers[files[i]] = std::move(got[i]);
            examined_.insert(files[i]);
        }
        files.erase(files.begin(), files.begin() + static_cast<std::ptrdiff_t>(got.size()));
        if (files.empty()) {
            return;
        }
        if (!run.loading && got.empty()) {
            // No file is at fault, and another attempt would end like this one.
            for (const auto& file : files) {
                answers[file].error = "cannot be examined: " + run.end;
            }
            return;
        }
        if (run.loading) {
            answers[files.front()].error = run.end + kMustReturn;
            examined_.insert(files.front());
            files.erase(files.begin());
        }
    }
}

void PluginCatalogue::load_cache() {
    if (cache_loaded_ || places_.cache_file.empty()) {
        return;
    }
    cache_loaded_ = true;
    std::ifstream file(places_.cache_file);
    std::string line;
    while (std::getline(file, line)) {
        const auto entry = parse_line(line);
        if (!entry || entry->optValue<std::string>("format", "") != cache_format()) {
            continue;
        }
        try {
            auto info = info_from(entry->getObject("answer"));
            if (info.error.empty()) {
                known_[info.file] = {entry->getValue<std::string>("key"), info};
            }
        } catch (const Poco::Exception&) {
            continue;
        }
    }
}

void PluginCatalogue::save_cache() {
    if (!dirty_ || places_.cache_file.empty()) {
        return;
    }
    dirty_ = false;
    std::error_code error;
    const fs::path target(places_.cache_file);
    fs::create_directories(target.parent_path(), error);
    const std::string temporary = places_.cache_file + "." + std::to_string(getpid());
    {
        std::ofstream file(temporary, std::ios::trunc);
        for (const auto& [path, known] : known_) {
            // Why a file was refused may lie outside of it: a library that is missing, a busy
            // machine.
            if (!known.info.error.empty() || access(path.c_str(), F_OK) != 0) {
                continue;
            }
            try {
                Object entry;
                entry.set("format", cache_format());
                entry.set("key", known.key);
                entry.set("answer", json_of(known.info));
                entry.stringify(file);
                file << '\n';
            } catch (const Poco::Exception&) {
                continue;
            }
        }
        if (!file.flush()) {
            fs::remove(temporary, error);
            return;
        }
    }
    fs::rename(temporary, target, error);
    if (error) {
        fs::remove(temporary, error);
    }
}

}  // namespace steward::core
