// Interval joins, one side enriched from a table that changes, against a twin that keeps every row and compares it with
// every other: random streams with late, duplicate, reordered, future and silent stretches; batch limits; save and load.
// WEIR_MODEL_STREAMS says how many (2,000 unless told).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/windows/harness.h"
#include "windows/watermark.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

using Random = std::mt19937_64;
std::int64_t below(Random& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }
bool chance(Random& random, int percent) { return below(random, 100) < percent; }

struct Row {
    std::int64_t at = 0;
    std::int64_t arrival = 0;
    bool trusted = true;
    std::int64_t key = -1;  // -1: null
    std::int64_t number = 0;
};
struct Step {
    std::size_t side = 0;
    std::vector<Row> rows;                     // a message, or
    std::int64_t tick = -1;                    // a tick, or
    std::vector<std::pair<std::int64_t, std::int64_t>> table;  // another content
    bool is_table = false;
};
struct Stream {
    std::int64_t after = 0, within = 0, lateness[2] = {0, 0}, idle = 0;
    std::size_t max_rows = 0;
    bool count_left = false, count_joined = false;  // windows that close at a row, beside
    std::vector<Step> steps;
};

struct Produced {
    std::uint64_t rows = 0, late = 0, duplicates = 0, future = 0, nulls = 0, pairs = 0, evicted = 0, on_bound = 0, silences = 0, tables = 0;
};

Stream random_stream(Random& random, Produced& produced) {
    Stream stream;
    stream.within = below(random, 20) * 500;
    stream.after = stream.within - below(random, 20) * 700;
    stream.lateness[0] = below(random, 4) * 700;
    stream.lateness[1] = below(random, 4) * 700;
    stream.idle = 3000 + below(random, 20000);
    stream.max_rows = static_cast<std::size_t>(1 + (chance(random, 50) ? below(random, 8) : below(random, 200)));
    stream.count_left = chance(random, 30);
    stream.count_joined = chance(random, 30);
    std::int64_t now = 100000 + below(random, 10000);
    const std::int64_t keys = 1 + below(random, 4);
    const int late = static_cast<int>(below(random, 30)), duplicate = static_cast<int>(below(random, 15));
    std::vector<Row> recent;
    std::int64_t number = 0;
    const std::int64_t steps = 30 + below(random, 90);
    for (std::int64_t i = 0; i < steps; ++i) {
        const bool silent = chance(random, 3);
        produced.silences += silent;
        now += silent ? below(random, 60000) : below(random, chance(random, 20) ? 4000 : 500);
        if (chance(random, 1)) now -= below(random, 5000);
        Step step;
        if (chance(random, 8)) {
            step.tick = now;
        } else if (chance(random, 5)) {
            step.is_table = true;
            ++produced.tables;
            for (std::int64_t key = 0; key < keys; ++key)
                if (chance(random, 70)) step.table.push_back({key, below(random, 1000)});
        } else {
            step.side = static_cast<std::size_t>(below(random, 2));
            const std::int64_t rows = chance(random, 70) ? 1 : 1 + below(random, 12);
            for (std::int64_t r = 0; r < rows; ++r) {
                Row row;
                if (!recent.empty() && chance(random, duplicate)) {
                    row = recent[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(recent.size())))];
                    ++produced.duplicates;
                } else {
                    row.key = chance(random, 4) ? -1 : below(random, keys);
                    row.at = now - below(random, 1500);
                    if (chance(random, late)) row.at -= below(random, 20000);
                    if (chance(random, 2)) row.at += below(random, 20000);
                    if (chance(random, 10)) row.at -= row.at % 100;
                    // Exactly on a bound of another, or one beyond.
                    if (!recent.empty() && chance(random, 15)) {
                        const std::int64_t bound = chance(random, 50) ? stream.within : stream.after;
                        row.at = recent.back().at + (step.side == 1 ? bound : -bound) + below(random, 3) - 1;
                        row.key = recent.back().key;
                        ++produced.on_bound;
                    }
                    if (chance(random, 1)) row.at = -row.at;
                }
                row.arrival = now;
                row.number = ++number;
                ++produced.rows;
                recent.push_back(row);
                if (recent.size() > 20) recent.erase(recent.begin());
                step.rows.push_back(row);
            }
        }
        stream.steps.push_back(step);
    }
    return stream;
}

