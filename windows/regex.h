// A regular expression, compiled at start-up.
// Memory: regex_memory bytes on the heap at most, the pattern's program and the matcher's states together.
// The matcher fills its share while it runs, which is why the plan counts the whole from the start.
// Cost: found_in() O(bytes of text), whatever the pattern. Threads: one owner.
// Errors: make() says what is wrong with the pattern, and where in it; found_in() cannot fail.
// Source: RE2, whose syntax it is (github.com/google/re2/wiki/Syntax); no back references, no lookaround.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/problem.h"

namespace weir {

inline constexpr Bytes regex_memory = 320 * 1024;

class Regex {
public:
    // nullptr, and problem with the offset in the pattern.
    static std::unique_ptr<Regex> make(std::string_view pattern, Problem& problem);
    virtual ~Regex() = default;
    // Whether some part of the text matches; ^ and $ tie the pattern to its ends.
    virtual bool found_in(std::string_view text) const = 0;
};

}  // namespace weir
