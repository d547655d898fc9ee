#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/entropy.h"
#include "agent/base/json_writer.h"
#include "windows/engine.h"
#include "windows/result_merger.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

using Row = std::vector<std::byte>;

struct Event {
    std::int64_t at_ms;
    std::string site;
    std::int64_t n;
    double speed;
    std::string vid;
    bool ok;
};

EngineSpec spec_of(Duration size, std::vector<std::pair<std::string, std::string>> select, std::size_t max_groups = 8, Duration allow = {}) {
    SourceSpec source;
    source.name = "loops";
    source.schema = Schema({{"site", ColumnType::text}, {"n", ColumnType::integer}, {"speed", ColumnType::real}, {"vid", ColumnType::text}, {"ok", ColumnType::boolean}});
    source.lateness = Duration::seconds(1);
    WindowSpec window;
    window.name = "w";
    window.from = "loops";
    window.by = {"site"};
    window.size = size;
    window.max_groups = max_groups;
    window.select = std::move(select);
    window.late_allow = allow;
    window.late_then = allow > Duration() ? LateThen::revise : LateThen::drop;
    EngineSpec spec;
    spec.sources = {source};
    spec.windows = {window};
    spec.keep_states = true;
    return spec;
}

EnginePlan compiled(EngineSpec spec) {
    SpecProblem problem;
    auto plan = EnginePlan::compile(std::move(spec), problem);
    if (!plan) FAIL((problem.key + ": " + problem.problem.what).c_str());
    return std::move(*plan);
}

// An engine, and what it says as rows of an outbox.
class Rows final : public RecordSink {
public:
    explicit Rows(EngineSpec spec, PartialSink* partials = nullptr)
        : plan(compiled(std::move(spec))), block_(Engine::need(plan)), arena_(block_.memory()), engine(arena_, plan, *this, partials),
          batch_block_(Batch::need(plan.source(0).schema, {})), batch_arena_(batch_block_.memory()), batch_(batch_arena_, plan.source(0).schema, {}) {}
    void emit(const Record& record) override {
        Row row(encoded_size(record));
        ByteWriter out(row);
        CHECK(encode(record, out).ok());
        CHECK(row.size() <= plan.record_size_max());
        rows.push_back(std::move(row));
    }
    void send(const Event& event) {
        batch_.begin_row();
        batch_.set_text(0, batch_.keep_text(event.site).value());
        batch_.set_integer(1, event.n);
        batch_.set_real(2, event.speed);
        batch_.set_text(3, batch_.keep_text(event.vid).value());
        batch_.set_boolean(4, event.ok);
        RowTime time;
        time.event = time.arrival = Timestamp::millis(event.at_ms);
        time.arrival_trusted = true;
        batch_.commit_row(time);
        batch_.end_message();
        engine.push(0, batch_);
        batch_.clear();
    }
    std::vector<Row> rows;
    EnginePlan plan;

private:
    ArenaBlock block_;
    Arena arena_;

public:
    Engine engine;

private:
    ArenaBlock batch_block_;
    Arena batch_arena_;
    Batch batch_;
};

struct Merger {
    explicit Merger(const EnginePlan& plan) : block(ResultMerger::need(plan)), arena(block.memory()), merger(arena, plan) {}
    Row merge(const Row& a, const Row& b) {
        std::vector<std::byte> space(1 << 20);
        ByteWriter out(space);
        const Status merged = merger.merge(a, b, out);
        if (!merged) return {};
        return Row(out.written().begin(), out.written().end());
    }
    ArenaBlock block;
    Arena arena;
    ResultMerger merger;
};

std::string json_of(const Row& row, bool sketches = false) {
    static RecordStorage storage;
    const Result<Record> record = decode_record(row, storage);
    CHECK(record.ok());
    std::vector<char> text(1 << 18);
    JsonWriter out(text);
    RecordJsonOptions options;
    options.sketches = sketches;
    write_record(out, *record, options);
    return std::string(out.text());
}

