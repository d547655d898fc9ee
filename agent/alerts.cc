#include "agent/alerts.h"

#include <algorithm>

#include "agent/zones.h"

namespace weir {

AlertLife::Params Alerts::params(const Assembly& assembly, const AlertPlan& plan) {
    const AlertConfig& alert = assembly.config().alerts[plan.alert];
    AlertLife::Params params;
    params.table.alert = &alert;
    params.table.definition = plan.definition;
    params.table.from = alert.from.text;
    params.table.shape = AlertShape(plan.fields, plan.keys);
    params.table.keys_max = plan.keys_max;
    params.hold = alert.hold;
    params.clear_after = alert.clear_after;
    if (alert.missing_clears) params.missing_after = plan.results_every;
    return params;
}

Bytes Alerts::need(const Assembly& assembly) {
    Bytes total = 0;
    for (const AlertPlan& plan : assembly.alerts()) total += AlertLife::need(params(assembly, plan));
    return total + AlertRows::need(assembly) + AlertAbsence::need(assembly);
}

Alerts::Alerts(Arena& arena, const Assembly& assembly, AlertSink& sink)
    : teller_(sink, assembly.config().agent.id), rows_(arena, assembly), absence_(arena, assembly) {
    const EnginePlan& engine = assembly.engine();
    for (const AlertPlan& plan : assembly.alerts()) {
        const AlertConfig& alert = assembly.config().alerts[plan.alert];
        const auto compile = [&](const ConfigString& text) -> std::optional<Condition> {
            if (text.empty()) return std::nullopt;
            Problem problem;
            std::optional<Condition> condition = Condition::compile(text.text, plan.fields, problem, &system_zones());
            WEIR_ASSERT(condition.has_value());  // Assembly::make() compiled it before
            return condition;
        };
        const AlertLife::Params life = params(assembly, plan);
        auto rule = std::make_unique<Rule>(arena, life, teller_);
        rule->plan = &plan;
        rule->from = alert.from.text;
        if (plan.kind == AlertKind::window) rule->from_definition = engine.definition(plan.from);
        if (plan.kind == AlertKind::pattern) rule->from_definition = engine.pattern_definition(plan.from);
        if (plan.kind == AlertKind::window || plan.kind == AlertKind::pattern) {
            rule->when = compile(alert.when);
            rule->clear = compile(alert.clear);
        }
        rows_.bind(rules_.size(), rule->life);
        absence_.bind(rules_.size(), rule->life);
        if (plan.kind != AlertKind::absence && AlertLife::is_timed(life)) timed_.push_back(plan.source);
        rules_.push_back(std::move(rule));
    }
    std::sort(timed_.begin(), timed_.end());
    timed_.erase(std::unique(timed_.begin(), timed_.end()), timed_.end());
    emitted_.assign(timed_.size(), Timestamp::min());
}

// Without `clear`, a window's result clears that does not raise; of a pattern no match does, only `clear_after`.
std::optional<bool> Alerts::clears(Rule& rule, const Record& result, std::optional<bool> when) {
    if (rule.clear) return rule.clear->evaluate(result);
    if (!when || rule.plan->kind == AlertKind::pattern) return std::nullopt;
    return !*when;
}

void Alerts::observe(const Record& result) {
    if (result.kind != RecordKind::result || result.revision != 0) return;
    for (const auto& rule : rules_) {
        const bool records = rule->plan->kind == AlertKind::window || rule->plan->kind == AlertKind::pattern;
        if (!records || rule->from_definition != result.definition || rule->from != result.window) continue;
        const std::optional<bool> when = rule->when ? rule->when->evaluate(result) : true;
        rule->life.judge(result, hash_of_key(result), result.end.us(), when, clears(*rule, result, when));
    }
}

void Alerts::observe(std::size_t alert, double score, const Record& record) {
    const bool above = score >= rules_[alert]->plan->anomaly->score_above;
    rules_[alert]->life.judge(record, hash_of_key(record), record.end.us(), above, !above);
}

void Alerts::observe(std::size_t source, const Batch& batch) {
    rows_.observe(source, batch);
    absence_.observe(source, batch);
}

std::size_t Alerts::acknowledge(std::size_t alert, std::uint64_t key, Timestamp at) {
    std::size_t done = 0;
    AlertTable& table = rules_[alert]->life.table();
    for (AlertKey& each : table.keys())
        if ((key == 0 || each.hash == key) && table.acknowledge(each, at.us())) ++done;
    return done;
}

void Alerts::advance(std::size_t source, Timestamp watermark, const PartitionTimes* partitions) {
    if (watermark == Timestamp::min()) return;
    for (const auto& rule : rules_)
        if (rule->plan->source == source && rule->plan->kind != AlertKind::absence) rule->life.advance(watermark.us(), partitions);
}

void Alerts::begin_emission(std::size_t source, Timestamp watermark) {
    const auto at = std::lower_bound(timed_.begin(), timed_.end(), source);
    if (at == timed_.end() || *at != source) return;
    Timestamp& before = emitted_[static_cast<std::size_t>(at - timed_.begin())];
    if (watermark <= before) return;
    advance(source, before, nullptr);
    before = watermark;
}

std::uint64_t Alerts::stale() const {
    std::uint64_t sum = 0;
    for (const auto& rule : rules_) sum += rule->life.stale();
    return sum;
}

std::size_t Alerts::adopt(const Alerts& from) {
    std::size_t left = 0;
    teller_.restore(from.transitions(), from.forgotten());
    rows_.restore(from.rows_.quarantined());
    for (const auto& old : from.rules_) {
        const auto same = [&](const auto& rule) { return rule->plan->definition == old->plan->definition; };
        const auto found = std::find_if(rules_.begin(), rules_.end(), same);
        if (found == rules_.end())
            left += old->life.table().raised();
        else
            (*found)->life.adopt(old->life);
    }
    absence_.adopt(from.absence_);
    return left;
}

Bytes Alerts::save_size_max(const Assembly& assembly) {
    Bytes total = 3 * sizeof(std::uint64_t) + AlertAbsence::save_size();
    for (const AlertPlan& plan : assembly.alerts()) total += sizeof(std::uint64_t) + AlertLife::save_size_max(params(assembly, plan));
    return total;
}

void Alerts::save(ByteWriter& out) const {
    out.write(teller_.said());
    out.write(teller_.forgotten());
    out.write(rows_.quarantined());
    absence_.save(out);
    for (const Timestamp watermark : emitted_) out.write(static_cast<std::uint64_t>(watermark.us()));
    for (const auto& rule : rules_) rule->life.save(out);
}

Status Alerts::load(ByteReader& in) {
    const auto said = in.read<std::uint64_t>();
    teller_.restore(said, in.read<std::uint64_t>());
    rows_.restore(in.read<std::uint64_t>());
    if (Status loaded = absence_.load(in); !loaded.ok()) return loaded;
    for (Timestamp& watermark : emitted_) watermark = Timestamp::micros(static_cast<std::int64_t>(in.read<std::uint64_t>()));
    for (const auto& rule : rules_)
        if (Status loaded = rule->life.load(in); !loaded.ok()) return loaded;
    return in.ok() ? Status::success() : Status(Error::truncated);
}

}  // namespace weir
