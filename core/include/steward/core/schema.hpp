// JSON Schema: validates values, and completes a plugin's settings from its schema. The one user of
// valijson.
//
// Thread: any; objects are not shared between threads without a lock.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>

#include "steward/core/result.hpp"

namespace steward::core {

class SchemaValidator {
  public:
    // Fails on what is no schema, and on what the validator cannot bear from a stranger: `$ref`,
    // `pattern`, deep nesting, a multipleOf that is not positive.
    static Result<SchemaValidator> compile(const Poco::JSON::Object::Ptr& schema);

    SchemaValidator(SchemaValidator&&) noexcept;
    SchemaValidator& operator=(SchemaValidator&&) noexcept;
    ~SchemaValidator();

    // Nothing when the value satisfies the schema, else what is wrong, for people: "limit: must be
    // <= 100 (got 1000)". `member` is what a member is called that the schema does not know.
    std::optional<std::string> check(const Poco::Dynamic::Var& value,
                                     const std::string& member = "setting") const;

  private:
    struct Impl;
    explicit SchemaValidator(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// The settings of plugin `id` as the JSON text that its create() is given: the values that were
// set, read by the types of the schema, and the defaults of the others. Errors:
// "restart_backoff.base_ms: must be >= 0 (got -1)".
Result<std::string> complete_settings(const std::string& id, const std::string& schema_json,
                                      const std::map<std::string, std::string>& values);

}  // namespace steward::core
