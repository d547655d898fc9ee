// Aggregates over event time, histograms, Theta and where() against twins that keep every row: through the engine in
// tumbling windows and sessions that join, on random streams with late, duplicate, reordered and silent stretches; and
// states by themselves, merged in any order. WEIR_MODEL_STREAMS says how many streams (10,000 unless told).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/model/windows/series_twin.h"
#include "tests/model/windows/session_twin.h"
#include "tests/unit/windows/harness.h"
#include "windows/compiled_plan.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

using Random = std::mt19937_64;
std::int64_t below(Random& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }
bool chance(Random& random, int percent) { return below(random, 100) < percent; }

int streams_wanted() {
    const char* text = std::getenv("WEIR_MODEL_STREAMS");
    return text ? std::atoi(text) : 10000;
}

struct Step {
    std::vector<TwinRow> rows;  // a message, or
    std::int64_t tick = -1;     // a tick
};
struct Stream {
    TwinSpec spec;
    bool session = false;
    std::vector<Step> steps;
};

struct Produced {
    std::uint64_t rows = 0, late = 0, duplicates = 0, behind = 0, resets = 0, silences = 0, results = 0, revised = 0, joined = 0, lost = 0;
} produced;

Stream random_stream(Random& random) {
    Stream stream;
    TwinSpec& spec = stream.spec;
    spec.lateness = below(random, 5) * 2000;
    spec.idle = 5000 + below(random, 20000);
    spec.max_future = 10000;
    spec.step_max = 60000;
    stream.session = chance(random, 50);
    constexpr std::int64_t sizes[] = {2000, 5000, 10000}, gaps[] = {200, 600, 2500};
    spec.size = stream.session ? gaps[below(random, 3)] : sizes[below(random, 3)];
    spec.allow = chance(random, 40) ? 0 : 1000 + below(random, 10000);
    spec.max_groups = 1000;
    spec.by_site = chance(random, 50);
    std::int64_t now = 100000 + below(random, 10000), counter = below(random, 100);
    double level = 50;
    const std::int64_t sites = 1 + below(random, 2), pace = 20 + below(random, 400);
    const int out_of_order = static_cast<int>(below(random, 60)), duplicate = static_cast<int>(below(random, 15));
    std::vector<TwinRow> recent;
    for (std::int64_t i = 20 + below(random, 80); i > 0; --i) {
        now += below(random, pace);
        if (chance(random, 3)) {
            now += below(random, 20000);
            ++produced.silences;
        }
        Step step;
        if (chance(random, 5)) step.tick = now;
        for (std::int64_t r = step.tick >= 0 ? 0 : chance(random, 70) ? 1 : 1 + below(random, 8); r > 0; --r) {
            TwinRow row;
            if (!recent.empty() && chance(random, duplicate)) {
                row = recent[static_cast<std::size_t>(below(random, static_cast<std::int64_t>(recent.size())))];
                ++produced.duplicates;
            } else {
                row.site = "s" + std::to_string(below(random, sites));
                row.lane = 1;
                row.at = now - below(random, 20);
                if (chance(random, out_of_order)) row.at -= below(random, chance(random, 30) ? 6000 : 500);
                if (chance(random, 10)) row.at -= row.at % 100;
                counter += below(random, 30);
                if (chance(random, 8)) {
                    counter = below(random, 10);
                    ++produced.resets;
                }
                level += static_cast<double>(below(random, 2001) - 1000) / 70.0;
                if (!chance(random, 10)) row.n = counter;
                if (!chance(random, 10)) row.speed = level * (chance(random, 3) ? 1e9 : 1);
                row.vid = "v" + std::to_string(below(random, 40));
            }
            row.arrival = now;
            produced.behind += !recent.empty() && row.at < recent.back().at;
            recent.push_back(row);
            if (recent.size() > 20) recent.erase(recent.begin());
            step.rows.push_back(row);
        }
        stream.steps.push_back(step);
    }
    return stream;
}

