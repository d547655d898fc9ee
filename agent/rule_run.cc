#include "agent/rule_run.h"

#include <algorithm>
#include <cmath>

#include "agent/alert_list.h"
#include "agent/config_units.h"
#include "agent/replay_feed.h"
#include "agent/rule_events.h"
#include "agent/table_file.h"
#include "agent/zones.h"
#include "windows/expression.h"

namespace weir {
namespace {

constexpr double number_tolerance = 1e-6;  // of the greater one: six digits
constexpr std::size_t shown_max = 6;

// A value that outlives its record.
struct Kept {
    std::string name;
    ValueKind kind = ValueKind::null;
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::string text;
};

struct RuleOutput {
    bool alert = false;
    std::string name;
    std::string state;
    Timestamp at;
    std::vector<Kept> key;
    std::vector<Kept> values;
    std::string shown;          // key and values
    std::vector<bool> when;     // of each expectation: its condition holds
    bool used = false;
};

std::vector<Kept> kept(std::span<const Field> fields) {
    std::vector<Kept> out;
    for (const Field& field : fields) {
        const Value& value = field.value;
        out.push_back({std::string(field.name), value.kind, value.integer, value.real, value.boolean, std::string(value.text)});
    }
    return out;
}

bool close(double a, double b) { return a == b || std::fabs(a - b) <= number_tolerance * std::max(std::fabs(a), std::fabs(b)); }

bool equals(const Kept& got, const ConfigNode& wanted) {
    switch (got.kind) {
        case ValueKind::integer:
            return wanted.type == ConfigType::integer ? got.integer == wanted.integer
                                                      : wanted.type == ConfigType::real && close(static_cast<double>(got.integer), wanted.real);
        case ValueKind::real:
        case ValueKind::estimate:
            return wanted.type == ConfigType::integer ? close(got.real, static_cast<double>(wanted.integer))
                                                      : wanted.type == ConfigType::real && close(got.real, wanted.real);
        case ValueKind::boolean: return wanted.type == ConfigType::boolean && got.boolean == wanted.boolean;
        case ValueKind::text: return wanted.type == ConfigType::text && got.text == wanted.text;
        default: return wanted.type == ConfigType::text && wanted.text == "null" && got.kind == ValueKind::null;
    }
}

bool all_equal(const std::vector<Kept>& got, const std::vector<ConfigMember>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const ConfigMember& member) {
        const auto found = std::find_if(got.begin(), got.end(), [&](const Kept& one) { return one.name == member.key; });
        return found != got.end() && equals(*found, member.value);
    });
}

std::string spelled(const ConfigNode& value) {
    switch (value.type) {
        case ConfigType::integer: return std::to_string(value.integer);
        case ConfigType::boolean: return value.boolean ? "true" : "false";
        case ConfigType::real: {
            char text[32];
            std::snprintf(text, sizeof text, "%g", value.real);
            return text;
        }
        default: return value.text;
    }
}

std::string spelled(const std::vector<ConfigMember>& members) {
    std::string out;
    for (const ConfigMember& member : members) out += (out.empty() ? "" : " ") + member.key + "=" + spelled(member.value);
    return out;
}

class CaseRun final : public OutputSink {
public:
    CaseRun(const RuleCase& of, const Assembly& assembly, ConfigProblems& problems) : case_(of), assembly_(assembly), problems_(problems) {
        for (const RuleExpectation& one : of.expect) conditions_.push_back(condition_of(one));
        for (const RuleExpectation& one : of.expect_none) conditions_.push_back(condition_of(one));
        start_ = of.start.given ? of.start.from(rule_start) : rule_start;
    }

    RuleOutcome run() {
        ArenaBlock block(Analysis::need(assembly_, options()));
        Arena arena(block.memory());
        Analysis analysis(arena, assembly_, options(), *this);
        load_tables(analysis);
        ReplayFeed feed(assembly_, analysis, 0, nullptr);
        case_.file.empty() ? feed_events(feed, analysis) : feed_file(feed, analysis);
        if (case_.until.given)
            feed.advance(case_.until.from(start_));
        else
            analysis.finish();
        analysis.flush();
        note(analysis, feed);
        judge();
        return std::move(outcome_);
    }

    void result(const Record& record) override {
        if (record.flags & record_provisional) return;
        keep(record, record, false, record.kind == RecordKind::retraction ? "retracted" : record.kind == RecordKind::late ? "late" : "");
    }
    void alert(const AlertTransition& transition, const Record& record) override { keep(record, *transition.result, true, std::string(name(transition.state))); }

private:
    static Analysis::Options options() {
        Analysis::Options options;
        options.topicless = true;
        options.sketches = false;
        return options;
    }

