// A plugin's settings as its schema describes them, and configurations made from it.
#pragma once
#include <steward/abi.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>

namespace steward::compliance {

// Collects what a plugin writes; refuses from byte `limit` on, with `refusal`.
class Sink {
  public:
    explicit Sink(std::size_t limit = std::size_t{1} << 20U, steward_status refusal = STEWARD_E_IO);
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;

    [[nodiscard]] const steward_sink* get() const noexcept { return &sink_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    // Calls of write, and those of them that came after one was refused.
    [[nodiscard]] int writes() const noexcept { return writes_; }
    [[nodiscard]] int writes_after_refusal() const noexcept { return late_; }

  private:
    static steward_status write(void* ctx, const void* data, std::size_t len);
    std::size_t limit_;
    steward_status refusal_;
    std::string text_;
    int writes_ = 0;
    int late_ = 0;
    bool refused_ = false;
    steward_sink sink_{};
};

class SettingsSchema {
  public:
    // Asks the plugin. Throws Broken if it gives none or it is no JSON object.
    explicit SettingsSchema(const steward_plugin& plugin);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] const Poco::JSON::Object::Ptr& object() const noexcept { return object_; }
    // The properties by name, each an object; in the plugin's order.
    [[nodiscard]] const std::vector<std::pair<std::string, Poco::JSON::Object::Ptr>>& properties()
        const noexcept {
        return properties_;
    }
    // The defaults of all properties, and for a required one without default its first example (or
    // its minimum, or the first of its enum): what create() is given when the user sets nothing
    // but what must be set.
    [[nodiscard]] std::string defaults() const;
    // The same with `name` set to `value`, which may be of any type.
    [[nodiscard]] std::string with(const std::string& name, const Poco::Dynamic::Var& value) const;
    // The same with `name` set to what `json` says, which need not be a JSON value. `name` is the
    // last member.
    [[nodiscard]] std::string with_text(const std::string& name, std::string_view json) const;
    // The defaults without the member `name`.
    [[nodiscard]] std::string without(const std::string& name) const;
    // Must be set, whatever its default?
    [[nodiscard]] bool is_required(const std::string& name) const;
    // As JSON text in one line, in the order of its members.
    [[nodiscard]] static std::string to_text(const Poco::JSON::Object::Ptr& object);

    // defaults() as an object that is the caller's.
    [[nodiscard]] Poco::JSON::Object::Ptr defaults_object() const;

  private:
    std::string text_;
    Poco::JSON::Object::Ptr object_;
    std::vector<std::pair<std::string, Poco::JSON::Object::Ptr>> properties_;
};

}  // namespace steward::compliance
