// steward/sdk/guard.hpp - where a plugin's exceptions end.
//
// Nothing may leave a plugin by unwinding: an exception that crosses the ABI ends the host. Inside
// a plugin exceptions are fine; every function that the host calls goes through guard(), which
// turns them into a status and a text.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "text.hpp"

namespace steward::sdk {

// Throw it to answer a call with this status and text. The text is for people: lower case, no final
// period, names the thing and the value.
class Failure : public std::exception {
  public:
    Failure(steward_status status, std::string text, int sys_errno = 0)
        : text_(std::move(text)), status_(status), sys_errno_(sys_errno) {}

    [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] steward_status status() const noexcept { return status_; }
    [[nodiscard]] int sys_errno() const noexcept { return sys_errno_; }

  private:
    std::string text_;
    steward_status status_;
    int sys_errno_;
};

// A setting is wrong: INVALID and "name: problem".
class SettingsError : public Failure {
  public:
    SettingsError(std::string_view name, std::string_view problem)
        : Failure(STEWARD_E_INVALID, std::string(name).append(": ").append(problem)) {}
};

// Calls f(), which returns a steward_status, and returns that. bad_alloc becomes NOMEM, a Failure
// its own status, any other exception INTERNAL with its what(); *error, if not null, gets the text.
template <class F>
steward_status guard(steward_error* error, F&& f) noexcept {
    try {
        return std::forward<F>(f)();
    } catch (const std::bad_alloc&) {
        set_error(error, "out of memory");
        return STEWARD_E_NOMEM;
    } catch (const Failure& e) {
        set_error(error, e.text(), e.sys_errno());
        return e.status() == STEWARD_OK ? STEWARD_E_INTERNAL : e.status();
    } catch (const std::exception& e) {
        set_error(error, e.what());
        return STEWARD_E_INTERNAL;
    } catch (...) {
        set_error(error, "an exception of unknown type");
        return STEWARD_E_INTERNAL;
    }
}

}  // namespace steward::sdk
