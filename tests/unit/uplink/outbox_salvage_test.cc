// What comes out of damaged files: never a row that is not one of those that went in, never one twice.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/unit/uplink/outbox_fixture.h"
#include "uplink/database.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// A bridge that remembers: what it took of which incarnation, and how far it knows each.
struct Bridge {
    std::map<Incarnation, std::uint64_t> marks;
    std::set<std::uint64_t> got;  // sequences
    unsigned repeated = 0;
    unsigned corrupted = 0;

    // As uplink/client.cc: the greeting, then rows, to the end or so many.
    void session(OutboxFixture& fixture, std::size_t most = SIZE_MAX, bool acknowledge = true) {
        Outbox& outbox = *fixture.outbox;
        const OutboxIdentity identity = outbox.identity();
        if (marks[identity.incarnation] > identity.last_ship) {
            outbox.renew_incarnation();
            (void)outbox.commit().ok();
        } else if (marks[identity.incarnation] > 0) {
            fixture.acknowledge(marks[identity.incarnation]);
        }
        outbox.welcomed();
        std::vector<ShipRow> rows(16);
        std::vector<std::byte> space(fixture.options.record_bytes_max * 2);
        for (int idle = 0; idle < 3 && most > 0;) {
            const Incarnation now = outbox.identity().incarnation;
            std::uint64_t& mark = marks[now];
            const std::size_t count = outbox.next(now, mark, std::span(rows).first(std::min<std::size_t>(16, most)), space);
            for (std::size_t i = 0; i < count; ++i) take(rows[i], mark);
            most -= count;
            idle = count == 0 ? idle + 1 : 0;
            if (acknowledge && mark > 0) outbox.acknowledge(now, mark);
            if (count == 0) (void)outbox.commit().ok();
        }
    }
    void take(const ShipRow& row, std::uint64_t& mark) {
        mark = row.ship;
        const auto sequence = load_le<std::uint64_t>(row.record.data());
        const auto as_it_was = OutboxFixture::body(sequence, row.record.size());
        corrupted += !std::equal(row.record.begin(), row.record.end(), as_it_was.begin());
        repeated += !got.insert(sequence).second;
    }
};

}  // namespace

TEST_GROUP(Salvage) {
    OutboxFixture* fixture = nullptr;
    Bridge bridge;
    std::vector<std::byte> checkpoint = std::vector<std::byte>(20000, std::byte{7});

    void setup() override {
        fixture = new OutboxFixture("salvage");
        fixture->options.number_when_welcomed = true;
        fixture->options.numbered_bytes_max = 6000;
        fixture->options.checkpoint_bytes_max = 40000;
        CHECK(fixture->open().ok());
        (void)*fixture->outbox->begin_epoch();
    }
    void teardown() override {
        bridge = {};
        delete fixture;
    }

    static constexpr std::uint64_t rows = 120;
    // Rows 1 to 120: the first delivered and acknowledged, then some delivered and not acknowledged, some numbered and
    // not delivered, and most without a number. Every tenth is an alert, which overtakes.
    void fill() {
        for (std::uint64_t i = 1; i <= rows; ++i) {
            CHECK(fixture->stage(1, i, i % 10 == 0 ? RecordKind::alert : RecordKind::result, 150 + i * 11 % 900).ok());
            if (i % 20 == 0) CHECK(fixture->outbox->commit().ok());
        }
        bridge.session(*fixture, 30);
        CHECK(fixture->outbox->commit().ok());
        bridge.session(*fixture, 8, false);
        FlashCheckpoint flash;
        flash.info = {{1, rows}, 5000, 2, 99, 0};
        flash.bytes = checkpoint;
        CHECK(fixture->outbox->commit(&flash).ok());
        CHECK(fixture->outbox->close().ok());
        fixture->outbox.reset();
    }
    std::string file() const {
        std::ifstream in(fixture->options.path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(in), {});
    }
    void put(const std::string& content) {
        fixture->outbox.reset();
        std::filesystem::remove(fixture->options.path + "-wal");
        std::ofstream(fixture->options.path, std::ios::binary) << content;
    }
    // The first row in the bytes of the file, whose body all is one byte.
    static std::size_t place_of(const std::string& content, std::uint64_t sequence) {
        return content.find(std::string(100, static_cast<char>(sequence)));
    }
    void deliver_the_rest() {
        for (int i = 0; i < 3; ++i) bridge.session(*fixture);
    }
};

