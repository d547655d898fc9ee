#include "agent/base/batch.h"

#include <memory>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Batch) {
    Schema schema{{{"n", ColumnType::integer}, {"x", ColumnType::real}, {"ok", ColumnType::boolean}, {"s", ColumnType::text}}};
    Batch::Params params{4, 10};
    ArenaBlock block{Batch::need(schema, params)};
    Arena arena{block.memory()};
    Batch batch{arena, schema, params};

    void row(std::int64_t n) {
        batch.begin_row();
        batch.set_integer(0, n);
        batch.commit_row({Timestamp::seconds(n), Timestamp::seconds(n + 1)});
    }
};

TEST(Batch, takes_what_need_says) { UNSIGNED_LONGS_EQUAL(Batch::need(schema, params), arena.used()); }

TEST(Batch, schema_finds_columns_by_name_and_types_by_their_spelling) {
    CHECK(*schema.find("ok") == 2);
    CHECK_FALSE(schema.find("none").has_value());
    for (const ColumnType type : {ColumnType::integer, ColumnType::real, ColumnType::boolean, ColumnType::text})
        CHECK(column_type(name(type)) == type);
    CHECK_FALSE(column_type("double").has_value());
}

TEST(Batch, cells_are_null_until_set) {
    batch.begin_row();
    batch.set_integer(0, -3);
    batch.set_real(1, 2.5);
    batch.set_boolean(2, true);
    batch.set_text(3, "abc");
    batch.commit_row({Timestamp::seconds(1), Timestamp::seconds(2), false});
    batch.begin_row();
    batch.commit_row({});
    UNSIGNED_LONGS_EQUAL(2, batch.rows());
    CHECK(batch.column(0).integers[0] == -3 && batch.column(1).reals[0] == 2.5);
    CHECK(batch.column(2).booleans[0] == 1 && batch.column(3).texts[0] == "abc");
    for (std::size_t column = 0; column < 4; ++column) {
        CHECK(batch.column(column).present.test(0));
        CHECK_FALSE(batch.column(column).present.test(1));
    }
    CHECK(batch.time(0).event == Timestamp::seconds(1) && batch.time(0).arrival == Timestamp::seconds(2));
    CHECK_FALSE(batch.time(0).arrival_trusted);
}

TEST(Batch, row_that_is_not_committed_leaves_nothing) {
    batch.begin_row();
    batch.set_integer(0, 1);
    batch.begin_row();
    batch.commit_row({});
    CHECK_FALSE(batch.column(0).present.test(0));
    UNSIGNED_LONGS_EQUAL(1, batch.rows());
}

TEST(Batch, is_full_at_its_rows_and_empty_after_clear) {
    for (int i = 0; i < 4; ++i) {
        CHECK_FALSE(batch.full());
        row(i);
    }
    CHECK(batch.full());
    batch.clear();
    CHECK(batch.empty());
    batch.begin_row();
    batch.commit_row({});
    CHECK_FALSE(batch.column(0).present.test(0));
}

TEST(Batch, last_row_of_each_message_is_marked) {
    row(1);
    row(2);
    batch.end_message();
    row(3);
    batch.end_message();
    CHECK_FALSE(batch.ends_message(0));
    CHECK(batch.ends_message(1));
    CHECK(batch.ends_message(2));
    CHECK_FALSE(batch.ends_earlier_message());
}

TEST(Batch, message_may_span_batches) {
    row(1);
    batch.clear();
    row(2);
    batch.end_message();
    CHECK(batch.ends_message(0));
    CHECK_FALSE(batch.ends_earlier_message());
}

TEST(Batch, message_that_ends_without_another_row_is_said_by_the_next_batch) {
    row(1);
    batch.clear();
    batch.end_message();
    CHECK(batch.ends_earlier_message());
    CHECK(batch.empty());
    batch.clear();
    CHECK_FALSE(batch.ends_earlier_message());
}

TEST(Batch, message_without_rows_marks_nothing) {
    row(1);
    batch.end_message();
    batch.clear();
    batch.end_message();
    CHECK_FALSE(batch.ends_earlier_message());
    row(2);
    batch.end_message();
    row(3);
    CHECK_FALSE(batch.ends_message(1));
}

TEST(Batch, text_buffer_keeps_until_clear_and_says_when_it_is_full) {
    std::string text = "abcdef";
    const std::string_view kept = *batch.keep_text(text);
    text = "xxxxxx";
    CHECK(kept == "abcdef");
    CHECK(batch.keep_text("12345").error() == Error::full);
    CHECK(*batch.keep_text("1234") == "1234");
    CHECK(batch.keep_text("")->empty());
    CHECK(kept == "abcdef");
    batch.clear();
    CHECK(batch.keep_text("0123456789").ok());
}