    std::optional<Condition> condition_of(const RuleExpectation& one) {
        if (one.when.empty()) return std::nullopt;
        Problem ignored;  // read_rule_test() compiled it before
        const EnginePlan& plan = assembly_.engine();
        for (std::size_t w = 0; w < plan.windows(); ++w)
            if (plan.window(w).name == one.name) return Condition::compile(one.when.text, plan.fields(w), ignored, &system_zones());
        for (std::size_t p = 0; p < plan.patterns(); ++p)
            if (plan.pattern(p).name == one.name) return Condition::compile(one.when.text, plan.pattern_fields(p), ignored, &system_zones());
        return std::nullopt;
    }

    void load_tables(Analysis& analysis) {
        SystemFiles files;
        for (std::size_t i = 0; i < assembly_.config().tables.size(); ++i) {
            std::string why;
            const Result<std::string> image = read_table(files, assembly_.config().tables[i], why);
            if (!image.ok() || !analysis.load_table(i, as_byte_span(*image)).ok())
                problems_.push_back({case_.place, "table '" + assembly_.config().tables[i].name + "': " + why, false});
        }
    }

    void feed_one(ReplayFeed& feed, Analysis& analysis, RuleMessage message) {
        const std::size_t size = message.payload.size();
        message.payload.resize(size + payload_padding);
        ReplayLine line;
        line.arrival_given = true;
        line.message.topic = message.topic;
        line.message.payload = as_byte_span(std::string_view(message.payload).substr(0, size));
        line.message.arrival = message.arrival;
        feed.take(line, message.source);
        analysis.flush();  // rows point into the message
    }

    void feed_events(ReplayFeed& feed, Analysis& analysis) {
        for (RuleMessage& message : rule_messages(case_, start_, assembly_.config(), problems_)) feed_one(feed, analysis, std::move(message));
    }

    // Lines as `replay` takes them. ARRIVAL may also be "+90s", after the start; {time} is then that.
    void feed_file(ReplayFeed& feed, Analysis& analysis) {
        ReplayOptions options;
        options.path = case_.file;
        for (const MqttConfig& mqtt : assembly_.config().mqtt) options.line_bytes_max = std::max(options.line_bytes_max, mqtt.max_message);
        Problem problem;
        Result<std::unique_ptr<ReplayReader>> reader = ReplayReader::open(options, problem);
        if (!reader.ok()) {
            problems_.push_back({case_.file_at, problem.what, false});
            return;
        }
        std::optional<std::size_t> source;
        if (assembly_.config().sources.size() == 1) source = 0;
        ReplayLine line;
        while ((*reader)->fill()) {
            while ((*reader)->next(line)) feed_line(feed, analysis, line, source);
            analysis.flush();
        }
        if (!(*reader)->status().ok()) problems_.push_back({case_.file_at, "cannot read '" + case_.file + "' to its end", false});
    }
    void feed_line(ReplayFeed& feed, Analysis& analysis, ReplayLine& line, std::optional<std::size_t> source) {
        if (!line.arrival_given && line.message.topic.starts_with('+')) {
            const Result<Duration> after = parse_duration(line.message.topic.substr(1));
            const std::string_view rest = as_text(line.message.payload);
            const std::size_t tab = rest.find('\t');
            if (after.ok() && tab != std::string_view::npos) {
                const Timestamp at = start_ + *after;
                const TimeUnit unit = source ? assembly_.config().sources[*source].time.unit : TimeUnit::milliseconds;
                feed_one(feed, analysis, {at, std::string(rest.substr(0, tab)), with_time(std::string(rest.substr(tab + 1)), at, unit), source});
                return;
            }
        }
        if (line.arrival_given && !case_.start.given && !started_) start_ = line.message.arrival;
        started_ = true;
        feed.take(line, source);
    }

    // values: those of the result, or of what decided the alert.
    void keep(const Record& record, const Record& decided, bool alert, const std::string& state) {
        RuleOutput out;
        out.alert = alert;
        out.name = record.window;
        out.state = state;
        out.at = record.end;
        out.key = kept(record.key);
        out.values = kept(decided.values);
        out.shown = text_of_key(record);
        if (const std::string values = text_of_values(decided); !values.empty()) out.shown += (out.shown.empty() ? "" : "  ") + values;
        for (std::optional<Condition>& condition : conditions_)
            out.when.push_back(!condition || (!alert && condition->evaluate(record) == true));
        outputs_.push_back(std::move(out));
    }

    std::string time_text(Timestamp at) const {
        if (at < start_) return weir::text_of(at);
        return format_duration(at - start_);
    }
    std::string text_of_output(const RuleOutput& output) const {
        std::string out = output.name + (output.state.empty() ? "" : " " + output.state) + " at " + time_text(output.at);
        return output.shown.empty() ? out : out + "  " + output.shown;
    }
    std::string text_of_expectation(const RuleExpectation& one) const {
        std::string out = one.name + (one.alert && !one.state.empty() ? " " + one.state : "");
        if (one.timed && one.from.given && one.from.from(start_) == one.to.from(start_))
            out += " at " + time_text(one.to.from(start_));
        else if (one.timed)
            out += " within " + (one.from.given ? time_text(one.from.from(start_)) + " to " : std::string()) + time_text(one.to.from(start_));
        if (!one.key.empty()) out += "  " + spelled(one.key);
        if (!one.values.empty()) out += "  " + spelled(one.values);
        if (!one.when.empty()) out += "  when " + one.when.text;
        return out;
    }

