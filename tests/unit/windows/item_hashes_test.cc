#include "windows/item_hashes.h"

#include <string>

#include "tests/unit/windows/harness.h"
#include "windows/compiled_plan.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

const Schema schema({{"i", ColumnType::integer}, {"x", ColumnType::real}, {"s", ColumnType::text}});

struct Rows {
    Rows() : block(Batch::need(schema, {}) + ItemHashes::need(3)), arena(block.memory()), batch(arena, schema, {}), hashes(arena, 3) {}

    void fill(std::size_t rows, std::size_t null_every) {
        batch.clear();
        for (std::size_t i = 0; i < rows; ++i) {
            batch.begin_row();
            if (i % null_every != null_every - 1) {
                batch.set_integer(0, static_cast<std::int64_t>(i) - 5);
                batch.set_real(1, static_cast<double>(i) / 4);
                batch.set_text(2, batch.keep_text(std::string(i % 40, 'a')).value());
            }
            batch.commit_row({});
        }
        hashes.begin(batch.rows());
    }

    ArenaBlock block;
    Arena arena;
    Batch batch;
    ItemHashes hashes;
};

}  // namespace

TEST_GROUP(ItemHashes) {};

TEST(ItemHashes, are_those_that_sketches_work_out_themselves) {
    Rows rows;
    for (std::size_t count : {0U, 1U, 63U, 1024U})
        for (std::size_t null_every : {1U, 2U, 7U, 5000U}) {
            rows.fill(count, null_every);
            for (std::size_t c = 0; c < 3; ++c) LONGS_EQUAL(count, rows.hashes.of(c, rows.batch.column(c)).size());
            for (std::size_t row = 0; row < count; ++row) {
                if (!rows.batch.column(2).present.test(row)) continue;
                CHECK(rows.hashes.of(0, rows.batch.column(0))[row] == hash_integer(rows.batch.column(0).integers[row]));
                CHECK(rows.hashes.of(1, rows.batch.column(1))[row] == hash_real(rows.batch.column(1).reals[row]));
                CHECK(rows.hashes.of(2, rows.batch.column(2))[row] == hash_text(rows.batch.column(2).texts[row]));
            }
        }
}

TEST(ItemHashes, a_column_is_hashed_once_a_batch_and_not_unasked) {
    Rows rows;
    rows.fill(100, 5000);
    LONGS_EQUAL(0, rows.hashes.columns_hashed());
    for (int i = 0; i < 5; ++i) rows.hashes.of(2, rows.batch.column(2));
    LONGS_EQUAL(1, rows.hashes.columns_hashed());
    rows.hashes.of(0, rows.batch.column(0));
    LONGS_EQUAL(2, rows.hashes.columns_hashed());
    rows.fill(3, 5000);
    rows.hashes.of(2, rows.batch.column(2));
    LONGS_EQUAL(3, rows.hashes.columns_hashed());
}

TEST(ItemHashes, aggregates_over_one_column_share_its_hashes_whatever_their_window) {
    EngineSpec spec = engine_of(minute({{"u", "distinct(vid)"}, {"t", "top(vid, 3)"}, {"p", "quantile(speed, 0.5)"}}));
    spec.windows.push_back(minute({{"u", "distinct(vid)"}, {"n", "count()"}}, {}));
    spec.windows[1].name = "all";
    spec.windows.push_back(minute({{"u", "distinct(n)"}, {"l", "top(lane, 2)"}}, {"lane"}));
    spec.windows[2].name = "lanes";
    const EnginePlan plan = compiled(spec);
    LONGS_EQUAL(3, plan.compiled().sources[0].item_hashes.size());  // vid, n, lane

    Harness alone(engine_of(minute({{"u", "distinct(vid)"}, {"t", "top(vid, 3)"}, {"p", "quantile(speed, 0.5)"}})));
    Harness together(spec);
    for (Harness* h : {&alone, &together}) {
        for (int i = 0; i < 3000; ++i) h->send(i * 10, car(i % 2 ? "a" : "b", i % 90, 1, "v" + std::to_string(i % 700)));
        h->close();
    }
    std::size_t compared = 0;
    for (const Emitted& one : alone.out.results)
        for (const Emitted& other : together.out.results)
            if (other.window == "minute" && other.key == one.key && other.start_ms == one.start_ms) {
                const auto without_number = [](const std::string& json) { return json.substr(0, json.rfind(" #")); };
                STRCMP_EQUAL(without_number(one.json).c_str(), without_number(other.json).c_str());
                ++compared;
            }
    LONGS_EQUAL(alone.out.results.size(), compared);
    CHECK(compared > 0);
}
