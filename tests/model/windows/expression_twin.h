// The slow, obvious twin of windows/expression.h: random trees of every type, what they read as, and what they
// mean for one row, found by walking the tree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/batch.h"
#include "agent/base/time.h"

namespace weir::model {

enum class TwinType { integer, real, boolean, text, instant, span };

// Null is an empty optional around it. Instants and spans are in integer, in microseconds.
struct TwinValue {
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::string text;
};
using MaybeValue = std::optional<TwinValue>;

struct TwinRow {
    std::int64_t at = 0;
    MaybeValue i, j, x, y, b, c, s, t;  // the columns: two of each type
};
const Schema& twin_schema();  // i, j, x, y, b, c, s, t

struct TwinNode {
    TwinType type = TwinType::integer;
    std::string what;  // "column", "literal", an operator or a function
    std::string name;  // of the column; the length, pattern or zone
    MaybeValue value;  // of the literal
    std::vector<TwinNode> args;
};

// A stream of random numbers that is the same everywhere.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_(seed * 2 + 1) {}
    std::uint64_t next();
    std::size_t below(std::size_t count) { return static_cast<std::size_t>(next() >> 33) % count; }
    bool one_in(std::size_t count) { return below(count) == 0; }

private:
    std::uint64_t state_;
};

TwinNode random_tree(Dice& dice, TwinType type, int depth);
TwinRow random_row(Dice& dice);
std::string text_of(const TwinNode& node, Dice& dice);  // spelled one way or another
MaybeValue meaning_of(const TwinNode& node, const TwinRow& row);

}  // namespace weir::model