TEST(Salvage, of_a_file_with_a_damaged_page_keeps_identity_numbers_and_all_other_rows) {
    fill();
    std::string content = file();
    const std::size_t page = place_of(content, 85) / 4096;
    content.replace(page * 4096, 8, 8, '\xff');
    put(content);
    CHECK(fixture->open().ok());
    const OutboxIdentity before = fixture->outbox->identity();
    // Nothing has met the page yet: work does.
    for (int i = 0; i < 4; ++i) bridge.session(*fixture);
    CHECK_EQUAL(1, fixture->outbox->counters().set_aside);
    CHECK(fixture->outbox->identity().incarnation == before.incarnation);
    CHECK_EQUAL(0, bridge.repeated);
    CHECK_EQUAL(0, bridge.corrupted);
    const OutboxCounters counters = fixture->outbox->counters();
    CHECK(counters.salvaged_rows > 20);
    CHECK(counters.given_up_rows > 0 && counters.given_up_rows < 12);
    CHECK_EQUAL(rows, bridge.got.size() + counters.given_up_rows);
    CHECK_EQUAL(0, counters.rows);
    CHECK(fixture->stage(1, rows + 1).ok());
    CHECK(fixture->outbox->commit().ok());
    deliver_the_rest();
    CHECK(bridge.got.count(rows + 1) == 1);
}

TEST(Salvage, without_the_state_row_begins_a_new_incarnation_with_nothing) {
    fill();
    {
        auto database = Database::open({fixture->options.path, 65536, fixture->options.bytes_max});
        CHECK((*database)->execute("UPDATE state SET bytes=x'00'").ok());
    }
    CHECK(fixture->open().ok());
    CHECK(fixture->report.set_aside && fixture->report.fresh);
    CHECK_EQUAL(0, fixture->report.rows);
    deliver_the_rest();
    CHECK_EQUAL(0, bridge.repeated);
}

TEST(Salvage, at_a_start_keeps_rows_checkpoint_and_frontiers_and_says_what_it_gave_up) {
    fill();
    {
        auto database = Database::open({fixture->options.path, 65536, fixture->options.bytes_max});
        CHECK((*database)->execute("DROP TABLE ship").ok());  // numbers are gone: who had one is given up
    }
    CHECK(fixture->open().ok());
    CHECK(fixture->report.set_aside && !fixture->report.fresh);
    CHECK_EQUAL(fixture->report.salvaged, fixture->report.rows);
    CHECK(fixture->report.given_up > 0);
    const Result<FlashCheckpointInfo> info = fixture->outbox->checkpoint_info();
    CHECK(info.ok() && info->journal_position == 5000);
    std::vector<std::byte> bytes(info->size);
    CHECK(fixture->outbox->read_checkpoint(bytes).ok());
    CHECK(bytes == checkpoint);
    CHECK_EQUAL(4, fixture->outbox->frontiers()->size());
    deliver_the_rest();
    CHECK_EQUAL(0, bridge.repeated);
    CHECK_EQUAL(0, bridge.corrupted);
    // Some of those without a readable number had been delivered.
    CHECK(bridge.got.size() < rows && bridge.got.size() + fixture->report.given_up >= rows);
}

TEST(Salvage, that_was_cut_short_is_made_again) {
    fill();
    {
        auto database = Database::open({fixture->options.path, 65536, fixture->options.bytes_max});
        CHECK((*database)->execute("DROP TABLE ship").ok());
    }
    CHECK(fixture->open().ok());
    const std::uint64_t salvaged = fixture->report.salvaged;
    fixture->outbox.reset();
    {
        auto database = Database::open({fixture->options.path, 65536, fixture->options.bytes_max});
        const std::string unfinished = "DELETE FROM row WHERE id%2=0; PRAGMA application_id=" + std::to_string(0x57656953);
        CHECK((*database)->execute(unfinished.c_str()).ok());
    }
    CHECK(fixture->open().ok());
    CHECK(fixture->report.set_aside && !fixture->report.fresh);
    CHECK_EQUAL(salvaged, fixture->report.salvaged);
}

