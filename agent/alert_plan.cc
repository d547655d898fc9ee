// Assembly's part for alerts: what each watches, compiled.
#include "agent/alert_plan.h"

#include <algorithm>
#include <bit>

#include "agent/alert_rows.h"
#include "agent/assembly.h"
#include "agent/base/hash.h"
#include "agent/zones.h"

namespace weir {
namespace {

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) { return hash64(as_byte_span(text), {seed, 0x77656972}); }

// A calendar's longest: the day in which clocks go back, and an hour that comes twice by half.
std::optional<Duration> results_every(const WindowSpec& window) {
    if (window.calendar == CalendarUnit::day) return Duration::minutes(25 * 60);
    if (window.calendar == CalendarUnit::hour) return Duration::minutes(90);
    if (window.every > Duration()) return window.every;
    if (window.size > Duration()) return window.size;
    return std::nullopt;
}

}  // namespace

ValueKind kind_of(ColumnType type) {
    switch (type) {
        case ColumnType::integer: return ValueKind::integer;
        case ColumnType::real: return ValueKind::real;
        case ColumnType::boolean: return ValueKind::boolean;
        case ColumnType::text: return ValueKind::text;
    }
    return ValueKind::null;
}

std::string life_text(const AlertConfig& alert) {
    std::string text = alert.name + "\n" + alert.message.text + "\n" + std::to_string(static_cast<int>(alert.severity)) + " " +
                       std::to_string(alert.hold.us()) + " " + std::to_string(alert.clear_after.us()) + " " +
                       std::to_string(alert.missing_clears);
    for (const ConfigString& key : alert.expect) text += " " + key.text;
    if (alert.flap) text += " " + std::to_string(alert.flap->raises) + " " + std::to_string(alert.flap->within.us());
    return text;
}

void Assembly::make_alerts(std::vector<ConfigProblem>& problems) {
    for (std::size_t i = 0; i < config_.alerts.size(); ++i) {
        const AlertConfig& alert = config_.alerts[i];
        AlertPlan plan;
        plan.alert = i;
        if (alert.anomaly) {
            make_anomaly(std::move(plan), problems);
            continue;
        }
        std::string_view source;
        if (const std::optional<std::size_t> window = engine_->find_window(alert.from.text)) {
            const WindowSpec& spec = engine_->window(*window);
            plan.from = *window;
            plan.definition = engine_->definition(*window);
            plan.fields.assign(engine_->fields(*window).begin(), engine_->fields(*window).end());
            plan.keys = spec.by.size();
            plan.keys_max = spec.max_groups + 1;  // and "(other)"
            plan.results_every = results_every(spec);
            source = spec.from;
        } else if (const std::optional<std::size_t> pattern = engine_->find_pattern(alert.from.text)) {
            const PatternSpec& spec = engine_->pattern(*pattern);
            plan.kind = AlertKind::pattern;
            plan.from = *pattern;
            plan.definition = engine_->pattern_definition(*pattern);
            plan.fields.assign(engine_->pattern_fields(*pattern).begin(), engine_->pattern_fields(*pattern).end());
            plan.keys = spec.by.size();
            plan.keys_max = spec.max_groups;
            source = spec.from;
        } else if (const std::optional<std::size_t> rows = engine_->find_source(alert.from.text); rows && *rows < config_.sources.size()) {
            make_rows(std::move(plan), *rows, problems);
            continue;
        } else {
            problems.push_back({alert.from.at, "alert '" + alert.name + "': there is no window '" + alert.from.text + "'"});
            continue;
        }
        plan.source = engine_->find_source(source).value_or(0);
        make_condition(std::move(plan), problems);
    }
}

// check_references() has seen to the names. The definition has no column but those it uses.
void Assembly::make_rows(AlertPlan plan, std::size_t source, std::vector<ConfigProblem>& problems) {
    const AlertConfig& alert = config_.alerts[plan.alert];
    const Schema schema = config_.sources[source].schema();
    plan.kind = alert.absent > Duration() ? AlertKind::absence : AlertKind::rows;
    plan.from = plan.source = source;
    std::string text = alert.name + "\n" + alert.from.text + "\n" + std::to_string(alert.absent.us());
    for (const ConfigString& key : alert.by) {
        plan.by.push_back(schema.find(key.text).value_or(0));
        text += "\n" + key.text + " " + std::string(name(schema[plan.by.back()].type));
    }
    plan.keys = plan.by.size();
    plan.keys_max = alert.by.empty() ? 1 : std::max<std::size_t>(alert.max_groups, alert.expect.size());
    plan.fields = RowFields::types(schema, plan.by);
    if (plan.kind == AlertKind::absence) {
        plan.fields.resize(plan.keys);
        plan.fields.push_back({"silent", ValueKind::real});
    }
    for (const ConfigString* condition : {&alert.when, &alert.clear}) {
        if (condition->empty()) continue;
        const std::string key = condition == &alert.when ? "when" : "clear";
        Problem problem;
        const std::optional<Expression> compiled = compile_row_condition(condition->text, schema, problem);
        if (!compiled) {
            problem.what = key + " in [[alert]] \"" + alert.name + "\": " + problem.what;
            problems.push_back(problem_in(*condition, problem));
            continue;
        }
        condition_memory_ += compiled->memory();
        text += "\n" + key + " " + compiled->canonical();
    }
    plan.definition = hash_of(text, static_cast<std::uint64_t>(plan.kind));
    alerts_.push_back(std::move(plan));
}

