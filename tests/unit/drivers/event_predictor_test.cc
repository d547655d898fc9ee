// What is read is compared with the general path in tests/model/drivers; here is what it does not show: that it is read
// by prediction at all, and when.
#include "drivers/event_predictor.h"

#include <string>
#include <vector>

#include "agent/base/arena.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr std::size_t rows_max = 8;

struct Reader {
    MemberTree tree;
    std::vector<CodecTarget> targets;
    Schema schema{{{"speed", ColumnType::real}, {"vid", ColumnType::text}, {"topic", ColumnType::integer}}};
    ArenaBlock block{Batch::need(schema, {.rows = rows_max, .text_bytes = 64})};
    Arena arena{block.memory()};
    Batch batch{arena, schema, {.rows = rows_max, .text_bytes = 64}};
    EventPredictor predictor;
    std::string text;

    Reader() : predictor(make()) {}
    EventTargets make() {
        targets = {{0, ColumnType::real}, {1, ColumnType::text}, {CodecTarget::time_column, ColumnType::integer}};
        int i = 0;
        for (const char* name : {"speed", "vid", "ts"}) tree.set_targets(tree.add({name}), i++);
        return {tree, targets, {false, false, true}, true, TimeUnit::milliseconds};
    }
    EventPredictor::Run read(const std::string& document) {
        text = document + std::string(64, ' ');
        return predictor.read(std::string_view(text).substr(0, document.size()), batch, Timestamp::millis(7), true);
    }
    // As the codec does: what is not read by prediction is learned from, as far as it can be.
    bool predicted(const std::string& event) {
        const bool done = read(event).complete;
        if (!done) predictor.learn(event);
        return done;
    }
};

std::string event(int i, const std::string& more = "") {
    return "{\"ts\":" + std::to_string(1763712000000 + i) + ",\"speed\":57.3,\"vid\":\"a" + std::to_string(i) + "\"" + more + "}";
}

}  // namespace

TEST_GROUP(EventPredictor) {
    Reader r;
};

TEST(EventPredictor, the_second_event_of_a_shape_is_predicted) {
    CHECK_FALSE(r.predicted(event(1)));
    const auto run = r.read(event(2));
    CHECK(run.complete);
    LONGS_EQUAL(1, run.rows);
    LONGS_EQUAL(0, r.batch.rows());
    r.batch.commit_rows(1);
    DOUBLES_EQUAL(57.3, r.batch.column(0).reals[0], 0);
    CHECK(r.batch.column(1).texts[0] == "a2");
    CHECK(r.batch.column(0).present.test(0) && r.batch.column(1).present.test(0) && !r.batch.column(2).present.test(0));
    CHECK(r.batch.time(0).event == Timestamp::millis(1763712000002));
    CHECK(r.batch.time(0).arrival == Timestamp::millis(7));
}

TEST(EventPredictor, an_array_is_read_to_its_end_or_to_the_surprise) {
    r.predicted(event(1));
    auto run = r.read("[" + event(1) + "," + event(2) + " , " + event(3) + "]");
    CHECK(run.complete);
    LONGS_EQUAL(3, run.rows);
    run = r.read("[" + event(1) + "," + event(2) + ",{\"ts\":5}," + event(3) + "]");
    CHECK_FALSE(run.complete);
    LONGS_EQUAL(2, run.rows);
    run = r.read("," + event(1) + "]");
    CHECK(run.complete);
    LONGS_EQUAL(1, run.rows);
    CHECK_FALSE(r.read("[" + event(1) + "] ]").complete);
    CHECK_FALSE(r.read("[" + event(1)).complete);
}

TEST(EventPredictor, a_batch_has_no_more_rows_than_it_has) {
    r.predicted(event(1));
    std::string array = "[" + event(0);
    for (int i = 1; i < 10; ++i) array += "," + event(i);
    const auto run = r.read(array + "]");
    CHECK_FALSE(run.complete);
    LONGS_EQUAL(rows_max, run.rows);
    r.batch.commit_rows(rows_max);
    LONGS_EQUAL(0, r.read(event(1)).rows);
}

