// The way into a plugin: marked as its side of the boundary, noted for who sees this process die,
// and no exception comes back through it.
#pragma once
#include <string_view>

#include "call_note.hpp"
#include "steward/compliance/plugin_side.hpp"

namespace steward::compliance {

// Calls f(), which calls the function `name` of the plugin. An exception that comes out of it
// throws Broken: "NAME: an exception left the plugin".
[[noreturn]] void unwound(std::string_view name);
template <class F>
auto call(std::string_view name, F&& f) {
    const NoteCall note(name);
    const OnPluginSide side;
    try {
        return f();
    } catch (...) {
        const OnHostSide host;
        unwound(name);
    }
}

}  // namespace steward::compliance