bool Assembly::watches_rows(std::size_t source) const {
    return std::any_of(alerts_.begin(), alerts_.end(), [&](const AlertPlan& plan) {
        const bool rows = plan.kind == AlertKind::rows || plan.kind == AlertKind::absence || (plan.anomaly && plan.anomaly->of_source);
        return rows && plan.source == source;
    });
}

void Assembly::make_condition(AlertPlan plan, std::vector<ConfigProblem>& problems) {
    const AlertConfig& alert = config_.alerts[plan.alert];
    plan.definition = hash_of(alert.name, plan.definition);
    for (const ConfigString* text : {&alert.when, &alert.clear}) {
        if (text->empty()) continue;
        const std::string key = text == &alert.when ? "when" : "clear";
        Problem problem;
        const std::optional<Condition> condition = Condition::compile(text->text, plan.fields, problem, &system_zones());
        if (!condition) {
            problem.what = key + " in [[alert]] \"" + alert.name + "\": " + problem.what;
            problems.push_back(problem_in(*text, problem));
            continue;
        }
        condition_memory_ += condition->memory();
        plan.definition = hash_of(condition->canonical(), plan.definition + (text == &alert.clear ? 1 : 0));
    }
    alerts_.push_back(std::move(plan));
}

// check_references() has seen to the names.
void Assembly::make_anomaly(AlertPlan out, std::vector<ConfigProblem>& problems) {
    const AlertConfig& alert = config_.alerts[out.alert];
    AnomalyPlan plan;
    plan.of = alert.anomaly->of.text;
    plan.detector = {alert.anomaly->method, alert.anomaly->season};
    plan.score_above = alert.anomaly->score_above;
    std::string text = alert.name + "\n" + plan.of + "\n" + std::string(name(alert.anomaly->method)) + " " +
                       std::to_string(alert.anomaly->season.us()) + " " +
                       std::to_string(std::bit_cast<std::uint64_t>(plan.score_above));
    std::uint64_t seed = 0;
    if (const std::optional<std::size_t> window = engine_->find_window(alert.from.text)) {
        const WindowSpec& spec = engine_->window(*window);
        plan.from = *window;
        plan.keys_max = spec.max_groups;
        seed = engine_->definition(*window);
        out.fields.assign(engine_->fields(*window).begin(), engine_->fields(*window).end());
        out.keys = spec.by.size();
        out.results_every = results_every(spec);
        out.source = engine_->find_source(spec.from).value_or(0);
    } else {
        const std::optional<std::size_t> source = engine_->find_source(alert.from.text);
        const std::optional<std::size_t> column = source ? engine_->source(*source).schema.find(plan.of) : std::nullopt;
        if (!column) {
            problems.push_back({alert.from.at, "alert '" + alert.name + "': there is no '" + plan.of + "' in '" + alert.from.text + "'"});
            return;
        }
        const Schema& schema = engine_->source(*source).schema;
        plan.of_source = true;
        plan.from = out.source = *source;
        plan.column = *column;
        plan.keys_max = alert.by.empty() ? 1 : alert.max_groups;
        text += "\n" + alert.from.text + " " + std::to_string(plan.keys_max);
        for (const ConfigString& key : alert.by) {
            plan.by.push_back(schema.find(key.text).value_or(0));
            text += "\n" + key.text;
            out.fields.push_back({key.text, kind_of(schema[plan.by.back()].type)});
        }
        out.keys = plan.by.size();
        out.fields.push_back({plan.of, ValueKind::real});
    }
    out.fields.push_back({"score", ValueKind::real});
    out.fields.push_back({"expected", ValueKind::real});
    out.kind = AlertKind::anomaly;
    out.keys_max = plan.keys_max;
    out.definition = hash_of(text, seed);
    out.anomaly = std::move(plan);
    alerts_.push_back(std::move(out));
}

}  // namespace weir
