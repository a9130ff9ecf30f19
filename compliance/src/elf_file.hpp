// ElfFile: what a shared object's file says to the dynamic loader. Reads the file, loads nothing.
//
// The loader's own way through it: program headers and the dynamic segment. A file without section
// headers is read as well.
#pragma once
#include <elf.h>
#include <link.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace steward::compliance {

class ElfFile {
  public:
    struct Symbol {
        std::string name;
        unsigned binding = 0;     // STB_*
        unsigned visibility = 0;  // STV_*
        unsigned section = 0;     // SHN_*
        // Is it offered to other libraries? (A name of a version is no symbol.)
        [[nodiscard]] bool is_exported() const noexcept {
            return section != SHN_UNDEF && section != SHN_ABS && binding != STB_LOCAL &&
                   visibility != STV_HIDDEN && visibility != STV_INTERNAL;
        }
        [[nodiscard]] bool is_imported() const noexcept {
            return section == SHN_UNDEF && binding != STB_LOCAL;
        }
    };

    // Throws std::runtime_error: not to be read, or no shared object of this machine's kind.
    explicit ElfFile(const std::string& path);

    // The dynamic symbol table, without its empty first entry.
    [[nodiscard]] const std::vector<Symbol>& symbols() const noexcept { return symbols_; }
    // DT_NEEDED, as written.
    [[nodiscard]] const std::vector<std::string>& needed() const noexcept { return needed_; }
    // The folders of DT_RPATH and DT_RUNPATH; an empty one is an empty text.
    [[nodiscard]] const std::vector<std::string>& run_path() const noexcept { return run_path_; }
    [[nodiscard]] bool has_text_relocations() const noexcept { return text_relocations_; }
    // All symbols are resolved when it is loaded, whatever the loader is asked for.
    [[nodiscard]] bool binds_now() const noexcept { return binds_now_; }
    // What the loader has written is read-only afterwards.
    [[nodiscard]] bool has_relro() const noexcept { return relro_; }

  private:
    template <class T>
    [[nodiscard]] T at(std::uint64_t offset) const;
    [[nodiscard]] std::string text_at(std::uint64_t offset) const;
    // Where in the file is what will be at this address?
    [[nodiscard]] std::uint64_t offset_of(std::uint64_t address) const;
    void read_segments();
    void read_dynamic();
    void read_symbols();
    [[nodiscard]] std::size_t symbol_count() const;
    [[nodiscard]] std::size_t gnu_symbol_count(std::uint64_t table) const;

    std::vector<char> bytes_;
    std::vector<ElfW(Phdr)> loads_;
    ElfW(Phdr) dynamic_{};
    std::uint64_t strings_ = 0;  // offsets in the file; 0: there is none
    std::uint64_t symbol_table_ = 0;
    std::uint64_t hash_ = 0;
    std::uint64_t gnu_hash_ = 0;
    std::vector<Symbol> symbols_;
    std::vector<std::string> needed_;
    std::vector<std::string> run_path_;
    bool text_relocations_ = false;
    bool binds_now_ = false;
    bool relro_ = false;
};

}  // namespace steward::compliance
