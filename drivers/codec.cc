#include "drivers/codec.h"

#include <algorithm>
#include <cstring>

#include "drivers/codec_scratch.h"
#include "drivers/event_predictor.h"
#include "drivers/row_codec.h"

namespace weir {

std::string_view name(DecodeReason reason) {
    switch (reason) {
        case DecodeReason::malformed: return "malformed";
        case DecodeReason::wrong_type: return "wrong_type";
        case DecodeReason::out_of_range: return "out_of_range";
        case DecodeReason::missing_time: return "missing_time";
        case DecodeReason::bad_time: return "bad_time";
        case DecodeReason::oversized: return "oversized";
        case DecodeReason::topic_mismatch: return "topic_mismatch";
    }
    return "?";
}

void Codec::begin(const Message& message) {
    ++counters_.messages;
    counters_.bytes += message.payload.size();
    sampled_reasons_ = 0;
}

void Codec::fail(DecodeReason reason, const Message& message) {
    const auto index = static_cast<unsigned>(reason);
    ++counters_.by_reason[index];
    if (sampled_reasons_ >> index & 1) return;
    sampled_reasons_ |= 1u << index;
    DecodeSample& sample = samples_[sampled_++ % samples_max];
    sample.reason = reason;
    sample.arrival = message.arrival;
    sample.message_bytes = static_cast<std::uint32_t>(std::min<Bytes>(message.payload.size(), UINT32_MAX));
    const Bytes topic = std::min(message.topic.size(), DecodeSample::topic_bytes_max);
    const Bytes payload = std::min(message.payload.size(), DecodeSample::payload_bytes_max);
    if (topic > 0) std::memcpy(sample.topic_bytes.data(), message.topic.data(), topic);
    if (payload > 0) std::memcpy(sample.payload_bytes.data(), message.payload.data(), payload);
    sample.topic_size = static_cast<std::uint16_t>(topic);
    sample.payload_size = static_cast<std::uint16_t>(payload);
}

std::size_t Codec::samples() const {
    return static_cast<std::size_t>(std::min<std::uint64_t>(sampled_, samples_max));
}

const DecodeSample& Codec::sample(std::size_t index) const {
    WEIR_ASSERT(index < samples());
    return samples_[(sampled_ - samples() + index) % samples_max];
}

// simdjson keeps an index of 4 bytes and an unescaping buffer of 5/3 bytes a byte of the longest document, and
// 9 bytes a level of depth (1,024 of them).
Bytes DecodeScratch::need(Bytes max_message) {
    const Bytes document = align_up(max_message, 64);
    return sizeof(Parts) + 4 * (document + 64) + 5 * document / 3 + 128 + 16 * 1024 + 2 * max_message + payload_padding;
}

DecodeScratch::DecodeScratch(Bytes max_message) : max_message_(max_message), parts_(new Parts) {
    // simdjson allocates on demand; asking for the longest document now keeps it from doing so later.
    const Bytes capacity = std::max<Bytes>(max_message, 64);
    WEIR_ASSERT(parts_->parser.allocate(capacity) == simdjson::SUCCESS);
    parts_->text.reset(new char[capacity]);
    parts_->copy.reset(new char[capacity + payload_padding]);
}

DecodeScratch::~DecodeScratch() = default;

Schema schema_of(const CodecSpec& spec) {
    std::vector<ColumnSpec> columns;
    for (const CodecColumn& column : spec.columns) columns.push_back({column.name, column.type});
    return Schema(std::move(columns));
}

std::vector<std::string> split_path(std::string_view path) {
    if (path.empty()) return {};
    if (path[0] != '/') return {std::string(path)};
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == '/') {
            parts.emplace_back();
        } else if (path[i] == '~') {
            const char escaped = i + 1 < path.size() ? path[++i] : '?';
            if (escaped != '0' && escaped != '1') return {};
            parts.back() += escaped == '0' ? '~' : '/';
        } else {
            parts.back() += path[i];
        }
    }
    return parts;
}

namespace {

constexpr std::size_t columns_max = EventShape::columns_max;
constexpr std::size_t path_levels_max = 32;

Status check_path(std::string_view path, std::string_view whose, Problem& problem) {
    const std::size_t levels = split_path(path).size();
    if (levels >= 1 && levels <= path_levels_max) return {};
    problem = {"path '" + std::string(path) + "' of " + std::string(whose) +
                   " is not a JSON pointer ('/vehicle/length', at most 32 levels; '~' is '~0', '/' in a name '~1')",
               0};
    return Error::invalid;
}

// A column that some templates capture and others do not would be null for no visible reason.
Status check_topics(const CodecSpec& spec, Problem& problem) {
    for (const CodecColumn& column : spec.columns) {
        std::size_t captured = 0;
        for (const TopicTemplate& topic : spec.topics)
            for (const TopicCapture& capture : topic.captures()) {
                if (capture.name != column.name) continue;
                ++captured;
                if (capture.type == column.type) continue;
                problem = {"column '" + column.name + "' is " + std::string(name(column.type)) + ", but the topic '" +
                               topic.text() + "' captures it as " + std::string(name(capture.type)),
                           0};
                return Error::invalid;
            }
        if (captured == 0 || captured == spec.topics.size()) continue;
        problem = {"column '" + column.name + "' is captured by some topics of the source and not by others", 0};
        return Error::invalid;
    }
    return {};
}

Status check_spec(const CodecSpec& spec, const DecodeScratch& scratch, Problem& problem) {
    if (spec.columns.size() > columns_max) {
        problem = {"more than 1,024 columns", 0};
        return Error::invalid;
    }
    if (spec.max_message > scratch.max_message()) {
        problem = {"the working memory was made for smaller messages", 0};
        return Error::invalid;
    }
    for (const CodecColumn& column : spec.columns) {
        const std::string_view path = column.path.empty() ? column.name : column.path;
        if (const Status status = check_path(path, "column '" + column.name + "'", problem); !status) return status;
    }
    if (!spec.time.path.empty())
        if (const Status status = check_path(spec.time.path, "the time", problem); !status) return status;
    return check_topics(spec, problem);
}

}  // namespace

Bytes codec_need(const CodecSpec& spec) {
    Bytes total = 16 * 1024;  // the codec itself: samples, counters, topic values
    if (spec.format == PayloadFormat::json) total += EventPredictor::need();
    for (const CodecColumn& column : spec.columns)
        total += 256 + sizeof(RowBits) + 2 * (column.name.size() + column.path.size()) * (1 + split_path(column.path).size());
    for (const TopicTemplate& topic : spec.topics) total += 1024 + 4 * topic.text().size();
    for (const std::string& field : spec.csv_header) total += 64 + field.size();
    return total;
}

Result<std::unique_ptr<Codec>> make_codec(const CodecSpec& spec, DecodeScratch& scratch, Problem& problem) {
    if (const Status status = check_spec(spec, scratch, problem); !status) return status.error();
    switch (spec.format) {
        case PayloadFormat::json: return make_json_codec(spec, scratch);
        case PayloadFormat::csv: return make_csv_codec(spec, scratch);
    }
    return Error::unsupported;
}

}  // namespace weir
