// Writes JSON into a buffer of fixed size, and result records as JSON.
// Memory: the caller's buffer. Cost: O(bytes written). Threads: one owner.
// Errors: sticky: once the buffer is full ok() is false and nothing more is written.
// Source: RFC 8259. Numbers in the shortest form that reads back to the same double; NaN and
// infinities, which JSON cannot hold, are null.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/record.h"

namespace weir {

class JsonWriter {
public:
    explicit JsonWriter(std::span<char> buffer) : buffer_(buffer) {}

    bool ok() const { return ok_; }
    std::string_view text() const { return {buffer_.data(), used_}; }

    void begin_object() { open('{'); }
    void end_object() { close('}'); }
    void begin_array() { open('['); }
    void end_array() { close(']'); }
    void key(std::string_view name);
    void null();
    void boolean(bool value);
    void integer(std::int64_t value);
    void natural(std::uint64_t value);
    void real(double value);
    void text(std::string_view value);    // bytes that are not UTF-8 become U+FFFD
    void base64(ByteSpan value);          // as a string, RFC 4648 with padding
    void raw(std::string_view json);      // a value that is JSON already

private:
    void open(char bracket);
    void close(char bracket);
    void separate();
    void put(char c);
    void put(std::string_view s);
    void put_string(std::string_view value);

    std::span<char> buffer_;
    Bytes used_ = 0;
    bool ok_ = true;
    bool comma_ = false;  // a value stands before the next one
};

struct RecordJsonOptions {
    bool sketches = false;  // sketches in base64, with kind and item type
    bool identity = false;  // agent, definition and kind, for a reader that has no Kafka headers
    std::string_view agent;
};

// {"window":..,"start":MS,"end":MS,"revision":0,"key":{..},"values":{..}}; flags that are set follow. A result that holds
// several of its window says how many behind its end: "windows":12.
// A value with error is {"estimate":E,"lower":L,"upper":U}, a top list {"items":[{"item":..,..}]},
// a histogram {"bounds":[10,20],"counts":[3,5,1]}: below 10, from 10 to below 20, 20 and more.
void write_record(JsonWriter& out, const Record& record, const RecordJsonOptions& options);
void write_value(JsonWriter& out, const Value& value, bool sketches);

}  // namespace weir
