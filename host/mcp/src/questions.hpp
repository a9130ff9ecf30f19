// What clients may be asked, and whether they have declared it.
//
// Thread rule: no state; the mcp thread, for the requests are its own.
#pragma once

#include <Poco/JSON/Object.h>

#include <string_view>

#include "request.hpp"

namespace steward::mcp {

// The capabilities that the client of `request` needs to be asked `method` with `params` (may be
// null), as it declares them; null when clients of its revision cannot be asked that.
[[nodiscard]] Poco::JSON::Object::Ptr needed_capabilities(const Request& request,
                                                          std::string_view method,
                                                          const Poco::JSON::Object::Ptr& params);
// True when each member of `required` is there too, and so on down.
[[nodiscard]] bool has_capabilities(const Poco::JSON::Object& declared,
                                    const Poco::JSON::Object& required);
[[nodiscard]] bool may_be_asked(const Request& request, std::string_view method,
                                const Poco::JSON::Object::Ptr& params);

}  // namespace steward::mcp
