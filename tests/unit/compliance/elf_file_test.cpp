#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <catch2/catch.hpp>

#include "elf_file.hpp"
#include "steward/compliance/random.hpp"

using steward::compliance::ElfFile;
using steward::compliance::Random;

namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// A file that is gone at the end of the test.
class TemporaryFile {
  public:
    TemporaryFile() { ::close(mkstemp(path_.data())); }
    ~TemporaryFile() { ::unlink(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    void write(const std::string& bytes) const {
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    }

  private:
    std::string path_ = "/tmp/elf-file-test-XXXXXX";
};

bool is_read(const std::string& path) {
    try {
        const ElfFile elf(path);
        return true;
    } catch (const std::runtime_error&) {
        return false;
    }
}

}  // namespace

TEST_CASE("an ELF file tells what it exports, imports and needs", "[compliance]") {
    const ElfFile elf(PLUGIN_FILE);
    const auto has = [&](const std::string& name, bool imported) {
        return std::any_of(elf.symbols().begin(), elf.symbols().end(), [&](const auto& symbol) {
            return symbol.name == name && (imported ? symbol.is_imported() : symbol.is_exported());
        });
    };
    CHECK(has("steward_plugin_entry", /*imported=*/false));
    CHECK(has("strlen", /*imported=*/true));
    CHECK(std::count(elf.needed().begin(), elf.needed().end(), "libc.so.6") == 1);
    CHECK(elf.has_relro());
    CHECK(elf.binds_now());
    CHECK_FALSE(elf.has_text_relocations());
}

TEST_CASE("what is no shared object is refused", "[compliance]") {
    CHECK_FALSE(is_read("/nonexistent"));
    const TemporaryFile file;
    CHECK_FALSE(is_read(file.path()));
    file.write("#!/bin/sh\n" + std::string(1000, '#'));
    CHECK_FALSE(is_read(file.path()));
}

TEST_CASE("a damaged ELF file is read or refused, and nothing else", "[compliance]") {
    constexpr int kRounds = 100;
    constexpr std::size_t kHeaders = 1024;
    const std::string whole = contents(PLUGIN_FILE);
    const TemporaryFile file;
    Random random(GENERATE(1, 2, 3));
    for (int i = 0; i < kRounds; ++i) {
        std::string bytes =
            whole.substr(0, random.one_in(4) ? random.below(whole.size()) : whole.size());
        // The headers and tables are at the beginning.
        for (auto changes = random.below(8); changes > 0 && !bytes.empty(); --changes) {
            const std::size_t range =
                random.one_in(2) ? std::min(bytes.size(), kHeaders) : bytes.size();
            bytes[random.below(range)] = static_cast<char>(random.below(256));
        }
        file.write(bytes);
        (void)is_read(file.path());
    }
    SUCCEED();
}
