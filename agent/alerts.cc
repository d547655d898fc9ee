#include "agent/alerts.h"

#include <algorithm>

#include "agent/base/hash.h"
#include "agent/base/json_writer.h"
#include "agent/zones.h"

namespace weir {
std::uint64_t hash_of_key(const Record& record) {
    std::uint64_t hash = 1;
    for (const Field& field : record.key) {
        const Value& value = field.value;
        const HashKey key{hash, static_cast<std::uint64_t>(value.kind)};
        switch (value.kind) {
            case ValueKind::integer: hash = hash64(std::as_bytes(std::span(&value.integer, 1)), key); break;
            case ValueKind::boolean: hash = hash64(std::as_bytes(std::span(&value.boolean, 1)), key); break;
            case ValueKind::text: hash = hash64(as_byte_span(value.text), key); break;
            default: hash = hash64({}, key); break;
        }
    }
    return hash == 0 ? 1 : hash;
}

std::string_view name(AlertState state) { return state == AlertState::raised ? "raised" : "cleared"; }

std::string_view name(Severity severity) {
    switch (severity) {
        case Severity::info: return "info";
        case Severity::warning: return "warning";
        case Severity::critical: return "critical";
    }
    return "?";
}

// Twice the keys that can be open at once, so that keys which went away unnoticed have room.
std::size_t Alerts::table_size(const Assembly& assembly, const AlertPlan& plan) {
    return 2 * ((plan.anomaly ? plan.anomaly->keys_max : assembly.engine().window(plan.window).max_groups) + 1);
}

Bytes Alerts::need(const Assembly& assembly) {
    Bytes total = 0;
    for (const AlertPlan& plan : assembly.alerts()) total += Arena::need<Raised>(table_size(assembly, plan));
    return total;
}

Alerts::Alerts(Arena& arena, const Assembly& assembly, AlertSink& sink) : sink_(sink) {
    rules_.reserve(assembly.alerts().size());
    for (const AlertPlan& plan : assembly.alerts()) {
        const AlertConfig& alert = assembly.config().alerts[plan.alert];
        const auto compile = [&](const ConfigString& text) {
            Problem problem;
            std::optional<Condition> condition =
                Condition::compile(text.text, assembly.engine().fields(plan.window), problem, &system_zones());
            WEIR_ASSERT(condition.has_value());  // Assembly::make() compiled it before
            return std::move(*condition);
        };
        Rule rule;
        rule.alert = &alert;
        rule.definition = plan.definition;
        rule.raised = arena.take<Raised>(table_size(assembly, plan));
        if (plan.anomaly) {
            rule.score_above = plan.anomaly->score_above;
        } else {
            rule.window = assembly.engine().window(plan.window).name;
            rule.window_definition = assembly.engine().definition(plan.window);
            rule.when = compile(alert.when);
            if (!alert.clear.empty()) rule.clear = compile(alert.clear);
        }
        rules_.push_back(std::move(rule));
    }
}

void Alerts::observe(const Record& result) {
    if (result.kind != RecordKind::result || result.revision != 0) return;
    for (Rule& rule : rules_) {
        if (!rule.when || rule.window_definition != result.definition || rule.window != result.window) continue;
        const std::optional<bool> when = rule.when->evaluate(result);
        const std::optional<bool> clear = rule.clear ? rule.clear->evaluate(result)
                                          : when     ? std::optional<bool>(!*when)
                                                     : std::nullopt;
        judge(rule, result, when, clear);
    }
}

void Alerts::observe(std::size_t alert, double score, const Record& record) {
    const bool above = score >= rules_[alert].score_above;
    judge(rules_[alert], record, above, !above);
}

void Alerts::judge(Rule& rule, const Record& result, std::optional<bool> raises, std::optional<bool> clears) {
    const std::uint64_t hash = hash_of_key(result);
    Raised* standing = find(rule, hash);
    AlertState state = AlertState::raised;
    if (standing == nullptr) {
        if (raises != true) return;
        raise(rule, hash);
    } else {
        if (clears != true) return;
        *standing = {};
        --rule.count;
        state = AlertState::cleared;
    }
    ++transitions_;
    sink_.transition({rule.alert, rule.definition, state, &result});
}

Alerts::Raised* Alerts::find(Rule& rule, std::uint64_t hash) {
    if (rule.count == 0) return nullptr;
    const auto at = std::find_if(rule.raised.begin(), rule.raised.end(), [&](const Raised& r) { return r.hash == hash; });
    return at == rule.raised.end() ? nullptr : &*at;
}

void Alerts::raise(Rule& rule, std::uint64_t hash) {
    const auto place = std::min_element(rule.raised.begin(), rule.raised.end(), [](const Raised& a, const Raised& b) {
        return (a.hash == 0 ? 0 : a.number) < (b.hash == 0 ? 0 : b.number);
    });
    if (place->hash == 0)
        ++rule.count;
    else
        ++forgotten_;
    *place = {hash, transitions_ + 1};
}

std::size_t Alerts::raised(std::size_t alert) const { return rules_[alert].count; }

std::vector<Alerts::Standing> Alerts::standing() const {
    std::vector<Standing> all;
    for (const Rule& rule : rules_)
        for (const Raised& raised : rule.raised)
            if (raised.hash != 0) all.push_back({rule.definition, raised.hash});
    return all;
}

std::size_t Alerts::adopt(std::span<const Standing> standing) {
    std::size_t adopted = 0;
    for (const Standing& one : standing)
        for (Rule& rule : rules_)
            if (rule.definition == one.definition && find(rule, one.key) == nullptr) {
                raise(rule, one.key);
                ++adopted;
            }
    return adopted;
}

Bytes Alerts::save_size_max(const Assembly& assembly) {
    Bytes total = 2 * sizeof(std::uint64_t);
    for (const AlertPlan& plan : assembly.alerts())
        total += sizeof(std::uint32_t) + table_size(assembly, plan) * 2 * sizeof(std::uint64_t);
    return total;
}

void Alerts::save(ByteWriter& out) const {
    out.write(transitions_);
    out.write(forgotten_);
    for (const Rule& rule : rules_) {
        out.write(static_cast<std::uint32_t>(rule.count));
        for (const Raised& raised : rule.raised)
            if (raised.hash != 0) {
                out.write(raised.hash);
                out.write(raised.number);
            }
    }
}

Status Alerts::load(ByteReader& in) {
    transitions_ = in.read<std::uint64_t>();
    forgotten_ = in.read<std::uint64_t>();
    for (Rule& rule : rules_) {
        rule.count = in.read<std::uint32_t>();
        if (!in.ok()) return Error::truncated;
        if (rule.count > rule.raised.size()) return Error::invalid;
        std::fill(rule.raised.begin(), rule.raised.end(), Raised{});
        for (std::size_t i = 0; i < rule.count; ++i) {
            rule.raised[i].hash = in.read<std::uint64_t>();
            rule.raised[i].number = in.read<std::uint64_t>();
            if (in.ok() && rule.raised[i].hash == 0) return Error::invalid;
        }
    }
    return in.ok() ? Status::success() : Status(Error::truncated);
}

}  // namespace weir
