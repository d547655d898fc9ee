// `weir replay --alerts`: when each alert would have been raised and cleared, a line each, and what that comes to.
//     2026-01-05T08:03:00Z  raised   congestion  site=s1  p85=12.5 vehicles=40
//     2026-01-05T08:06:00Z  cleared  congestion  site=s1  after 3 min  p85=35 vehicles=12
//     congestion: fired 14 times, median 3 min, longest 12 min, still raised: 1
// Where not the condition but time decided it, and where it has a message, the line says so. As JSON an object a line: alert, state,
// time (ms), reason, id, sequence, severity, key, values, message; a clear says raised and duration_ms; the last
// lines, one an alert, say fired, cleared, raised, median_ms and longest_ms. Times are event times.
// Memory: a buffer, and on the heap an entry a raised key and 8 bytes a clear. Cost: O(bytes). Threads: one owner.
// Errors: sticky, told by finish(); a reader that went away is Error::closed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/analysis.h"
#include "agent/base/result.h"

namespace weir {

// "2026-01-05T08:03:00Z", with milliseconds where there are some.
std::string text_of(Timestamp time);
// For people, the two greatest units: "3 min", "1 h 5 min", "45 s", "500 ms".
std::string text_of(Duration span);
// "site=s1 lane=2"; what a terminal would act on becomes a dot.
std::string text_of_key(const Record& record);
// "p85=12.5 vehicles=40": estimates without their bounds, no lists; of an alert, what decided it (AlertTransition::result).
std::string text_of_values(const Record& record);

class AlertList final : public OutputSink {
public:
    AlertList(int descriptor, bool json, const Assembly& assembly);

    void result(const Record&) override {}
    void alert(const AlertTransition& transition, const Record& record) override;
    Status finish();

private:
    struct Tally {
        std::string name;
        std::uint64_t fired = 0;
        std::map<std::string, Timestamp> raised;  // by key
        std::vector<Duration> stood;              // of those that were cleared
    };
    void say(const AlertTransition& transition, const Record& record, const Timestamp* raised);
    void say_json(const AlertTransition& transition, const Record& record, const Timestamp* raised);
    void sum_up(Tally& tally);
    void write(bool all);

    const int descriptor_;
    const bool json_;
    std::vector<Tally> tallies_;  // in the order of the configuration
    std::string text_;
    std::vector<char> json_text_;
    Status status_;
};

}  // namespace weir
