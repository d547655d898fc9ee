#include "agent/anomalies.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr const char* odd_config = R"toml(
[agent]
id = "a1"
[mqtt]
url = "mqtt://127.0.0.1"
[[source]]
name = "loops"
topics = ["city/{site}/loop"]
columns = { speed = "float" }
time = { field = "ts", lateness = "2s" }
[[window]]
name = "w"
from = "loops"
by = ["site"]
size = "1s"
max_groups = 8
select = { n = "count()", mean = "mean(speed)" }
[[alert]]
name = "odd"
from = "loops"
by = ["site"]
max_groups = 3
anomaly = { of = "speed" }
[[alert]]
name = "odd_mean"
from = "w"
anomaly = { of = "mean", method = "novelty", score_above = 0.95 }
[[alert]]
name = "slow"
from = "w"
when = "mean < 0.0"
)toml";

struct Scored final : OutputSink {
    struct One {
        std::size_t alert;
        std::string site;
        std::int64_t start_ms;
        double value;
        double score;
        std::string fields;
        Bytes encoded;
    };
    std::vector<One> all;
    std::string transitions;
    void result(const Record&) override {}
    void alert(const AlertTransition& transition, const Record& record) override {
        transitions += transition.alert->name + (transition.state == AlertState::raised ? "+" : "-") +
                       std::string(record.key[0].value.text) + "@" + std::to_string(record.start.ms()) + " ";
    }
    void score(const AnomalyScore& score) override {
        std::vector<std::byte> buffer(1 << 16);
        ByteWriter out(buffer);
        CHECK(encode(*score.record, out).ok());
        std::string fields;
        for (const Field& field : score.record->values) fields += std::string(field.name) + " ";
        all.push_back({score.alert, std::string(score.record->key[0].value.text), score.record->start.ms(), score.value,
                       score.verdict.score, fields, out.size()});
    }
};

struct Run {
    explicit Run(const Assembly& of) : assembly(of), block(Analysis::need(of, {})), arena(block.memory()), analysis(arena, of, {}, seen) {
        CHECK_EQUAL(block.memory().size(), arena.used());
    }
    void event(int second, const std::string& site, const std::string& speed) {
        const Padded payload("{\"ts\":" + std::to_string(second * 1000) + ",\"speed\":" + speed + "}");
        Message message;
        const std::string topic = "city/" + site + "/loop";
        message.topic = topic;
        message.payload = payload.bytes();
        message.arrival = Timestamp::seconds(second);
        message.arrival_trusted = true;
        analysis.message(0, message);
        analysis.flush();
    }
    // 300 quiet rows, then a spike.
    void series(const std::string& site, int from = 0) {
        for (int i = from; i < 300; ++i) event(i, site, std::to_string(50 + i * 7 % 10));
    }
    const Assembly& assembly;
    Scored seen;
    ArenaBlock block;
    Arena arena;
    Analysis analysis;
};

}  // namespace

TEST_GROUP(Anomalies) {
    Assembled assembled{odd_config};
};

TEST(Anomalies, every_row_of_a_source_has_a_score_and_an_anomaly_raises_and_clears) {
    Run run(*assembled.assembly);
    run.series("s1");
    run.event(300, "s1", "500");
    run.event(301, "s1", "51");
    CHECK(run.seen.transitions.find("odd+s1@300000 odd-s1@301000 ") != std::string::npos);
    std::size_t rows = 0;
    for (const Scored::One& one : run.seen.all)
        if (one.alert == 0) {
            CHECK_EQUAL(static_cast<std::int64_t>(rows) * 1000, one.start_ms);
            CHECK_EQUAL(rows == 300, one.score >= Detector::score_shipped);
            ++rows;
        }
    CHECK_EQUAL(302U, rows);
    STRCMP_EQUAL("speed score expected ", run.seen.all[0].fields.c_str());
}

TEST(Anomalies, results_of_a_window_are_scored_once_by_what_it_selects) {
    Run run(*assembled.assembly);
    run.series("s1");
    run.event(300, "s1", "500");
    run.event(301, "s1", "51");
    run.event(310, "s1", "51");
    CHECK(run.seen.transitions.find("odd_mean+s1@300000 odd_mean-s1@301000") != std::string::npos);
    const auto of_mean = std::find_if(run.seen.all.begin(), run.seen.all.end(), [](const auto& one) { return one.alert == 1; });
    CHECK(of_mean != run.seen.all.end());
    STRCMP_EQUAL("n mean score expected ", of_mean->fields.c_str());
    CHECK_EQUAL(50.0, of_mean->value);
}

TEST(Anomalies, keys_do_not_know_of_each_other_and_one_too_many_is_not_watched) {
    Run run(*assembled.assembly);
    for (int i = 0; i < 300; ++i)
        for (const char* site : {"s1", "s2", "s3", "s4"}) run.event(i, site, std::to_string(i * 7 % 10 + (site[1] - '0') * 1000));
    CHECK_EQUAL(300U, run.analysis.anomalies().unwatched());
    for (const Scored::One& one : run.seen.all) CHECK(one.score < Detector::score_shipped);
    run.event(300, "s2", "9000");
    run.event(300, "s4", "90000");
    STRCMP_CONTAINS("odd+s2@", run.seen.transitions.c_str());
    CHECK(run.seen.transitions.find("odd+s4@") == std::string::npos);
}

