#include "agent/assembly.h"

#include <algorithm>
#include <bit>

#include "agent/alert_plan.h"
#include "agent/base/build_info.h"
#include "agent/base/hash.h"
#include "agent/memory_plan.h"
#include "agent/table_file.h"
#include "agent/zones.h"
#include "windows/expression.h"

namespace weir {
namespace {

constexpr std::uint64_t state_format = 5;  // of Analysis::save() and the Pipeline's checkpoint
constexpr Bytes max_message_without_broker = 256 << 10;
// A sketch's bytes take a fifteenth more in their pool, and twice as much in the two copies of the checkpoint.
constexpr Bytes copies_of_sketches_tenths = 31;
constexpr Bytes sketch_bytes_step = Bytes{64} << 10;

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
    return hash64(as_byte_span(text), {seed, 0x77656972});
}

}  // namespace

std::unique_ptr<Assembly> Assembly::make(const AgentConfig& config, std::vector<ConfigProblem>& problems) {
    std::unique_ptr<Assembly> assembly = make(config, problems, config.agent.lanes);
    if (assembly) assembly->warn_of_idle_lanes(problems);
    return assembly;
}

std::unique_ptr<Assembly> Assembly::make(const AgentConfig& config, std::vector<ConfigProblem>& problems, std::size_t lanes) {
    std::unique_ptr<Assembly> assembly(new Assembly(config, lanes));
    const auto errors = [&] {
        return std::count_if(problems.begin(), problems.end(), [](const ConfigProblem& p) { return !p.warning; });
    };
    const auto before = errors();
    assembly->make_codecs(problems);
    if (errors() == before) assembly->assign_lanes();
    if (errors() == before) assembly->make_engine(problems, 0);
    if (errors() == before) assembly->make_alerts(problems);
    // What all else leaves of the budget is for sketches to grow in.
    if (errors() == before) assembly->spare_ = assembly->spare_budget();
    if (errors() == before) assembly->make_engine(problems, assembly->spare_);
    if (errors() != before) return nullptr;

    std::uint64_t print = assembly->hash_inputs(assembly->engine_->fingerprint() ^ state_format);
    for (const AlertPlan& alert : assembly->alerts_) print = hash_of(life_text(config.alerts[alert.alert]), print ^ alert.definition);
    // Whose entries are in which lane's journal decides the order of what comes out.
    if (lanes > 1) print = hash_of("lanes " + std::to_string(lanes), print);
    for (std::size_t i = 0; i < assembly->lane_of_.size() && lanes > 1; ++i)
        for (const std::size_t lane : assembly->lane_of_[i]) print = hash_of(std::to_string(lane), print + i);
    assembly->fingerprint_ = print;
    return assembly;
}

std::uint64_t Assembly::program() const { return hash_of(version(), fingerprint_); }

// What lies before the engine: the same entry of the journal must become the same rows.
std::uint64_t Assembly::hash_inputs(std::uint64_t hash) const {
    for (const MqttConfig& mqtt : config_.mqtt) hash = hash_of(mqtt.name, hash + 1);
    for (std::size_t i = 0; i < config_.sources.size(); ++i) {
        const CodecSpec& codec = codecs_[i];
        std::string text = config_.sources[i].name + "\n" + std::to_string(links_[i]) + " " +
                           std::to_string(static_cast<int>(codec.format)) + " " + std::to_string(codec.max_message) + "\n" +
                           codec.time.path + "\n" + std::to_string(static_cast<int>(codec.time.unit)) +
                           (codec.time.numbers_in_strings ? " texts" : "");
        for (const TopicTemplate& topic : codec.topics) text += "\ntopic " + topic.text();
        for (const CodecColumn& column : codec.columns)
            text += "\ncolumn " + column.name + " " + std::string(name(column.type)) + " " + column.path +
                    (column.numbers_in_strings ? " texts" : "");
        for (const std::string& field : codec.csv_header) text += "\ncsv " + field;
        hash = hash_of(text, hash + 1);
    }
    return hash;
}

