#include "windows/pattern.h"

#include "tests/unit/windows/pattern_harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using test::Cell;
using test::PatternEvent;
using test::PatternRig;

namespace {

using Events = std::vector<PatternEvent>;

const Schema ticker({{"symbol", ColumnType::text}, {"price", ColumnType::integer}, {"tax", ColumnType::integer}, {"weight", ColumnType::real}});

// Prices of one symbol, a second apart from `from`.
Events prices(std::vector<std::int64_t> values, std::int64_t from = 0, std::string symbol = "ACME", std::int64_t step = 1) {
    Events out;
    for (std::int64_t value : values) {
        out.push_back({from, {symbol, value, std::int64_t{1}, static_cast<double>(value) / 2}});
        from += step;
    }
    return out;
}

PatternSpec spec(std::string match, std::vector<std::pair<std::string, std::string>> define,
                 std::vector<std::pair<std::string, std::string>> measures = {{"n", "count()"}}) {
    PatternSpec out;
    out.by = {"symbol"};
    out.match = std::move(match);
    out.define = std::move(define);
    out.measures = std::move(measures);
    return out;
}

#define SAME(expected, actual) STRCMP_EQUAL(std::string(expected).c_str(), std::string(actual).c_str())

}  // namespace

// Flink's documentation, "Pattern Recognition" (MATCH_RECOGNIZE); its rows and its results.
TEST_GROUP(PatternFlink) {};

TEST(PatternFlink, introduction_a_b_c) {
    const Schema table({{"userid", ColumnType::integer}, {"id", ColumnType::integer}, {"name", ColumnType::text}});
    PatternSpec abc = spec("A B C", {{"A", "name == 'a'"}, {"B", "name == 'b'"}, {"C", "name == 'c'"}},
                           {{"aid", "A.id"}, {"bid", "B.id"}, {"cid", "C.id"}});
    abc.by = {"userid"};
    const auto row = [](std::int64_t at, std::int64_t id, const char* name) { return PatternEvent{at, {std::int64_t{1}, id, std::string(name)}}; };
    SAME("1 2..4 aid=2 bid=3 cid=4", PatternRig(table, abc).run({row(1, 1, "a"), row(2, 2, "a"), row(3, 3, "b"), row(4, 4, "c"), row(5, 5, "a"), row(6, 6, "c")}));
}

TEST(PatternFlink, examples_constantly_decreasing_price) {
    PatternSpec down = spec("START_ROW PRICE_DOWN+ PRICE_UP",
                            {{"PRICE_DOWN", "last(PRICE_DOWN.price, 1) == null && PRICE_DOWN.price < START_ROW.price || PRICE_DOWN.price < last(PRICE_DOWN.price, 1)"},
                             {"PRICE_UP", "PRICE_UP.price > last(PRICE_DOWN.price, 1) || PRICE_UP.price > last(PRICE_DOWN.price)"}},
                            {{"start", "int(START_ROW.time)"}, {"bottom", "int(last(PRICE_DOWN.time))"}, {"end", "int(last(PRICE_UP.time))"}});
    down.after = AfterMatch::last;
    down.after_variable = "PRICE_UP";
    SAME("ACME 4..8 start=4 bottom=7 end=8", PatternRig(ticker, down).run(prices({12, 17, 19, 21, 25, 18, 15, 14, 24, 25, 19})));
}

TEST(PatternFlink, aggregations) {
    const PatternSpec average = spec("A+ B", {{"A", "avg(A.price) < 15"}},
                                     {{"start", "int(first(A.time))"}, {"end", "int(last(A.time))"}, {"avgPrice", "avg(A.price)"}});
    SAME("ACME 0..4 start=0 end=3 avgPrice=14.5; ACME 5..11 start=5 end=10 avgPrice=13.5",
         PatternRig(ticker, average).run(prices({12, 17, 13, 16, 25, 2, 4, 10, 15, 25, 25, 30})));
}

TEST(PatternFlink, greedy_quantifier) {
    const PatternSpec greedy = spec("A B* C", {{"A", "A.price > 10"}, {"B", "B.price < 15"}, {"C", "C.price > 12"}}, {{"lastPrice", "C.price"}});
    SAME("XYZ 3..7 lastPrice=16", PatternRig(ticker, greedy).run(prices({10, 11, 12, 13, 14, 16}, 2, "XYZ")));
}

