// The checks of group "Load and ABI" that have files of their own; load.cpp lists them.
#pragma once

namespace steward::compliance {

class Trial;

// elf.cpp: what the file says, without loading it.
void elf_exports_entry_only(Trial& trial);
void elf_no_unique(Trial& trial);
void elf_needed_allowed(Trial& trial);
void elf_no_forbidden_imports(Trial& trial);
void elf_no_runpath_relative(Trial& trial);

// abi.cpp: the tables, and hosts of other versions.
void abi_magic_version(Trial& trial);
void abi_newer_host(Trial& trial);
void abi_older_host(Trial& trial);
void abi_null_free(Trial& trial);

}  // namespace steward::compliance
