// Kafka as far as exactly-once stands on it: transactions that are committed, refused or of unknown end, producers fenced
// by newer ones, and the marks that are written with the records. It keeps every committed record; a reader of
// read_committed sees them in this order.
// Memory: the records. Cost: O(records). Threads: one. Errors: outcomes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "agent/base/record.h"
#include "uplink/bridge/mark.h"

namespace weir::sim {

// A record as Kafka has it, with what the checkers want to know of it.
struct Delivered {
    std::string agent;
    Incarnation incarnation{};
    std::uint64_t epoch = 0;
    std::uint64_t ship = 0;
    std::uint64_t sequence = 0;
    RecordKind kind = RecordKind::result;
    std::uint16_t flags = 0;
    std::string window;
    std::string identity;  // window, definition, key, start, end
    std::string key;
    Timestamp start;
    Timestamp end;
    std::uint32_t revision = 0;
    std::uint64_t content = 0;  // hash of all of it
    std::int64_t n = -1;        // values of these names; -1: not there
    std::vector<std::int64_t> digits;
};

class Kafka {
public:
    enum class Outcome { committed, aborted, unknown, fenced };

    explicit Kafka(std::uint64_t seed) : chance_(seed) {}

    bool up = true;
    double answer_lost = 0;  // chance that a commit happened and nobody hears of it

    // init_transactions(): whoever produced before is fenced. 0: Kafka is away.
    std::uint64_t open_producer() { return up ? ++producer_ : 0; }
    bool is_current(std::uint64_t producer) const { return producer == producer_; }
    // REQUIRES: up.
    std::map<std::string, Mark> read_marks() const;
    // All or nothing.
    Outcome commit(std::uint64_t producer, std::vector<Delivered>& records, const std::map<std::string, Mark>& marks);

    const std::vector<Delivered>& log() const { return log_; }
    std::uint64_t fenced = 0;
    std::uint64_t unknown = 0;

private:
    SeededEntropy chance_;
    std::uint64_t producer_ = 0;
    std::map<std::string, std::string> marks_;  // as text, as the topic has them
    std::vector<Delivered> log_;
};

}  // namespace weir::sim
