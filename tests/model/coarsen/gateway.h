// An engine whose results go to an outbox, and a reader behind it that knows what must arrive, for tests of coarsening.
#pragma once

#include <functional>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/unit/uplink/outbox_fixture.h"
#include "windows/engine.h"
#include "windows/result_merger.h"

namespace weir::test {

// What a reader keeps of a result.
struct Said {
    std::uint64_t epoch = 0;
    std::uint32_t revision = 0;
    std::int64_t count = 0;
    std::int64_t sum = 0;
    std::uint32_t windows = 1;
};
using Group = std::pair<std::uint64_t, std::string>;             // definition, key
using Interval = std::pair<std::int64_t, std::int64_t>;          // microseconds
using Heard = std::map<Group, std::map<Interval, Said>>;

inline Group group_of(const Record& record) {
    std::string key = record.flags & record_other ? "(other)" : "";
    for (const Field& field : record.key) key += std::string(field.value.text) + "|";
    return {record.definition, key};
}
// Of several with one identity the greatest (epoch, revision) stands. False: it had come before.
inline bool hear(Heard& table, const Record& record, std::uint64_t epoch) {
    Said said{epoch, record.revision, 0, 0, record.windows};
    for (const Field& field : record.values) {
        if (field.name == "c") said.count = field.value.integer;
        if (field.name == "n") said.sum = field.value.integer;
    }
    const auto [at, is_new] = table[group_of(record)].insert({{record.start.us(), record.end.us()}, said});
    if (is_new) return true;
    if (std::pair(at->second.epoch, at->second.revision) == std::pair(epoch, record.revision)) return false;
    if (std::pair(at->second.epoch, at->second.revision) < std::pair(epoch, record.revision)) at->second = said;
    return true;
}

// The first thing in which what arrived differs in sum from what was emitted; empty: none. Where a window may begin late, one
// that was not merged may lie within the span of a result that was.
inline std::string difference(const Heard& arrived, const Heard& emitted, const EnginePlan& plan) {
    std::set<std::uint64_t> in_order;
    for (std::size_t i = 0; i < plan.windows(); ++i)
        if (plan.window(i).late_allow == Duration()) in_order.insert(plan.definition(i));
    for (const auto& [group, intervals] : emitted) {
        std::int64_t count = 0, sum = 0, count_there = 0, sum_there = 0, end = INT64_MIN;
        std::uint64_t windows = 0;
        for (const auto& [interval, said] : intervals) count += said.count, sum += said.sum;
        const auto there = arrived.find(group);
        if (there == arrived.end()) return group.second + " did not arrive";
        for (const auto& [interval, said] : there->second) {
            if (interval.first < end && in_order.count(group.first) > 0) return group.second + ": two results share time";
            end = interval.second;
            count_there += said.count, sum_there += said.sum, windows += said.windows;
        }
        if (count != count_there || sum != sum_there)
            return group.second + ": count " + std::to_string(count_there) + " for " + std::to_string(count) + ", sum " +
                   std::to_string(sum_there) + " for " + std::to_string(sum);
        if (windows != intervals.size()) return group.second + ": holds " + std::to_string(windows) + " windows of " + std::to_string(intervals.size());
    }
    return arrived.size() == emitted.size() ? "" : "groups that nobody emitted";
}

// Events go in, rows are staged; what the outbox has not committed is kept, to be staged again after a crash.
class Gateway final : private RecordSink {
public:
    explicit Gateway(EngineSpec spec)
        : plan(compile(std::move(spec))), block_(Engine::need(plan)), arena_(block_.memory()), engine(arena_, plan, *this),
          batch_block_(Batch::need(plan.source(0).schema, {})), batch_arena_(batch_block_.memory()),
          batch_(batch_arena_, plan.source(0).schema, {}), merger_block_(ResultMerger::need(plan)),
          merger_arena_(merger_block_.memory()), merger(merger_arena_, plan) {}

    // A source with columns k (string), n (int).
    static EngineSpec spec_of(std::vector<WindowSpec> windows) {
        SourceSpec source;
        source.name = "s";
        source.schema = Schema({{"k", ColumnType::text}, {"n", ColumnType::integer}});
        source.lateness = Duration::seconds(1);
        EngineSpec spec;
        spec.sources = {source};
        spec.windows = std::move(windows);
        spec.keep_states = true;
        return spec;
    }
    static WindowSpec window_of(std::string name, Duration size, std::size_t max_groups, Duration allow = {}) {
        WindowSpec window;
        window.name = std::move(name);
        window.from = "s";
        window.by = {"k"};
        window.size = size;
        window.max_groups = max_groups;
        window.late_allow = allow;
        window.late_then = allow > Duration() ? LateThen::revise : LateThen::drop;
        window.select = {{"c", "count()"}, {"n", "sum(n)"}, {"m", "mean(n)"}};
        return window;
    }