TEST(PatternFlink, reluctant_quantifier) {
    const PatternSpec reluctant = spec("A B*? C", {{"A", "A.price > 10"}, {"B", "B.price < 15"}, {"C", "C.price > 12"}}, {{"lastPrice", "C.price"}});
    SAME("XYZ 3..5 lastPrice=13; XYZ 6..7 lastPrice=16", PatternRig(ticker, reluctant).run(prices({10, 11, 12, 13, 14, 16}, 2, "XYZ")));
}

TEST(PatternFlink, time_constraint) {
    PatternSpec drop = spec("A B* C", {{"B", "B.price > A.price - 10"}, {"C", "C.price < A.price - 10"}},
                            {{"dropTime", "int(C.time)"}, {"dropDiff", "A.price - C.price"}});
    drop.within = Duration::minutes(60);
    SAME("ACME 7200..10800 dropTime=10800 dropDiff=14", PatternRig(ticker, drop).run(prices({20, 17, 18, 11, 14, 9, 15, 14, 24, 1, 19}, 0, "ACME", 1200)));
}

TEST(PatternFlink, output_mode) {
    const PatternSpec rising = spec("A+ B", {{"A", "last(A.price, 1) == null || A.price > last(A.price, 1)"}, {"B", "B.price < last(A.price)"}},
                                    {{"startPrice", "first(A.price)"}, {"topPrice", "last(A.price)"}, {"lastPrice", "B.price"}});
    SAME("XYZ 2..5 startPrice=10 topPrice=13 lastPrice=11", PatternRig(ticker, rising).run(prices({10, 12, 13, 11}, 2, "XYZ")));
}

TEST(PatternFlink, pattern_variable_referencing) {
    // The fifth row fulfils no condition, so that the match ends with the fourth.
    const PatternSpec sums = spec("A B+", {{"A", "A.price >= 10"}, {"B", "B.price > A.price && sum(price) < 100 && sum(B.price) < 80"}},
                                  {{"all", "sum(price)"}, {"b", "sum(B.price)"}, {"n", "count(B)"}});
    SAME("ACME 0..3 all=76 b=66 n=3", PatternRig(ticker, sums).run(prices({10, 15, 20, 31, 35})));
}

TEST(PatternFlink, logical_offsets) {
    const PatternSpec offsets = spec("A B+", {{"A", "A.price >= 10"},
                                              {"B", "(last(B.price, 1) == null || B.price > last(B.price, 1)) && (last(B.price, 2) == null || B.price > 2 * last(B.price, 2))"}},
                                     {{"last", "B.price"}, {"one", "last(B.price, 1)"}, {"two", "last(B.price, 2)"}, {"three", "last(B.price, 3)"}});
    SAME("ACME 0..3 last=31 one=20 two=15 three=null", PatternRig(ticker, offsets).run(prices({10, 15, 20, 31, 35})));
}

TEST(PatternFlink, logical_offsets_of_all_rows) {
    const PatternSpec all = spec("A B? C", {{"B", "B.price < 20"}, {"C", "last(price, 1) < C.price"}}, {{"b", "B.price"}, {"c", "C.price"}});
    SAME("ACME 0..2 b=15 c=20", PatternRig(ticker, all).run(prices({10, 15, 20})));
    SAME("ACME 0..1 b=null c=20", PatternRig(ticker, all).run(prices({10, 20})));
}

namespace {

PatternSpec after_example(AfterMatch after, std::string variable = "") {
    PatternSpec out = spec("A+ C", {{"A", "sum(A.price) < 30"}}, {{"sumPrice", "sum(A.price)"}});
    out.after = after;
    out.after_variable = std::move(variable);
    return out;
}
// The stream goes on, as in the documentation: with row 7 a match that begins at row 6 could still grow.
std::string after_rows(AfterMatch after, std::string variable = "") {
    PatternRig rig(ticker, after_example(after, std::move(variable)));
    rig.feed(prices({7, 9, 10, 5, 10, 7, 14}, 1, "XYZ"));
    rig.feed(prices({0}, 100, "OTHER"));
    return rig.matches.all();
}

}  // namespace

TEST(PatternFlink, after_match_skip_past_last_row) {
    SAME("XYZ 1..4 sumPrice=26; XYZ 5..7 sumPrice=17", after_rows(AfterMatch::past_last_row));
}

