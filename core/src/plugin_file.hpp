// What the file system tells of a plugin file, before anybody opens it: is there one, and who could
// have put something else in its place? A plugin runs with all rights of the supervisor.
//
// Blocking calls on files; any thread.
#pragma once
#include <sys/stat.h>

#include <string>

namespace steward::core {

// Looks at what the path leads to. Empty if it is a regular file, else what it is and what to do:
// "does not exist: ...".
std::string plugin_file_fault(const std::string& file, struct stat& status);

// Of a regular file with an absolute path without dots: who beside root and this user could write
// it, or what lies on the way to it, links included? Empty: nobody; else what and what to do.
// Folders of other users are let be, as long as not everybody can write them.
std::string plugin_file_distrust(const std::string& file, const struct stat& status);

}  // namespace steward::core
