// A window operator: rows of a source in, records of groups out. The engine knows no more of a kind of window than this;
// tumbling_window.h is one.
// Memory: none of its own. Threads: one owner. Errors: none; every row that does not count has a counter.
// Source: the operators of Akidau et al., The Dataflow Model, VLDB 2015.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/batch.h"
#include "agent/base/bytes.h"
#include "agent/base/record.h"
#include "windows/counters.h"
#include "windows/frontier.h"
#include "windows/partial_sink.h"
#include "windows/source.h"
#include "windows/watermark.h"

namespace weir {

// What a record says of its cell: its values, those so far while it is open, or those of the rows alone that came late.
enum class Saying : std::uint32_t { result, early, late };

// A record to be made: which cell of which window, and the end of the interval that it is for.
struct Due {
    std::uint32_t window = 0;
    std::uint32_t cell = 0;
    std::int64_t end = 0;
    Saying saying = Saying::result;
};

// Where records come out, shared by the windows of an engine.
struct Emission {
    struct Gap {
        std::int64_t from = 0;
        std::int64_t to = 0;
        std::uint64_t definition = 0;  // of the window or pattern that it concerns; 0: all

        bool touches(std::uint64_t of, std::int64_t start, std::int64_t end) const {
            return (definition == 0 || definition == of) && from < end && to > start;
        }
    };
    RecordSink* sink = nullptr;
    std::uint64_t next_sequence = 1;
    std::span<Gap> gaps;
    std::size_t gap_count = 0;
    std::span<Field> fields;
    std::span<TopItem> top_items;
    std::span<std::byte> sketches;
    bool with_sketches = true;
    std::span<Source* const> sources;  // of the engine; empty behind lanes, whose partials bring their flags along
    PartialSink* partials = nullptr;  // of a lane
    std::span<std::byte> partial;
    std::span<std::byte> state;  // for Record::state; empty: records carry none

    // What is to be said of a record of [start, end), from the rows of a source, by what gaps and sampling touched it.
    std::uint16_t flags(std::uint64_t definition, std::size_t source, std::int64_t start, std::int64_t end) const {
        std::uint16_t flags = source < sources.size() ? sources[source]->sampled().flags(start, end) : std::uint16_t{0};
        for (const Gap& gap : gaps.first(gap_count))
            if (gap.touches(definition, start, end)) flags |= record_partial;
        return flags;
    }
    // When all places are taken the two oldest become one that spans both.
    void mark_gap(std::int64_t from, std::int64_t to, std::uint64_t definition = 0) {
        if (gap_count == gaps.size()) {
            const std::uint64_t both = gaps[0].definition == gaps[1].definition ? gaps[0].definition : 0;
            gaps[0] = {std::min(gaps[0].from, gaps[1].from), std::max(gaps[0].to, gaps[1].to), both};
            std::copy(gaps.begin() + 2, gaps.end(), gaps.begin() + 1);
            --gap_count;
        }
        gaps[gap_count++] = {from, to, definition};
    }
    // The next sequence number and the gaps.
    void save(ByteWriter& out) const {
        out.write(next_sequence);
        out.write(static_cast<std::uint32_t>(gap_count));
        for (const Gap& gap : gaps.first(gap_count)) {
            out.write(gap.from);
            out.write(gap.to);
            out.write(gap.definition);
        }
    }
    bool load(ByteReader& in) {
        next_sequence = in.read<std::uint64_t>();
        const auto count = in.read<std::uint32_t>();
        if (count > gaps.size()) return false;
        gap_count = count;
        for (Gap& gap : gaps.first(gap_count)) {
            gap.from = in.read<std::int64_t>();
            gap.to = in.read<std::int64_t>();
            gap.definition = in.read<std::uint64_t>();
        }
        return in.ok();
    }
};

// Rows [first, last) of a batch, between two closings.
struct Run {
    const Batch& batch;
    std::size_t first = 0;
    std::size_t last = 0;
    Source& source;                          // what it made of these rows
    std::span<const std::uint64_t> hashes;   // of this window's keys
    std::span<std::uint16_t> rows;           // scratch for batch_rows_max
    std::span<std::uint32_t> cells;

    const Watermarks& watermarks() const { return source.watermarks(); }
};

// Whether the evaluated `where`, if there is one, takes the row; if not, the reason is counted.
inline bool passes_where(const Column* where, std::size_t row, WindowCounters& counters) {
    if (!where) return true;
    const bool known = where->present.test(row);
    if (known && where->booleans[row]) return true;
    counters.add(known ? WindowCounter::filtered : WindowCounter::where_null);
    return false;
}

class Window {
public:
    virtual ~Window() = default;

    virtual void add(const Run& run, Emission& emission) = 0;
    // Whether rows of these event times could make it close something early: then they come one by one.
    virtual bool may_evict(std::int64_t earliest, std::int64_t latest) const = 0;
    // Whether so many rows could take all the places there are, likewise.
    virtual bool may_fill_up(std::size_t) const { return false; }
    // Whether any row could make it close something. With two such windows of a source rows come one by one, too.
    virtual bool may_close() const { return false; }

    // Appends what has to be emitted: late additions, what closed since the last call, of what is open the early results
    // for which the time has come, and late records. A cell stands there once.
    virtual void collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) = 0;
    // Frees what lies beyond late_allow. After the records of collect() were emitted.
    virtual void release(const Watermarks& watermarks) = 0;
    virtual void emit(const Due& due, std::uint16_t flags, Emission& emission) = 0;
    // After emit(): whether the cell is due once more, for a later end, which is then in `due`.
    virtual bool is_due_again(Due&) const { return false; }
    // The order of records that are due together and end together, within one window: key, "(other)".
    virtual bool before(const Due& a, const Due& b) const = 0;
    virtual bool has_late_additions() const = 0;

    virtual Frontier& frontier() = 0;
    virtual std::uint64_t definition() const = 0;
    virtual const WindowCounters& counters() const = 0;
    virtual std::size_t intervals_used() const = 0;
    virtual std::size_t cells_used() const = 0;

    virtual void save(ByteWriter& out) const = 0;
    // partitions: how many the source has at most.
    virtual bool load(ByteReader& in, std::size_t partitions) = 0;
    virtual void reset() = 0;
};

}  // namespace weir
