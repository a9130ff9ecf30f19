// Writing, as tests/data/prompt_store/README.md has it. The caller holds the FolderLock.
#pragma once

#include <string>
#include <system_error>

#include "disk.hpp"
#include "steward/prompts/prompt.hpp"

namespace steward::prompts {

// Links the stored file into the history, under its updated_at; prunes the history.
std::error_code keep_version(const std::string& root, const Prompt& prompt);

// Removes what dead writers have left in a category.
void remove_stale(const std::string& folder);

// Writes `<folder>/<id>.json` so that others see the old or the new file, whole.
std::error_code replace_file(const std::string& folder, const std::string& id,
                             const std::string& data);

}  // namespace steward::prompts
