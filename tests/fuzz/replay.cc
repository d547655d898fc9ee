// Runs inputs that were found before through their target, without a fuzzer:
//   fuzz_replay TARGET FILE...     FILE: one input, or, named *.pack, many, each after its size in
//   4 bytes
#include <cstdio>
#include <string_view>

#include "tests/fuzz/fuzz.h"

using namespace weir;

namespace {

std::size_t run_pack(const fuzz::Target& target, ByteSpan bytes) {
    std::size_t inputs = 0;
    while (bytes.size() >= 4) {
        const auto size = load_le<std::uint32_t>(bytes.data());
        bytes = bytes.subspan(4);
        FUZZ_CHECK(size <= bytes.size());
        target.run(bytes.first(size));
        bytes = bytes.subspan(size);
        ++inputs;
    }
    FUZZ_CHECK(bytes.empty());
    return inputs;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: fuzz_replay TARGET FILE...\n");
        return 2;
    }
    for (const fuzz::Target& target : fuzz::targets()) {
        if (std::string_view(target.name) != argv[1]) continue;
        std::size_t inputs = 0;
        for (int i = 2; i < argc; ++i) {
            const std::vector<std::byte> bytes = read_file(argv[i]);
            if (bytes.empty()) {
                std::fprintf(stderr, "fuzz_replay: %s is not there, or empty\n", argv[i]);
                return 1;
            }
            if (std::string_view(argv[i]).ends_with(".pack")) {
                inputs += run_pack(target, bytes);
            } else {
                target.run(bytes);
                ++inputs;
            }
        }
        std::printf("%s: %zu inputs\n", target.name, inputs);
        return 0;
    }
    std::fprintf(stderr, "fuzz_replay: no target %s\n", argv[1]);
    return 2;
}
