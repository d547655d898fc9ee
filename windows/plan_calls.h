// The aggregates in the select texts of one window: found, checked, and their states shared. To the expression around
// them they are inputs. f(x).where(c) is f over the rows for which c is true: to f the others are null.
// Memory: heap, at start-up only. Cost: O(text). Threads: one owner. Errors: a Problem with place and what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "windows/compiled_plan.h"
#include "windows/compiler.h"
#include "windows/syntax.h"

namespace weir {

class AggregateCalls final : public Inputs {
public:
    // All must outlive it. Inputs and item hashes go to the source, states and calls to the window.
    AggregateCalls(CompiledSource& source, const Schema& schema, CompiledWindow& window, const Zones* zones)
        : source_(source), schema_(schema), window_(window), zones_(zones) {}

    static bool is_aggregate(const Node& node);
    // The index among the window's calls. REQUIRES: is_aggregate(node).
    std::optional<std::size_t> call(const Node& node, Problem& problem);

    std::optional<Input> input(const Node& node, Problem& problem) override;
    std::string unknown(const Node& node) const override;

private:
    // A call without what stands behind it.
    struct Parts {
        Node call;
        std::optional<Node> where;
    };
    static Parts parts_of(const Node& node);
    bool condition(const Node& where, Problem& problem) const;
    std::optional<ColumnType> argument(const Parts& parts, Function function, StateSpec& state, Problem& problem);
    std::size_t shared(StateSpec state);

    CompiledSource& source_;
    const Schema& schema_;
    CompiledWindow& window_;
    const Zones* zones_;
};

// Where the expression stands among the source's inputs; added when it does not.
std::size_t add_input(CompiledSource& source, Expression expression);
// Where value stands in list, likewise.
std::size_t index_of(std::vector<std::size_t>& list, std::size_t value);
ValueKind value_kind(ColumnType type);

}  // namespace weir
