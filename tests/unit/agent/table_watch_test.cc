#include "agent/table_watch.h"

#include <sys/stat.h>
#include <utime.h>

#include <fstream>

#include "agent/journal_control.h"
#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

// Tables on their way from files through the journal to the engine, and what a crash leaves of it.
TEST_GROUP(TableWatch) {
    TemporaryFolder folder;
    std::uint64_t mark = 0;

    std::string file() const { return folder.path() + "/sites.csv"; }
    // Another time each, so that a test need not wait for the clock.
    void write(const std::string& text) {
        static time_t time = 1000;
        std::ofstream(file()) << text;
        const utimbuf times{++time, time};
        CHECK(::utime(file().c_str(), &times) == 0);
    }
    std::string config_in(const std::string& state) {
        std::string text = Gateway::config_in(state);
        text.replace(text.find("[[source]]"), 10,
                     "[[table]]\nname = \"sites\"\nfile = \"" + file() +
                         "\"\nkey = \"site\"\ncolumns = { limit = \"float\", road = \"string\" }\n[[source]]\nenrich = [\"sites\"]");
        text.replace(text.find("mean = \"mean(speed)\""), 20, "mean = \"mean(speed)\", over = \"max(speed - sites.limit)\", road = \"last(sites.road)\"");
        return text;
    }
    // Larger than one entry of the journal holds.
    std::string rows(int limit) {
        std::string text = "site,limit,road\ns1," + std::to_string(limit) + ",A" + std::to_string(limit) + "\n";
        for (int i = 0; i < 200; ++i) text += "x" + std::to_string(i) + ",50,a road with a long name\n";
        return text;
    }
};

TEST(TableWatch, the_file_reaches_the_engine_through_the_journal_before_the_first_message) {
    write("site,limit,road\ns1,50,A1\n");
    Gateway gateway(config_in(folder.path()));
    CHECK_EQUAL(0u, gateway.pipeline->analysis().engine().table_status(0).rows);  // an entry that waits
    gateway.send(0, 70);
    CHECK_EQUAL(1u, gateway.pipeline->analysis().engine().table_status(0).rows);
    const EnrichmentStatus use = gateway.pipeline->analysis().engine().enrichment_status(0, 0);
    CHECK_EQUAL(35u, use.rows.matched);
    CHECK_EQUAL(35u, use.rows.unmatched);
    gateway.pipeline->analysis().finish();
    const std::vector<std::string> results = gateway.ship(mark);
    bool found = false;
    for (const std::string& result : results) found |= result.find("\"over\":6,\"road\":\"A1\"") != std::string::npos;
    CHECK(found);
}

TEST(TableWatch, a_file_that_changes_is_appended_once_and_one_that_does_not_never) {
    write(rows(50));
    Gateway gateway(config_in(folder.path()));
    const std::uint64_t first = gateway.journal().newest_sequence();
    CHECK(first >= 3);  // several parts
    gateway.tables->poll();
    CHECK_EQUAL(first, gateway.journal().newest_sequence());
    write(rows(50));  // touched
    gateway.tables->poll();
    CHECK_EQUAL(first, gateway.journal().newest_sequence());
    write(rows(30));
    gateway.tables->poll();
    CHECK_EQUAL(2 * first, gateway.journal().newest_sequence());
    gateway.tables->look_again();
    gateway.tables->poll();
    CHECK_EQUAL(2 * first, gateway.journal().newest_sequence());
    gateway.pipeline->catch_up();
    CHECK_EQUAL(2u, gateway.pipeline->analysis().engine().table_status(0).loads);
    CHECK_EQUAL(2u, gateway.tables->status(0).appended);
}

TEST(TableWatch, a_bad_file_is_counted_and_the_old_table_goes_on) {
    write("site,limit,road\ns1,50,A1\n");
    Gateway gateway(config_in(folder.path()));
    for (const char* bad : {"site,limit,road\ns1,fast,A1\n", "site,limit,road\ns1,1,\ns1,2,\n", "nothing"}) {
        write(bad);
        gateway.tables->poll();
    }
    CHECK(::remove(file().c_str()) == 0);
    gateway.tables->poll();
    CHECK_EQUAL(4u, gateway.tables->status(0).bad);
    gateway.send(0, 4);
    CHECK_EQUAL(2u, gateway.pipeline->analysis().engine().enrichment_status(0, 0).rows.matched);
    write("site,limit,road\ns2,50,A1\ns1,50,A1\n");
    gateway.tables->poll();
    gateway.send(4, 6);
    CHECK_EQUAL(4u, gateway.pipeline->analysis().engine().enrichment_status(0, 0).rows.matched);
}

