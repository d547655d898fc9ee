// The DUP rule: which redelivered QoS 1 messages were journaled before, and are therefore skipped.
// A crash, or a lost connection, between append and PUBACK makes the broker send a message again with
// DUP set. It is skipped if the newest journaled message with its packet id, among the last horizon_rows
// of that link, had the same topic and payload. (A packet id in use for something else proves that the
// earlier message was acknowledged, so only the newest counts. The rows are not cut at a connection's
// start: one that breaks before redelivery ends leaves older messages unacknowledged.)
// The rows lie in the journal's file, so that they outlive both the process and the entries they speak
// of: a row is written before its entry becomes valid, carries the entry's sequence, and means nothing
// if there is no such entry. One row more than horizon_rows is kept, for the one of an unborn entry.
// A power cut takes the file. So every checkpoint carries the rows of entries that its state contains (save()), and
// the journal after it begins with them (load()); a journal of another size takes them over in the same way.
// Memory: need(links, horizon_rows). Cost: remember() O(1), is_duplicate() O(horizon_rows), only for DUP; save() one
// copy of the rows; load() allocates, at start-up.
// Threads: one at a time (the journal's append lock). Errors: damaged rows are ignored; load(): invalid, what save()
// never wrote.
// What no rule can tell apart: a broker that reuses packet ids at once, and whose redelivery of a message
// we never saw equals, byte for byte, the last one with that packet id. It is skipped. So is, after a power cut, one
// of a session that the broker began since the last flush, if it equals one of the session before in the same way.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

class DuplicateHorizon {
public:
    // A row in memory and in the file; crc over the rest.
    struct Row {
        std::uint64_t sequence;  // of the journal entry; 0 means empty
        std::uint64_t hash;      // of topic and payload
        std::uint16_t packet_id;
        std::uint16_t reserved;
        std::uint32_t crc;
    };

    static Bytes need(std::uint16_t links, std::uint16_t horizon_rows);
    static std::uint64_t hash(std::string_view topic, ByteSpan payload);

    // memory: need() bytes, 8-aligned, zeroed when new. REQUIRES: links > 0, horizon_rows > 0.
    DuplicateHorizon(MutableByteSpan memory, std::uint16_t links, std::uint16_t horizon_rows);

    // After a restart: rows of entries above newest, and damaged ones, are forgotten.
    void recover(std::uint64_t newest);
    bool is_duplicate(std::uint16_t link, std::uint16_t packet_id, std::uint64_t hash) const;
    // The entry with this sequence is about to become valid. Sequences rise; one known already is ignored.
    void remember(std::uint16_t link, std::uint16_t packet_id, std::uint64_t hash, std::uint64_t sequence);
    // Nothing journaled so far (up to newest) can be redelivered on this link.
    void forget(std::uint16_t link, std::uint64_t newest);

    // What save() writes, always so many bytes.
    static Bytes save_bytes(std::uint16_t links, std::uint16_t horizon_rows);
    // The rows of entries up to sequence that still mean something.
    void save(std::uint64_t sequence, ByteWriter& out) const;
    // Adds saved rows to those that are here; the newest stay. Link i of saved is link_of[i] here, none if no_link.
    // REQUIRES: the sequences are of the same count as those here. Rows above newest are refused.
    static constexpr std::uint16_t no_link = 0xFFFF;
    Status load(ByteSpan saved, std::span<const std::uint16_t> link_of, std::uint64_t newest);

private:
    struct Link;
    Link& link_at(std::uint16_t link) const;
    Row* rows_of(std::uint16_t link) const;
    const Row& row_back(std::uint16_t link, std::uint32_t back) const;  // 1: the newest
    void add(std::uint16_t link, std::span<const Row> more);

    std::byte* const memory_;
    const std::uint16_t links_;
    const std::uint32_t rows_;  // a link: horizon_rows and one
};

}  // namespace weir