    void send(std::int64_t at_ms, std::string_view key, std::int64_t n) {
        batch_.begin_row();
        batch_.set_text(0, batch_.keep_text(key).value());
        batch_.set_integer(1, n);
        RowTime time;
        time.event = time.arrival = Timestamp::millis(at_ms);
        time.arrival_trusted = true;
        batch_.commit_row(time);
        batch_.end_message();
        engine.push(0, batch_);
        batch_.clear();
        seal();
    }
    void close() {
        engine.close_all();
        seal();
    }
    // An alert on nothing in particular.
    void alert(Timestamp at) {
        Record record;
        record.kind = RecordKind::alert;
        record.window = "alert";
        record.definition = 77;
        record.start = at - Duration::seconds(1);
        record.end = at;
        say(record);
        seal();
    }
    // What was not committed comes again, as after a crash.
    void attach(Outbox& to, std::uint64_t epoch) {
        outbox = &to;
        epoch_ = epoch;
        for (std::size_t i = 0; i < pending.size(); ++i) {
            pending[i].epoch = epoch;
            stage(pending[i]);
        }
        seal();
    }
    // Of what waits, what the outbox has committed.
    void forget_committed() {
        const OutputPosition at = std::min(outbox->committed_position(), sealed_);  // of an open group nothing stays
        const auto waits = [&](const Row& row) { return at < OutputPosition{row.epoch, row.sequence}; };
        pending.erase(pending.begin(), std::find_if(pending.begin(), pending.end(), waits));
    }

    struct Row {
        RecordKind kind;
        std::uint64_t epoch, sequence, definition, partition;
        Timestamp end;
        bool revises;
        std::vector<std::byte> bytes;
    };
    EnginePlan plan;
    std::vector<Row> pending;
    Heard emitted;
    std::uint64_t rows = 0, row_bytes = 0, revisions = 0, refused = 0;
    Outbox* outbox = nullptr;
    std::function<void()> power_went;

private:
    static EnginePlan compile(EngineSpec spec) {
        SpecProblem problem;
        auto plan = EnginePlan::compile(std::move(spec), problem);
        WEIR_ASSERT(plan.has_value());
        return std::move(*plan);
    }
    void emit(const Record& record) override {
        (void)hear(emitted, record, epoch_);
        revisions += record.revision > 0;
        say(record);
    }
    void say(const Record& record) {
        Record numbered = record;
        numbered.sequence = ++sequence_;
        Row row{record.kind, epoch_, sequence_, record.definition, record.partition, record.end, record.revision > 0, std::vector<std::byte>(encoded_size(numbered))};
        ByteWriter out(row.bytes);
        WEIR_ASSERT(encode(numbered, out).ok());
        ++rows;
        row_bytes += row.bytes.size();
        pending.push_back(row);
        if (outbox) stage(pending.back());
        if (std::exchange(committed_, false)) forget_committed();
    }
    void stage(const Row& row) {
        StagedRecord staged;
        staged.kind = row.kind;
        staged.epoch = row.epoch;
        staged.sequence = row.sequence;
        staged.definition = row.definition;
        staged.partition = row.partition;
        staged.end = row.end;
        staged.closes = false;
        staged.revises = row.revises;
        staged.bytes = row.bytes;
        if (outbox->stage(staged)) return;
        const bool committed = outbox->commit().ok();
        if (!committed && power_went) return power_went();  // which stages all that waits anew
        committed_ |= committed;
        refused += outbox->stage(staged) ? 0 : 1;
    }
    void seal() {
        sealed_ = {epoch_, sequence_};
        if (outbox) outbox->seal(sealed_);
    }

    ArenaBlock block_;
    Arena arena_;

public:
    Engine engine;

private:
    ArenaBlock batch_block_;
    Arena batch_arena_;
    Batch batch_;
    ArenaBlock merger_block_;
    Arena merger_arena_;
    bool committed_ = false;
    OutputPosition sealed_;
    std::uint64_t sequence_ = 0;
    std::uint64_t epoch_ = 1;

public:
    ResultMerger merger;
};

}  // namespace weir::test
