// Seven days without a bridge, in virtual time: engine, outbox and a paced reader behind it. The default is small enough for
// a test run, with an outbox that has to coarsen through several levels; WEIR_OUTAGE=long has the real figures: 16 MiB,
// windows of 10 s, 100 keys, sketches (`tests/model/coarsen/outage`).

#include <sqlite3.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "tests/model/coarsen/gateway.h"
#include "uplink/flash_vfs.h"

#include <CppUTest/TestHarness.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

using namespace weir;
using namespace weir::test;

namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t begin_ms = 1'700'006'400'000;  // a midnight

struct Setting {
    Bytes outbox = Bytes{1} << 20;
    std::size_t keys = 10;
    std::int64_t window_s = 60;
    std::int64_t minutes = 7 * 24 * 60;
    unsigned events_a_window = 2;
    bool tells = false;
    Bytes staging = Bytes{128} << 10;
};

WindowSpec window_of(std::string name, std::int64_t seconds, std::size_t keys, bool sketches) {
    WindowSpec window = Gateway::window_of(std::move(name), Duration::seconds(seconds), keys);
    if (sketches) window.select.insert(window.select.end(), {{"d", "distinct(n)"}, {"q", "quantile(n, 0.9)"}});
    return window;
}

// From a sync on nothing is written any more.
class PowerCut final : public FlashFault {
public:
    void at_sync(int number) {
        left_ = number;
        syncs_ = 0;
    }
    void is_mended() { left_ = -1; }
    int before(FlashOperation operation) override {
        if (left_ > 0 && operation == FlashOperation::sync) --left_, ++syncs_;
        else if (left_ == 0 && operation == FlashOperation::sync) cuts.push_back(syncs_), left_ = gone;
        return left_ == gone && operation != FlashOperation::open ? SQLITE_IOERR_WRITE : SQLITE_OK;
    }
    std::vector<int> cuts;

private:
    static constexpr int gone = -2;
    int left_ = -1;
    int syncs_ = 0;
};

class Outage {
public:
    explicit Outage(const Setting& setting)
        : setting_(setting), gateway_(Gateway::spec_of({window_of("fine", setting.window_s, setting.keys, true), window_of("hours", 3600, setting.keys, true)})),
          fixture_("outage") {
        OutboxOptions& options = fixture_.options;
        options.bytes_max = setting.outbox;
        options.record_bytes_max = 16 << 10;
        options.staging_bytes = setting.staging;
        options.send_bytes = Bytes{32} << 10;
        options.numbered_bytes_max = Bytes{16} << 10;
        options.backlog_bytes_max = Bytes{8} << 10;
        options.frontiers_max = 64;
        options.cache_bytes = Bytes{128} << 10;
        options.number_when_welcomed = true;
        options.coarsen = true;
        options.merger = &gateway_.merger;
        options.groups_max = ResultMerger::groups_max(gateway_.plan);
        CHECK(fixture_.open().ok());
        gateway_.attach(*fixture_.outbox, 1);
        sqlite3_memory_highwater(1);
    }

    void run() {
        // An hour with a bridge, then none.
        welcome();
        for (; minute_ < 60; ++minute_) live(UINT64_MAX);
        CHECK_EQUAL(gateway_.rows, heard_);
        const std::uint64_t before = gateway_.rows, bytes_before = gateway_.row_bytes, flash_before = fixture_.outbox->counters().flash_bytes;
        for (; minute_ < 60 + setting_.minutes; ++minute_) {
            live(0);
            if (setting_.tells && minute_ % (24 * 60) == 0) tell();
        }
        const std::uint64_t rows = gateway_.rows - before;
        const std::uint64_t a_minute = (gateway_.row_bytes - bytes_before) / static_cast<std::uint64_t>(setting_.minutes);
        const OutboxCounters full = fixture_.outbox->counters();
        CHECK_EQUAL(0, full.dropped_full_results);
        CHECK(full.merged > rows / 2);
        FlashLoad load;  // of which the plan says how much it writes
        load.commits = static_cast<std::uint64_t>(setting_.minutes);
        load.rows = load.coarsened_rows = rows;
        load.row_bytes = gateway_.row_bytes - bytes_before;
        CHECK(full.flash_bytes - flash_before <= Outbox::flash_bytes(load));
        CHECK(full.flash_bytes - flash_before >= Outbox::flash_bytes(load) / 6);

        // Healed: what arrives goes on arriving, and the bridge takes ten times as much.
        healed_ = minute_;
        arrived_any_backlog_last_ = true;
        welcome();
        std::vector<std::uint64_t> drained;
        while (!backlog_is_empty()) {
            drained.push_back(live(10 * a_minute + 2048));
            ++minute_;
            CHECK_TEXT(minute_ < healed_ + setting_.minutes, "the backlog does not get shorter");
        }
        CHECK(drained.size() > 3);
        drained.resize(drained.size() - 2);  // one had less, and one nothing
        gateway_.close();
        commit();
        (void)take(UINT64_MAX);
        const std::string wrong = difference(arrived_, gateway_.emitted, gateway_.plan);
        if (!wrong.empty()) FAIL(wrong.c_str());
        report(rows, a_minute, full, drained);
        CHECK_EQUAL(alerts_staged_, alerts_heard_);
        CHECK(slowest_fresh_ <= 2 && slowest_alert_ <= 1);
        for (const std::uint64_t bytes : drained) CHECK(bytes >= 10 * a_minute);
        CHECK_EQUAL(0, fixture_.outbox->counters().medium_errors);
        CHECK_EQUAL(0, gateway_.refused);
        CHECK(static_cast<Bytes>(sqlite3_memory_highwater(0)) <= Outbox::sqlite_bytes(fixture_.options));
    }

