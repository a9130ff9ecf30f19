// The JSON Schemas that tools/list shows, piece by piece.
//
// Any thread; the objects belong to whoever has them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <Poco/JSON/Object.h>

namespace steward::host {

// {"type": type}
Poco::JSON::Object::Ptr of_type(const std::string& type);
// {"type": type, "description": description}
Poco::JSON::Object::Ptr property(const std::string& type, const std::string& description);
// One of several. A list of types would say the same, but not all model providers understand it.
Poco::JSON::Object::Ptr any_of(const std::vector<Poco::JSON::Object::Ptr>& schemas,
                               const std::string& description);
// A property of this type, or null.
Poco::JSON::Object::Ptr nullable(const std::string& type, const std::string& description);
Poco::JSON::Object::Ptr integer_between(std::int64_t least, std::int64_t most,
                                        const std::string& description);
Poco::JSON::Object::Ptr one_of(const std::vector<std::string>& values,
                               const std::string& description);
// An array of `type`, or of `items`.
Poco::JSON::Object::Ptr list_of(const std::string& type, const std::string& description);
Poco::JSON::Object::Ptr list_of(const Poco::JSON::Object::Ptr& items,
                                const std::string& description);

// An object with these members; `closed`: and no others.
Poco::JSON::Object::Ptr object_schema(const Poco::JSON::Object::Ptr& properties,
                                      const std::vector<std::string>& required, bool closed);
// An object without members.
Poco::JSON::Object::Ptr no_arguments();

}  // namespace steward::host