TEST(Anomalies, a_row_without_a_value_scores_0_and_changes_nothing) {
    Run with(*assembled.assembly);
    Run without(*assembled.assembly);
    for (int i = 0; i < 300; ++i) {
        with.event(i, "s1", std::to_string(i * 7 % 10));
        without.event(i, "s1", std::to_string(i * 7 % 10));
        with.event(i, "s1", "null");
        CHECK(std::isnan(with.seen.all.back().value));
        CHECK_EQUAL(0.0, with.seen.all.back().score);
    }
    const std::size_t before = with.seen.all.size();
    const std::size_t before_without = without.seen.all.size();
    with.event(300, "s1", "500");
    without.event(300, "s1", "500");
    CHECK(with.seen.all[before].score > 0.99);
    CHECK_EQUAL(without.seen.all[before_without].score, with.seen.all[before].score);
}

TEST(Anomalies, state_survives_saving_and_loading_to_the_last_bit) {
    Run run(*assembled.assembly);
    run.series("s1");
    std::vector<std::byte> bytes(Analysis::save_size_max(*assembled.assembly));
    ByteWriter out(bytes);
    CHECK(run.analysis.save(out).ok());
    Run other(*assembled.assembly);
    ByteReader in(out.written());
    CHECK(other.analysis.load(in).ok());
    CHECK_EQUAL(0U, in.remaining());
    run.seen.all.clear();
    for (Run* each : {&run, &other}) {
        each->event(300, "s1", "500");
        each->event(301, "s2", "52");
        each->event(302, "s1", "52");
    }
    CHECK_EQUAL(run.seen.all.size(), other.seen.all.size());
    for (std::size_t i = 0; i < run.seen.all.size(); ++i) CHECK_EQUAL(run.seen.all[i].score, other.seen.all[i].score);
}

TEST(Anomalies, what_detectors_learned_goes_on_under_another_configuration_where_their_alert_is_the_same) {
    std::string edited = odd_config;
    edited.replace(edited.find("0.95"), 4, "0.90");                                     // of "odd_mean"
    edited.insert(edited.find("[[alert]]"), "[[alert]]\nname = \"fast\"\nfrom = \"w\"\nwhen = \"mean > 900.0\"\n");  // numbers shift
    Assembled other(edited);
    Run before(*assembled.assembly);
    before.series("s1");
    before.series("s2");
    Run after(*other.assembly);
    Run fresh(*other.assembly);
    CHECK_EQUAL(1U, after.analysis.anomalies().adopt(before.analysis.anomalies()));
    before.seen.all.clear();
    for (Run* each : {&before, &after, &fresh}) {
        each->event(300, "s2", "500");
        each->event(301, "s1", "52");
        each->event(303, "s1", "500");
    }
    const auto scores = [](const Run& run, std::size_t alert) {
        std::vector<double> all;
        for (const Scored::One& one : run.seen.all)
            if (one.alert == alert) all.push_back(one.score);
        return all;
    };
    CHECK(scores(before, 0).size() == 3);
    CHECK(scores(before, 0) == scores(after, 1));
    CHECK(scores(before, 0) != scores(fresh, 1));
    CHECK(scores(after, 2) == scores(fresh, 2));
}

TEST(Anomalies, a_state_that_is_cut_or_says_too_much_is_refused) {
    Run run(*assembled.assembly);
    run.series("s1");
    ArenaBlock block(Anomalies::need(*assembled.assembly));
    Arena arena(block.memory());
    struct Nobody final : AnomalySink {
        void scored(const AnomalyScore&) override {}
    } nobody;
    Anomalies other(arena, *assembled.assembly, nobody);
    std::vector<std::byte> bytes(Anomalies::save_size_max(*assembled.assembly));
    ByteWriter out(bytes);
    run.analysis.anomalies().save(out);
    for (Bytes size : {Bytes{0}, Bytes{11}, Bytes{100}, out.size() - 1}) {
        ByteReader cut(out.written().first(size));
        CHECK_FALSE(other.load(cut).ok());
    }
    const std::uint32_t too_many = 4;
    std::memcpy(bytes.data() + 8, &too_many, sizeof too_many);
    ByteReader in(out.written());
    CHECK_FALSE(other.load(in).ok());
}

TEST(Anomalies, records_never_encode_to_more_than_their_bound) {
    Run run(*assembled.assembly);
    run.event(0, std::string(300, 's'), "-1.2345678901234567e-300");  // the key is cut
    run.event(5, "s1", "5");
    CHECK(run.seen.all.size() >= 3);
    for (const Scored::One& one : run.seen.all) {
        const AlertPlan& plan = assembled.assembly->alerts()[one.alert];
        const Bytes base = plan.anomaly->of_source ? 64 : assembled.assembly->engine().record_size_max(plan.anomaly->from);
        CHECK(one.encoded <= base + Anomalies::record_bytes_max(*assembled.assembly, plan));
    }
}