TEST(PatternFlink, after_match_skip_to_next_row) {
    SAME("XYZ 1..4 sumPrice=26; XYZ 2..5 sumPrice=24; XYZ 3..6 sumPrice=25; XYZ 4..7 sumPrice=22; XYZ 5..7 sumPrice=17",
         after_rows(AfterMatch::next_row));
}

TEST(PatternFlink, after_match_skip_to_last_variable) {
    SAME("XYZ 1..4 sumPrice=26; XYZ 3..6 sumPrice=25; XYZ 5..7 sumPrice=17", after_rows(AfterMatch::last, "A"));
}

TEST(PatternFlink, after_match_skip_to_the_first_of_its_own_variable_is_refused) {
    std::vector<Expression> inputs;
    std::string key;
    Problem problem;
    PatternSpec endless = after_example(AfterMatch::first, "A");
    endless.name = "p";
    CHECK_FALSE(compile_pattern(endless, ticker, "", inputs, nullptr, key, problem).has_value());
    SAME("after", key);
    STRCMP_CONTAINS("would not move on", problem.what.c_str());
}

TEST(PatternFlink, order_of_events_is_by_time) {
    PatternRig::Options options;
    options.lateness_s = 10;
    const PatternSpec greedy = spec("A B* C", {{"A", "A.price > 10"}, {"B", "B.price < 15"}, {"C", "C.price > 12"}}, {{"lastPrice", "C.price"}});
    Events events = prices({10, 11, 12, 13, 14, 16}, 2, "XYZ");
    std::swap(events[1], events[4]);
    std::swap(events[0], events[5]);
    SAME("XYZ 3..7 lastPrice=16", PatternRig(ticker, greedy, options).run(events));
}

TEST(PatternFlink, a_last_variable_may_be_greedy_here) {
    // Flink refuses this; here the match is over when a row does not fit, or when its time has passed.
    PatternSpec open = spec("A B*", {{"A", "price == 1"}, {"B", "price == 2"}});
    SAME("ACME 0..3 n=4", PatternRig(ticker, open).run(prices({1, 2, 2, 2, 3})));
    SAME("ACME 0..2 n=3", PatternRig(ticker, open).run(prices({1, 2, 2})));
    open.within = Duration::seconds(5);
    PatternRig rig(ticker, open);
    rig.feed(prices({1, 2, 2}));
    rig.feed(prices({7}, 100, "OTHER"));
    SAME("ACME 0..2 n=3", rig.matches.all());
}

TEST_GROUP(Pattern) {};

TEST(Pattern, alternatives_are_tried_from_left_to_right) {
    const std::vector<std::pair<std::string, std::string>> define = {{"A", "price >= 1"}, {"B", "price >= 2"}, {"C", "price >= 3"}};
    SAME("ACME 0..1 a=3 b=null c=5", PatternRig(ticker, spec("(A | B) C", define, {{"a", "A.price"}, {"b", "B.price"}, {"c", "C.price"}})).run(prices({3, 5})));
    SAME("ACME 0..1 a=null b=3 c=5", PatternRig(ticker, spec("(B | A) C", define, {{"a", "A.price"}, {"b", "B.price"}, {"c", "C.price"}})).run(prices({3, 5})));
    SAME("ACME 0..2 n=3", PatternRig(ticker, spec("A A A | A", {{"A", "price == 1"}})).run(prices({1, 1, 1, 2})));
    SAME("ACME 0..0 n=1; ACME 1..1 n=1", PatternRig(ticker, spec("A A A | A", {{"A", "price == 1"}})).run(prices({1, 1, 2})));
}

TEST(Pattern, counts_in_braces) {
    const std::vector<std::pair<std::string, std::string>> ones = {{"A", "price == 1"}};
    SAME("ACME 0..2 n=3", PatternRig(ticker, spec("A{2,3}", ones)).run(prices({1, 1, 1, 1})));
    SAME("ACME 0..1 n=2; ACME 2..3 n=2", PatternRig(ticker, spec("A{2,3}?", ones)).run(prices({1, 1, 1, 1})));
    SAME("ACME 0..1 n=2; ACME 2..3 n=2", PatternRig(ticker, spec("A{2}", ones)).run(prices({1, 1, 1, 1, 1})));
    SAME("ACME 0..4 n=5", PatternRig(ticker, spec("A{2,}", ones)).run(prices({1, 1, 1, 1, 1})));
    SAME("ACME 0..2 n=3", PatternRig(ticker, spec("A{,2} B", {{"A", "price == 1"}, {"B", "price == 2"}})).run(prices({1, 1, 2})));
}

