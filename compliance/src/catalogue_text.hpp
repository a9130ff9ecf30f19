// The catalogue of checks in words: for `list`, for `explain`, and for docs/compliance.md.
#pragma once
#include <iosfwd>

#include "check.hpp"

namespace steward::compliance {

void write_explanation(std::ostream& out, const Check& check);
void write_catalogue_text(std::ostream& out);
void write_catalogue_ids(std::ostream& out);
void write_catalogue_json(std::ostream& out);
void write_catalogue_markdown(std::ostream& out);

}  // namespace steward::compliance
