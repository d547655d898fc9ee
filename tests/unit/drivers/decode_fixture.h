// Decodes payloads and renders the rows as text, so that a test reads as payload and expectation.
#pragma once

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "drivers/codec.h"

namespace weir {

inline TopicTemplate topic_template(std::string_view text) {
    Problem problem;
    auto result = TopicTemplate::parse(text, problem);
    WEIR_ASSERT(result.ok());
    return *result;
}

// simdjson chooses its kernel once and keeps what it allocated for that: before the leak detector counts.
inline const Bytes kernel_chosen = DecodeScratch(64).max_message();

struct FreeBytes {
    void operator()(std::byte* bytes) const { std::free(bytes); }
};
using PaddedBytes = std::unique_ptr<std::byte[], FreeBytes>;

// A payload with exactly its padding and not a byte more, so that a sanitizer sees an overrun: by malloc, since the
// leak detector's operator new keeps something behind what it gives out. behind: what the padding is filled with.
inline PaddedBytes padded(std::string_view payload, std::string_view behind) {
    auto* const copy = static_cast<std::byte*>(std::malloc(payload.size() + payload_padding));
    WEIR_ASSERT(copy != nullptr);
    if (!payload.empty()) std::memcpy(copy, payload.data(), payload.size());
    for (std::size_t i = 0; i < payload_padding; ++i) copy[payload.size() + i] = static_cast<std::byte>(behind[i % behind.size()]);
    return PaddedBytes(copy);
}

// "speed=1.5 vid=a @1000;" a row; "|" ends a message; "/" where a batch was pushed.
class DecodeFixture : public BatchSink {
public:
    explicit DecodeFixture(const CodecSpec& spec, Batch::Params params = {})
        : spec_(spec), schema_(schema_of(spec)), scratch_(spec.max_message), block_(Batch::need(schema_, params)),
          arena_(block_.memory()), batch_(arena_, schema_, params) {
        Problem problem;
        auto made = make_codec(spec, scratch_, problem);
        WEIR_ASSERT(made.ok());
        codec_ = std::move(made).value();
    }

    void push(Batch& batch) override {
        render();
        rendered_ += "/";
        batch.clear();
        ++pushes;
    }

    std::string decode(std::string_view payload, std::string_view topic = "t") {
        feed(payload, topic);
        return flush();
    }
    void feed(std::string_view payload, std::string_view topic = "t") {
        const PaddedBytes& copy = payloads_.emplace_back(padded(payload, "\xAA"));
        codec_->decode({topic, {copy.get(), payload.size()}, Timestamp::millis(7), true}, batch_, *this);
    }
    std::string flush() {
        render();
        batch_.clear();
        payloads_.clear();
        return std::exchange(rendered_, "");
    }
    std::uint64_t count(DecodeReason reason) const { return codec_->counters()[reason]; }
    const DecodeCounters& counters() const { return codec_->counters(); }
    Codec& codec() { return *codec_; }

    int pushes = 0;

private:
    void render() {
        if (batch_.ends_earlier_message()) rendered_ += "|";
        for (std::size_t row = 0; row < batch_.rows(); ++row) {
            for (std::size_t i = 0; i < batch_.columns(); ++i) render_cell(batch_.column(i), schema_[i].name, row);
            rendered_ += "@" + std::to_string(batch_.time(row).event.us()) + ";";
            if (batch_.ends_message(row)) rendered_ += "|";
        }
    }
    void render_cell(const Column& column, const std::string& name, std::size_t row) {
        if (!column.present.test(row)) return;
        char text[64];
        switch (column.type) {
            case ColumnType::integer: std::snprintf(text, sizeof text, "%" PRId64, column.integers[row]); break;
            case ColumnType::real: std::snprintf(text, sizeof text, "%.17g", column.reals[row]); break;
            case ColumnType::boolean: std::snprintf(text, sizeof text, "%s", column.booleans[row] ? "true" : "false"); break;
            case ColumnType::text: text[0] = 0; break;
        }
        rendered_ += name + "=" + (column.type == ColumnType::text ? std::string(column.texts[row]) : text) + " ";
    }

    CodecSpec spec_;
    Schema schema_;
    DecodeScratch scratch_;
    ArenaBlock block_;
    Arena arena_;
    Batch batch_;
    std::unique_ptr<Codec> codec_;
    std::vector<PaddedBytes> payloads_;
    std::string rendered_;
};

}  // namespace weir