    // What a journal holds of the outage is worked off at once: the store has no moment between two rings full of results.
    // Now and then the power goes at a sync, most often between two transactions of one commit.
    void hurry() {
        welcome();
        PowerCut cut;
        set_flash_fault(&cut);
        gateway_.power_went = [&] {
            cut.is_mended();
            CHECK(fixture_.open().ok());
            gateway_.attach(*fixture_.outbox, *fixture_.outbox->begin_epoch());
        };
        for (; minute_ < setting_.minutes; ++minute_) {
            if (minute_ % 5 == 0) {
                CHECK(fixture_.outbox->commit().ok());
                gateway_.forget_committed();
                cut.at_sync(static_cast<int>(random_.word() % 8));
            }
            events();
        }
        set_flash_fault(nullptr);
        std::printf("power cuts in commits, after so many syncs:");
        for (const int syncs : cut.cuts) std::printf(" %d", syncs);
        std::printf("\n");
        CHECK(std::count_if(cut.cuts.begin(), cut.cuts.end(), [](int syncs) { return syncs > 0; }) > 5);
        CHECK_EQUAL(0, gateway_.refused);
        CHECK_EQUAL(0, fixture_.outbox->counters().dropped_full_results);
        CHECK(fixture_.outbox->counters().merged > gateway_.rows / 2);
        gateway_.close();
        welcome();
        (void)take(UINT64_MAX);
        const std::string wrong = difference(arrived_, gateway_.emitted, gateway_.plan);
        if (!wrong.empty()) FAIL(wrong.c_str());
    }

private:
    void events() {
        const std::int64_t from = begin_ms + minute_ * minute_ms;
        const std::int64_t windows = 60 / setting_.window_s;
        for (std::int64_t w = 0; w < windows; ++w)
            for (unsigned e = 0; e < setting_.events_a_window; ++e)
                for (std::size_t key = 0; key < setting_.keys; ++key) {
                    const std::int64_t at = from + w * setting_.window_s * 1000 + e * setting_.window_s * 1000 / setting_.events_a_window;
                    gateway_.send(at, "k" + std::to_string(key), static_cast<std::int64_t>(random_.word() % 1000));
                }
    }

    // A minute of events and one alert, and a bridge that takes so many bytes; how many it took.
    std::uint64_t live(std::uint64_t bytes) {
        events();
        if (healed_ > 0) {
            gateway_.alert(Timestamp::millis(begin_ms + minute_ * minute_ms));
            ++alerts_staged_;
        }
        commit();
        return bytes == 0 ? 0 : take(bytes);
    }

    // As the store's thread does: again for as long as there is something to do.
    void commit() {
        std::uint64_t written = 0;
        do {
            written = fixture_.outbox->counters().flash_bytes;
            CHECK(fixture_.outbox->commit().ok());
            CHECK(std::filesystem::file_size(fixture_.options.path) <= fixture_.options.bytes_max);
            CHECK(std::filesystem::file_size(fixture_.options.path + "-wal") <= Outbox::wal_bytes(fixture_.options));
        } while (fixture_.outbox->counters().flash_bytes != written);
        gateway_.forget_committed();
    }

    void tell() const {
        const OutboxCounters now = fixture_.outbox->counters();
        std::printf("day %lld: %llu rows in %zu KiB, %llu merged, %llu dropped, %.0f MiB written to flash\n", static_cast<long long>(minute_ / 1440),
                    static_cast<unsigned long long>(now.rows), now.used_bytes >> 10, static_cast<unsigned long long>(now.merged),
                    static_cast<unsigned long long>(now.dropped_full_results), static_cast<double>(now.flash_bytes) / 1048576);
        std::fflush(stdout);
    }

    void welcome() {
        fixture_.outbox->welcomed();
        commit();
    }

    // Some rows remain that only the next transaction deletes.
    bool backlog_is_empty() const { return !arrived_any_backlog_last_ && heard_any_; }