EngineSpec spec_of(const Stream& stream) {
    EngineSpec spec;
    TableSpec table;
    table.name = "t";
    table.key = {"key", ColumnType::integer};
    table.columns = Schema({{"v", ColumnType::integer}});
    table.max_rows = 8;
    table.max_text = 0;
    spec.tables = {table};
    for (std::size_t side = 0; side < 2; ++side) {
        SourceSpec source;
        source.name = side == 0 ? "entry" : "exit";
        source.schema = Schema({{"key", ColumnType::integer}, {"n", ColumnType::integer}});
        source.lateness = Duration::millis(stream.lateness[side]);
        source.idle = Duration::millis(stream.idle);
        source.max_future = Duration::millis(10000);
        spec.sources.push_back(source);
    }
    spec.sources[0].enrich = {{"t", ""}};
    JoinSpec join;
    join.name = "both";
    join.left = "entry";
    join.right = "exit";
    join.on = {{"key", "key"}};
    join.after = Duration::millis(stream.after);
    join.within = Duration::millis(stream.within);
    join.columns = {{"l", "entry.n"}, {"r", "exit.n"}, {"v", "entry.t.v"}, {"apart", "exit.time - entry.time"}};
    join.max_rows = stream.max_rows;
    spec.joins = {join};
    PatternSpec pairs;
    pairs.name = "pairs";
    pairs.from = "both";
    pairs.match = "A";
    pairs.measures = {{"l", "last(l)"}, {"r", "last(r)"}, {"v", "last(v)"}, {"apart", "last(apart)"}};
    pairs.max_pending = 20000;
    spec.patterns = {pairs};
    WindowSpec window;
    window.name = "minute";
    window.from = "both";
    window.by = {"key"};
    window.size = Duration::seconds(10);
    window.max_open = 4;  // so that some are closed early
    window.select = {{"n", "count()"}, {"sum", "sum(r)"}};
    spec.windows = {window};
    WindowSpec counted;
    counted.by = {"key"};
    counted.count = 3;
    counted.select = {{"n", "count()"}};
    counted.name = "counted entries";
    counted.from = "entry";
    if (stream.count_left) spec.windows.push_back(counted);
    counted.name = "counted pairs";
    counted.from = "both";
    if (stream.count_joined) spec.windows.push_back(counted);
    return spec;
}

// One engine, and what its batches hold back.
class Player {
public:
    Player(const EngineSpec& spec, std::size_t batch_rows) : harness(spec, batch_rows) {}

    void play(const Step& step) {
        if (step.tick >= 0) return harness.tick(step.tick);
        if (step.is_table) {
            harness.flush_all();
            TableImage image(harness.plan.table(0));
            for (const auto& [key, value] : step.table) {
                image.begin_row(key);
                image.set(0, value);
            }
            const std::string bytes = image.bytes();
            CHECK(harness.engine.load_table(0, as_byte_span(bytes), 0, bytes.size()).ok());
            return;
        }
        if (step.side != last_) harness.flush(last_);
        last_ = step.side;
        Message message;
        for (const Row& row : step.rows)
            message.push_back({row.at, row.arrival, row.trusted, {row.key < 0 ? Datum() : Datum(row.key), row.number}});
        harness.send(message, step.side);
    }
    std::int64_t watermark(std::size_t side) {
        harness.flush_all();
        const Timestamp at = harness.engine.source_status(side).watermark;
        return at == Timestamp::min() ? never_us : at.us();
    }
    std::uint64_t count(JoinCounter counter) {
        harness.flush_all();
        return harness.engine.join_status(0).counters[static_cast<std::size_t>(counter)];
    }

