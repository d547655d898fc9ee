#include "agent/analysis.h"

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// An analysis with everything it stands on.
struct Bench {
    Collected out;
    Analysis::Options options;
    ArenaBlock block;
    Arena arena;
    Analysis analysis;
    std::vector<std::unique_ptr<Padded>> payloads;

    explicit Bench(const Assembly& assembly, Analysis::Options given = {})
        : options(given), block(Analysis::need(assembly, given)), arena(block.memory()), analysis(arena, assembly, given, out) {}

    void message(const std::string& topic_text, const std::string& payload, std::int64_t arrival_ms = 1000000) {
        topics.push_back(std::make_unique<std::string>(topic_text));
        payloads.push_back(std::make_unique<Padded>(payload));
        analysis.message(0, {*topics.back(), payloads.back()->bytes(), Timestamp::millis(arrival_ms), true});
    }
    std::vector<std::unique_ptr<std::string>> topics;
};

// A stream over three windows and two sites, with a slow stretch that raises the alert.
void feed(Bench& bench, int from, int to) {
    for (int i = from; i < to; ++i) {
        const std::int64_t ts = 600000 + i * 1000;
        const double speed = i >= 60 && i < 120 ? 10 : 50;
        bench.message(i % 2 ? "city/s1/loop/1" : "city/s2/loop/2", event(ts, speed + i % 7), ts);
    }
}

}  // namespace

TEST_GROUP(Analysis) {
    Assembled assembled{small_config};
    const Assembly& assembly() { return *assembled.assembly; }
};

TEST(Analysis, takes_exactly_the_memory_it_said) {
    Bench bench(assembly());
    LONGS_EQUAL(Analysis::need(assembly(), {}), bench.arena.used());
}

TEST(Analysis, results_and_alerts_share_one_numbering_in_order) {
    Bench bench(assembly());
    feed(bench, 0, 180);
    bench.analysis.finish();
    LONGS_EQUAL(6, bench.out.results.size());
    LONGS_EQUAL(4, bench.out.alerts.size());  // two sites, raised and cleared
    LONGS_EQUAL(10, bench.analysis.last_sequence());
    STRCMP_CONTAINS("\"state\":\"raised\"", bench.out.alerts[0].c_str());
    STRCMP_CONTAINS("\"alert\":\"slow\"", bench.out.alerts[0].c_str());
    STRCMP_CONTAINS("\"state\":\"cleared\"", bench.out.alerts[3].c_str());
}

TEST(Analysis, output_does_not_depend_on_how_rows_are_batched) {
    std::vector<std::string> reference;
    for (std::size_t rows : {1024, 7, 1}) {
        Analysis::Options options;
        options.batch_rows = rows;
        Bench bench(assembly(), options);
        feed(bench, 0, 180);
        bench.analysis.finish();
        std::vector<std::string> all = bench.out.results;
        all.insert(all.end(), bench.out.alerts.begin(), bench.out.alerts.end());
        if (reference.empty()) reference = all;
        CHECK(reference == all);
    }
}

TEST(Analysis, saved_state_goes_on_with_the_same_output) {
    Bench whole(assembly());
    feed(whole, 0, 180);
    whole.analysis.finish();
    for (int cut : {1, 59, 63, 100, 125, 179}) {
        Bench first(assembly());
        feed(first, 0, cut);
        first.analysis.flush();
        std::vector<std::byte> bytes(Analysis::save_size_max(assembly()));
        ByteWriter out(bytes);
        CHECK(first.analysis.save(out).ok());

        Bench second(assembly());
        ByteReader in(out.written());
        CHECK(second.analysis.load(in).ok());
        LONGS_EQUAL(0, in.remaining());
        feed(second, cut, 180);
        second.analysis.finish();
        std::vector<std::string> results = first.out.results;
        results.insert(results.end(), second.out.results.begin(), second.out.results.end());
        std::vector<std::string> alerts = first.out.alerts;
        alerts.insert(alerts.end(), second.out.alerts.begin(), second.out.alerts.end());
        CHECK(whole.out.results == results);
        CHECK(whole.out.alerts == alerts);
    }
}

TEST(Analysis, a_message_that_no_source_wants_is_counted) {
    Bench bench(assembly());
    bench.message("town/s1/loop/1", event(600000, 50));
    bench.message("city/s1/loop/1", event(600000, 50));
    LONGS_EQUAL(1, bench.analysis.unrouted());
    LONGS_EQUAL(2, bench.analysis.messages());
}

TEST(Analysis, finish_partial_marks_every_result) {
    Bench bench(assembly());
    feed(bench, 0, 10);
    bench.analysis.finish_partial();
    LONGS_EQUAL(2, bench.out.results.size());
    for (const std::string& result : bench.out.results) STRCMP_CONTAINS("\"partial\":true", result.c_str());
}

TEST(Analysis, a_configuration_that_only_sends_elsewhere_has_the_same_fingerprint) {
    std::string text = small_config;
    text.replace(text.find("127.0.0.1"), 9, "127.0.0.2");
    CHECK(Assembled(text).assembly->fingerprint() == assembly().fingerprint());
    text.replace(text.find("mean < 20.0"), 11, "mean < 21.0");
    CHECK(Assembled(text).assembly->fingerprint() != assembly().fingerprint());
}

TEST(Analysis, an_error_in_an_expression_points_into_the_file) {
    std::string text = small_config;
    text.replace(text.find("mean(speed)"), 11, "mean(sped)");
    const Assembled wrong(text);
    CHECK(!wrong.assembly);
    LONGS_EQUAL(1, wrong.problems.size());
    LONGS_EQUAL(18, wrong.problems[0].at.line);
    STRCMP_CONTAINS("speed", wrong.problems[0].what.c_str());
}
