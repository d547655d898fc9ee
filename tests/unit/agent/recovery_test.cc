#include "agent/recovery.h"

#include <stdlib.h>

#include <map>

#include "tests/unit/agent/gateway.h"
#include "uplink/flash_vfs.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// Counts of the n of every result, by window start and key; results of one identity must not repeat.
std::map<std::string, int> counts(const std::vector<std::string>& results) {
    std::map<std::string, int> out;
    for (const std::string& json : results) {
        const std::size_t values = json.find("\"values\":{\"n\":");
        const std::string identity = json.substr(0, json.find("\"revision\"")) + json.substr(json.find("\"key\""), values - json.find("\"key\""));
        CHECK(out.count(identity) == 0);
        out[identity] = atoi(json.c_str() + values + 14);
    }
    return out;
}

int sum(const std::map<std::string, int>& all) {
    int total = 0;
    for (const auto& [identity, n] : all) total += n;
    return total;
}

void append(std::vector<std::string>& to, const std::vector<std::string>& more) { to.insert(to.end(), more.begin(), more.end()); }

}  // namespace

TEST_GROUP(Recovery) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path());
    std::uint64_t mark = 0;  // the bridge's

    void cut_power() { (void)!system(("rm -rf '" + folder.path() + "/run'").c_str()); }
    std::vector<std::string> finish(Gateway & gateway) {
        gateway.pipeline->analysis().finish();
        return gateway.ship(mark);
    }
};

TEST(Recovery, a_kill_at_any_point_changes_no_result) {
    std::vector<std::string> expected;
    {
        TemporaryFolder other;
        Gateway whole(Gateway::config_in(other.path()));
        whole.send(0, 300);
        expected = finish(whole);
        mark = 0;
    }
    for (int cut : {0, 1, 61, 62, 63, 150, 299}) {
        TemporaryFolder other;
        mark = 0;
        const std::string text = Gateway::config_in(other.path());
        std::vector<std::string> results;
        {
            Gateway first(text);
            first.send(0, cut / 2);
            CHECK(first.pipeline->checkpoint().ok());
            first.send(cut / 2, cut);
            if (cut % 2) append(results, first.ship(mark));  // some committed and delivered, some only staged
        }
        Gateway second(text);
        second.send(cut, 300);
        append(results, finish(second));
        CHECK(expected == results);
    }
}

TEST(Recovery, a_kill_continues_the_epoch_and_a_power_cut_begins_one) {
    std::uint64_t epoch = 0;
    {
        Gateway first(config);
        first.send(0, 100);
        epoch = first.pipeline->epoch();
    }
    {
        Gateway second(config);
        LONGS_EQUAL(epoch, second.pipeline->epoch());
    }
    cut_power();
    Gateway third(config);
    LONGS_EQUAL(epoch + 1, third.pipeline->epoch());
}

TEST(Recovery, after_a_power_cut_nothing_is_emitted_twice_and_the_gap_is_marked) {
    std::vector<std::string> results;
    {
        Gateway first(config);
        first.send(0, 100);
        first.pipeline->request_flash();
        CHECK(first.pipeline->checkpoint().ok());
        first.store();
        first.send(100, 200);  // lost with tmpfs, but for the results that were committed
        append(results, first.ship(mark));
    }
    const std::size_t before = results.size();
    CHECK(before > 0);
    cut_power();
    Gateway second(config, Gateway::first_ms + 205000);
    second.send(150, 1000);  // 150 to 199 come again, as a power cut of a test would have it
    append(results, finish(second));
    (void)counts(results);  // no identity twice
    STRCMP_CONTAINS("\"partial\":true", results[before].c_str());
    CHECK(second.pipeline->analysis().engine().window_status(0).counters[static_cast<std::size_t>(
              WindowCounter::late_after_power_cut)] > 0);
    STRCMP_EQUAL("", results.back().find("partial") == std::string::npos ? "" : "the gap ends");
}

