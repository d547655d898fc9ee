// The slow, obvious twin of the engine: maps of everything, unbounded memory, no batches, no columns.
// It knows the rules of DESIGN.md section 5 and shares no code with windows/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace weir::test {

struct TwinRow {
    std::int64_t at = 0;       // ms
    std::int64_t arrival = 0;  // ms
    bool trusted = true;
    std::string site;          // the partition
    std::int64_t lane = 0;
    std::optional<double> speed;
    std::optional<std::int64_t> n;
    std::string vid;
};

struct TwinSpec {
    std::int64_t lateness = 0, idle = 0, max_future = 0, step_max = 0;  // ms
    bool adaptive = false;     // then lateness is the ceiling
    std::int64_t floor = 0;
    double late_share = 0.01;
    std::int64_t size = 0, allow = 0;
    bool aside = false;        // late rows are told apart
    std::int64_t early = 0;    // ms; 0: no early results
    std::string zone;          // of a calendar
    bool hours = false;        // else days
    std::vector<std::int64_t> cuts;  // of a calendar, where one interval ends and the next begins; else size cuts
    int gap = 0;               // of sessions: which of gap_texts, 0 for size
    std::int64_t gap_max = 0;
    std::uint64_t count = 0;   // rows of a count window
    std::int64_t max_wait = 0;
    std::size_t max_groups = 0;
    bool by_site = false;      // else by lane; both when by_both
    bool by_both = false;
    bool filter = false;       // where speed > 10
};

struct TwinResult {
    std::string key;
    std::int64_t start = 0, end = 0;
    std::uint32_t revision = 0;
    std::uint32_t early = 0;   // of an early result: how many were due
    bool late = false;         // of late rows alone
    bool other = false;
    std::vector<TwinRow> rows;  // in journal order
    std::set<std::string> folded;
};

struct TwinCounts {
    std::uint64_t rows = 0, counted = 0, filtered = 0, where_null = 0, late = 0, quarantined = 0, revised = 0, aside = 0, folded = 0, gap_invalid = 0;
};

// The clocks of a place: from each of these instants on (ms) they are so far ahead of UTC. In order.
struct TwinClock {
    std::int64_t from = 0, ahead = 0;
};
// Where its civil days or hours begin, by looking at the clock once a minute: a day when a date is seen that was
// not seen before, an hour when the clock shows another hour, or was moved.
std::vector<std::int64_t> twin_cuts(const std::vector<TwinClock>& clock, bool hours, std::int64_t from, std::int64_t to);

class Twin {
public:
    explicit Twin(const TwinSpec& spec) : spec_(spec) {}
    virtual ~Twin() = default;
    void message(const std::vector<TwinRow>& rows);
    void tick(std::int64_t arrival, bool trusted);
    void close();
    // message() and tick() are these three; between the first two the limit of an aligned source is known.
    void take(const std::vector<TwinRow>& rows);
    void pass(std::int64_t arrival, bool trusted);
    void adopt();
    void say() { emit(); }
    std::int64_t limit = forever;  // no watermark goes further
    // How far it would have come; forever when no partition is active.
    std::int64_t unlimited() const;

    std::vector<TwinResult> results;
    TwinCounts counts;

    static constexpr std::int64_t never = -1'000'000'000'000'000;
    static constexpr std::int64_t forever = 1'000'000'000'000'000;

protected:
    std::int64_t behind_by_lateness(std::int64_t time) const;
    void settle();
    struct Partition {
        std::int64_t greatest = never, watermark = never, own = never, last = 0;
        bool active = false;
    };
    struct Group {
        std::string partition;  // whose watermark closes it, "" for the source's
        std::vector<TwinRow> rows, late_rows;
        std::set<std::string> folded, late_folded;
        std::uint32_t revision = 0;
        bool emitted = false, changed = false;
        bool fresh = false;     // rows since the last early result
    };
    // Ordered as results are: start, "(other)" last, key.
    struct Id {
        std::int64_t start;
        bool other;
        std::optional<std::string> site;
        std::optional<std::int64_t> lane;
        auto operator<=>(const Id&) const = default;
    };

    void arrive(std::int64_t arrival, bool trusted);
    // Whether it is for a window, counted if not.
    bool passes(const TwinRow& row);
    virtual void row(const TwinRow& row);
    std::int64_t closing(const Group& group) const;
    // How many early results of what began at start are due by now, if one is due that was not due before.
    std::uint32_t early_due(std::int64_t start, std::int64_t end, std::int64_t before, std::int64_t now) const;
    void remember_watermarks();
    std::int64_t start_of(std::int64_t at) const;
    std::int64_t end_of(std::int64_t start) const;
    virtual void emit();

    TwinSpec spec_;
    std::map<std::string, Partition> partitions_;
    std::map<std::string, std::int64_t> before_;  // the watermarks of the last emit(); of the source: ""
    std::map<Id, Group> groups_;
    std::map<std::int64_t, std::set<std::string>> admitted_;
    std::int64_t watermark_ = never, own_ = never, elapsed_ = 0, last_arrival_ = never;
    bool last_trusted_ = false, closed_ = false;
    std::vector<std::int64_t> older_, newer_;  // how far events were behind, us
    std::size_t unsettled_ = 0;
    std::int64_t lateness_us_ = -1;            // -1: not known yet
};

}  // namespace weir::test
