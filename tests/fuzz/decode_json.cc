// JSON decoded with and without prediction: several payloads of one source, the last ones after the shape was learned
// from the first. Rows, nulls, times and counters must be the same, also where other bytes follow a payload.
#include <string>

#include "agent/base/arena.h"
#include "drivers/row_codec.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {
namespace {

CodecSpec spec() {
    CodecSpec spec;
    spec.columns = {{"speed", ColumnType::real},
                    {"n", ColumnType::integer},
                    {"n_as_real", ColumnType::real, "n"},
                    {"ok", ColumnType::boolean},
                    {"vid", ColumnType::text},
                    {"len", ColumnType::real, "/v/length"},
                    {"q", ColumnType::integer, "", true}};
    spec.time = {"ts", TimeUnit::milliseconds};
    spec.max_message = 4096;
    return spec;
}

class Side final : public BatchSink {
public:
    Side(bool predict, std::size_t rows)
        : params_{.rows = rows, .text_bytes = 32}, schema_(schema_of(spec())), scratch_(spec().max_message), block_(Batch::need(schema_, params_)),
          arena_(block_.memory()), batch_(arena_, schema_, params_), codec_(make_json_codec(spec(), scratch_, predict)) {}

    void push(Batch& batch) override {
        take();
        batch.clear();
    }
    // The rows of the payload, their bytes. The memory holds the payload, its padding and nothing more.
    std::string decode(ByteSpan payload, char behind) {
        taken_.clear();
        const std::unique_ptr<std::byte[]> copy(new std::byte[payload.size() + payload_padding]);
        if (!payload.empty()) std::memcpy(copy.get(), payload.data(), payload.size());
        for (std::size_t i = 0; i < payload_padding; ++i)
            copy[payload.size() + i] = behind == 0 && !payload.empty() ? payload[i % payload.size()] : static_cast<std::byte>(behind);
        codec_->decode({"t", {copy.get(), payload.size()}, Timestamp::millis(7), true}, batch_, *this);
        take();
        batch_.clear();
        return taken_;
    }
    const DecodeCounters& counters() const { return codec_->counters(); }

private:
    template <typename T>
    void put(T value) {
        taken_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void take() {
        for (std::size_t row = 0; row < batch_.rows(); ++row) {
            for (std::size_t i = 0; i < batch_.columns(); ++i) {
                const Column& column = batch_.column(i);
                put(column.present.test(row));
                if (!column.present.test(row)) continue;
                switch (column.type) {
                    case ColumnType::integer: put(column.integers[row]); break;
                    case ColumnType::real: put(column.reals[row]); break;
                    case ColumnType::boolean: put(column.booleans[row]); break;
                    case ColumnType::text: taken_.append(column.texts[row]).push_back('\0'); break;
                }
            }
            put(batch_.time(row).event.us());
        }
    }

    Batch::Params params_;
    Schema schema_;
    DecodeScratch scratch_;
    ArenaBlock block_;
    Arena arena_;
    Batch batch_;
    std::unique_ptr<Codec> codec_;
    std::string taken_;
};

}  // namespace

void decode_json(ByteSpan bytes);

// The input: how many rows a batch has, then payloads with 0xFE between them. Each is decoded twice.
void decode_json(ByteSpan bytes) {
    if (bytes.empty()) return;
    const std::size_t rows = 1 + std::to_integer<std::size_t>(bytes[0]) % 16;
    Side plain(false, rows);
    Side predicting(true, rows);
    for (int round = 0; round < 2; ++round) {
        ByteSpan rest = bytes.subspan(1);
        while (!rest.empty()) {
            const auto end = std::find(rest.begin(), rest.end(), std::byte{0xFE});
            const ByteSpan payload = rest.first(static_cast<std::size_t>(end - rest.begin()));
            FUZZ_CHECK(plain.decode(payload, ' ') == predicting.decode(payload, round == 0 ? '}' : '\0'));
            rest = rest.subspan(std::min(payload.size() + 1, rest.size()));
        }
    }
    const DecodeCounters& a = plain.counters();
    const DecodeCounters& b = predicting.counters();
    FUZZ_CHECK(a.events == b.events && a.dropped_events == b.dropped_events && a.by_reason == b.by_reason);
}

}  // namespace weir::fuzz
