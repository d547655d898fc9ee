// How a result becomes a Kafka record.
//   topic      results, retractions, late records: [kafka] topic; alerts: [kafka] alerts
//   key        a JSON array, the agent's id and then the values of the key in the order of `by`:
//              ["junction-017","s1",2]. One device's records, of all windows and revisions, so lie in one
//              partition in the order in which the agent sent them. (It is not an identity: do not compact.)
//   value      JSON (agent/base/json_writer.h with identity and sketches) or the Result of wire.proto
//   timestamp  the end of the window, ms (0 for one that ends before 1970)
//   headers    agent, kind, window, definition (16 hex digits), revision, incarnation (32 hex digits), epoch,
//              ship, content-type, and omitted if something had to be left out: all text
// Memory: OutRecord owns its bytes; the renderer holds one buffer of value_bytes_max. Cost: O(bytes).
// Threads: one owner. Errors: a value that would pass value_bytes_max is written without its sketches
// (omitted = "sketches"), else without its values (omitted = "values"): a record is never lost. Both forms
// go along with values over reduced_above, for brokers that take less.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "uplink/bridge/config.h"
#include "uplink/result_codec.h"
#include "uplink/wire.h"

namespace weir {

// Below the 1,048,588 bytes that a broker takes by default, with room for key and headers.
inline constexpr Bytes value_bytes_max = 900000;
inline constexpr Bytes key_bytes_max = 64000;

// Records with smaller values are not prepared in reduced forms: no broker refuses them for their size.
inline constexpr Bytes reduced_above = 4096;

struct OutRecord {
    // What to write if Kafka refuses the value: each smaller than the one before.
    struct Reduced {
        std::string value;
        const char* omitted;
    };

    std::uint64_t ship = 0;
    bool alert = false;
    std::int64_t timestamp_ms = 0;
    std::string key;
    std::string value;
    std::vector<std::pair<const char*, std::string>> headers;
    std::vector<Reduced> reduced;

    Bytes bytes() const;  // what it holds in memory, about
};

class RecordForm {
public:
    explicit RecordForm(ValueForm form);

    OutRecord render(std::string_view agent, const Incarnation& incarnation, const ShippedRecord& shipped);

private:
    std::string_view render_value(std::string_view agent, const ShippedRecord& shipped, std::string& omitted);
    void render_reduced(std::string_view agent, const ShippedRecord& shipped, OutRecord& out);
    std::string_view render_json(std::string_view agent, const Record& record, bool sketches);
    std::string_view render_protobuf(const ShippedRecord& shipped);

    ValueForm form_;
    std::unique_ptr<char[]> buffer_;
};

}  // namespace weir