    Harness harness;

private:
    std::size_t last_ = 0;
};

struct Pair {
    std::int64_t at = 0;
    std::int64_t left = 0, right = 0, apart = 0;
    std::optional<std::int64_t> value;
};

class Twin {
public:
    explicit Twin(const Stream& stream) : stream_(stream) {}

    // watermarks: as they were before the message, in microseconds.
    void message(const Step& step, std::int64_t left, std::int64_t right) {
        std::int64_t watermark = std::min(left, right);
        if (watermark > never_us) watermark = (watermark >= 0 ? watermark / 100000 : (watermark - 99999) / 100000) * 100;  // ms, in steps
        for (const Row& row : step.rows) take(step.side, row, watermark);
    }
    void table(const Step& step) {
        table_.clear();
        table_.insert(step.table.begin(), step.table.end());
    }
    std::vector<Pair> sorted() const {
        std::vector<Pair> all = pairs;
        std::stable_sort(all.begin(), all.end(), [](const Pair& a, const Pair& b) { return a.at < b.at; });
        return all;
    }

    std::vector<Pair> pairs;
    std::uint64_t late = 0, null = 0, quarantined = 0, taken = 0, evicted = 0;

private:
    struct Kept {
        Row row;
        std::optional<std::int64_t> value;
    };
    bool useful(std::size_t side, const Row& row, std::int64_t watermark) const {
        return (side == 0 ? row.at + stream_.within : row.at - stream_.after) >= watermark;
    }
    void take(std::size_t side, const Row& row, std::int64_t watermark) {
        if (row.at < 0 || row.at > row.arrival + 10000) return void(++quarantined);
        if (row.at < watermark) return void(++late);
        if (row.key < 0) return void(++null);
        ++taken;
        Kept kept{row, std::nullopt};
        if (const auto found = table_.find(row.key); found != table_.end()) kept.value = found->second;
        for (std::size_t s = 0; s < 2; ++s)
            std::erase_if(kept_[s], [&](const Kept& k) { return !useful(s, k.row, watermark); });
        std::vector<Kept> partners;
        for (const Kept& other : kept_[1 - side]) {
            const Row& l = side == 0 ? row : other.row;
            const Row& r = side == 0 ? other.row : row;
            if (l.key == r.key && r.at - l.at >= stream_.after && r.at - l.at <= stream_.within) partners.push_back(other);
        }
        std::stable_sort(partners.begin(), partners.end(), [](const Kept& a, const Kept& b) { return a.row.at < b.row.at; });
        for (const Kept& other : partners) {
            const Kept& l = side == 0 ? kept : other;
            const Kept& r = side == 0 ? other : kept;
            pairs.push_back({std::max(l.row.at, r.row.at), l.row.number, r.row.number, r.row.at - l.row.at, l.value});
        }
        if (!useful(side, row, watermark)) return;
        std::vector<Kept>& mine = kept_[side];
        mine.push_back(kept);
        if (mine.size() <= stream_.max_rows) return;
        ++evicted;
        // Of rows of one time the first that came; but a row as early as the earliest outlives it.
        const auto earliest = std::min_element(mine.begin(), mine.end(), [](const Kept& a, const Kept& b) { return a.row.at < b.row.at; });
        mine.erase(earliest);
    }

    const Stream& stream_;
    std::map<std::int64_t, std::int64_t> table_;
    std::vector<Kept> kept_[2];
};

int streams_wanted() {
    const char* text = std::getenv("WEIR_MODEL_STREAMS");
    return text ? std::atoi(text) : 2000;
}

std::string text_of(const Pair& pair) {
    return std::to_string(pair.at) + ": " + std::to_string(pair.left) + " " + std::to_string(pair.right) + " " +
           (pair.value ? std::to_string(*pair.value) : "null") + " " + std::to_string(pair.apart);
}

}  // namespace

TEST_GROUP(JoinModel) {};