EngineSpec spec_of(const Stream& stream) {
    SourceSpec source = road();
    source.lateness = Duration::millis(stream.spec.lateness);
    source.idle = Duration::millis(stream.spec.idle);
    source.max_future = Duration::millis(stream.spec.max_future);
    WindowSpec window = minute({{"rows", "count()"},
                                {"i", "increase(n)"},
                                {"r", "rate(n)"},
                                {"is", "increase(speed)"},
                                {"rs", "rate(speed)"},
                                {"m", "time_mean(speed)"},
                                {"s", "slope(speed)"},
                                {"sn", "slope(n)"},
                                {"d", "decayed_sum(speed, '3s')"},
                                {"dc", "decayed_count('700ms')"},
                                {"h", "histogram(speed, 30, 45.5, 60)"},
                                {"u", "distinct(vid, 'theta')"},
                                {"iw", "increase(n).where(speed > 40.0)"},
                                {"mw", "time_mean(n).where(speed > 40.0)"},
                                {"sum", "sum(n).where(speed > 40.0)"},
                                {"cw", "count().where(n > 100)"}},
                               {stream.spec.by_site ? "site" : "lane"});
    window.size = stream.session ? Duration() : Duration::millis(stream.spec.size);
    if (stream.session) window.session = Duration::millis(stream.spec.size);
    window.max_groups = stream.session ? 300 : 8;
    window.late_allow = Duration::millis(stream.spec.allow);
    window.late_then = stream.spec.allow > 0 ? LateThen::revise : LateThen::drop;
    EngineSpec spec = engine_of(std::move(window), std::move(source));
    spec.sketch_bytes = 300000;  // 40 items are few
    return spec;
}

void play(Harness& h, const Step& step) {
    if (step.tick >= 0) {
        h.tick(step.tick);
        return;
    }
    Message message;
    for (const TwinRow& row : step.rows) {
        Event event{row.at, row.arrival, row.trusted, {row.site, row.lane, {}, {}, true, row.vid}};
        if (row.speed) event.cells[2] = *row.speed;
        if (row.n) event.cells[3] = *row.n;
        message.push_back(event);
    }
    h.send(message);
}

std::optional<long double> count_of(const TwinRow& row) { return row.n ? std::optional<long double>(static_cast<long double>(*row.n)) : std::nullopt; }
std::optional<long double> speed_of(const TwinRow& row) { return row.speed ? std::optional<long double>(*row.speed) : std::nullopt; }
std::optional<long double> picked(const TwinRow& row) { return row.speed && *row.speed > 40 ? count_of(row) : std::nullopt; }

using Input = std::optional<long double> (*)(const TwinRow&);

SeriesTwin series_of(const std::vector<Happening>& history, Input input) {
    std::vector<SeriesTwin> nested(1);
    for (const Happening& happening : history) {
        if (happening.kind == Happening::Kind::begin) nested.emplace_back();
        if (happening.kind == Happening::Kind::row)
            if (const auto value = input(happening.row)) nested.back().add(happening.row.at * 1000, *value);
        if (happening.kind != Happening::Kind::end) continue;
        const SeriesTwin joined = nested.back();
        nested.pop_back();
        nested.back().merge(joined);
    }
    return nested.front();
}

std::vector<SeriesTwin::Row> rows_of(const std::vector<Happening>& history, Input input) {
    std::vector<SeriesTwin::Row> rows;
    for (const Happening& happening : history)
        if (happening.kind == Happening::Kind::row)
            if (const auto value = input(happening.row)) rows.push_back({happening.row.at * 1000, *value});
    return rows;
}

void check(const std::optional<Bounded>& expected, const Emitted& seen, const char* name) {
    CHECK_EQUAL_TEXT(!expected, seen.null(name), name);
    if (expected && !expected->holds(seen.real(name)))
        FAIL((std::string(name) + " is " + std::to_string(seen.real(name)) + ", not " + std::to_string(static_cast<double>(expected->value)) +
              " by " + std::to_string(static_cast<double>(std::fabs(expected->value - seen.real(name)) / expected->bound)) + " bounds").c_str());
}

void check_integer(const std::optional<Bounded>& expected, const Emitted& seen, const char* name) {
    CHECK_EQUAL_TEXT(!expected, seen.null(name), name);
    if (expected) LONGS_EQUAL_TEXT(static_cast<std::int64_t>(expected->value), seen.integer(name), name);
}