void Assembly::make_codecs(std::vector<ConfigProblem>& problems) {
    max_message_ = config_.mqtt.empty() ? max_message_without_broker : 0;
    for (const MqttConfig& mqtt : config_.mqtt) max_message_ = std::max(max_message_, mqtt.max_message);
    for (const SourceConfig& source : config_.sources) {
        CodecSpec spec;
        spec.format = source.format;
        spec.csv_header = source.csv_fields;
        spec.max_message = max_message_;
        spec.time = {source.time.field.text, source.time.unit, source.time.numbers_in_strings};
        for (const ConfigString& topic : source.topics) {
            Problem problem;
            Result<TopicTemplate> parsed = TopicTemplate::parse(topic.text, problem);
            if (parsed.ok())
                spec.topics.push_back(*parsed);
            else
                problems.push_back(problem_in(topic, problem));
        }
        const Schema schema = source.schema();
        for (const ColumnSpec& column : schema.columns()) spec.columns.push_back({column.name, column.type});
        for (CodecColumn& column : spec.columns)
            for (const ColumnConfig& declared : source.columns)
                if (declared.name == column.name) {
                    column.path = declared.path;
                    column.numbers_in_strings = declared.numbers_in_strings;
                }
        DecodeScratch scratch(max_message_);
        Problem problem;
        if (!make_codec(spec, scratch, problem).ok()) problems.push_back({source.at, problem.what});
        codecs_.push_back(std::move(spec));

        std::size_t link = 0;
        while (link < config_.mqtt.size() && config_.mqtt[link].name != source.connection) ++link;
        links_.push_back(link);
    }
}

EngineSpec Assembly::engine_spec(Bytes sketch_bytes) const {
    EngineSpec spec;
    spec.sketch_bytes = sketch_bytes;
    spec.zones = &system_zones();
    spec.keep_states = config_.uplink && config_.uplink->coarsen;
    for (const TableConfig& table : config_.tables) spec.tables.push_back(table_spec(table));
    for (const SourceConfig& source : config_.sources) {
        SourceSpec out;
        out.name = source.name;
        out.schema = source.schema();
        out.lateness = source.time.lateness;
        out.idle = source.time.idle;
        out.max_future = source.time.max_future;
        out.partition = source.partition.text;
        out.max_partitions = source.max_partitions;
        for (const EnrichConfig& use : source.enrich) out.enrich.push_back({use.table.text, use.on.text});
        out.align = source.time.align.text;
        out.ahead = source.time.ahead;
        spec.sources.push_back(std::move(out));
    }
    for (const JoinConfig& join : config_.joins) {
        JoinSpec out;
        out.name = join.name;
        out.left = join.left.text;
        out.right = join.right.text;
        for (const JoinOnConfig& on : join.on) out.on.emplace_back(on.left.text, on.right.text);
        out.within = join.within;
        out.after = join.after;
        for (const SelectConfig& column : join.columns) out.columns.emplace_back(column.name, column.expression.text);
        out.max_rows = join.max_rows;
        spec.joins.push_back(std::move(out));
    }
    for (const WindowConfig& window : config_.windows) {
        WindowSpec out;
        out.name = window.name;
        out.from = window.from.text;
        out.where = window.where.text;
        for (const ConfigString& column : window.by) out.by.push_back(column.text);
        out.size = window.size;
        out.every = window.every;
        out.calendar = window.calendar;
        out.zone = window.zone.text;
        out.session = window.session;
        out.session_gap = window.session_gap.text;
        out.session_max = window.session_max;
        out.count = window.count;
        out.max_wait = window.max_wait;
        out.max_groups = window.max_groups;
        out.late_allow = window.late_allow;
        out.late_then = window.late_then;
        out.early = window.early;
        for (const SelectConfig& select : window.select) out.select.emplace_back(select.name, select.expression.text);
        spec.windows.push_back(std::move(out));
    }
    for (const PatternConfig& pattern : config_.patterns) {
        PatternSpec out;
        out.name = pattern.name;
        out.from = pattern.from.text;
        out.where = pattern.where.text;
        for (const ConfigString& column : pattern.by) out.by.push_back(column.text);
        out.match = pattern.match.text;
        for (const SelectConfig& define : pattern.define) out.define.emplace_back(define.name, define.expression.text);
        for (const SelectConfig& measure : pattern.measures) out.measures.emplace_back(measure.name, measure.expression.text);
        out.within = pattern.within;
        out.contiguity = pattern.contiguity;
        out.after = pattern.after;
        out.after_variable = pattern.after_variable;
        out.max_groups = pattern.max_groups;
        out.max_runs = pattern.max_runs;
        out.max_pending = pattern.max_pending;
        spec.patterns.push_back(std::move(out));
    }
    return spec;
}

