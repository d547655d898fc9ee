// A result as wire.proto's Result: in blocks to the bridge, and as a Kafka value in protobuf.
// Memory: views, as agent/base/record.h. Cost: O(bytes). Threads: pure functions.
// Errors: decoding hostile bytes gives invalid, out_of_range or truncated; encoding gives full.
// The same record gives the same bytes on every machine: fields in order of their numbers, defaults left
// out. Record::partition and state belong to the agent alone and are not carried.
// Source: wire.proto; walked by hand with nanopb's stream functions, since views need no storage.
#pragma once

#include "agent/base/record.h"
#include "uplink/wire.h"

namespace weir {

struct ShippedRecord {
    std::uint64_t ship = 0;
    std::uint64_t epoch = 0;
    Record record;  // its sequence is part of the Result, too
};

// One Result without a length before it: a Kafka value.
Status encode_result(const ShippedRecord& shipped, ByteWriter& out);
// REQUIRES: bytes and storage outlive the result.
Result<ShippedRecord> decode_result(ByteSpan bytes, RecordStorage& storage);

// The same with its length before it, as blocks hold them.
Status append_result(const ShippedRecord& shipped, ByteWriter& block);

// Walks the Results of a raw block; check ok() when next() gave false.
class ResultReader {
public:
    explicit ResultReader(ByteSpan block) : rest_(block) {}
    // The bytes of the next Result; false at the end or when the block is malformed.
    bool next(ByteSpan& result);
    bool ok() const { return ok_; }

private:
    ByteSpan rest_;
    bool ok_ = true;
};

}  // namespace weir
