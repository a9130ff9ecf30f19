// Prompts as MCP clients see them.
//
// Any thread; the functions keep no state.
#pragma once
#include <string>

#include <Poco/JSON/Object.h>

#include "capped_list.hpp"
#include "steward/prompts/store.hpp"

namespace steward::host {

// The whole prompt: all members of its file, and slug, words, tokens and variables.
std::string prompt_json(const prompts::Prompt& prompt);

// What a list says of a prompt: everything known but its content. `excerpt`: with its beginning.
std::string prompt_summary(const prompts::Prompt& prompt, bool excerpt);

// {MEMBER: [summaries], "total": all that match, "truncated": some were left out for their size}
std::string listing_json(const std::string& member, const prompts::Listing& listing,
                         Carrier carrier);

// A refused operation: its text, and both versions if it is a conflict.
std::string conflict_json(const prompts::StoreError& error);

// The schemas of the first two.
Poco::JSON::Object::Ptr prompt_schema();
Poco::JSON::Object::Ptr summary_schema();

}  // namespace steward::host
