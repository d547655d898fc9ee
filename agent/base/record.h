// The result record: what a closed window or an alert says, on its way from the engine to the
// outbox, the bridge and the reader.
// A record's identity is (agent, window, definition, key, start, end); the revision is apart from it.
// Memory: views; whoever makes a record owns what it points to. decode() points into the bytes it was
// given and into a RecordStorage. encoded_size_max() bounds the bytes. Cost: O(fields).
// Threads: plain values. Errors: decode() of hostile bytes gives Error::invalid or truncated.
// Source: own format, versions 1 and 2, described in record.cc; stored in the outbox only, never on a wire.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

enum class RecordKind : std::uint8_t {
    result = 1,      // values of a window
    alert = 2,       // a transition of an alert; window is the alert's name, values its state
    retraction = 3,  // an identity that no longer stands (a session absorbed by another)
    late = 4,        // values of the rows alone that came after their window's result: to be merged with it, not in its place
};
inline constexpr RecordKind record_kind_last = RecordKind::late;

enum RecordFlag : std::uint16_t {
    record_partial = 1,          // a gap (power cut, eviction) touches the interval
    record_other = 2,            // the row of the keys beyond max_groups
    record_provisional = 4,      // early result; never in the outbox: encode() refuses it
    record_clock_untrusted = 8,  // the board's clock had not been set for some of the events
    // Bits 8 to 15: of the messages of some of its time only a share was kept, chosen at random; the least share is 2 to the
    // minus number of bits that are set, from bit 8 on, so that flags of two results can be or'ed. Values and bounds
    // speak of what was kept.
    record_sampled = 0xff00,
};
inline constexpr unsigned sampled_level_max = 8;
// That one message in 2^level was kept. REQUIRES: level <= sampled_level_max.
constexpr std::uint16_t sampled_flags(unsigned level) { return static_cast<std::uint16_t>(((1u << level) - 1) << 8); }
// The share that was kept: 1, 1/2 .. 1/256.
constexpr double sampled_share(std::uint16_t flags) {
    double share = 1;
    for (unsigned bits = flags >> 8; bits != 0; bits &= bits - 1) share /= 2;
    return share;
}

enum class SketchKind : std::uint8_t { none = 0, hll = 1, kll = 2, frequent = 3, theta = 4, count_min = 5, tdigest = 6 };
enum class ItemType : std::uint8_t { none = 0, integer = 1, real = 2, text = 3, real32 = 4 };
std::string_view name(SketchKind kind);  // "hll", "kll", "frequent", "theta", "countmin", "tdigest"
std::string_view name(ItemType type);    // "long", "double", "string", "float"

// A sketch in its DataSketches format.
struct SketchView {
    SketchKind kind = SketchKind::none;
    ItemType item = ItemType::none;
    ByteSpan bytes;
};

struct TopItem {
    ItemType type = ItemType::text;
    std::string_view text;
    std::int64_t integer = 0;
    double real = 0;
    double estimate = 0;  // a count (whole), within [lower, upper]
    double lower = 0;
    double upper = 0;
};

enum class ValueKind : std::uint8_t {
    null = 0, integer = 1, real = 2, boolean = 3, text = 4, estimate = 5, top = 6, histogram = 7,
};
// Whether it is more than one value: a condition cannot use it.
constexpr bool is_list(ValueKind kind) { return kind == ValueKind::top || kind == ValueKind::histogram; }

struct Value {
    ValueKind kind = ValueKind::null;
    std::int64_t integer = 0;
    double real = 0;  // kind real; and the estimate of kind estimate
    bool boolean = false;
    std::string_view text;
    double lower = 0;  // kind estimate: bounds at 95 % confidence
    double upper = 0;
    std::span<const TopItem> top;
    SketchView sketch;  // of kinds estimate and top
    // Kind histogram: counts[0] is below bounds[0], counts[i] from bounds[i - 1] to below bounds[i], the last from the
    // last bound on. One more count than bounds.
    std::span<const double> bounds;
    std::span<const std::uint64_t> counts;

    static Value of_integer(std::int64_t v) {
        Value value;
        value.kind = ValueKind::integer;
        value.integer = v;
        return value;
    }
    static Value of_real(double v) {
        Value value;
        value.kind = ValueKind::real;
        value.real = v;
        return value;
    }
    static Value of_boolean(bool v) {
        Value value;
        value.kind = ValueKind::boolean;
        value.boolean = v;
        return value;
    }
    static Value of_text(std::string_view v) {
        Value value;
        value.kind = ValueKind::text;
        value.text = v;
        return value;
    }
};

struct Field {
    std::string_view name;
    Value value;
};

struct Record {
    RecordKind kind = RecordKind::result;
    std::uint16_t flags = 0;
    std::string_view window;       // the name of the window, or of the alert
    std::uint64_t definition = 0;  // hash of its definition
    Timestamp start;
    Timestamp end;
    std::uint32_t revision = 0;
    std::uint32_t early = 0;      // of a provisional record, counted from the start: start + early x T has been passed
    std::uint64_t sequence = 0;   // of the engine's output within an epoch; 1, 2, 3 ...; 0 of a provisional record
    std::uint64_t partition = 0;  // hash of the partition that closed it, 0 for all: the emission frontier's key
    std::uint32_t windows = 1;    // results of that window that it holds: more than one after an outage (row_merger.h)
    std::span<const Field> key;
    std::span<const Field> values;
    ByteSpan state;  // what merging it takes beside the values; of the agent alone, not sent; empty: it is never merged
};

inline constexpr std::size_t record_fields_max = 64;   // key and values together
inline constexpr std::size_t record_top_items_max = 1024;
inline constexpr std::size_t record_buckets_max = 1024;  // of all histograms

// Where decode() puts the parts that a Record only points to.
struct RecordStorage {
    std::array<Field, record_fields_max> fields;
    std::array<TopItem, record_top_items_max> top_items;
    std::array<double, record_buckets_max> bounds;
    std::array<std::uint64_t, record_buckets_max> counts;
};

// Bytes that encode() of this record takes.
Bytes encoded_size(const Record& record);
Status encode(const Record& record, ByteWriter& out);
// REQUIRES: bytes and storage outlive the record.
Result<Record> decode_record(ByteSpan bytes, RecordStorage& storage);

// Where the engine puts results, in order. record and all it points to live only during the call.
class RecordSink {
public:
    virtual ~RecordSink() = default;
    virtual void emit(const Record& record) = 0;
};

}  // namespace weir
