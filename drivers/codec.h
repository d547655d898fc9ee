// Codecs: the bytes of a message become typed rows of a batch. One codec a source.
// Rows come in the order of the payload. What cannot be decoded is counted by reason and sampled,
// never a stall: a payload that turns out to be malformed keeps the rows before the damage; a field of a
// wrong type is null and the row is kept; a row without a valid time (where a time field is declared)
// is dropped. Fields that no column names are skipped: only their brackets and quotes are looked at.
// JSON: one object, an array of objects, or one of these a line. Of duplicate keys the last usable one counts.
// CSV: RFC 4180 records; an empty field is null, a quoted empty field an empty string.
// Types: an int is taken for a float; a float for an int only if it is integral; numbers inside strings
// only where the column asks (CSV, which has only text, always); true and false only for bool.
// Memory: fixed by make_codec(): codec_need(spec) and, shared by all codecs of a thread,
// DecodeScratch::need(). Decoding allocates nothing.
// Cost: one pass over the payload. Threads: one owner. Errors: none on the event path; see DecodeReason.
// Source: RFC 8259 (JSON), RFC 6901 (paths), RFC 4180 (CSV); simdjson: Langdale and Lemire, 2019.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/batch.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"
#include "agent/base/time.h"
#include "drivers/timestamps.h"
#include "drivers/topic_template.h"

namespace weir {

inline constexpr Bytes payload_padding = 64;

// Rows hold views into topic and payload: both must stay until the batch is cleared.
// REQUIRES: payload_padding readable bytes after the payload (their value does not matter).
struct Message {
    std::string_view topic;
    ByteSpan payload;
    Timestamp arrival;
    bool arrival_trusted = true;
};

enum class PayloadFormat : std::uint8_t { json, csv };

struct CodecColumn {
    std::string name;
    ColumnType type = ColumnType::real;
    // In JSON a JSON pointer ("/vehicle/length"; object members only) or a member's name, in CSV a
    // column of the header. Empty: the column's name. Not used where a topic level gives the value.
    std::string path = {};
    bool numbers_in_strings = false;  // "57.3" is a number too
};

struct CodecTime {
    std::string path = {};  // as CodecColumn::path; empty: the time of arrival
    TimeUnit unit = TimeUnit::milliseconds;  // of numbers; a string is always ISO 8601...
    bool numbers_in_strings = false;         // ...or, if this is set, a number in a string
};

struct CodecSpec {
    PayloadFormat format = PayloadFormat::json;
    // A column is taken from the topic where a capture of its name exists; every template of a source
    // must then have it. Captures without a column are ignored.
    std::vector<CodecColumn> columns = {};
    std::vector<TopicTemplate> topics = {};  // none: any topic is accepted
    CodecTime time = {};
    // Names of a CSV's columns, in order. Empty: the first record of each message is its header.
    std::vector<std::string> csv_header = {};
    Bytes max_message = 256 * 1024;
};

// Why something was not decoded. A row or message can give several.
enum class DecodeReason : std::uint8_t {
    malformed,       // not the format that was declared; the rest of the message, or the line, is lost
    wrong_type,      // a field of another type: null in an event that is kept
    out_of_range,    // a number beyond its column's type: null in an event that is kept
    missing_time,    // no time field, or null: the event is dropped
    bad_time,        // a time that is none, or before 1970 or after 2199: the event is dropped
    oversized,       // the message is above max_message, or a string above the batch's text buffer (null)
    topic_mismatch,  // the topic fits no template: the message is dropped
};
inline constexpr std::size_t decode_reasons = 7;
std::string_view name(DecodeReason reason);  // "wrong_type"; static storage

struct DecodeCounters {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint64_t events = 0;          // rows committed
    std::uint64_t dropped_events = 0;  // missing_time + bad_time
    std::array<std::uint64_t, decode_reasons> by_reason{};

    std::uint64_t operator[](DecodeReason reason) const { return by_reason[static_cast<std::size_t>(reason)]; }
};

// The beginning of a message that gave trouble.
struct DecodeSample {
    static constexpr Bytes payload_bytes_max = 256;
    static constexpr Bytes topic_bytes_max = 128;

    DecodeReason reason = DecodeReason::malformed;
    Timestamp arrival;
    std::uint32_t message_bytes = 0;  // of the whole payload
    std::string_view topic() const { return {topic_bytes.data(), topic_size}; }
    ByteSpan payload() const { return {payload_bytes.data(), payload_size}; }

    std::uint16_t topic_size = 0;
    std::uint16_t payload_size = 0;
    std::array<char, topic_bytes_max> topic_bytes{};
    std::array<std::byte, payload_bytes_max> payload_bytes{};
};

class Codec {
public:
    static constexpr std::size_t samples_max = 16;

    virtual ~Codec() = default;

    // Appends the message's rows to the batch, which has the spec's columns in the spec's order, and ends
    // with batch.end_message(). A batch that fills up on the way is pushed to the sink.
    virtual void decode(const Message& message, Batch& batch, BatchSink& sink) = 0;

    const DecodeCounters& counters() const { return counters_; }
    // Goes on from what an earlier process counted. REQUIRES: between messages.
    void restore(const DecodeCounters& counters) { counters_ = counters; }
    // The last samples_max failures, one a message and reason, oldest first: sample(0) .. sample(samples() - 1).
    std::size_t samples() const;
    const DecodeSample& sample(std::size_t index) const;

protected:
    void fail(DecodeReason reason, const Message& message);
    void begin(const Message& message);

    DecodeCounters counters_;

private:
    std::uint32_t sampled_reasons_ = 0;  // of the message at hand, one bit a reason
    std::uint64_t sampled_ = 0;
    std::array<DecodeSample, samples_max> samples_{};
};

// The parsers' working memory, one a thread, shared by all of its codecs.
class DecodeScratch {
public:
    static Bytes need(Bytes max_message);
    explicit DecodeScratch(Bytes max_message);
    ~DecodeScratch();
    DecodeScratch(const DecodeScratch&) = delete;
    DecodeScratch& operator=(const DecodeScratch&) = delete;

    struct Parts;
    Parts& parts() { return *parts_; }
    Bytes max_message() const { return max_message_; }

private:
    Bytes max_message_;
    std::unique_ptr<Parts> parts_;
};

// Start-up only. The scratch must outlive the codec and be made for at least spec.max_message.
Result<std::unique_ptr<Codec>> make_codec(const CodecSpec& spec, DecodeScratch& scratch, Problem& problem);
Bytes codec_need(const CodecSpec& spec);
Schema schema_of(const CodecSpec& spec);
// The names in a CSV header line; nullopt if its quotes do not match.
std::optional<std::vector<std::string>> split_csv_header(std::string_view line);

}  // namespace weir
