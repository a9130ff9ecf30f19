// The same library a second time in one process.
#pragma once
#include <string>

#include "library.hpp"

namespace steward::compliance {

// Loads a copy of the file, of the same name in another folder: to the loader it is another
// library, with data of its own. Copy and folder are gone when this returns. Throws Skipped if it
// cannot be copied, or does not load from there.
Library load_copy(const std::string& file);

}  // namespace steward::compliance
