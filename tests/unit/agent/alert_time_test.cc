// What alerts do with time, through messages and ticks: the same words for any size of batch, and after a save and load.
#include "agent/analysis.h"

#include <array>

#include "agent/journal_control.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

struct Words final : OutputSink {
    std::string text;
    std::vector<std::uint64_t> ids;
    std::uint64_t last = 0;
    bool in_order = true;
    void result(const Record&) override {}
    void alert(const AlertTransition& t, const Record& record) override {
        STRCMP_EQUAL(t.alert->from.text.c_str(), std::string(t.result->window).c_str());  // also of what time alone brought about
        for (const Field& field : t.result->values) CHECK_TEXT(field.name == "folded_keys" || field.value.kind != ValueKind::null, text.c_str());
        const std::string key = t.result->key.empty() ? "" : std::string(t.result->key[0].value.text) + " ";
        text += key + std::string(name(t.state)) + " " + std::string(name(t.reason)) + " " + std::to_string(t.result->end.ms() / 1000) + "\n";
        if (in_order) CHECK_EQUAL(last + 1, t.sequence);
        last = t.sequence;
        ids.push_back(t.id);
        CHECK(t.message == "" || t.message == std::string(t.result->key[0].value.text) + " is slow");
        CHECK(record.kind == RecordKind::alert);
    }
};

}  // namespace

TEST_GROUP(AlertTime) {
    std::unique_ptr<Assembled> assembled;
    Words out;
    Analysis::Options options;
    std::unique_ptr<ArenaBlock> block;
    std::unique_ptr<Analysis> analysis;
    std::vector<std::unique_ptr<std::string>> topics;
    std::vector<std::unique_ptr<Padded>> payloads;

    // small_config's alert with these lines beside it.
    void begin(const std::string& lines, std::size_t rows = batch_rows_max) { begin_config(small_config + lines, rows); }
    void begin_config(const std::string& text, std::size_t rows = batch_rows_max) {
        analysis.reset();
        assembled = std::make_unique<Assembled>(text);
        options.batch_rows = rows;
        out = {};
        make();
    }
    void make() {
        block = std::make_unique<ArenaBlock>(Analysis::need(*assembled->assembly, options));
        Arena arena(block->memory());
        analysis = std::make_unique<Analysis>(arena, *assembled->assembly, options, out);
    }
    void save_and_load() {
        analysis->flush();
        std::vector<std::byte> bytes(Analysis::save_size_max(*assembled->assembly));
        ByteWriter to(bytes);
        CHECK(analysis->save(to).ok());
        make();
        ByteReader in(to.written());
        CHECK(analysis->load(in).ok());
        LONGS_EQUAL(0, in.remaining());
    }
    void row(const char* site, std::int64_t second, double speed) {
        topics.push_back(std::make_unique<std::string>("city/" + std::string(site) + "/loop/1"));
        payloads.push_back(std::make_unique<Padded>(event(second * 1000, speed)));
        analysis->message(0, {*topics.back(), payloads.back()->bytes(), Timestamp::seconds(second), true});
    }
    void tick(std::int64_t second) { analysis->tick(Timestamp::seconds(second), true); }
    void ticks(std::int64_t from, std::int64_t to) {
        for (std::int64_t second = from; second <= to; second += 10) tick(second);
    }
    void says(const char* words) {
        analysis->flush();
        STRCMP_EQUAL(words, out.text.c_str());
        out.text.clear();
    }
};

TEST(AlertTime, a_condition_must_hold) {
    for (const std::size_t rows : {1, 7, 1024}) {
        begin("hold = \"2m\"\nmessage = \"{site} is slow\"\n", rows);
        for (std::int64_t second = 0; second < 360; second += 20) {
            row("s1", second, second < 60 || second >= 120 ? 10 : 25);  // neither in the second minute: it ends the wait
            row("s2", second, second < 240 ? 10 : 40);
            if (second == 200) save_and_load();
        }
        says("s2 raised condition 180\ns1 raised condition 300\ns2 cleared condition 300\n");
        CHECK(out.ids[0] == out.ids[2] && out.ids[1] != out.ids[0]);
    }
}

TEST(AlertTime, and_goes_on_holding_when_no_result_comes) {
    begin("hold = \"3m\"\n");
    tick(0);
    for (std::int64_t second = 0; second < 65; second += 5) row("s1", second, 10);
    ticks(70, 130);
    says("");
    ticks(140, 400);  // the source is silent: its watermark goes with arrival
    says("s1 raised held 240\n");
}

TEST(AlertTime, a_missing_result_keeps_or_clears) {
    for (const bool clear : {false, true}) {
        begin(clear ? "missing = \"clear\"\n" : "");
        for (std::int64_t second = 0; second < 70; second += 5) {
            row("s1", second, 10);
            row("s2", second, 10);
        }
        says("s1 raised condition 60\ns2 raised condition 60\n");
        for (std::int64_t second = 70; second < 300; second += 5) {  // s1 has gone, without a tick
            row("s2", second, 10);
            if (second == 90) save_and_load();
        }
        says("");
        ticks(300, 400);
        says(clear ? "s1 cleared missing 180\ns2 cleared missing 360\n" : "");
    }
}