// All rows of a group into one: neighbours first, or one after the other.
std::map<std::uint64_t, Row> merge_all(Merger& merger, const std::vector<Row>& rows, bool pairs) {
    std::map<std::uint64_t, std::vector<Row>> groups;
    for (const Row& row : rows) {
        const auto head = merger.merger.head(row);
        CHECK(head.has_value());
        groups[head->group].push_back(row);
    }
    std::map<std::uint64_t, Row> all;
    for (auto& [group, list] : groups) {
        while (list.size() > 1) {
            std::vector<Row> next;
            if (pairs) {
                for (std::size_t i = 0; i + 1 < list.size(); i += 2) next.push_back(merger.merge(list[i], list[i + 1]));
                if (list.size() % 2) next.push_back(list.back());
            } else {
                next.push_back(merger.merge(list[0], list[1]));
                next.insert(next.end(), list.begin() + 2, list.end());
            }
            list = std::move(next);
            for (const Row& row : list) CHECK(!row.empty());
        }
        CHECK_EQUAL(group, merger.merger.head(list[0])->group);
        all[group] = list[0];
    }
    return all;
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max({1.0, std::abs(a), std::abs(b)}); }

void compare(const Value& got, const Value& wanted, const std::string& name, bool exact) {
    if (got.kind != wanted.kind) FAIL((name + ": another kind").c_str());
    CHECK_EQUAL(wanted.integer, got.integer);
    if (!exact && name == "iqr") return;  // of two estimates
    if (got.kind == ValueKind::estimate && !exact) {
        if (!(got.lower <= wanted.upper && wanted.lower <= got.upper)) FAIL((name + ": bounds do not meet").c_str());
    } else if (!near(got.real, wanted.real)) {
        FAIL((name + ": " + std::to_string(got.real) + " for " + std::to_string(wanted.real)).c_str());
    }
    CHECK(got.text == wanted.text);
    CHECK_EQUAL(wanted.boolean, got.boolean);
    CHECK_EQUAL(wanted.counts.size(), got.counts.size());
    for (std::size_t i = 0; i < got.counts.size(); ++i) CHECK_EQUAL(wanted.counts[i], got.counts[i]);
    CHECK_EQUAL(wanted.top.size(), got.top.size());
    if (exact)
        for (std::size_t i = 0; i < got.top.size(); ++i) DOUBLES_EQUAL(wanted.top[i].estimate, got.top[i].estimate, 0);
}

std::vector<Event> events(std::uint64_t seed, std::size_t count, std::int64_t span_ms, std::uint64_t vids) {
    SeededEntropy random(seed);
    std::vector<Event> all;
    std::int64_t counter = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t word = random.word();
        counter = word % 97 == 0 ? 0 : counter + static_cast<std::int64_t>(word % 7);
        all.push_back({static_cast<std::int64_t>(i) * span_ms / static_cast<std::int64_t>(count), "s" + std::to_string(word % 3),
                       counter, random.unit() * 100 - 20, "v" + std::to_string(random.word() % vids), word % 3 == 0});
    }
    return all;
}

const std::vector<std::pair<std::string, std::string>> everything = {
    {"c", "count()"}, {"present", "count(speed)"}, {"fast", "count(speed > 50.0)"}, {"share", "double(count(ok)) / double(count())"},
    {"si", "sum(n)"}, {"sr", "sum(speed)"}, {"m", "mean(speed)"}, {"mi", "mean(n)"}, {"lo", "min(speed)"}, {"hi", "max(n)"},
    {"var", "variance(speed)"}, {"sd", "stddev(speed)"}, {"f", "first(vid)"}, {"l", "last(vid)"}, {"fi", "first(n)"}, {"lr", "last(speed)"},
    {"lb", "last(ok)"}, {"p50", "quantile(speed, 0.5)"}, {"p9", "quantile(speed, 0.9)"}, {"iqr", "quantile(n, 0.75) - quantile(n, 0.25)"},
    {"d", "distinct(vid)"}, {"dt", "distinct(vid, 'theta')"}, {"t", "top(vid, 3)"}, {"many", "distinct(n) > 5"},
    {"rate", "rate(n)"}, {"inc", "increase(n)"}, {"tm", "time_mean(speed)"}, {"slope", "slope(speed)"},
    {"ds", "decayed_sum(speed, '30s')"}, {"dc", "decayed_count('30s')"}, {"h", "histogram(speed, 0, 20, 50)"},
};

}  // namespace

TEST_GROUP(ResultMerger){};

