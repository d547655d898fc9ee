// A sketch whose kind is known only when the program runs: what `weir sketch` works with.
// Memory: need() of the kind, on the heap; of frequent strings it doubles as longer ones come. Cost: that of the kind.
// Threads: one owner. Errors: no memory, and bytes that are not what they were said to be; problem says what was found.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/json_writer.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"
#include "agent/sketch_lines.h"
#include "agent/sketch_shape.h"

namespace weir {

// What somebody asks of a sketch.
struct SketchQuestions {
    std::vector<double> quantiles;    // ranks in [0, 1] of which the value is wanted
    std::vector<double> values;       // of which the rank is wanted
    std::vector<std::string> items;   // of which the weight is wanted
    std::size_t top = 10;
};

class AnySketch {
public:
    static Result<std::unique_ptr<AnySketch>> make(const SketchShape& shape, Problem& problem);
    virtual ~AnySketch() = default;

    // REQUIRES: values of the shape's type, texts of at most text_bytes_max(); weights if weighs(kind).
    virtual void update(const SketchColumn& column) = 0;
    virtual std::size_t text_bytes_max() const { return std::size_t{64} << 20; }
    virtual Status load(ByteSpan bytes) = 0;
    // REQUIRES: other was made with the same kind, items and counters.
    virtual Status merge(const AnySketch& other) = 0;
    // Of the form that shape names. Error::out_of_range: a weight that floats' form cannot hold.
    virtual Result<std::vector<std::byte>> bytes() = 0;
    // Members of the object that out has open. Error::invalid: an item that is not of the type.
    virtual Status describe(JsonWriter& out, const SketchQuestions& questions, Problem& problem) = 0;

    const SketchShape& shape() const { return shape_; }
    // Values left out: empty strings by all but frequent items, NaN by KLL, NaN and infinities by t-digest.
    std::uint64_t ignored() const { return ignored_; }

protected:
    explicit AnySketch(const SketchShape& shape) : shape_(shape) {}

    SketchShape shape_;
    std::uint64_t ignored_ = 0;
};

}  // namespace weir