TEST(AlertTime, time_goes_by_results_alone_too) {
    std::string text = std::string(small_config) + "missing = \"clear\"\n";
    text.replace(text.find("partition = \"site\"\n"), 19, "");
    for (const std::size_t rows : {1, 7, 1024}) {
        begin_config(text, rows);
        for (std::int64_t second = 0; second < 300; second += 5) {
            if (second < 60) row("s1", second, 10);
            row("s2", second, 50);
        }
        says("s1 raised condition 60\ns1 cleared missing 120\n");
    }
}

TEST(AlertTime, a_match_raises_and_it_clears_after_a_while) {
    const std::string text = std::string(small_config) + "do = []\n[[pattern]]\nname = \"jam\"\nfrom = \"loops\"\nby = [\"site\"]\ndefine = { A = \"speed > 60.0\", "
                             "B = \"speed < 5.0\" }\nmatch = \"A B\"\nmeasures = { lost = \"A.speed - B.speed\" }\n"
                             "[[alert]]\nname = \"jammed\"\nfrom = \"jam\"\nwhen = \"lost > 58.0\"\nclear_after = \"30s\"\nseverity = \"critical\"\n";
    begin_config(std::string(text).replace(text.find("mean < 20.0"), 11, "mean < 0.0"));
    CHECK(assembled->assembly != nullptr);
    tick(0);
    row("s1", 1, 61);
    row("s1", 2, 4);  // not lost enough
    row("s1", 3, 70);
    row("s1", 4, 2);
    row("s1", 10, 20);
    ticks(10, 30);
    says("s1 raised condition 4\n");
    row("s1", 31, 70);
    row("s1", 32, 1);  // again: it stands for longer
    row("s1", 50, 30);
    ticks(50, 60);
    says("");
    row("s1", 66, 30);
    ticks(66, 70);
    says("s1 cleared lapsed 62\n");
}

TEST(AlertTime, what_flaps_is_said_once_and_again_when_it_is_calm) {
    begin("flap = { raises = 2, within = \"10m\" }\n");
    for (std::int64_t minute = 0; minute < 12; ++minute)
        for (std::int64_t second = 0; second < 60; second += 20) row("s1", minute * 60 + second, minute % 2 == 0 ? 10 : 40);
    row("s1", 723, 40);
    says("s1 raised condition 60\ns1 cleared condition 120\ns1 raised condition 180\ns1 cleared condition 240\ns1 flapping condition 300\n");
    save_and_load();
    for (std::int64_t second = 740; second < 1400; second += 20) row("s1", second, 40);
    says("");
    tick(1400);
    says("s1 cleared calm 1320\n");
    CHECK(out.ids[5] == out.ids[4] && out.ids[4] != out.ids[3]);
}

namespace {

// small_config with another alert.
std::string with_alert(const std::string& lines) {
    const std::string text = small_config;
    return text.substr(0, text.find("[[alert]]")) + "[[alert]]\nname = \"a\"\nfrom = \"loops\"\n" + lines;
}

}  // namespace

TEST(AlertTime, rows_raise_and_clear_at_once_each_key_by_itself) {
    for (const std::size_t rows : {1, 7, 1024}) {
        begin_config(with_alert("by = [\"site\"]\nwhen = \"speed < 10.0\"\nclear = \"speed > 20.0\"\nmessage = \"{site} is slow\"\n"), rows);
        row("s1", 1, 5);
        row("s1", 2, 15);
        row("s2", 3, 9);
        row("s1", 4, 4);
        says("s1 raised condition 1\ns2 raised condition 3\n");
        save_and_load();
        row("s1", 3, 25);  // older than the newest of its key
        row("s1", 5, 25);
        row("s2", 1'000'000, 25);  // beyond max_future... of nothing: it arrived then
        row("s1", 5, 30);
        says("s1 cleared condition 5\ns2 cleared condition 1000000\n");
        LONGS_EQUAL(1, analysis->alerts().stale());
    }
}

TEST(AlertTime, what_rows_and_windows_say_is_in_one_order_for_any_batch) {
    const std::string text = std::string(small_config) + "[[alert]]\nname = \"b\"\nfrom = \"loops\"\nby = [\"site\"]\nwhen = \"speed < 10.0\"\n";
    std::string first;
    for (const std::size_t rows : {1, 7, 1024}) {
        begin_config(text, rows);
        for (std::int64_t second = 0; second < 600; ++second) row(second % 3 ? "s1" : "s2", second, second / 60 % 2 ? 5 + second % 9 : 40);
        analysis->flush();
        if (first.empty()) first = out.text;
        STRCMP_EQUAL(first.c_str(), out.text.c_str());
    }
    CHECK(first.size() > 1000);
}

