#include "agent/sketch_shape.h"

#include <string>
#include <vector>

#include "agent/any_sketch.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(SketchShape) {
    Problem problem;

    // What the bytes of a sketch of these tell about the type of items or counters.
    ItemType told(const SketchShape& shape, const SketchColumn& column) {
        const auto sketch = AnySketch::make(shape, problem);
        CHECK(sketch.ok());
        (*sketch)->update(column);
        const auto bytes = (*sketch)->bytes();
        CHECK(bytes.ok());
        const Result<SketchShape> read = shape_of(*bytes, {}, problem);
        CHECK_TEXT(read.ok(), problem.what.c_str());
        return shape.kind == SketchKind::count_min ? read->counters : read->items;
    }
    static SketchColumn longs(std::vector<std::int64_t> values) {
        SketchColumn column;
        column.integers = std::move(values);
        return column;
    }
    static SketchColumn reals(std::vector<double> values) {
        SketchColumn column;
        column.reals = std::move(values);
        return column;
    }
    static SketchColumn texts(std::vector<std::string_view> values) {
        SketchColumn column;
        column.texts = std::move(values);
        return column;
    }
    static SketchShape shape(SketchKind kind, ItemType items, ItemType counters = ItemType::real) {
        SketchShape made;
        made.kind = kind;
        made.items = items;
        made.counters = counters;
        return made;
    }
};

TEST(SketchShape, quantile_sketches_tell_floats_from_doubles_by_their_size) {
    for (const SketchKind kind : {SketchKind::kll, SketchKind::tdigest})
        for (const ItemType items : {ItemType::real, ItemType::real32}) {
            CHECK(told(shape(kind, items), reals({})) == ItemType::none);
            for (const std::size_t n : {1, 2, 3, 300, 5000}) {
                std::vector<double> values;
                for (std::size_t i = 0; i < n; ++i) values.push_back(static_cast<double>(i));
                CHECK(told(shape(kind, items), reals(values)) == items);
            }
        }
}

TEST(SketchShape, frequent_strings_are_told_even_where_the_size_would_do_for_numbers) {
    const SketchShape strings = shape(SketchKind::frequent, ItemType::text);
    CHECK(told(strings, texts({"abcd", "efgh", "ijkl"})) == ItemType::text);
    CHECK(told(strings, texts({"a", ""})) == ItemType::text);
    CHECK(told(strings, texts({})) == ItemType::none);
    // Numbers that would do as strings: a length of 4, and 4 bytes; longs from doubles nobody can tell.
    const SketchShape numbers = shape(SketchKind::frequent, ItemType::integer);
    CHECK(told(numbers, longs({4})) == ItemType::none);
    CHECK(told(numbers, longs({0, 1, 2, 3, 4, 5, -1})) == ItemType::none);
    CHECK(told(shape(SketchKind::frequent, ItemType::real), reals({0.5, 1, 2})) == ItemType::none);
}

TEST(SketchShape, counters_of_count_min_are_told_by_their_total) {
    for (const ItemType counters : {ItemType::integer, ItemType::real}) {
        const SketchShape made = shape(SketchKind::count_min, ItemType::integer, counters);
        CHECK(told(made, longs({})) == ItemType::none);
        CHECK(told(made, longs({7})) == counters);
        CHECK(told(made, longs(std::vector<std::int64_t>(5000, 1))) == counters);
        SketchColumn heavy = longs({1, 2});
        heavy.weights = {std::uint64_t{1} << 50, 3};
        CHECK(told(made, heavy) == counters);
    }
}

TEST(SketchShape, names_are_those_of_the_command_line) {
    CHECK(sketch_kind("countmin") == SketchKind::count_min);
    CHECK(sketch_kind("hll") == SketchKind::hll);
    CHECK(sketch_kind("none") == SketchKind::none);
    CHECK(sketch_kind("cpc") == SketchKind::none);
}
