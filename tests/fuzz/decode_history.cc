// Blocks of the history's codec: whatever the bytes are, reading ends; and what was read can be written, and is then read
// back as it was.
#include <bit>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "uplink/history_codec.h"

namespace weir::fuzz {

void decode_history(ByteSpan bytes) {
    if (bytes.empty()) return;
    const std::size_t columns = 1 + static_cast<std::size_t>(bytes[0]) % 4;
    HistoryDecoder decoder(bytes.subspan(1), columns);
    std::vector<std::byte> block(Bytes{1} << 16);
    std::vector<HistoryEncoder::ValueModel> models(columns);
    HistoryEncoder encoder(block, models);
    struct Kept {
        Timestamp time;
        std::uint8_t marks;
        std::vector<std::optional<double>> values;
    };
    std::vector<Kept> read;
    for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
        const Result<HistoryPoint> point = decoder.next();
        if (!point.ok() || !encoder.append(*point).ok()) break;
        read.push_back({point->time, point->marks, {point->values.begin(), point->values.end()}});
    }
    HistoryDecoder again(encoder.bytes(), columns);
    for (const Kept& kept : read) {
        const Result<HistoryPoint> point = again.next();
        if (!point.ok() || point->time != kept.time || point->marks != kept.marks) __builtin_trap();
        for (std::size_t i = 0; i < columns; ++i) {
            const auto bits = [](const std::optional<double>& value) { return value ? std::bit_cast<std::uint64_t>(*value) : 0; };
            if (point->values[i].has_value() != kept.values[i].has_value() || bits(point->values[i]) != bits(kept.values[i])) __builtin_trap();
        }
    }
}

}  // namespace weir::fuzz
