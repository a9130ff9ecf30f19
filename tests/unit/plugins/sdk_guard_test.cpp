// guard.hpp and text.hpp: where exceptions end, and what an error text looks like then.
#include <steward/sdk/guard.hpp>

#include <stdexcept>

#include "catch.hpp"
#include "plain_host.hpp"

namespace {
namespace sdk = steward::sdk;
using steward::test::empty_error;

// `count` times x, then the end.
std::string long_text(std::size_t count, const char* end) {
    return std::string(count, 'x').append(end);
}

}  // namespace

TEST_CASE("an exception becomes a status and a text", "[sdk][guard]") {
    steward_error error = empty_error();
    CHECK(sdk::guard(&error, []() -> steward_status { throw std::bad_alloc(); }) ==
          STEWARD_E_NOMEM);
    CHECK(std::string(error.text) == "out of memory");
    CHECK(sdk::guard(&error, []() -> steward_status { throw std::runtime_error("it broke"); }) ==
          STEWARD_E_INTERNAL);
    CHECK(std::string(error.text) == "it broke");
    CHECK(sdk::guard(&error, []() -> steward_status { throw 7; }) == STEWARD_E_INTERNAL);
    CHECK(std::string(error.text) == "an exception of unknown type");
    CHECK(sdk::guard(&error, []() -> steward_status {
              throw sdk::SettingsError("path", "must begin with /");
          }) == STEWARD_E_INVALID);
    CHECK(std::string(error.text) == "path: must begin with /");
    CHECK(sdk::guard(&error, []() -> steward_status {
              throw sdk::Failure(STEWARD_E_IO, "no descriptor left", 24);
          }) == STEWARD_E_IO);
    CHECK(error.sys_errno == 24);
}

TEST_CASE("a failure without a status is still a failure", "[sdk][guard]") {
    CHECK(sdk::guard(nullptr, []() -> steward_status { throw sdk::Failure(STEWARD_OK, "odd"); }) ==
          STEWARD_E_INTERNAL);
    CHECK(sdk::guard(nullptr, [] { return steward_status{STEWARD_E_BUSY}; }) == STEWARD_E_BUSY);
}

TEST_CASE("an error text is cut between characters and stays UTF-8", "[sdk][text]") {
    steward_error error = empty_error();
    sdk::set_error(&error, long_text(254, "\xC3\xA9 and more"));
    CHECK(std::string(error.text) == std::string(254, 'x'));
    sdk::set_error(&error, long_text(253, "\xC3\xA9 and more"));
    CHECK(std::string(error.text) == long_text(253, "\xC3\xA9"));
    sdk::set_error(&error, std::string_view("a\0b\x80"
                                            "c",
                                            5));
    CHECK(std::string(error.text) == "a?b?c");
    sdk::set_error(nullptr, "nobody asks");
}

TEST_CASE("what others wrote is quoted in one short line", "[sdk][text]") {
    CHECK(sdk::printable("plain") == "plain");
    CHECK(sdk::printable("a\nb\x7f\xFF\xC3\xA9") == "a?b??\xC3\xA9");
    CHECK(sdk::printable(std::string(100, 'y'), 8) == "yyyyyyyy...");
    CHECK(sdk::printable("1234567\xC3\xA9", 8) == "1234567...");
}