TEST(JoinModel, every_pair_of_the_twin_comes_once_whatever_the_batch_and_across_a_save) {
    Produced produced;
    const int streams = streams_wanted();
    std::uint64_t results = 0;
    for (int i = 0; i < streams; ++i) {
        Random random(static_cast<std::uint64_t>(i) + 1);
        const Stream stream = random_stream(random, produced);
        const EngineSpec spec = spec_of(stream);
        Player one(spec, 1);
        Player few(spec, 7);
        Player many(spec, batch_rows_max);
        Twin twin(stream);
        for (const Step& step : stream.steps) {
            if (step.is_table)
                twin.table(step);
            else if (step.tick < 0)
                twin.message(step, one.watermark(0), one.watermark(1));
            one.play(step);
            many.play(step);
            few.play(step);
            if (chance(random, 3)) {
                few.harness.flush_all();
                const auto saved = few.harness.save();
                CHECK(saved.size() <= few.harness.plan.save_size_max());
                few.harness.engine.reset();
                CHECK(few.harness.load(saved).ok());
                CHECK(few.harness.save() == saved);
            }
        }
        for (Player* player : {&one, &few, &many}) player->harness.close();
        const std::string expected = one.harness.out.all();
        STRCMP_EQUAL(expected.c_str(), few.harness.out.all().c_str());
        STRCMP_EQUAL(expected.c_str(), many.harness.out.all().c_str());

        std::string wanted, seen;
        for (const Pair& pair : twin.sorted()) wanted += text_of(pair) + "\n";
        std::map<std::pair<std::int64_t, std::string>, std::int64_t> counts;
        for (const Emitted& result : one.harness.out.results) {
            ++results;
            if (result.window == "minute") {
                counts[{result.start_ms, result.key}] += result.integer("n");
                continue;
            }
            if (result.window != "pairs") continue;
            Pair pair{result.start_ms, result.integer("l"), result.integer("r"), std::llround(result.real("apart") * 1000), std::nullopt};
            if (!result.null("v")) pair.value = result.integer("v");
            seen += text_of(pair) + "\n";
        }
        STRCMP_EQUAL_TEXT(wanted.c_str(), seen.c_str(), ("stream " + std::to_string(i)).c_str());
        CHECK_EQUAL(twin.taken, one.count(JoinCounter::taken));
        CHECK_EQUAL(twin.late, one.count(JoinCounter::late));
        CHECK_EQUAL(twin.null, one.count(JoinCounter::key_null));
        CHECK_EQUAL(twin.quarantined, one.count(JoinCounter::quarantined));
        CHECK_EQUAL(twin.evicted, one.count(JoinCounter::evicted));
        CHECK_EQUAL(twin.pairs.size(), one.count(JoinCounter::joined));
        CHECK_EQUAL(0U, one.harness.count(WindowCounter::late));
        CHECK_EQUAL(0U, one.harness.count(WindowCounter::quarantined));
        std::int64_t counted = 0;
        for (const auto& [where, n] : counts) counted += n;
        CHECK_EQUAL(twin.pairs.size(), static_cast<std::size_t>(counted) + one.harness.count(WindowCounter::late_after_eviction));
        produced.late += twin.late;
        produced.future += twin.quarantined;
        produced.nulls += twin.null;
        produced.pairs += twin.pairs.size();
        produced.evicted += twin.evicted;
    }
    const auto percent = [&](std::uint64_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(produced.rows); };
    std::printf("\n%d streams, %llu rows: %.1f %% late, %.1f %% duplicate, %.1f %% quarantined, %.1f %% without key, %.1f %% on a bound or one beside it, "
                "%.1f %% evicted; %llu silences, %llu tables; %llu pairs, %llu results\n",
                streams, static_cast<unsigned long long>(produced.rows), percent(produced.late), percent(produced.duplicates), percent(produced.future),
                percent(produced.nulls), percent(produced.on_bound), percent(produced.evicted), static_cast<unsigned long long>(produced.silences),
                static_cast<unsigned long long>(produced.tables), static_cast<unsigned long long>(produced.pairs), static_cast<unsigned long long>(results));
}