TEST(AlertTime, rows_must_hold_too_and_may_lapse) {
    begin_config(with_alert("by = [\"site\"]\nwhen = \"speed < 10.0\"\nhold = \"20s\"\nclear_after = \"1m\"\nclear = \"speed > 100.0\"\n"));
    tick(100);
    row("s1", 100, 5);
    row("s2", 100, 5);
    row("s2", 105, 50);
    row("s1", 110, 5);
    says("");
    row("s1", 120, 5);
    says("s1 raised condition 120\n");
    row("s1", 150, 5);
    ticks(150, 300);
    says("s1 cleared lapsed 210\n");
}

TEST(AlertTime, more_keys_than_max_groups_make_room) {
    begin_config(with_alert("by = [\"site\"]\nmax_groups = 2\nwhen = \"speed < 10.0\"\n"));
    row("s1", 1, 5);
    row("s2", 2, 5);
    row("s3", 3, 5);
    says("s1 raised condition 1\ns2 raised condition 2\ns1 cleared forgotten 3\ns3 raised condition 3\n");
    LONGS_EQUAL(1, analysis->alerts().forgotten());
}

TEST(AlertTime, silence_raises_though_a_key_never_came) {
    for (const std::size_t rows : {1, 1024}) {
        begin_config(with_alert("absent = \"1m\"\nexpect = [\"s1\", \"s9\"]\n"), rows);
        row("s2", 50, 5);  // before the first tick: known from there on
        ticks(100, 150);
        row("s1", 152, 5);
        says("");
        save_and_load();
        ticks(160, 200);
        says("s2 raised absent 160\ns9 raised absent 160\n");
        row("s9", 203, 5);
        row("s9", 204, 5);
        says("s9 cleared came 200\n");
        ticks(210, 300);
        says("s1 raised absent 210\ns9 raised absent 260\n");
        CHECK(out.ids[1] == out.ids[2] && out.ids[4] != out.ids[1]);
    }
}

TEST(AlertTime, a_clock_that_steps_makes_nobody_absent) {
    begin_config(with_alert("absent = \"5m\"\nexpect = [\"s1\"]\n"));
    ticks(100, 200);
    tick(1'000'000);  // at most a minute
    tick(500);        // back: nothing
    tick(510);
    says("");
    ticks(520, 630);
    says("");
    tick(640);
    says("s1 raised absent 640\n");
}

TEST(AlertTime, keys_beyond_max_groups_are_not_watched_and_counted) {
    begin_config(with_alert("absent = \"1m\"\nmax_groups = 2\n"));
    tick(0);
    for (const char* site : {"s1", "s2", "s3", "s3"}) row(site, 1, 5);
    ticks(10, 70);
    says("s1 raised absent 60\ns2 raised absent 60\n");
    LONGS_EQUAL(2, analysis->alerts().unwatched());
}

TEST(AlertTime, an_acknowledgement_is_said_once_and_ends_with_the_clear) {
    begin("");
    for (std::int64_t second = 0; second < 80; second += 10) row("s1", second, 10);
    analysis->flush();
    says("s1 raised condition 60\n");
    std::array<std::byte, acknowledgement_bytes> bytes;
    const auto acknowledge = [&](std::uint64_t key) {
        ByteWriter to(bytes);
        write_acknowledgement(to, {assembled->assembly->alerts()[0].definition, key});
        analysis->control(to.written());
    };
    tick(80);
    acknowledge(12345);  // no such key
    says("");
    acknowledge(0);
    acknowledge(0);
    says("s1 acknowledged person 80\n");
    save_and_load();
    for (std::int64_t second = 80; second < 130; second += 10) row("s1", second, 90);
    for (std::int64_t second = 130; second < 200; second += 10) row("s1", second, 10);
    says("s1 cleared condition 120\n");
}

TEST(AlertTime, hostile_state_of_every_length_is_refused) {
    begin_config(with_alert("absent = \"1m\"\nexpect = [\"s1\"]\n[[alert]]\nname = \"b\"\nfrom = \"loops\"\nby = [\"site\"]\nwhen = \"speed < 10.0\"\n"));
    row("s1", 1, 5);
    analysis->flush();
    std::vector<std::byte> bytes(Alerts::save_size_max(*assembled->assembly));
    ByteWriter to(bytes);
    analysis->alerts().save(to);
    CHECK(to.ok());
    for (Bytes size = 0; size < to.size(); ++size) {
        ByteReader in(to.written().first(size));
        CHECK_FALSE(analysis->alerts().load(in).ok());
    }
    for (Bytes at = 0; at < to.size(); ++at)
        for (const int bit : {0, 3, 7}) {
            std::vector<std::byte> harmed(to.written().begin(), to.written().end());
            harmed[at] ^= std::byte{static_cast<std::uint8_t>(1 << bit)};
            ByteReader in(harmed);
            if (!analysis->alerts().load(in).ok()) continue;
            out.in_order = false;
            row("s1", 2, 5);  // whatever it was, it does no harm
            analysis->flush();
        }
}