TEST(Recovery, on_disk_the_journal_brings_back_what_came_since_the_last_flush) {
    config = Gateway::config_in(folder.path(), "journal = { on = \"disk\" }\n");
    std::vector<std::string> results;
    {
        Gateway first(config);
        first.send(0, 100);
        first.pipeline->request_flash();
        CHECK(first.pipeline->checkpoint().ok());
        first.store();
        first.send(100, 200);
        append(results, first.ship(mark));
    }
    cut_power();
    Gateway second(config, Gateway::first_ms + 205000);
    second.send(200, 400);
    append(results, finish(second));
    LONGS_EQUAL(400, sum(counts(results)));
}

TEST(Recovery, another_configuration_closes_the_open_windows_as_partial) {
    std::vector<std::string> results;
    {
        Gateway first(config);
        first.send(0, 100);
        append(results, first.ship(mark));
    }
    Gateway second(Gateway::config_in(folder.path(), "", "speed > 1.0"));
    append(results, second.ship(mark));
    LONGS_EQUAL(100, sum(counts(results)));
    STRCMP_CONTAINS("\"partial\":true", results.back().c_str());
    second.send(100, 200);
    append(results, finish(second));
    LONGS_EQUAL(200, sum(counts(results)) + 0);
}

// Two windows of one source; the second is what edits change.
TEST_GROUP(Edit) {
    std::uint64_t mark = 0;

    static std::string config(const TemporaryFolder& folder, const std::string& other) {
        std::string text = Gateway::config_in(folder.path());
        const std::string window = "[[window]]\nname = \"other\"\nfrom = \"loops\"\nby = [\"site\"]\nsize = \"1m\"\n" + other + "\n";
        return text.insert(text.find("[[alert]]"), window);
    }
    static constexpr const char* before = "max_groups = 8\nselect = { m = \"max(speed)\" }";
    static constexpr const char* after = "max_groups = 8\nselect = { m = \"min(speed)\" }";

    static std::vector<std::string> of(const std::string& window, const std::vector<std::string>& results) {
        std::vector<std::string> out;
        for (const std::string& json : results)
            if (json.find("\"window\":\"" + window + "\"") != std::string::npos) out.push_back(json);
        return out;
    }
    // All that matters but where in the output it came.
    static std::string content(const std::string& json) {
        const std::size_t values = json.find("\"key\"");
        return json.substr(0, json.find("\"revision\"")) + json.substr(values);
    }
    static std::vector<std::string> contents(const std::vector<std::string>& results) {
        std::vector<std::string> out;
        for (const std::string& json : results) out.push_back(content(json));
        return out;
    }
};

TEST(Edit, of_one_window_keeps_the_others_as_if_nothing_had_happened) {
    std::vector<std::string> expected;
    {
        TemporaryFolder elsewhere;
        Gateway whole(Gateway::config_in(elsewhere.path()));
        whole.send(0, 300);
        whole.pipeline->analysis().finish();
        std::uint64_t its_mark = 0;
        expected = whole.ship(its_mark);
    }
    for (int cut : {1, 75, 100, 299}) {
        TemporaryFolder folder;
        mark = 0;
        const std::string old = config(folder, before);
        const std::string edited = config(folder, after);
        std::vector<std::string> results;
        {
            Gateway first(old);
            first.send(0, cut / 2);
            CHECK(first.pipeline->checkpoint().ok());
            first.send(cut / 2, cut);
            if (cut % 2) append(results, first.ship(mark));
        }
        {
            Gateway second(edited, Gateway::first_ms + cut * 1000);
            append(results, second.ship(mark));
            const std::size_t closed = of("other", results).size();
            CHECK(closed > 0);
            STRCMP_CONTAINS("\"partial\":true", of("other", results).back().c_str());
            STRCMP_CONTAINS("\"m\":", of("other", results).back().c_str());
            second.send(cut, std::max(cut, 250));
        }
        Gateway third(edited);  // and it goes on after a kill
        third.send(std::max(cut, 250), 300);
        third.pipeline->analysis().finish();
        append(results, third.ship(mark));
        CHECK(contents(expected) == contents(of("w", results)));
    }
}