TEST(TableWatch, a_full_journal_takes_the_rest_later) {
    write(rows(50));
    Gateway gateway(config_in(folder.path()));
    gateway.pipeline->catch_up();
    const std::string filler(30000, 'x');
    JournalEntry entry;
    entry.kind = EntryKind::control;
    entry.payload = as_byte_span(filler);
    while (gateway.journal().append(entry).ok()) {
    }
    write(rows(30));
    gateway.tables->poll();
    CHECK_EQUAL(1u, gateway.tables->status(0).appended);
    CHECK(gateway.pipeline->checkpoint().ok());
    gateway.pipeline->catch_up();
    CHECK(gateway.pipeline->checkpoint().ok());
    gateway.tables->poll();
    CHECK_EQUAL(2u, gateway.tables->status(0).appended);
    gateway.pipeline->catch_up();
    CHECK_EQUAL(2u, gateway.pipeline->analysis().engine().table_status(0).loads);
}

// The table changes between events; a kill comes at any point, between the parts of a table too, and the file has
// changed again when the agent starts anew: entries behind the checkpoint meet the table that they met before.
TEST(TableWatch, a_kill_at_any_point_changes_no_result) {
    const auto script = [&](Gateway& gateway, int from, int to) {
        for (int step = from; step < to; ++step) {
            if (step % 2 == 0) {
                write(rows(20 + step));
                gateway.tables->poll();
            } else {
                gateway.send(step * 20, step * 20 + 20);
            }
        }
    };
    std::vector<std::string> expected;
    {
        TemporaryFolder other;
        write(rows(1));
        Gateway whole(config_in(other.path()));
        script(whole, 0, 16);
        whole.pipeline->analysis().finish();
        expected = whole.ship(mark);
        CHECK(expected.size() > 6);
    }
    for (int saved = 0; saved < 16; saved += 3)
        for (int cut : {saved, saved + 1, saved + 2, 15}) {
            TemporaryFolder other;
            mark = 0;
            write(rows(1));
            std::vector<std::string> results;
            {
                Gateway first(config_in(other.path()));
                script(first, 0, saved);
                CHECK(first.pipeline->checkpoint().ok());
                script(first, saved, cut);
                if (cut % 2) results = first.ship(mark);
            }
            Gateway second(config_in(other.path()));
            script(second, cut, 16);
            second.pipeline->analysis().finish();
            const std::vector<std::string> rest = second.ship(mark);
            results.insert(results.end(), rest.begin(), rest.end());
            CHECK(expected == results);
        }
}

TEST(TableWatch, a_checkpoint_between_the_parts_of_a_table_holds_what_came) {
    write(rows(50));
    Gateway first(config_in(folder.path()));
    JournalEntry entry;
    JournalCursor cursor = first.journal().seek(1);
    int parts = 0;
    while (first.journal().next(cursor, entry) && ++parts < 3) first.pipeline->analysis().control(entry.payload);
    CHECK_EQUAL(3, parts);
    std::vector<std::byte> bytes(Analysis::save_size_max(*first.assembled.assembly));
    ByteWriter out(bytes);
    CHECK(first.pipeline->analysis().save(out).ok());
    ArenaBlock block(Analysis::need(*first.assembled.assembly, {}));
    Arena arena(block.memory());
    Collected collected;
    Analysis second(arena, *first.assembled.assembly, {}, collected);
    ByteReader in(out.written());
    CHECK(second.load(in).ok());
    do second.control(entry.payload);
    while (first.journal().next(cursor, entry));
    CHECK_EQUAL(201u, second.engine().table_status(0).rows);
    CHECK_EQUAL(0u, second.engine().table_status(0).refused);
}

TEST(TableWatch, a_control_entry_that_is_none_changes_nothing) {
    write(rows(50));
    Gateway gateway(config_in(folder.path()));
    for (const std::string& payload : {std::string(), std::string("\x01", 1), std::string("\x09hello"), std::string(11, '\x01'), std::string(40, '\x01')})
        gateway.pipeline->analysis().control(as_byte_span(payload));
    gateway.pipeline->catch_up();
    CHECK_EQUAL(201u, gateway.pipeline->analysis().engine().table_status(0).rows);
}
