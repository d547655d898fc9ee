// libFuzzer's entry: the target of the name in WEIR_FUZZ_TARGET.
#include <cstddef>
#include <string_view>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const weir::fuzz::Target* target = [] {
        for (const auto& each : weir::fuzz::targets())
            if (std::string_view(each.name) == WEIR_FUZZ_TARGET) return &each;
        weir::fuzz::fail("a target has this name", WEIR_FUZZ_TARGET, 0);
    }();
    target->run(weir::ByteSpan(reinterpret_cast<const std::byte*>(data), size));
    return 0;
}
