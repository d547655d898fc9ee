// Alerts on silence: a key of which no row has come for `absent` is raised, and the next row clears it. Keys are those that came, and those that
// `expect` names, from the first tick: one that never came since the start is told of, too.
// Time is what went by on ticks of arrival, as in Engine::tick(): steps of the clock, and gaps beyond a minute, count for little or nothing, so a clock that
// is set raises nothing. What is said carries the times of arrival.
// Memory: need(), a key. Cost: a look-up a row; a tick O(keys) when something may be due. Threads: one owner (the engine's).
// Errors: none; keys beyond max_groups are not watched, and their rows counted.
#pragma once

#include <memory>
#include <vector>

#include "agent/alert_rows.h"

namespace weir {

class AlertAbsence {
public:
    static Bytes need(const Assembly& assembly);
    AlertAbsence(Arena& arena, const Assembly& assembly);

    void bind(std::size_t alert, AlertLife& life);
    void observe(std::size_t source, const Batch& batch);
    void tick(Timestamp arrival, bool trusted);
    std::uint64_t unwatched() const { return unwatched_; }

    // After the tables took over the keys of another configuration.
    void adopt(const AlertAbsence& from);

    static Bytes save_size() { return 3 * sizeof(std::uint64_t) + 3; }
    void save(ByteWriter& out) const;
    Status load(ByteReader& in);

private:
    struct Watch {
        std::size_t alert = 0;
        std::size_t source = 0;
        Duration absent;
        std::unique_ptr<RowFields> fields;
        struct Expected {
            std::string text;
            Value value;
        };
        std::vector<std::unique_ptr<Expected>> expected;
        std::string_view key_name;
        AlertTable* table = nullptr;
        std::int64_t due = 0;  // nothing is before
    };
    void seed(Watch& watch);
    void forget_unexpected(Watch& watch);
    void come(Watch& watch, const Batch& batch, std::size_t row);
    void look(Watch& watch);
    Record record_of(Watch& watch, const AlertKey& key, Field& silent) const;

    std::vector<Watch> watches_;
    std::int64_t elapsed_ = 0;
    Timestamp arrival_;  // of the last tick
    bool trusted_ = false;
    bool ticking_ = false;
    bool reconcile_ = false;  // another configuration's expectations may be among the keys
    std::uint64_t unwatched_ = 0;
};

}  // namespace weir
