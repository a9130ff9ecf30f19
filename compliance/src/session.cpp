#include "session.hpp"

#include <cstring>
#include <steward/sdk/text.hpp>
#include <utility>

#include "check.hpp"
#include "settings.hpp"

namespace steward::compliance {
namespace {

// The text up to the NUL, or all of it; and whether there was one.
std::pair<std::string, bool> error_text(const steward_error& error) {
    const void* const end = std::memchr(error.text, '\0', sizeof error.text);
    const std::size_t length =
        end == nullptr ? sizeof error.text
                       : static_cast<std::size_t>(static_cast<const char*>(end) - error.text);
    return {std::string(error.text, length), end != nullptr};
}

}  // namespace

Instance::Instance(Instance&& other) noexcept
    : plugin_(other.plugin_), instance_(std::exchange(other.instance_, nullptr)) {}

Instance& Instance::operator=(Instance&& other) noexcept {
    if (this != &other) {
        destroy();
        plugin_ = other.plugin_;
        instance_ = std::exchange(other.instance_, nullptr);
    }
    return *this;
}

void Instance::destroy() {
    if (instance_ != nullptr) {
        const NoteCall note("destroy");
        const OnPluginSide side;
        plugin_->destroy(std::exchange(instance_, nullptr));
    }
}

Initialised try_init(const Library& library, const FakePluginHost& host) {
    steward_error error{};
    error.size = sizeof error;
    const steward_status status = call(
        "init", [&] { return library.entry().init(host.host(), str_of(library.path()), &error); });
    return {status, error_text(error).first};
}

Session::Session(const Library& library, FakePluginHost& host) : library_(library), host_(host) {
    const auto initialised = try_init(library, host);
    require(initialised.status == STEWARD_OK,
            "init gives status " + std::to_string(initialised.status) + ": " + initialised.error);
}

Session::~Session() {
    if (!ended_) {
        host_.close();
        const NoteCall note("deinit");
        const OnPluginSide side;
        library_.entry().deinit();
    }
}

void Session::end() {
    ended_ = true;
    host_.close();
    call("deinit", [&] { library_.entry().deinit(); });
}

Created Session::try_create(const steward_plugin& plugin, std::string_view config) {
    Created created;
    steward_error error{};
    error.size = sizeof error;
    char place = 0;
    auto* const untouched = reinterpret_cast<steward_instance*>(&place);
    steward_instance* out = untouched;
    created.status =
        call("create", [&] { return plugin.create(host_.host(), str_of(config), &out, &error); });
    std::tie(created.error, created.error_terminated) = error_text(error);
    created.sys_errno = error.sys_errno;
    if (created.status == STEWARD_OK) {
        require(out != untouched && out != nullptr,
                id_of(plugin) + ": create gives STEWARD_OK and no instance");
        created.instance = Instance(plugin, out);
    } else {
        created.touched = out != untouched;
    }
    return created;
}

Instance Session::create(const steward_plugin& plugin, std::string_view config) {
    auto created = try_create(plugin, config);
    require(created.status == STEWARD_OK,
            id_of(plugin) + ": create refuses " + sdk::printable(config, 200) + " with status " +
                std::to_string(created.status) + ": " + created.error);
    return std::move(created.instance);
}

Instance Session::create(const steward_plugin& plugin) {
    return create(plugin, SettingsSchema(plugin).defaults());
}

}  // namespace steward::compliance
