// Session: a library from init to deinit on one host, and its instances.
//
// On the thread that made the host, which is [plugin]. Every call into the plugin is marked as its
// side of the boundary; an exception that leaves it is Broken.
#pragma once
#include <steward/abi.h>

#include <string>
#include <string_view>

#include "call.hpp"
#include "library.hpp"
#include "steward/compliance/fake_plugin_host.hpp"

namespace steward::compliance {

class Instance {
  public:
    Instance() = default;
    Instance(const steward_plugin& plugin, steward_instance* instance) noexcept
        : plugin_(&plugin), instance_(instance) {}
    Instance(Instance&& other) noexcept;
    Instance& operator=(Instance&& other) noexcept;
    ~Instance() { destroy(); }

    void destroy();
    [[nodiscard]] steward_instance* get() const noexcept { return instance_; }
    [[nodiscard]] const steward_plugin& plugin() const noexcept { return *plugin_; }
    [[nodiscard]] explicit operator bool() const noexcept { return instance_ != nullptr; }

  private:
    const steward_plugin* plugin_ = nullptr;
    steward_instance* instance_ = nullptr;
};

struct Created {
    steward_status status = STEWARD_OK;
    std::string error;
    bool error_terminated = true;  // text has a NUL
    int sys_errno = 0;
    Instance instance;
    bool touched = false;  // *out was written although it failed
};

class Session {
  public:
    // Throws Broken if init refuses.
    Session(const Library& library, FakePluginHost& host);
    // Instances must be gone.
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // deinit, before the end of the object.
    void end();

    [[nodiscard]] Created try_create(const steward_plugin& plugin, std::string_view config);
    // Throws Broken with the plugin's text if it refuses.
    [[nodiscard]] Instance create(const steward_plugin& plugin, std::string_view config);
    // With the defaults of its schema.
    [[nodiscard]] Instance create(const steward_plugin& plugin);

    [[nodiscard]] FakePluginHost& host() const noexcept { return host_; }
    [[nodiscard]] const Library& library() const noexcept { return library_; }

  private:
    const Library& library_;
    FakePluginHost& host_;
    bool ended_ = false;
};

// What init answers, without a session: for checks that expect a refusal. If it is OK, deinit is
// the caller's.
struct Initialised {
    steward_status status;
    std::string error;
};
Initialised try_init(const Library& library, const FakePluginHost& host);

}  // namespace steward::compliance