// How many rows found no place, in all states of this window.
std::uint64_t check_values(const std::vector<Happening>& history, std::int64_t end_ms, const Emitted& seen) {
    const SeriesTwin counts = series_of(history, count_of), speeds = series_of(history, speed_of), some = series_of(history, picked);
    check_integer(counts.increase(), seen, "i");
    check(counts.rate(), seen, "r");
    check(speeds.increase(), seen, "is");
    check(speeds.rate(), seen, "rs");
    check(speeds.time_mean(), seen, "m");
    check_integer(some.increase(), seen, "iw");
    check(some.time_mean(), seen, "mw");
    const auto numbers = rows_of(history, speed_of), ints = rows_of(history, count_of);
    check(slope_of(numbers), seen, "s");
    check(slope_of(ints), seen, "sn");
    if (numbers.empty())
        CHECK(seen.null("d"));
    else
        check(decayed_of(numbers, end_ms * 1000, 3000000), seen, "d");
    const auto ones = rows_of(history, [](const TwinRow&) -> std::optional<long double> { return 1; });
    check(decayed_of(ones, end_ms * 1000, 700000), seen, "dc");
    LONGS_EQUAL(ones.size(), seen.integer("rows"));
    int buckets[4] = {};
    for (const auto& row : numbers) ++buckets[row.value < 30 ? 0 : row.value < 45.5L ? 1 : row.value < 60 ? 2 : 3];
    std::string spread = "\"h\":{\"bounds\":[30,45.5,60],\"counts\":[";
    for (int i = 0; i < 4; ++i) spread += (i ? "," : "") + std::to_string(buckets[i]);
    STRCMP_CONTAINS((spread + "]}").c_str(), seen.json.c_str());
    std::set<std::string> vids;
    std::int64_t large = 0;
    for (const Happening& happening : history) {
        if (happening.kind != Happening::Kind::row) continue;
        vids.insert(happening.row.vid);
        large += happening.row.n && *happening.row.n > 100;
    }
    DOUBLES_EQUAL(static_cast<double>(vids.size()), seen.real("u"), 0);
    LONGS_EQUAL(large, seen.integer("cw"));
    const auto chosen = rows_of(history, picked);
    CHECK_EQUAL(chosen.empty(), seen.null("sum"));
    long double sum = 0;
    for (const auto& row : chosen) sum += row.value;
    if (!chosen.empty()) LONGS_EQUAL(static_cast<std::int64_t>(sum), seen.integer("sum"));
    return counts.lost() + 2 * speeds.lost() + 2 * some.lost();
}

// What a window says, and what was in it.
struct Expected {
    std::string key;
    std::int64_t start = 0, end = 0;
    bool retracted = false;
    std::vector<Happening> history;
};

std::vector<Expected> play_twin(const Stream& stream) {
    std::vector<Expected> all;
    const auto run = [&stream](Twin& twin) {
        for (const Step& step : stream.steps) step.tick >= 0 ? twin.tick(step.tick, true) : twin.message(step.rows);
        twin.close();
        produced.rows += twin.counts.rows;
        produced.late += twin.counts.late;
        produced.revised += twin.counts.revised;
    };
    if (stream.session) {
        SessionTwin twin(stream.spec, session_step_us / 1000);
        run(twin);
        produced.joined += twin.joined;
        for (SessionResult& result : twin.sessions) all.push_back({result.key, result.start, result.end, result.retracted, std::move(result.history)});
    } else {
        Twin twin(stream.spec);
        run(twin);
        for (const TwinResult& result : twin.results) {
            all.push_back({result.key, result.start, result.end, false, {}});
            for (const TwinRow& row : result.rows) all.back().history.push_back({Happening::Kind::row, row});
        }
    }
    return all;
}

}  // namespace

TEST_GROUP(TimeAggregateModel) {};

