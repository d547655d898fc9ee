#include "tests/sim/kafka.h"

#include <iterator>

#include "agent/base/assert.h"

namespace weir::sim {

std::map<std::string, Mark> Kafka::read_marks() const {
    std::map<std::string, Mark> marks;
    for (const auto& [agent, text] : marks_) {
        const Result<Mark> mark = parse_mark(text);
        WEIR_ASSERT(mark.ok());
        marks[agent] = *mark;
    }
    return marks;
}

Kafka::Outcome Kafka::commit(std::uint64_t producer, std::vector<Delivered>& records, const std::map<std::string, Mark>& marks) {
    if (!up) return chance_.unit() < 0.5 ? Outcome::aborted : Outcome::unknown;
    if (producer != producer_) {
        ++fenced;
        return Outcome::fenced;
    }
    if (answer_lost > 0 && chance_.unit() < answer_lost / 2) return Outcome::aborted;
    for (const auto& [agent, mark] : marks) marks_[agent] = format_mark(mark);
    log_.insert(log_.end(), std::make_move_iterator(records.begin()), std::make_move_iterator(records.end()));
    if (answer_lost > 0 && chance_.unit() < answer_lost) {
        ++unknown;
        return Outcome::unknown;
    }
    return Outcome::committed;
}

}  // namespace weir::sim