TEST(Edit, of_a_window_leaves_detectors_what_they_have_learned) {
    TemporaryFolder folder;
    const std::string watched = "[[alert]]\nname = \"odd\"\nfrom = \"loops\"\nby = [\"site\"]\nmax_groups = 4\nanomaly = { of = \"speed\" }\n";
    const auto learned = [](Gateway& gateway) {
        std::vector<std::byte> bytes(Anomalies::save_size_max(*gateway.assembled.assembly));
        ByteWriter out(bytes);
        gateway.pipeline->analysis().anomalies().save(out);
        bytes.resize(out.size());
        return bytes;
    };
    std::vector<std::byte> before_edit;
    {
        Gateway first(config(folder, before) + watched);
        first.send(0, 200);
        before_edit = learned(first);
    }
    CHECK(before_edit.size() > 2000);
    Gateway second(config(folder, after) + watched, Gateway::first_ms + 200'000);
    CHECK(before_edit == learned(second));
}

TEST(Edit, marks_the_first_intervals_of_what_it_began_as_partial) {
    TemporaryFolder folder;
    {
        Gateway first(config(folder, before));
        first.send(0, 90);
    }
    Gateway second(config(folder, after), Gateway::first_ms + 90000);
    (void)second.ship(mark);
    second.send(90, 400);
    second.pipeline->analysis().finish();
    const std::vector<std::string> results = second.ship(mark);
    const std::vector<std::string> begun = of("other", results);
    STRCMP_CONTAINS("\"partial\":true", begun.front().c_str());
    CHECK(begun.back().find("partial") == std::string::npos);
    for (const std::string& json : of("w", results)) CHECK(json.find("partial") == std::string::npos);
}

TEST(Edit, cut_short_anywhere_is_made_again) {
    // What a start with the edited configuration leaves when it is killed before, or right after, its epoch has begun.
    for (const bool epoch_began : {false, true}) {
        TemporaryFolder folder;
        mark = 0;
        const std::string old = config(folder, before);
        const std::string edited = config(folder, after);
        const std::string run = folder.path() + "/run";
        std::vector<std::string> results;
        {
            Gateway first(old);
            first.send(0, 100);
            CHECK(first.pipeline->checkpoint().ok());
            first.send(100, 130);
            first.store();
        }
        const auto shell = [](const std::string& command) { CHECK(system(command.c_str()) == 0); };
        shell("cp -r '" + run + "' '" + run + ".old' && cp '" + folder.path() + "/state/weir.db' '" + run + ".db'");
        {
            Gateway second(edited, Gateway::first_ms + 130000);
        }
        if (epoch_began) {
            // Its checkpoint has not taken the place of the old one.
            shell("mv '" + run + "/checkpoint' '" + run + "/checkpoint.next' && cp '" + run + ".old/checkpoint' '" + run + "/checkpoint'");
        } else {
            shell("cp '" + run + "/checkpoint' '" + run + ".old/checkpoint.next' && rm -r '" + run + "' && mv '" + run + ".old' '" + run + "'");
            shell("cp '" + run + ".db' '" + folder.path() + "/state/weir.db' && rm -f '" + folder.path() + "/state/weir.db-wal'");
        }
        Gateway third(edited, Gateway::first_ms + 130000);
        third.send(130, 300);
        third.pipeline->analysis().finish();
        append(results, third.ship(mark));
        LONGS_EQUAL(300, sum(counts(of("w", results))));
        for (const std::string& json : of("w", results)) CHECK(json.find("partial") == std::string::npos);
    }
}

// Found by the simulator: the checkpoint of the new configuration released the journal that the old one still needed; and
// it took the old one's place when the edit was taken back.
TEST(Edit, whose_start_fails_at_any_write_is_made_again_or_taken_back_and_loses_nothing) {
    struct : FlashFault {
        int left = 0;
        int before(FlashOperation) override { return left > 0 && --left > 0 ? 0 : 10; }  // SQLITE_IOERR, for good
    } fault;
    bool was_late = false;
    for (int operation = 2; !was_late; ++operation) {
        TemporaryFolder folder;
        mark = 0;
        const bool taken_back = operation % 2 == 1;
        const std::string edited = config(folder, after);
        {
            Gateway first(config(folder, before));
            first.send(0, 100);
            CHECK(first.pipeline->checkpoint().ok());
            first.send(100, 130);
            first.store();
        }
        {
            Assembled assembled(edited);
            const PartOptions options = part_options(*assembled.assembly);
            ManualClock clock(Timestamp::millis(Gateway::first_ms + 130000));
            SeededEntropy entropy(1);
            ArenaBlock block(arena_need(*assembled.assembly, options));
            Arena arena(block.memory());
            OpenReport report;
            auto outbox = Outbox::open(options.outbox, arena, assembled.files, entropy, report);
            CHECK(outbox.ok());
            fault.left = operation / 2;
            set_flash_fault(&fault);
            Recovered recovered;
            Recovery recovery(*assembled.assembly, options, assembled.files, entropy, clock, **outbox, {true, false});
            std::string reason;
            if (recovery.prepare(recovered, reason).ok()) {
                Pipeline::Options pipeline_options;
                pipeline_options.deliver = true;
                pipeline_options.staging_bytes = options.outbox.staging_bytes;
                Pipeline::Parts parts;
                parts.journal = recovered.journal.get();
                parts.checkpoints = recovered.checkpoints.get();
                parts.outbox = outbox->get();
                parts.clock = &clock;
                Pipeline pipeline(arena, *assembled.assembly, Analysis::Options{}, pipeline_options, parts, options.configuration);
                was_late = recovery.fill(pipeline, recovered, reason).ok();
            }
        }
        set_flash_fault(nullptr);
        const std::string then = taken_back ? config(folder, before) : edited;
        {
            Gateway third(then, Gateway::first_ms + 130000);
            third.send(130, 200);
            CHECK(third.pipeline->checkpoint().ok());
        }
        Gateway fourth(then, Gateway::first_ms + 200000);  // after a kill
        fourth.send(200, 300);
        fourth.pipeline->analysis().finish();
        LONGS_EQUAL_TEXT(300, sum(counts(of("w", fourth.ship(mark)))), ("operation " + std::to_string(operation)).c_str());
        CHECK(operation < 400);
    }
}

TEST(Recovery, a_damaged_checkpoint_is_not_believed) {
    {
        Gateway first(config);
        first.send(0, 100);
        CHECK(first.pipeline->checkpoint().ok());
    }
    (void)!system(("head -c 65536 /dev/urandom | dd of='" + folder.path() + "/run/checkpoint' conv=notrunc bs=65536 2>/dev/null").c_str());
    Gateway second(config);
    second.send(100, 200);
    CHECK(!finish(second).empty());
}

TEST(Recovery, another_size_of_journal_or_inflight_loses_nothing) {
    for (const char* keys : {"journal = { size = \"2MiB\" }\n", "checkpoint = \"7s\"\n"}) {
        TemporaryFolder other;
        mark = 0;
        std::vector<std::string> results;
        {
            Gateway first(Gateway::config_in(other.path()));
            first.send(0, 60);
            CHECK(first.pipeline->checkpoint().ok());
            first.send(60, 100);
            append(results, first.ship(mark));
        }
        std::uint64_t epoch = 0;
        {
            Gateway second(Gateway::config_in(other.path(), keys));
            epoch = second.pipeline->epoch();
            second.send(100, 150);
        }
        Gateway third(Gateway::config_in(other.path(), keys));  // and a kill right after
        third.send(150, 200);
        append(results, finish(third));
        LONGS_EQUAL(1, epoch);
        LONGS_EQUAL(200, sum(counts(results)));
        for (const std::string& result : results) CHECK(result.find("partial") == std::string::npos);
    }
}

TEST(Recovery, a_journal_that_cannot_be_read_costs_its_entries_but_not_the_state) {
    {
        Gateway first(config);
        first.send(0, 100);
        CHECK(first.pipeline->checkpoint().ok());
        first.send(100, 110);
    }
    (void)!system(("rm '" + folder.path() + "/run/journal'").c_str());
    Gateway second(config);
    LONGS_EQUAL(2, second.pipeline->epoch());
    second.send(110, 200);
    const std::vector<std::string> results = finish(second);
    LONGS_EQUAL(190, sum(counts(results)));
    STRCMP_CONTAINS("\"partial\":true", results.back().c_str());
}

TEST(Recovery, a_database_that_was_lost_does_not_cost_the_open_windows) {
    {
        Gateway first(config);
        first.send(0, 100);
    }
    (void)!system(("rm -f '" + folder.path() + "'/state/weir.db*").c_str());
    mark = 0;
    Gateway second(config);
    second.send(100, 200);
    LONGS_EQUAL(200, sum(counts(finish(second))));
}

TEST(Recovery, a_power_cut_before_the_first_flush_is_marked_too) {
    {
        Gateway first(config);
        first.send(0, 30);
    }
    cut_power();
    Gateway second(config, Gateway::first_ms + 35000);
    second.send(35, 1000);
    const std::vector<std::string> results = finish(second);
    STRCMP_CONTAINS("\"partial\":true", results[0].c_str());
    STRCMP_EQUAL("", results.back().find("partial") == std::string::npos ? "" : "the gap ends");
}

// Four hundred groups of sketches that close at once: more than the staging ring holds.
TEST_GROUP(LargeClose) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path());
    std::uint64_t mark = 0;

    void setup() override {
        config.replace(config.find("max_groups = 8"), 14, "max_groups = 400");
        config.replace(config.find("mean = \"mean(speed)\""), 20,
                       "mean = \"mean(speed)\", p = \"quantile(speed, 0.5)\", u = \"distinct(vid)\"");
    }
    static void fill(Gateway & gateway) {
        for (int site = 0; site < 400; ++site) {
            for (int i = 0; i < 60; ++i) {
                const std::string topic = "city/t" + std::to_string(site) + "/loop/1";
                std::string payload = event(Gateway::first_ms + i * 500, i);
                payload.replace(payload.find("v1"), 2, "v" + std::to_string(i));
                JournalEntry entry;
                entry.arrival = Timestamp::millis(Gateway::first_ms + 30000);
                entry.clock_trusted = true;
                entry.topic = topic;
                entry.payload = as_byte_span(payload);
                CHECK(gateway.journal().append(entry).ok());
            }
            gateway.pipeline->catch_up();
        }
    }
};

