// What Kafka holds, judged: every record once, in order, as the twin said it; every event counted once, or dropped by a
// counter, or within what a power cut may cost and its window marked as partial.
// Memory: what was seen. Cost: O(records). Threads: one. Errors: trouble() says the first broken promise.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/agent.h"
#include "tests/sim/kafka.h"

namespace weir::sim {

class Checks {
public:
    explicit Checks(std::vector<std::unique_ptr<SimAgent>>& agents) : agents_(agents) {}

    // What has been committed since the last look.
    void look(const Kafka& kafka);
    // After everything has been drained.
    void look_at_the_end();

    // Nothing but order makes an event late: clocks do not step, no broker keeps messages back.
    bool order_decides = false;
    // Of the simulation's beginning.
    std::int64_t begin_minute = 0;
    const std::string& trouble() const { return trouble_; }
    std::uint64_t hash() const { return hash_; }

private:
    struct Window {  // of a site and minute of window w
        std::uint32_t revision = 0;
        bool partial = false;
        std::vector<std::int64_t> digits{0, 0};
        std::int64_t n = 0;
        std::vector<std::int64_t> late_digits{0, 0};
        std::int64_t late_n = 0;
    };
    struct Seen {
        std::map<Incarnation, std::uint64_t> ship;
        std::set<std::pair<std::string, std::uint32_t>> records;  // identity and revision; kinds apart
        std::map<std::uint64_t, std::set<std::uint64_t>> sequences;  // of an epoch
        std::map<std::pair<std::string, std::int64_t>, Window> windows;
        std::uint64_t holes = 0;
    };
    void fail(const std::string& what);
    void take(SimAgent& agent, const Delivered& record);
    void count(SimAgent& agent, const Delivered& record);
    void judge(SimAgent& agent, Seen& seen);
    static unsigned digit(const Window& window, unsigned which);

    std::vector<std::unique_ptr<SimAgent>>& agents_;
    std::map<std::string, Seen> seen_;
    std::size_t looked_ = 0;
    std::uint64_t hash_ = 0;
    std::string trouble_;
};

}  // namespace weir::sim