TEST(EventPredictor, four_shapes_are_known_at_a_time) {
    for (int round = 0; round < 20; ++round)
        for (const char* more : {"", ",\"a\":1", ",\"b\":1", ",\"c\":\"x\""}) r.predicted(event(round, more));
    for (const char* more : {"", ",\"a\":1", ",\"b\":1", ",\"c\":\"x\""}) CHECK(r.predicted(event(1, more)));
    // A document may have events of several.
    CHECK(r.read("[" + event(1) + "," + event(2, ",\"a\":1") + "," + event(3) + "]").complete);
}

TEST(EventPredictor, a_sender_without_a_shape_is_learned_from_ever_more_rarely) {
    int learned = 0;
    for (int i = 0; i < 4000; ++i) {
        const std::string name = ",\"m" + std::to_string(i) + "\":1";
        r.predicted(event(i, name));
        learned += r.read(event(i, name)).complete;
    }
    CHECK(learned >= 4);
    CHECK(learned < 20);
}

TEST(EventPredictor, after_a_storm_the_old_shape_is_soon_predicted_again) {
    for (int i = 0; i < 5000; ++i) r.predicted(event(i, ",\"m" + std::to_string(i) + "\":1"));
    int missed = 0;
    while (!r.predicted(event(1)) && missed < 5000) ++missed;
    CHECK(missed <= 1100);
    for (int i = 0; i < 50; ++i) CHECK(r.predicted(event(i)));
}

TEST(EventPredictor, nulls_are_said_row_by_row) {
    r.predicted(event(1));
    const auto run = r.read("[" + event(1) + R"(,{"ts":2,"speed":null,"vid":"b"},{"ts":3,"speed":1.5,"vid":null}])");
    CHECK(run.complete);
    r.batch.commit_rows(run.rows);
    const Column& speed = r.batch.column(0);
    const Column& vid = r.batch.column(1);
    CHECK(speed.present.test(0) && !speed.present.test(1) && speed.present.test(2));
    CHECK(vid.present.test(0) && vid.present.test(1) && !vid.present.test(2));
}

TEST(EventPredictor, values_of_unusual_form_are_read_in_place) {
    r.predicted(event(1));
    for (const char* text : {R"({"ts":1763712000123,"speed":-1.5e3,"vid":"Z\u00fcrich"})", R"({"ts":1763712000123,"speed":true,"vid":"a"})"})
        CHECK_FALSE(r.read(text).complete);
    for (const char* text : {R"({"ts":1763712000123,"speed":-1.5e3,"vid":"Zürich, a long name"})", R"({"ts":99,"speed":12345678901234567890,"vid":""})",
                             R"({"ts":1.5,"speed":0.1234567890123,"vid":"1234567"})", R"({"ts":"2025-11-21T08:00:00Z","speed":0,"vid":"12345678"})"})
        CHECK_TEXT(r.read(text).complete, text);
}

TEST(EventPredictor, times_that_repeat_and_times_that_differ_are_each_their_own) {
    r.predicted(event(1));
    const int at[] = {5, 5, 6, 5, 99999, 99999};
    std::string array;
    for (const int i : at) array += (array.empty() ? "[" : ",") + event(i);
    const auto run = r.read(array + "]");
    CHECK(run.complete);
    r.batch.commit_rows(run.rows);
    for (std::size_t i = 0; i < std::size(at); ++i) CHECK(r.batch.time(i).event == Timestamp::millis(1763712000000 + at[i]));
}

TEST(EventPredictor, what_is_no_time_is_no_time_whatever_was_read_before) {
    CHECK_FALSE(r.predicted(event(1)));
    const auto with_time = [](const std::string& time) { return "{\"ts\":" + time + ",\"speed\":57.3,\"vid\":\"a\"}"; };
    for (int round = 0; round < 2; ++round) {
        for (const std::string& time : {std::string(8, '\0'), "17637120" + std::string(8, '\0'), std::string(13, '\0'), std::string("17637120x0001")})
            LONGS_EQUAL(0, r.read(with_time(time)).rows);
        CHECK(r.predicted(event(2)));
    }
}
