// The life of an alert's keys: a condition that holds is pending for `hold`, then raised, until another clears it, or what `missing` and
// `clear_after` say does. Time is the alert's own, of events: it goes by results of the key, and by advance(). Neither makes a difference to what is
// said, only to when: what was due before a result's time comes first.
// A condition that is null changes nothing. A result older than the newest of its key is passed over, and counted.
// Memory: need(), the table's. Cost: judge() O(1); advance() O(keys) when something is due, else O(1). Threads: one owner.
// Errors: none; load() refuses hostile bytes.
#pragma once

#include <limits>
#include <optional>

#include "agent/alert_table.h"

namespace weir {

// The watermark of a partition, by the hash that records carry.
class PartitionTimes {
public:
    virtual ~PartitionTimes() = default;
    virtual Timestamp watermark_of(std::uint64_t partition) const = 0;
};

class AlertLife {
public:
    struct Params {
        AlertTable::Params table;
        Duration hold;
        Duration clear_after;                  // zero: only `clear` does
        std::optional<Duration> missing_after;  // the next result of a key comes no later; nullopt: missing = "keep"
    };
    static Bytes need(const Params& params) { return AlertTable::need(params.table); }
    AlertLife(Arena& arena, const Params& params, AlertTeller& teller);

    // at: of the record, in the alert's time.
    void judge(const Record& record, std::uint64_t key, std::int64_t at, std::optional<bool> raises, std::optional<bool> clears);
    // Every result up to `now`, this included, has been judged; of keys whose partition closes them alone, as far as that one is.
    // Null: those are left as they are.
    void advance(std::int64_t now, const PartitionTimes* partitions);
    // Time alone may change something: advance() has a use.
    static bool is_timed(const Params& params) {
        return params.hold > Duration() || params.clear_after > Duration() || params.missing_after || params.table.alert->flap;
    }

    AlertTable& table() { return table_; }
    const AlertTable& table() const { return table_; }
    // Nothing stands, waits or flaps: a result that does not raise changes nothing.
    bool is_calm() const { return table_.raised() + table_.pending() + table_.flapping() == 0; }
    bool is_calm(std::uint64_t key);
    std::uint64_t stale() const { return stale_; }
    void adopt(const AlertLife& from);

    static Bytes save_size_max(const Params& params) { return sizeof(std::uint64_t) + AlertTable::save_size_max(params.table); }
    void save(ByteWriter& out) const;
    Status load(ByteReader& in);

private:
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
    enum class What : std::uint8_t { missing, held, lapsed, calm };
    struct Due {
        std::int64_t at = never;
        What what = What::missing;
    };
    Due next(const AlertKey& key) const;
    void settle(AlertKey& key, std::int64_t now);
    void look_again();

    const Duration hold_;
    const Duration clear_after_;
    const std::optional<Duration> missing_after_;
    AlertTable table_;
    std::int64_t due_ = never;  // nothing is before
    std::uint64_t stale_ = 0;
};

}  // namespace weir
