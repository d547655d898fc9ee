// Session windows: the rows of a key that follow each other within less than a gap.
// A row at t asks for [t, t + gap); what overlaps of one key is one session, from its first row to the furthest end that
// a row asked for. The gap is the same for all rows, or each row's own, by an expression. A row joins all the sessions
// that it touches. A session is closed when the watermark of its key, in steps of
// session_step_us, has passed its end, and is kept for rows that are late until `allow` more. What was emitted and then grows
// or is joined is taken back by a retraction, before anything else is said of it.
// Early results: window.h; every `early` since the session's start as it is known then. Where late rows are told apart a
// row that is late makes, or joins, a session of late rows alone: it closes `allow` after its end.
// max_groups sessions at most, of all keys: beyond, the one that ends first is emitted as it stands, partial.
// Memory: need(window): max_groups x (80 + key + states; 4 more with early results), a table of 8 to 16 bytes a session, and the pools of sketches.
// Cost: add() O(rows x states); a session that has to go for a new one O(sessions); collect() and release()
// O(1) while nothing is due, else O(sessions of what closes).
// Threads: one owner. Errors: none; every row that does not count has a counter.
// Source: Akidau et al., The Dataflow Model, VLDB 2015 (merging); half-open as in Apache Beam: rows exactly a gap
// apart are two sessions, where Flink makes them one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "windows/compiled_plan.h"
#include "windows/hash_index.h"
#include "windows/results.h"
#include "windows/window.h"

namespace weir {

class SessionWindow final : public Window {
public:
    static Bytes need(const CompiledWindow& plan, std::size_t partitions_max);
    // name and plan must outlive it.
    SessionWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                  std::size_t partitions_max, std::uint64_t seed);

    void add(const Run& run, Emission& emission) override;
    bool may_evict(std::int64_t earliest, std::int64_t latest) const override;
    bool may_fill_up(std::size_t rows) const override { return rows > cells_.size() - cells_used_; }
    void collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) override;
    void release(const Watermarks& watermarks) override;
    void emit(const Due& due, std::uint16_t flags, Emission& emission) override;
    bool before(const Due& a, const Due& b) const override { return before(a.cell, b.cell); }
    bool has_late_additions() const override { return dirty_count_ > 0; }

    Frontier& frontier() override { return frontier_; }
    std::uint64_t definition() const override { return plan_.definition; }
    const WindowCounters& counters() const override { return counters_; }
    std::size_t intervals_used() const override { return cells_used_; }
    std::size_t cells_used() const override { return cells_used_; }

    static Bytes save_size_max(const CompiledWindow& plan);
    void save(ByteWriter& out) const override;
    bool load(ByteReader& in, std::size_t partitions) override;
    void reset() override;

private:
    static constexpr std::uint32_t none = 0xffffffff;
    // said: emitted as it stands. dirty: to be emitted when the message ends.
    // fresh: rows since the last early result. belated: of late rows alone.
    enum CellFlag : std::uint8_t { used = 1, said = 2, dirty = 4, untrusted = 8, fresh = 16, belated = 32 };
    struct Cell {
        std::int64_t start = 0;
        std::int64_t end = 0;
        std::uint64_t hash = 0;           // of the key
        std::uint64_t partition_hash = 0;
        std::uint32_t list = 0;           // of what closes it
        std::uint32_t next = none;        // in that list, or of the free ones
        std::uint32_t previous = none;
        std::uint32_t revision = 0;       // of its next record
        std::uint8_t flags = 0;
    };
    struct List {
        std::uint32_t head = none;
        std::int64_t least = forever_us;  // before this watermark nothing closes and nothing goes
    };
    // What a row asks for.
    struct Asked {
        std::int64_t start = 0;
        std::int64_t end = 0;
        std::int64_t watermark = 0;  // by which it is judged
        std::uint8_t kind = 0;       // belated: of a session of late rows
    };
    // Of the sessions that a row touches the one that starts first, and whether there are more.
    struct Found {
        std::uint32_t first = none;
        bool more = false;
    };
    bool before(std::uint32_t a, std::uint32_t b) const;
    bool admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending);
    bool ask(const Run& run, std::size_t row, std::int64_t watermark, Asked& asked);
    // Of the sessions that start after `after`.
    Found find(const Run& run, std::size_t row, const Asked& asked, std::int64_t after) const;
    bool is_refused(const Run& run, std::size_t row, const Asked& asked, const Found& found);
    std::uint32_t make_cell(const Run& run, std::size_t row, const Asked& asked, Emission& emission, std::size_t& pending);
    bool join(const Run& run, std::size_t row, const Asked& asked, std::uint32_t first, Emission& emission, std::size_t& pending);
    void stretch(std::uint32_t cell, std::int64_t start, std::int64_t end, std::int64_t watermark, Emission& emission);
    void begin_early(std::uint32_t cell, std::int64_t watermark);
    void take_back(std::uint32_t cell, Emission& emission);
    void say(std::uint32_t cell, std::uint16_t flags, RecordKind kind, Emission& emission);
    void collect_cell(std::uint32_t cell, std::int64_t watermark, std::span<Due> due, std::size_t& count);
    void evict_oldest(const Run& run, Emission& emission, std::size_t& pending);
    void aggregate(const Run& run, std::size_t& pending);
    void mark_late(std::uint32_t cell);
    void unmark(std::uint32_t cell);
    void collect_list(std::uint32_t list, std::int64_t watermark, std::span<Due> due, std::size_t& count);
    void release_list(std::uint32_t list, std::int64_t watermark);
    void free_cell(std::uint32_t cell);
    void link(std::uint32_t cell);
    void unlink(std::uint32_t cell);
    std::byte* key(std::uint32_t cell) { return keys_.data() + cell * plan_.key.width(); }
    const std::byte* key(std::uint32_t cell) const { return keys_.data() + cell * plan_.key.width(); }
    // How long it is kept beyond its end.
    std::int64_t kept(const Cell& cell) const { return plan_.aside && !(cell.flags & belated) ? 0 : plan_.allow; }
    std::int64_t due_at(std::uint32_t cell) const;
    void save_cell(std::uint32_t cell, ByteWriter& out) const;
    bool load_cell(std::uint32_t cell, ByteReader& in, std::size_t partitions);

    const CompiledWindow& plan_;  // size is the gap, or its bound
    std::uint32_t number_;
    std::uint64_t seed_;
    std::span<Cell> cells_;
    std::span<std::byte> keys_;
    HashIndex index_;  // of cells
    std::span<List> lists_;             // one a partition, or one
    Results* results_;
    std::span<std::uint32_t> early_;    // how many early results of a session were due; empty without them
    std::span<std::uint32_t> dirty_;
    Frontier frontier_;
    WindowCounters counters_;
    std::uint32_t free_ = none;
    std::size_t cells_used_ = 0;
    std::size_t dirty_count_ = 0;
    std::int64_t evicted_until_ = never_us;  // the last start of a session that had to go
    std::int64_t said_until_ = never_us;     // the last end of what was emitted and may be taken back
};

}  // namespace weir
