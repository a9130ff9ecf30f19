#include "elf_file.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace steward::compliance {
namespace {

constexpr unsigned char kNativeClass =
    sizeof(void*) == 8 ? static_cast<unsigned char>(ELFCLASS64) : ELFCLASS32;
constexpr unsigned char kNativeOrder = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                                           ? static_cast<unsigned char>(ELFDATA2LSB)
                                           : ELFDATA2MSB;

// Names of C++ templates are long, but not like this.
constexpr std::size_t kMostName = 64 * 1024;

[[noreturn]] void damaged(const std::string& how) {
    throw std::runtime_error("the ELF file is damaged: " + how);
}

// "a::b" has three folders, the second one empty.
void add_folders(std::vector<std::string>& folders, const std::string& path) {
    std::size_t begin = 0;
    for (;;) {
        const auto end = path.find(':', begin);
        folders.push_back(path.substr(begin, end == std::string::npos ? end : end - begin));
        if (end == std::string::npos) {
            return;
        }
        begin = end + 1;
    }
}

}  // namespace

ElfFile::ElfFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const auto size = static_cast<std::streamoff>(file.tellg());
    bytes_.resize(static_cast<std::size_t>(std::max<std::streamoff>(size, 0)));
    file.seekg(0);
    if (!file.read(bytes_.data(), size)) {
        throw std::runtime_error(path + ": cannot be read");
    }
    const auto header = at<ElfW(Ehdr)>(0);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != kNativeClass || header.e_ident[EI_DATA] != kNativeOrder ||
        header.e_type != ET_DYN) {
        throw std::runtime_error(path + ": is no shared object for this machine");
    }
    read_segments();
    read_dynamic();
    read_symbols();
}

template <class T>
T ElfFile::at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) {
        damaged("it ends before what it names at byte " + std::to_string(offset));
    }
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
}

std::string ElfFile::text_at(std::uint64_t offset) const {
    if (offset >= bytes_.size()) {
        damaged("a name lies outside");
    }
    const char* const begin = bytes_.data() + offset;
    const std::size_t length = strnlen(begin, bytes_.size() - offset);
    if (length > kMostName) {
        damaged("a name has no end");
    }
    return {begin, length};
}

std::uint64_t ElfFile::offset_of(std::uint64_t address) const {
    for (const auto& load : loads_) {
        if (address >= load.p_vaddr && address - load.p_vaddr < load.p_filesz) {
            return load.p_offset + (address - load.p_vaddr);
        }
    }
    damaged("an address lies in no segment");
}

void ElfFile::read_segments() {
    const auto header = at<ElfW(Ehdr)>(0);
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        const auto segment = at<ElfW(Phdr)>(header.e_phoff + std::uint64_t(i) * header.e_phentsize);
        if (segment.p_type == PT_LOAD) {
            loads_.push_back(segment);
        } else if (segment.p_type == PT_DYNAMIC) {
            dynamic_ = segment;
        } else if (segment.p_type == PT_GNU_RELRO) {
            relro_ = true;
        }
    }
}

void ElfFile::read_dynamic() {
    std::vector<std::uint64_t> needed;
    std::vector<std::uint64_t> paths;
    for (std::uint64_t at_byte = 0; at_byte + sizeof(ElfW(Dyn)) <= dynamic_.p_filesz;
         at_byte += sizeof(ElfW(Dyn))) {
        const auto entry = at<ElfW(Dyn)>(dynamic_.p_offset + at_byte);
        const std::uint64_t value = entry.d_un.d_val;
        switch (entry.d_tag) {
            case DT_STRTAB:
                strings_ = offset_of(value);
                break;
            case DT_SYMTAB:
                symbol_table_ = offset_of(value);
                break;
            case DT_HASH:
                hash_ = offset_of(value);
                break;
            case DT_GNU_HASH:
                gnu_hash_ = offset_of(value);
                break;
            case DT_NEEDED:
                needed.push_back(value);
                break;
            case DT_RPATH:
            case DT_RUNPATH:
                paths.push_back(value);
                break;
            case DT_TEXTREL:
                text_relocations_ = true;
                break;
            case DT_BIND_NOW:
                binds_now_ = true;
                break;
            case DT_FLAGS:
                text_relocations_ = text_relocations_ || (value & DF_TEXTREL) != 0;
                binds_now_ = binds_now_ || (value & DF_BIND_NOW) != 0;
                break;
            case DT_FLAGS_1:
                binds_now_ = binds_now_ || (value & DF_1_NOW) != 0;
                break;
            default:
                break;
        }
        if (entry.d_tag == DT_NULL) {
            break;
        }
    }
    for (const auto name : needed) {
        needed_.push_back(text_at(strings_ + name));
    }
    for (const auto name : paths) {
        add_folders(run_path_, text_at(strings_ + name));
    }
}

void ElfFile::read_symbols() {
    if (symbol_table_ == 0) {
        return;
    }
    const std::size_t count = symbol_count();
    for (std::size_t i = 1; i < count; ++i) {
        const auto raw = at<ElfW(Sym)>(symbol_table_ + i * sizeof(ElfW(Sym)));
        // The fields are laid out alike in both classes.
        symbols_.push_back(
            {text_at(strings_ + raw.st_name), static_cast<unsigned>(ELF64_ST_BIND(raw.st_info)),
             static_cast<unsigned>(ELF64_ST_VISIBILITY(raw.st_other)), raw.st_shndx});
    }
}

// Only the hash tables tell how many symbols there are.
std::size_t ElfFile::symbol_count() const {
    if (hash_ != 0) {
        return at<std::uint32_t>(hash_ + sizeof(std::uint32_t));
    }
    return gnu_hash_ == 0 ? 0 : gnu_symbol_count(gnu_hash_);
}

std::size_t ElfFile::gnu_symbol_count(std::uint64_t table) const {
    constexpr std::uint64_t kWord = sizeof(std::uint32_t);
    const auto buckets = at<std::uint32_t>(table);
    const auto first_hashed = at<std::uint32_t>(table + kWord);
    const auto bloom_size = at<std::uint32_t>(table + 2 * kWord);
    const std::uint64_t bucket_table = table + 4 * kWord + bloom_size * sizeof(ElfW(Addr));
    const std::uint64_t chains = bucket_table + buckets * kWord;
    std::uint32_t last = 0;
    for (std::uint32_t i = 0; i < buckets; ++i) {
        last = std::max(last, at<std::uint32_t>(bucket_table + i * kWord));
    }
    if (last < first_hashed) {
        return first_hashed;
    }
    // The last one of a chain has bit 0 set.
    while ((at<std::uint32_t>(chains + (last - first_hashed) * kWord) & 1U) == 0) {
        ++last;
    }
    return std::size_t{last} + 1;
}

}  // namespace steward::compliance