    std::uint64_t take(std::uint64_t bytes) {
        Outbox& outbox = *fixture_.outbox;
        const Incarnation incarnation = outbox.identity().incarnation;
        std::uint64_t taken = 0;
        bool backlog = false;
        for (int idle = 0; idle < 3 && taken < bytes;) {
            const std::size_t count = outbox.next(incarnation, mark_, rows_, space_);
            for (std::size_t i = 0; i < count; ++i) {
                const Result<Record> record = decode_record(rows_[i].record, storage_);
                CHECK(record.ok());
                taken += rows_[i].record.size();
                backlog |= hear_row(*record, rows_[i]);
            }
            idle = count == 0 ? idle + 1 : 0;
            outbox.acknowledge(incarnation, mark_);
            commit();
        }
        heard_any_ = true;
        arrived_any_backlog_last_ = backlog;
        return taken;
    }

    // Whether it is of the time before the bridge came back.
    bool hear_row(const Record& record, const ShipRow& row) {
        mark_ = row.ship;
        ++heard_;
        const std::int64_t now = begin_ms + (minute_ + 1) * minute_ms;
        const std::int64_t waited = (now - record.end.ms()) / minute_ms;
        if (record.kind == RecordKind::alert) {
            ++alerts_heard_;
            slowest_alert_ = std::max(slowest_alert_, waited);
            return false;
        }
        CHECK(hear(arrived_, record, row.epoch));
        const bool fresh = healed_ > 0 && record.end.ms() > begin_ms + (healed_ + 1) * minute_ms;
        if (fresh) slowest_fresh_ = std::max(slowest_fresh_, waited);
        return healed_ > 0 && !fresh;
    }

    void report(std::uint64_t rows, std::uint64_t a_minute, const OutboxCounters& full, const std::vector<std::uint64_t>& drained) {
        std::map<std::uint32_t, std::uint64_t> sizes;
        for (const auto& [group, intervals] : arrived_)
            for (const auto& [interval, said] : intervals) ++sizes[said.windows];
        printf("%lld days, %zu keys, windows of %lld s, outbox of %zu KiB: %llu results of %llu bytes a minute became %llu rows\n",
               static_cast<long long>(setting_.minutes / 1440), setting_.keys, static_cast<long long>(setting_.window_s), setting_.outbox >> 10,
               static_cast<unsigned long long>(rows), static_cast<unsigned long long>(a_minute), static_cast<unsigned long long>(full.rows));
        printf("drained in %lld minutes at %.1f times the arrival rate; fresh results within %lld minutes, alerts within %lld; %.1f MiB written to flash\n",
               static_cast<long long>(drained.size()) + 1,
               static_cast<double>(std::accumulate(drained.begin(), drained.end(), std::uint64_t{0})) / static_cast<double>(a_minute) / static_cast<double>(drained.size()),
               static_cast<long long>(slowest_fresh_), static_cast<long long>(slowest_alert_), static_cast<double>(full.flash_bytes) / 1048576);
        printf("windows in one result:");
        for (const auto& [windows, count] : sizes) printf(" %u (%llu)", windows, static_cast<unsigned long long>(count));
        printf("\n");
    }

    const Setting setting_;
    Gateway gateway_;
    OutboxFixture fixture_;
    SeededEntropy random_{7};
    Heard arrived_;
    RecordStorage storage_;
    std::vector<ShipRow> rows_ = std::vector<ShipRow>(16);
    std::vector<std::byte> space_ = std::vector<std::byte>(32 << 10);
    std::int64_t minute_ = 0;
    std::int64_t healed_ = 0;
    std::uint64_t mark_ = 0;
    std::uint64_t heard_ = 0;
    bool heard_any_ = false;
    bool arrived_any_backlog_last_ = true;
    std::uint64_t alerts_staged_ = 0;
    std::uint64_t alerts_heard_ = 0;
    std::int64_t slowest_fresh_ = 0;
    std::int64_t slowest_alert_ = 0;
};

}  // namespace

TEST_GROUP(Outage) {
    // What the test itself remembers are hundreds of thousands of nodes.
    void setup() override { MemoryLeakWarningPlugin::turnOffNewDeleteOverloads(); }
    void teardown() override { MemoryLeakWarningPlugin::turnOnDefaultNotThreadSafeNewDeleteOverloads(); }
};

TEST(Outage, of_seven_days_costs_resolution_and_nothing_else) {
    Setting setting;
    if (const char* const wanted = getenv("WEIR_OUTAGE"); wanted != nullptr && std::strcmp(wanted, "long") == 0) setting = {Bytes{16} << 20, 100, 10, 7 * 24 * 60, 2, true};
    if (const char* const days = getenv("WEIR_OUTAGE_DAYS"); days != nullptr) setting.minutes = atoi(days) * 24 * 60;
    auto outage = std::make_unique<Outage>(setting);
    outage->run();
}

TEST(Outage, that_is_worked_off_at_once_from_the_journal_loses_nothing_either) {
    Setting setting{Bytes{3} << 20, 100, 10, 2 * 60, 2};
    setting.staging = Bytes{512} << 10;
    auto outage = std::make_unique<Outage>(setting);
    outage->hurry();
}