TEST(LargeClose, is_kept_whole_and_once_more_in_a_replay) {
    {
        Gateway first(config);
        fill(first);
        CHECK(first.pipeline->checkpoint().ok());
        first.pipeline->analysis().finish();
        LONGS_EQUAL(0, first.pipeline->counters().staging_dropped);
        CHECK(first.pipeline->counters().results >= 400);
    }
    Gateway second(config);
    second.pipeline->analysis().finish();
    LONGS_EQUAL(400, second.ship(mark).size());
    LONGS_EQUAL(0, second.pipeline->counters().staging_dropped);
}

TEST(LargeClose, that_a_power_cut_cuts_in_two_is_emitted_whole_after_it) {
    config.erase(config.find("partition = \"site\""), 18);  // one frontier for all groups
    {
        Gateway first(config);
        fill(first);
        first.pipeline->request_flash();
        CHECK(first.pipeline->checkpoint().ok());
        first.store();
        first.pipeline->analysis().finish();
        CHECK(first.outbox->counters().committed > 0);  // the ring is smaller than the close
        CHECK(first.outbox->counters().committed < 400);
    }
    (void)system(("rm -rf '" + folder.path() + "/run'").c_str());
    Gateway second(config);
    second.pipeline->analysis().finish();
    LONGS_EQUAL(400, counts(second.ship(mark)).size());  // no identity twice
}