TEST(Pattern, groups_are_repeated) {
    SAME("ACME 0..4 n=5 b=2", PatternRig(ticker, spec("A (B C)+", {{"A", "price == 1"}, {"B", "price == 2"}, {"C", "price == 3"}}, {{"n", "count()"}, {"b", "count(B)"}})).run(prices({1, 2, 3, 2, 3, 2})));
}

TEST(Pattern, strict_contiguity_allows_no_row_in_between) {
    const std::vector<std::pair<std::string, std::string>> define = {{"A", "price == 1"}, {"B", "price == 2"}};
    SAME("", PatternRig(ticker, spec("A B", define)).run(prices({1, 9, 2})));
    PatternSpec next = spec("A B", define);
    next.contiguity = Contiguity::next;
    SAME("ACME 0..3 n=2", PatternRig(ticker, next).run(prices({1, 9, 9, 2})));
}

TEST(Pattern, skip_till_next_takes_the_first_that_fits) {
    PatternSpec next = spec("A B+ C", {{"A", "price == 1"}, {"B", "price > B.price - 1 && price < 10 && price > 1"}, {"C", "price == 20"}}, {{"n", "count()"}, {"b", "sum(B.price)"}});
    next.contiguity = Contiguity::next;
    SAME("ACME 0..6 n=4 b=5", PatternRig(ticker, next).run(prices({1, 15, 2, 15, 3, 15, 20})));
}

TEST(Pattern, rows_that_where_leaves_out_are_not_there) {
    PatternSpec filtered = spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}});
    filtered.where = "price < 5";
    PatternRig rig(ticker, filtered);
    SAME("ACME 0..2 n=2", rig.run(prices({1, 9, 2})));
    CHECK_EQUAL(1u, rig.counted(PatternCounter::filtered));
}

TEST(Pattern, keys_do_not_see_each_other) {
    Events events = prices({1, 2}, 0, "a", 2);
    const Events other = prices({1, 2}, 1, "b", 2);
    events.insert(events.begin() + 1, other[0]);
    events.push_back(other[1]);
    SAME("a 0..2 n=2; b 1..3 n=2", PatternRig(ticker, spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}})).run(events));
}

TEST(Pattern, measures_of_every_kind) {
    const PatternSpec all = spec("A+ B", {{"A", "price < 10"}},
                                 {{"n", "count()"}, {"a", "count(A)"}, {"w", "count(A.weight)"}, {"s", "sum(A.price)"}, {"m", "mean(weight)"}, {"lo", "min(A.price)"},
                                  {"hi", "max(A.weight)"}, {"f", "first(A.price, 1)"}, {"sym", "first(symbol)"}, {"span", "(B.time - first(A.time)).getSeconds()"},
                                  {"x", "last(A.price * A.tax) + B.price"}, {"big", "A.price > 3"}});
    SAME("ACME 0..3 n=4 a=3 w=3 s=12 m=5.5 lo=3 hi=2.5 f=4 sym=ACME span=3 x=37 big=true", PatternRig(ticker, all).run(prices({3, 4, 5, 32})));
}

TEST(Pattern, null_is_not_counted_and_false) {
    const Schema table({{"symbol", ColumnType::text}, {"price", ColumnType::integer}});
    const Events events = {{0, {std::string("a"), std::int64_t{1}}}, {1, {std::string("a"), Cell()}}, {2, {std::string("a"), std::int64_t{3}}}};
    SAME("a 0..2 n=3 c=2 s=4", PatternRig(table, spec("A B C", {{"C", "price == 3"}}, {{"n", "count()"}, {"c", "count(price)"}, {"s", "sum(price)"}})).run(events));
    SAME("", PatternRig(table, spec("A B", {{"A", "price == 1"}, {"B", "price > 0"}})).run(events));
}

TEST(Pattern, sums_of_ints_beyond_64_bits_are_null) {
    SAME("ACME 0..1 s=null", PatternRig(ticker, spec("A A", {}, {{"s", "sum(price)"}})).run(prices({9223372036854775807, 1})));
}

TEST(Pattern, late_rows_are_counted) {
    PatternRig rig(ticker, spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}}));
    Events events = prices({1, 2}, 10);
    events.push_back(prices({1}, 5)[0]);
    SAME("ACME 10..11 n=2", rig.run(events));
    CHECK_EQUAL(1u, rig.counted(PatternCounter::late));
    CHECK_EQUAL(2u, rig.counted(PatternCounter::counted));
    CHECK_EQUAL(3u, rig.counted(PatternCounter::rows));
}