bool Assembly::is_split(std::size_t source) const {
    const std::vector<std::size_t>& lanes = lane_of_[source];
    return std::any_of(lanes.begin(), lanes.end(), [&](std::size_t lane) { return lane != lanes.front(); });
}

bool Assembly::has_topics(std::size_t source, std::size_t lane) const {
    const std::vector<std::size_t>& lanes = lane_of_[source];
    return std::find(lanes.begin(), lanes.end(), lane) != lanes.end();
}

// Topics go to the lanes in turn, those of one source to several if all that reads it can be put together again.
void Assembly::assign_lanes() {
    std::size_t next = 0;
    for (std::size_t i = 0; i < config_.sources.size(); ++i) {
        const SourceConfig& source = config_.sources[i];
        std::vector<std::size_t> of(source.topics.size(), next);
        if (source.lane) std::fill(of.begin(), of.end(), std::min<std::size_t>(*source.lane, lanes_ - 1));
        if (!source.lane && lanes_ > 1 && of.size() > 1 && may_split(i))
            for (std::size_t topic = 0; topic < of.size(); ++topic) of[topic] = (next + topic) % lanes_;
        const bool joined = std::any_of(config_.joins.begin(), config_.joins.end(), [&](const JoinConfig& join) {
            return join.left.text == source.name || join.right.text == source.name;
        });
        if (joined || !source.time.align.empty())
            std::fill(of.begin(), of.end(), std::size_t{0});  // both sides in one, and what waits for each other
        else if (!source.lane)
            next = (of.back() + 1) % lanes_;
        lane_of_.push_back(std::move(of));
    }
}

void Assembly::warn_of_idle_lanes(std::vector<ConfigProblem>& problems) const {
    for (std::size_t lane = 0; lane < lanes_; ++lane) {
        const auto has_topics = [&](const std::vector<std::size_t>& of) { return std::find(of.begin(), of.end(), lane) != of.end(); };
        if (lanes_ == 1 || std::any_of(lane_of_.begin(), lane_of_.end(), has_topics)) continue;
        problems.push_back({{}, "lanes in [agent]: no topic goes to lane " + std::to_string(lane) +
                                    ", which takes its memory all the same; write more topics, or fewer lanes", true});
    }
}

// The engine's plan knows what can be put together from parts; a detector over a source sees its rows in their order.
bool Assembly::may_split(std::size_t source) const {
    const std::string& name = config_.sources[source].name;
    for (const AlertConfig& alert : config_.alerts)
        if (alert.from.text == name) return false;
    EngineSpec spec = engine_spec(0);
    spec.sources[source].split = true;
    SpecProblem problem;
    return EnginePlan::compile(std::move(spec), problem).has_value();
}

void Assembly::make_engine(std::vector<ConfigProblem>& problems, Bytes sketch_bytes) {
    SpecProblem problem;
    EngineSpec spec = engine_spec(sketch_bytes / (lanes_ > 1 ? lanes_ + 1 : 1));  // as many engines, and the merger
    for (std::size_t i = 0; i < lane_of_.size(); ++i) spec.sources[i].split = is_split(i);
    engine_ = EnginePlan::compile(std::move(spec), problem);
    if (!engine_) problems.push_back(problem_in(config_, problem));
}

// With sketches in their smallest form so far. Rounded, so that a few bytes more or less elsewhere, as between boards,
// seldom change it.
Bytes Assembly::spare_budget() const {
    if (lanes_ != config_.agent.lanes) {  // a replay in other lanes: as much as when it runs
        std::vector<ConfigProblem> ignored;
        const std::unique_ptr<Assembly> as_it_runs = make(config_, ignored, config_.agent.lanes);
        return as_it_runs ? as_it_runs->spare_ : 0;
    }
    const Bytes total = make_plan(*this, part_options(*this), true).total();
    if (total >= config_.agent.memory) return 0;
    return (config_.agent.memory - total) / copies_of_sketches_tenths * 10 / sketch_bytes_step * sketch_bytes_step;
}

}  // namespace weir
