// Whether to say something once more: what goes on unchanged is said once, then once in `interval`.
// Two sayings are the same if they agree up to the first " (": details in parentheses (a time, a text of a library)
// may vary. Memory: one string. Cost: a comparison. Threads: its owner's. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/base/clock.h"

namespace weir {

class Repetition {
public:
    static constexpr Duration interval = Duration::minutes(60);

    // Whether this is worth a line now. If not, it is counted.
    bool worth_saying(std::string_view what, MonotonicTime now) {
        const std::string_view same = what.substr(0, what.find(" ("));
        if (same == last_ && now - said_ < interval) {
            ++unsaid_;
            return false;
        }
        before_ = same == last_ ? unsaid_ : 0;
        unsaid_ = 0;
        last_ = same;
        said_ = now;
        return true;
    }
    // How often the same had come, unsaid, before it was found worth saying again.
    std::uint64_t unsaid() const { return before_; }
    // " (as 12 times before)", for the end of the line; empty the first time.
    std::string count_text() const {
        return before_ == 0 ? std::string() : " (as " + std::to_string(before_) + " times before)";
    }
    // It is over: the next is worth a line whatever it is.
    void forget() { last_.clear(); }

private:
    std::string last_;
    MonotonicTime said_{};
    std::uint64_t unsaid_ = 0;
    std::uint64_t before_ = 0;
};

}  // namespace weir