TEST(TimeAggregateModel, windows_say_what_their_twins_say) {
    for (int seed = 0; seed < streams_wanted(); ++seed) {
        Random random(static_cast<std::uint64_t>(seed));
        const Stream stream = random_stream(random);
        const std::vector<Expected> expected = play_twin(stream);
        const EngineSpec spec = spec_of(stream);
        const auto batch = [&random] { return static_cast<std::size_t>(chance(random, 30) ? 1 : chance(random, 50) ? 7 : 1024); };
        auto h = std::make_unique<Harness>(spec, batch());
        std::vector<Emitted> seen;
        const bool interrupted = chance(random, 20);
        for (const Step& step : stream.steps) {
            play(*h, step);
            if (!interrupted || !chance(random, 5)) continue;
            h->flush_all();
            const auto bytes = h->save();
            seen.insert(seen.end(), h->out.results.begin(), h->out.results.end());
            h = std::make_unique<Harness>(spec, batch());
            CHECK(h->load(bytes).ok());
        }
        h->close();
        seen.insert(seen.end(), h->out.results.begin(), h->out.results.end());
        const std::string name = "seed " + std::to_string(seed);
        UNSIGNED_LONGS_EQUAL_TEXT(expected.size(), seen.size(), name.c_str());
        std::map<std::string, std::uint64_t> lost;  // by what stands in the end
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const Expected& e = expected[i];
            STRCMP_EQUAL_TEXT(e.key.c_str(), seen[i].key.c_str(), name.c_str());
            LONGS_EQUAL_TEXT(e.start, seen[i].start_ms, name.c_str());
            const std::string id = e.key + " " + std::to_string(e.start) + " " + std::to_string(e.end);
            lost[id] = e.retracted ? 0 : check_values(e.history, e.end, seen[i]);
        }
        std::uint64_t all_lost = 0;
        for (const auto& [id, count] : lost) all_lost += count;
        UNSIGNED_LONGS_EQUAL_TEXT(all_lost, h->count(WindowCounter::out_of_order), name.c_str());
        CHECK(h->adds_up());
        produced.results += expected.size();
        produced.lost += all_lost;
    }
    const auto n = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
    std::printf("\nmodel: %d streams, %llu rows (%.1f %% behind the one before, %.1f %% duplicates, %.1f %% late, %llu counted as revision, %llu resets, "
                "%llu silences); %llu results, %llu sessions joined, %llu rows found no place\n",
                streams_wanted(), n(produced.rows), 100.0 * static_cast<double>(produced.behind) / static_cast<double>(produced.rows),
                100.0 * static_cast<double>(produced.duplicates) / static_cast<double>(produced.rows),
                100.0 * static_cast<double>(produced.late) / static_cast<double>(produced.rows), n(produced.revised), n(produced.resets),
                n(produced.silences), n(produced.results), n(produced.joined), n(produced.lost));
    CHECK(produced.joined > 0 && produced.lost > 0 && produced.revised > 0);
}