    bool of_same(const RuleExpectation& wanted, const RuleOutput& got) const { return wanted.alert == got.alert && wanted.name == got.name; }
    bool fits(const RuleExpectation& wanted, std::size_t condition, const RuleOutput& got) const {
        if (!of_same(wanted, got) || !got.when[condition]) return false;
        if (wanted.alert && !wanted.state.empty() && wanted.state != got.state) return false;
        if (!wanted.alert && !got.state.empty()) return false;
        if (wanted.timed && ((wanted.from.given && got.at < wanted.from.from(start_)) || (wanted.to.given && got.at > wanted.to.from(start_)))) return false;
        return all_equal(got.key, wanted.key) && all_equal(got.values, wanted.values);
    }

    void judge() {
        for (const RuleOutput& output : outputs_) outcome_.outputs.push_back(text_of_output(output));
        for (std::size_t i = 0; i < case_.expect.size(); ++i) {
            const auto found = std::find_if(outputs_.begin(), outputs_.end(), [&](const RuleOutput& o) { return !o.used && fits(case_.expect[i], i, o); });
            if (found != outputs_.end())
                found->used = true;
            else
                miss(case_.expect[i]);
        }
        for (std::size_t i = 0; i < case_.expect_none.size(); ++i)
            for (const RuleOutput& output : outputs_)
                if (!output.used && fits(case_.expect_none[i], case_.expect.size() + i, output))
                    outcome_.failures.push_back({case_.expect_none[i].place, "expected  no " + text_of_expectation(case_.expect_none[i]) +
                                                                                 "\ngot       " + text_of_output(output)});
        for (const RuleOutput& output : outputs_)
            if (case_.nothing_else && output.alert && !output.used)
                outcome_.failures.push_back({case_.place, "expected  no other alert\ngot       " + text_of_output(output)});
    }
    // What came instead: of the same key first, if there is any.
    void miss(const RuleExpectation& wanted) {
        std::string text = "expected  " + text_of_expectation(wanted);
        std::vector<const RuleOutput*> near;
        for (const bool same_key : {true, false}) {
            for (const RuleOutput& output : outputs_)
                if (of_same(wanted, output) && (!same_key || all_equal(output.key, wanted.key))) near.push_back(&output);
            if (!near.empty()) break;
        }
        if (near.empty()) text += "\ngot       nothing from " + wanted.name;
        for (std::size_t i = 0; i < near.size() && i < shown_max; ++i)
            text += (i == 0 ? "\ngot       " : "\n          ") + text_of_output(*near[i]) + (near[i]->used ? "  (expected elsewhere)" : "");
        if (near.size() > shown_max) text += "\n          and " + std::to_string(near.size() - shown_max) + " more";
        outcome_.failures.push_back({wanted.place, text});
    }

    void note(const Analysis& analysis, const ReplayFeed& feed) {
        const auto add = [&](const std::string& of, std::uint64_t count, std::string_view what) {
            if (count > 0) outcome_.notes.push_back(of + ": " + std::to_string(count) + " " + std::string(what));
        };
        for (std::size_t s = 0; s < assembly_.codecs().size(); ++s)
            for (std::size_t i = 0; i < decode_reasons; ++i) {
                const auto reason = static_cast<DecodeReason>(i);
                add("source '" + assembly_.config().sources[s].name + "'", analysis.codec(s).counters()[reason] + analysis.topicless_codec(s)->counters()[reason],
                    name(reason));
            }
        for (std::size_t w = 0; w < assembly_.engine().windows(); ++w)
            for (const WindowCounter counter : {WindowCounter::late, WindowCounter::where_null, WindowCounter::quarantined, WindowCounter::folded})
                add("window '" + assembly_.engine().window(w).name + "'", analysis.engine().window_status(w).counters[static_cast<std::size_t>(counter)],
                    name(counter));
        add("events", feed.unrouted(), "whose topic no source has");
    }

    const RuleCase& case_;
    const Assembly& assembly_;
    ConfigProblems& problems_;
    Timestamp start_;
    bool started_ = false;
    std::vector<std::optional<Condition>> conditions_;
    std::vector<RuleOutput> outputs_;
    RuleOutcome outcome_;
};

}  // namespace

RuleOutcome run_rule_case(const RuleCase& of, const Assembly& assembly, ConfigProblems& problems) { return CaseRun(of, assembly, problems).run(); }

}  // namespace weir
