// Result<T>: a value or an Error. Constructors do not fail, factories return one of these.
#pragma once
#include <string>
#include <utility>
#include <variant>

namespace steward::core {

// What went wrong, for people: lower case, no final period, names the thing, the value and what to
// do.
struct Error {
    std::string text;
    int sys_errno = 0;  // 0 when no system call is behind it
};

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : data_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const noexcept { return data_.index() == 0; }
    // Precondition: holds a value.
    T& operator*() { return std::get<0>(data_); }
    const T& operator*() const { return std::get<0>(data_); }
    T* operator->() { return &std::get<0>(data_); }
    const T* operator->() const { return &std::get<0>(data_); }
    // Precondition: holds an error.
    const Error& error() const { return std::get<1>(data_); }

  private:
    std::variant<T, Error> data_;
};

struct Nothing {};
using Status = Result<Nothing>;

// "TEXT: strerror(errno)"; errno as it is now unless given. Defined in system_error.cpp.
Error system_error(const std::string& text);
Error system_error(const std::string& text, int sys_errno);

}  // namespace steward::core
