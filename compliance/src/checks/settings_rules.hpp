// The checks of group "Settings" that have files of their own; settings.cpp lists them.
#pragma once

namespace steward::compliance {

class Trial;

// schema.cpp
void schema_valid(Trial& trial);
void schema_defaults_create(Trial& trial);
void schema_examples_create(Trial& trial);

// settings_fuzz.cpp
void config_fuzz(Trial& trial);

}  // namespace steward::compliance