// What was merged of eight windows of 10 s says what one window of 80 s says.
static void merged_equals_union(std::size_t count, std::uint64_t vids, bool exact, bool pairs) {
    Rows fine(spec_of(Duration::seconds(10), everything));
    Rows coarse(spec_of(Duration::seconds(80), everything));
    for (const Event& event : events(count + vids, count, 80'000, vids)) {
        fine.send(event);
        coarse.send(event);
    }
    fine.engine.close_all();
    coarse.engine.close_all();
    CHECK_EQUAL(24, fine.rows.size());
    CHECK_EQUAL(3, coarse.rows.size());
    Merger merger(fine.plan);
    const auto merged = merge_all(merger, fine.rows, pairs);
    CHECK_EQUAL(3, merged.size());
    auto a = std::make_unique<RecordStorage>();
    auto b = std::make_unique<RecordStorage>();
    std::size_t compared = 0;
    for (const auto& [group, row] : merged) {
        const Result<Record> got = decode_record(row, *a);
        CHECK(got.ok());
        CHECK_EQUAL(8, got->windows);
        CHECK(got->start == Timestamp::seconds(0) && got->end == Timestamp::seconds(80));
        for (const Row& other : coarse.rows) {
            const Result<Record> wanted = decode_record(other, *b);
            if (wanted->key[0].value.text != got->key[0].value.text) continue;
            for (std::size_t i = 0; i < got->values.size(); ++i)
                compare(got->values[i].value, wanted->values[i].value, std::string(got->values[i].name), exact);
            ++compared;
        }
    }
    CHECK_EQUAL(3, compared);
}

TEST(ResultMerger, what_is_merged_equals_the_window_over_the_union_exactly_while_sketches_are_exact) {
    merged_equals_union(300, 20, true, true);
    merged_equals_union(300, 20, true, false);
}

TEST(ResultMerger, sketches_that_are_not_exact_any_more_agree_within_their_bounds) { merged_equals_union(60'000, 5000, false, true); }

TEST(ResultMerger, rows_of_the_keys_beyond_max_groups_merge_and_count_their_keys) {
    Rows fine(spec_of(Duration::seconds(10), {{"c", "count()"}}, 1));
    for (int i = 0; i < 40; ++i) fine.send({i * 500, "k" + std::to_string(i % 10), 1, 1.0, "v", true});
    fine.engine.close_all();
    Merger merger(fine.plan);
    const auto merged = merge_all(merger, fine.rows, true);
    std::string all;
    for (const auto& [group, row] : merged) all += json_of(row) + "\n";
    CHECK(all.find("\"c\":36") != std::string::npos);
    CHECK(all.find("\"folded_keys\":{\"estimate\":9,") != std::string::npos);
    CHECK(all.find("\"windows\":2") != std::string::npos);
}

TEST(ResultMerger, only_the_last_of_revisions_that_are_all_there_is_merged) {
    Rows fine(spec_of(Duration::seconds(10), {{"c", "count()"}}, 8, Duration::seconds(60)));
    fine.send({1000, "a", 1, 1.0, "v", true});
    fine.send({12'000, "a", 1, 1.0, "v", true});  // closes the first
    fine.send({2000, "a", 1, 1.0, "v", true});    // late: revision 1
    fine.send({3000, "a", 1, 1.0, "v", true});
    fine.engine.close_all();
    Merger merger(fine.plan);
    std::vector<Row> first;
    Row second;
    for (const Row& row : fine.rows) {
        const auto head = merger.merger.head(row);
        CHECK(head->wait == Duration::seconds(60));
        if (head->start == Timestamp::seconds(0))
            first.push_back(row);
        else
            second = row;
    }
    CHECK(first.size() >= 2);
    CHECK_EQUAL(0, merger.merger.head(first[0])->missing);
    CHECK_EQUAL(1, merger.merger.head(first[1])->missing);
    CHECK(merger.merge(first[1], second).empty());  // what came before it is not in it
    if (first.size() > 2) CHECK(merger.merge(first[0], first[2]).empty());
    Row last = first[0];
    for (std::size_t i = 1; i < first.size(); ++i) {
        last = merger.merge(last, first[i]);
        CHECK(!last.empty());
        CHECK_EQUAL(0, merger.merger.head(last)->missing);
    }
    CHECK(json_of(last).find("\"c\":3") != std::string::npos);
    CHECK(json_of(last).find("windows") == std::string::npos);
    const Row both = merger.merge(last, second);
    CHECK(json_of(both).find("\"c\":4") != std::string::npos);
    CHECK(json_of(both).find("\"end\":20000,\"windows\":2,\"revision\":0") != std::string::npos);
}

TEST(ResultMerger, rows_that_do_not_belong_together_are_refused) {
    Rows fine(spec_of(Duration::seconds(10), everything));
    for (const Event& event : events(7, 200, 40'000, 9)) fine.send(event);
    fine.engine.close_all();
    Merger merger(fine.plan);
    std::map<std::uint64_t, std::vector<Row>> groups;
    for (const Row& row : fine.rows) groups[merger.merger.head(row)->group].push_back(row);
    const std::vector<Row>& a = groups.begin()->second;
    const std::vector<Row>& b = groups.rbegin()->second;
    CHECK(merger.merge(a[0], b[1]).empty());  // another key
    CHECK(merger.merge(a[0], a[0]).empty());
    CHECK(!merger.merge(a[0], a[1]).empty());
    Rows other(spec_of(Duration::seconds(20), everything));
    Merger without(other.plan);
    CHECK(!without.merger.head(a[0]).has_value());  // a definition that is gone
}

TEST(ResultMerger, bytes_that_were_changed_are_refused_or_merged_but_never_read_beyond) {
    Rows fine(spec_of(Duration::seconds(10), everything));
    for (const Event& event : events(11, 200, 20'000, 9)) fine.send(event);
    fine.engine.close_all();
    Merger merger(fine.plan);
    std::map<std::uint64_t, std::vector<Row>> groups;
    for (const Row& row : fine.rows) groups[merger.merger.head(row)->group].push_back(row);
    const Row& a = groups.begin()->second[0];
    const Row& b = groups.begin()->second[1];
    SeededEntropy random(5);
    std::size_t refused = 0;
    for (int i = 0; i < 4000; ++i) {
        Row changed = b;
        for (std::uint64_t n = random.word() % 4 + 1; n > 0; --n) changed[random.word() % changed.size()] = static_cast<std::byte>(random.word());
        if (random.word() % 8 == 0) changed.resize(random.word() % changed.size());
        refused += merger.merge(a, changed).empty();
    }
    CHECK(refused > 100);
}

struct Partials final : public PartialSink {
    void partial(ByteSpan bytes) override { size = bytes.size(); }
    void passed(std::size_t, Timestamp, bool) override {}
    Bytes size = 0;
};

// What rows on flash take: the record alone, the record with its state, and states alone as lanes leave them.
TEST(ResultMerger, the_state_beside_a_record_is_small) {
    const std::vector<std::pair<std::string, std::string>> plain = {{"c", "count()"}, {"m", "mean(speed)"}, {"hi", "max(speed)"}};
    const std::vector<std::pair<std::string, std::string>> sketched = {
        {"c", "count()"}, {"m", "mean(speed)"}, {"p", "quantile(speed, 0.9)"}, {"d", "distinct(vid)"}, {"t", "top(vid, 3)"}};
    for (const auto& select : {plain, sketched}) {
        Rows fine(spec_of(Duration::seconds(10), select));
        for (const Event& event : events(3, 3000, 10'000, 300)) fine.send(event);
        fine.engine.close_all();
        auto storage = std::make_unique<RecordStorage>();
        const Result<Record> record = decode_record(fine.rows[0], *storage);
        EngineSpec split = spec_of(Duration::seconds(10), select);
        split.sources[0].split = true;
        Partials partials;
        Rows lane(split, &partials);
        for (const Event& event : events(3, 3000, 10'000, 300)) lane.send(event);
        lane.engine.close_all();
        if (getenv("WEIR_PRINT_SIZES") != nullptr)
            printf("%zu values: row %zu bytes, of which state %zu; states alone as lanes leave them %zu\n", select.size(),
                   fine.rows[0].size(), record->state.size(), partials.size);
        CHECK(record->state.size() < 120);
        CHECK(record->state.size() * 2 < fine.rows[0].size());
    }
}