// Nothing in the first page has a checksum: SQLite believes it, or some of it only when it writes.
TEST(Salvage, of_a_file_whose_first_page_is_damaged_anywhere_goes_on_and_loses_nothing) {
    fill();
    const std::string whole = file();
    const Bridge before = bridge;
    unsigned set_aside = 0, newer = 0;
    const auto live_on = [&](const std::string& content, std::size_t bit) {
        put(content);
        bridge = before;
        CHECK(fixture->open().ok());
        deliver_the_rest();
        CHECK(fixture->stage(2, 1000).ok());
        for (int i = 0; i < 4; ++i) (void)fixture->outbox->commit().ok();
        deliver_the_rest();
        CHECK_EQUAL(0, bridge.repeated);
        CHECK_EQUAL(0, bridge.corrupted);
        CHECK_EQUAL(1, bridge.got.count(1000));
        set_aside += fixture->report.set_aside || fixture->outbox->counters().set_aside > 0;
        // A version that might be: the file is kept whole under another name, for the Weir that wrote it.
        if (std::filesystem::remove(fixture->options.path + ".newer"))
            ++newer;
        else if (bridge.got.size() != rows + 1)
            FAIL(StringFromFormat("bit %zu of byte %zu: %zu of %zu rows", bit % 8, bit / 8, bridge.got.size(), static_cast<std::size_t>(rows) + 1).asCharString());
    };
    for (std::size_t bit = 0; bit < 800; ++bit) {
        std::string content = whole;
        content[bit / 8] ^= static_cast<char>(1 << bit % 8);
        live_on(content, bit);
    }
    // What says where the tables lie: other letters, one after the other, and the page as a whole.
    for (std::size_t at = 100; at < 4096; at += 7) {
        std::string content = whole;
        content[at] = static_cast<char>(content[at] + 85);
        live_on(content, at * 8);
    }
    for (const char with : {'\0', '\xff', 'x'}) live_on(std::string(whole).replace(0, 4096, 4096, with), 0);
    std::printf("\n1,375 first pages damaged: %u set aside, %u taken for newer\n", set_aside, newer);
    CHECK(set_aside > 300 && newer <= 16);
}

// Bits, bytes and pages, anywhere in the file.
TEST(Salvage, of_files_damaged_at_random_sends_nothing_wrong_and_nothing_twice) {
    fill();
    const std::string whole = file();
    const Bridge before = bridge;
    std::uint64_t random = 20261122;
    const auto any = [&](std::uint64_t n) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>((random >> 33) % n);
    };
    unsigned unhurt = 0, with_loss = 0, set_aside = 0, new_incarnations = 0;
    std::uint64_t delivered = 0, salvaged = 0;
    const unsigned rounds = 400;
    for (unsigned round = 0; round < rounds; ++round) {
        std::string content = whole;
        const std::size_t pages = content.size() / 4096;
        switch (round % 4) {
            case 0: content[any(content.size())] ^= static_cast<char>(1 << any(8)); break;
            case 1:
                for (int i = 0; i < 20; ++i) content[any(content.size())] = static_cast<char>(any(256));
                break;
            case 2: content.replace(any(pages) * 4096, 4096, 4096, '\0'); break;
            default:
                for (std::size_t at = any(pages) * 4096, i = 0; i < 4096; ++i) content[at + i] = static_cast<char>(any(256));
        }
        put(content);
        bridge = before;
        const Status opened = fixture->open();
        CHECK(opened.ok());
        const Incarnation incarnation = fixture->outbox->identity().incarnation;
        deliver_the_rest();
        CHECK(fixture->stage(2, 1000).ok());
        for (int i = 0; i < 4; ++i) (void)fixture->outbox->commit().ok();
        deliver_the_rest();
        CHECK_EQUAL(0, bridge.repeated);
        CHECK_EQUAL(0, bridge.corrupted);
        CHECK_EQUAL(1, bridge.got.count(1000));  // and it goes on
        const bool aside = fixture->report.set_aside || fixture->outbox->counters().set_aside > 0;
        set_aside += aside;
        new_incarnations += fixture->report.fresh;
        salvaged += fixture->outbox->counters().salvaged_rows;
        delivered += bridge.got.size() - 1 - before.got.size();
        (bridge.got.size() == rows + 1 ? unhurt : with_loss) += 1;
        CHECK(incarnation == fixture->outbox->identity().incarnation || aside);
    }
    std::printf("\n%u damaged files: %u delivered all, %u lost some; %u set aside, %u with a new incarnation; "
                "%llu rows salvaged, %llu of %llu delivered\n",
                rounds, unhurt, with_loss, set_aside, new_incarnations, static_cast<unsigned long long>(salvaged),
                static_cast<unsigned long long>(delivered),
                static_cast<unsigned long long>(rounds * (rows - before.got.size())));
    CHECK(set_aside > 20 && salvaged > 100);
}