namespace {

// States of one kind beside their twins: every cell has both.
class Cells {
public:
    explicit Cells(StateKind kind, bool integers) {
        spec_.kind = kind;
        spec_.type = integers ? ColumnType::integer : ColumnType::real;
        spec_.half_life = 3000;
        spec_.bounds = {-1, 0, 5};
        block_ = std::make_unique<ArenaBlock>(AggregateStates::need(spec_, count) + Batch::need(schema_, {}));
        arena_ = std::make_unique<Arena>(block_->memory());
        states_ = std::make_unique<AggregateStates>(*arena_, spec_, count);
        batch_ = std::make_unique<Batch>(*arena_, schema_, Batch::Params{});
        for (std::size_t cell = 0; cell < count; ++cell) states_->create(cell, 1);
    }
    void add(std::uint32_t cell, std::int64_t time, std::int64_t number) {
        batch_->clear();
        batch_->begin_row();
        batch_->set_integer(0, number);
        batch_->set_real(1, static_cast<double>(number) / 7);
        batch_->commit_row({Timestamp::micros(time), Timestamp::micros(time), true});
        const std::uint16_t row = 0;
        const long double value = spec_.type == ColumnType::integer ? static_cast<long double>(number) : static_cast<long double>(static_cast<double>(number) / 7);
        const std::uint64_t before = series_[cell].lost();
        series_[cell].add(time, value);
        rows_[cell].push_back({time, value});
        const std::size_t lost = states_->add({{&row, 1}, {&cell, 1}}, &batch_->column(spec_.type == ColumnType::integer ? 0 : 1), {}, *batch_);
        if (is_ordered(spec_.kind)) UNSIGNED_LONGS_EQUAL(series_[cell].lost() - before, lost);
    }
    void merge(std::uint32_t to, std::uint32_t from) {
        const std::uint64_t before = series_[to].lost() + series_[from].lost();
        series_[to].merge(series_[from]);
        rows_[to].insert(rows_[to].end(), rows_[from].begin(), rows_[from].end());
        const std::size_t lost = states_->merge(to, from);
        if (is_ordered(spec_.kind)) UNSIGNED_LONGS_EQUAL(series_[to].lost() - before, lost);
        empty(from);
    }
    void empty(std::uint32_t cell) {
        states_->release(cell);
        states_->create(cell, 1);
        series_[cell] = {};
        rows_[cell].clear();
    }
    void save_and_load(std::uint32_t cell) {
        std::vector<std::byte> bytes(AggregateStates::save_size_max(spec_, count));
        ByteWriter out(bytes);
        states_->save(cell, out);
        CHECK(out.ok());
        states_->release(cell);
        ByteReader in(ByteSpan(bytes).first(out.size()));
        CHECK(states_->load(cell, in));
    }
    void check(std::uint32_t cell) const {
        constexpr std::int64_t end = 2'000'000;
        const auto& series = series_[cell];
        const auto& rows = rows_[cell];
        const auto compare = [&](Function function, const std::optional<Bounded>& expected) {
            CallSpec call;
            call.function = function;
            const Value value = states_->finish(call, cell, {}, end);
            CHECK_EQUAL(!expected, value.kind == ValueKind::null);
            if (value.kind == ValueKind::integer) CHECK(static_cast<long double>(value.integer) == expected->value);
            if (value.kind == ValueKind::real) CHECK(expected->holds(value.real));
        };
        switch (spec_.kind) {
            case StateKind::counter:
                compare(Function::rate, series.rate());
                return compare(Function::increase, series.increase());
            case StateKind::held: return compare(Function::time_mean, series.time_mean());
            case StateKind::line: return compare(Function::slope, slope_of(rows));
            case StateKind::decayed:
                return compare(Function::decayed_sum, rows.empty() ? std::nullopt : std::optional(decayed_of(rows, end, spec_.half_life)));
            default: break;
        }
        const Value value = states_->finish({Function::histogram}, cell, {}, end);
        std::uint64_t counts[4] = {};
        for (const auto& row : rows) ++counts[row.value < -1 ? 0 : row.value < 0 ? 1 : row.value < 5 ? 2 : 3];
        UNSIGNED_LONGS_EQUAL(4, value.counts.size());
        for (std::size_t i = 0; i < 4; ++i) UNSIGNED_LONGS_EQUAL(counts[i], value.counts[i]);
    }

    static constexpr std::uint32_t count = 6;

private:
    static inline const Schema schema_{{{"i", ColumnType::integer}, {"x", ColumnType::real}}};
    StateSpec spec_;
    std::unique_ptr<ArenaBlock> block_;
    std::unique_ptr<Arena> arena_;
    std::unique_ptr<AggregateStates> states_;
    std::unique_ptr<Batch> batch_;
    SeriesTwin series_[count];
    std::vector<SeriesTwin::Row> rows_[count];
};

}  // namespace

TEST(TimeAggregateModel, states_are_merged_in_any_order_and_saved_in_between) {
    constexpr std::pair<StateKind, bool> kinds[] = {{StateKind::counter, true}, {StateKind::counter, false}, {StateKind::held, false},
                                                    {StateKind::line, false},   {StateKind::decayed, false}, {StateKind::histogram, false}};
    for (const auto& [kind, integers] : kinds)
        for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
            Random random(static_cast<std::uint64_t>(seed) * 10 + static_cast<std::uint64_t>(kind));
            Cells cells(kind, integers);
            const bool apart = chance(random, 50);  // each cell has its own stretch of time, as panes have
            std::int64_t clock = 0, counter = 0;
            for (int i = 0; i < 150; ++i) {
                const auto cell = static_cast<std::uint32_t>(below(random, Cells::count));
                clock += below(random, 50);
                counter = chance(random, 5) ? below(random, 5) - 2 : counter + below(random, 9);
                const std::int64_t time = clock + (apart ? cell * 100000 : 0) - (chance(random, 30) ? below(random, 400) : 0);
                cells.add(cell, std::max<std::int64_t>(time, 0), counter);
                if (chance(random, 4)) cells.merge(cell, (cell + 1 + static_cast<std::uint32_t>(below(random, Cells::count - 1))) % Cells::count);
                if (chance(random, 2)) cells.empty(cell);
                if (chance(random, 5)) cells.save_and_load(cell);
                cells.check(cell);
            }
        }
}
