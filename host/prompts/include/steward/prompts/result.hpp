// What an operation of the store returns: a value, or why it was refused.
#pragma once

#include <Poco/JSON/Object.h>

#include <string>
#include <utility>
#include <variant>

#include "steward/prompts/prompt.hpp"

namespace steward::prompts {

enum class ErrorCode { kNotFound, kBroken, kInvalid, kTooLarge, kConflict, kBusy, kIo };

// "not_found", "broken", ... as tests/data/prompt_store/README.md names them.
[[nodiscard]] const char* name_of(ErrorCode code) noexcept;

// A refused operation; nothing has been changed.
struct StoreError {
    ErrorCode code = ErrorCode::kIo;
    std::string text;               // for people: names the thing, the value and what to do
    PromptPtr current;              // a conflict: the stored prompt
    Poco::JSON::Object::Ptr yours;  // a conflict of an update: the changes and their updated_at
};

template <class T, class E = StoreError>
class [[nodiscard]] Result {
  public:
    Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}
    Result(E error) : data_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const noexcept { return data_.index() == 0; }
    // Precondition: holds a value.
    T& operator*() { return std::get<0>(data_); }
    const T& operator*() const { return std::get<0>(data_); }
    T* operator->() { return &std::get<0>(data_); }
    const T* operator->() const { return &std::get<0>(data_); }
    // Precondition: holds an error.
    E& error() { return std::get<1>(data_); }
    const E& error() const { return std::get<1>(data_); }

  private:
    std::variant<T, E> data_;
};

}  // namespace steward::prompts
