// The command line of `weir sketch`, taken apart and checked.
// Memory: the words, on the heap. Cost: O(words). Threads: pure functions.
// Errors: a word that is not known or not allowed there; problem says what is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/any_sketch.h"
#include "agent/base/problem.h"
#include "agent/sketch_shape.h"

namespace weir {

std::string_view sketch_help();

struct SketchRequest {
    std::string verb;                   // build, merge or inspect
    std::vector<std::string> operands;  // files, or the kind
    std::map<std::string, std::vector<std::string>> options;
    ItemType items = ItemType::none;    // none: not said, as counters
    ItemType counters = ItemType::none;
    bool weights = false;

    const std::string* option(const std::string& name) const {
        const auto found = options.find(name);
        return found == options.end() ? nullptr : &found->second.back();
    }
};

// All of these are false, with a problem, when something is wrong.
bool parse_request(const std::vector<std::string>& arguments, SketchRequest& request, Problem& problem);
// The shape that `build` is asked for.
bool build_shape(const SketchRequest& request, SketchShape& shape, Problem& problem);
// What the command line says of the result of `merge`.
bool merge_options(const SketchRequest& request, SketchShape& shape, Problem& problem);
bool seed_option(const SketchRequest& request, std::optional<std::uint64_t>& seed, Problem& problem);
bool questions_asked(const SketchRequest& request, SketchQuestions& questions, Problem& problem);
// The kind can hold such items.
bool holds(const SketchShape& shape, Problem& problem);

}  // namespace weir
