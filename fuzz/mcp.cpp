// A client's bytes, whatever they are.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // The length decides how the bytes are split over reads: no format of its own is needed.
    static constexpr std::size_t kChunks[] = {65536, 1, 7, 61, 4096};
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    // To make the product's schemas takes longer than most inputs; only those that name them need it.
    const auto names = [bytes](std::string_view part) {
        return bytes.find(part) != std::string_view::npos;
    };
    const bool with_product =
        names("_prompt") || names("promptbin:") || names("flask_") || names("!product");
    if (with_product) {
        steward::fuzz::restore_prompts();
    }
    steward::fuzz::Harness harness(with_product);
    harness.run(bytes, kChunks[size % std::size(kChunks)]);
    return 0;
}