TEST(Pattern, a_partition_does_not_wait_for_another) {
    PatternSpec ab = spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}});
    PatternRig::Options options;
    options.partition = "symbol";
    PatternRig rig(ticker, ab, options);
    rig.feed(prices({1}, 0, "slow"));
    rig.feed(prices({1, 2, 3}, 10, "fast"));
    SAME("fast 10..11 n=2", rig.matches.all());
    PatternRig waits(ticker, ab, PatternRig::Options());
    waits.feed(prices({1}, 20, "slow"));
    CHECK_EQUAL(1u, waits.pattern().pending());
}

TEST(Pattern, runs_beyond_the_bound_are_given_up_and_counted) {
    PatternSpec many = spec("A+ B", {{"A", "price == 1 && count(A) < 100"}, {"B", "price == 2"}});
    many.max_runs = 4;
    PatternRig rig(ticker, many);
    SAME("ACME 0..9 n=10", rig.run(prices({1, 1, 1, 1, 1, 1, 1, 1, 1, 2})));
    CHECK(rig.counted(PatternCounter::runs_given_up) > 0);
    many.max_runs = 64;
    PatternRig roomy(ticker, many);
    SAME("ACME 0..9 n=10", roomy.run(prices({1, 1, 1, 1, 1, 1, 1, 1, 1, 2})));
    CHECK_EQUAL(0u, roomy.counted(PatternCounter::runs_given_up));
}

TEST(Pattern, keys_and_rows_beyond_their_bounds_are_counted) {
    PatternSpec few = spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}});
    few.max_groups = 2;
    PatternRig rig(ticker, few);
    Events events;
    for (std::int64_t i = 0; i < 4; ++i) events.push_back(prices({1}, 0, "k" + std::to_string(i))[0]);
    rig.feed(events);
    CHECK_EQUAL(2u, rig.counted(PatternCounter::groups_full));
    few.max_groups = 100;
    few.max_pending = 3;
    PatternRig slow(ticker, few);
    slow.feed(events);
    CHECK_EQUAL(1u, slow.counted(PatternCounter::pending_full));
}

TEST(Pattern, keys_without_runs_make_room) {
    PatternSpec one = spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}});
    one.max_groups = 2;  // one of them holds the row that the watermark has not passed
    PatternRig rig(ticker, one);
    for (std::int64_t i = 0; i < 20; ++i) rig.feed(prices({1, 2, 3}, i * 10, "k" + std::to_string(i)));
    rig.finish();
    CHECK_EQUAL(20u, rig.counted(PatternCounter::emitted));
    CHECK_EQUAL(0u, rig.pattern().groups());
}

TEST(Pattern, within_ends_runs_by_the_watermark) {
    PatternSpec timed = spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}});
    timed.within = Duration::seconds(5);
    PatternRig rig(ticker, timed);
    rig.feed(prices({1}, 0));
    rig.feed(prices({9}, 3, "other"));
    CHECK_EQUAL(2u, rig.pattern().groups());
    rig.feed(prices({9}, 20, "other"));
    CHECK_EQUAL(1u, rig.counted(PatternCounter::runs_expired));
    SAME("", rig.matches.all());
}

TEST(Pattern, matches_over_a_gap_are_partial_and_those_below_the_frontier_are_suppressed) {
    const PatternSpec ab = spec("A B", {{"A", "price == 1"}, {"B", "price == 2"}});
    PatternRig rig(ticker, ab);
    rig.mark_gap(1, 2);
    SAME("ACME 0..1 partial n=2", rig.run(prices({1, 2})));
    PatternRig again(ticker, ab);
    CHECK(again.pattern().frontier().set(0, 1'000'000).ok());
    SAME("ACME 2..3 n=2", again.run(prices({1, 2, 1, 2})));
    CHECK_EQUAL(1u, again.counted(PatternCounter::suppressed));
}

TEST(Pattern, its_state_goes_through_bytes) {
    PatternSpec steps = spec("A B* C", {{"A", "price == 1"}, {"B", "price > last(B.price, 1) || last(B.price, 1) == null"}, {"C", "price == 0"}}, {{"n", "count()"}, {"sym", "first(symbol)"}, {"s", "sum(B.weight)"}});
    PatternRig::Options options;
    options.lateness_s = 3;
    const Events events = prices({1, 2, 3, 4, 0, 1, 5, 0, 1, 1, 2, 0});
    PatternRig whole(ticker, steps, options);
    const std::string expected = whole.run(events);
    CHECK(!expected.empty());
    PatternRig cut(ticker, steps, options);
    for (const PatternEvent& event : events) {
        cut.feed({event});
        cut.save_and_load();
    }
    cut.finish();
    SAME(expected, cut.matches.all());
    CHECK_EQUAL(whole.counted(PatternCounter::counted), cut.counted(PatternCounter::counted));
}

TEST(Pattern, hostile_states_are_refused_or_harmless) {
    PatternSpec steps = spec("A B* C", {{"A", "price == 1"}, {"C", "price == 0"}}, {{"n", "count()"}, {"sym", "first(symbol)"}});
    PatternRig::Options options;
    options.lateness_s = 3;
    PatternRig rig(ticker, steps, options);
    rig.feed(prices({1, 2, 3, 4, 5, 6}));
    std::vector<std::byte> bytes(Pattern::save_size_max(rig.plan()));
    ByteWriter out(bytes);
    rig.pattern().save(out);
    bytes.resize(out.size());
    CHECK_FALSE(rig.load(ByteSpan(bytes).first(bytes.size() - 1)));
    for (std::size_t i = 0; i < bytes.size(); ++i)
        for (unsigned flip : {0xffu}) {
            std::vector<std::byte> damaged = bytes;
            damaged[i] ^= static_cast<std::byte>(flip);
            PatternRig other(ticker, steps, options);
            if (!other.load(damaged)) continue;
            other.feed(prices({7, 0, 1, 0}, 8));
            other.finish();
        }
}

namespace {

std::string refused(PatternSpec wrong) {
    std::vector<Expression> inputs;
    std::string key;
    Problem problem;
    wrong.name = "p";
    if (compile_pattern(wrong, ticker, "", inputs, nullptr, key, problem)) return "compiled";
    return key + " " + std::to_string(problem.offset) + ": " + problem.what;
}
#define HAS(part, text) STRCMP_CONTAINS(std::string(part).c_str(), std::string(text).c_str())

}  // namespace

TEST(Pattern, problems_name_key_and_place) {
    HAS("match 0: the pattern may be empty", refused(spec("A*", {})));
    HAS("may be empty", refused(spec("A? B*", {})));
    HAS("may be empty", refused(spec("A{0,} B{0,} C*", {})));
    HAS("match 3: what is repeated here may be empty", refused(spec("A (B?)* C", {})));
    HAS("match 5: a ( is not closed", refused(spec("A B* (C", {})));
    HAS("match 2: expected a variable", refused(spec("A $", {})));
    HAS("match 4: a variable should stand here", refused(spec("A | | B", {})));
    HAS("{} needs a most", refused(spec("A{3,2}", {})));
    HAS("places", refused(spec("(A{100} B){100}", {})));
    HAS("define.X 0: match has no variable X", refused(spec("A B", {{"X", "price > 1"}})));
    HAS("define.B 0: the pattern has no variable C", refused(spec("A B", {{"B", "C.price > 1"}})));
    HAS("define.B 0: no column is called prise; did you mean price?", refused(spec("A B", {{"B", "prise > A.price"}})));
    HAS("did you mean price?", refused(spec("A B", {{"B", "A.prise > price"}})));
    HAS("define.A 0: a condition is true or false, and this is int", refused(spec("A B", {{"A", "price + 1"}})));
    HAS("define.A 0: A is defined twice", refused(spec("A B", {{"A", "price > 1"}, {"A", "price > 2"}})));
    HAS("measures.m 0: last() looks at the rows of one variable", refused(spec("A B", {}, {{"m", "last(A.price * B.tax)"}})));
    HAS("measures.m 0: sum() takes numbers, and symbol is string", refused(spec("A B", {}, {{"m", "sum(A.symbol)"}})));
    HAS("goes back by a number", refused(spec("A B", {}, {{"m", "last(A.price, 9)"}})));
    HAS("which no result can hold", refused(spec("A B", {}, {{"m", "A.time"}})));
    HAS("at least one measure", refused(spec("A B", {}, {})));
    PatternSpec endless = spec("A B*", {});
    endless.contiguity = Contiguity::next;
    HAS("within 0: this match goes on", refused(endless));
}
