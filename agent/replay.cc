#include "agent/replay.h"

#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "agent/analysis.h"
#include "agent/result_printer.h"
#include "agent/scores.h"
#include "agent/table_file.h"
#include "drivers/replay_reader.h"

namespace weir {
namespace {

constexpr Duration tick_step = Duration::seconds(1);
constexpr Duration coarse_tick_step = Duration::seconds(30);  // within a gap longer than
constexpr Duration coarse_gap = Duration::minutes(60);
// A line without ARRIVAL came after every event that a payload can speak of; where the payload speaks of no
// time either, all of them came at the epoch.
constexpr Timestamp arrival_unknown = time_limit;
// JSON is at most this much longer than a record's own bytes: base64, escapes, names.
constexpr Bytes json_expansion = 6;

Timestamp next_tick(Timestamp last, Timestamp arrival) {
    return last + (arrival - last > coarse_gap ? coarse_tick_step : tick_step);
}

Analysis::Options analysis_options(bool sketches) {
    Analysis::Options options;
    options.topicless = true;
    options.sketches = sketches;
    return options;
}

// A CSV's columns as its first line names them.
AgentConfig with_header(const AgentConfig& config, const std::vector<std::string>& csv_header) {
    AgentConfig copy = config;
    for (SourceConfig& source : copy.sources)
        if (source.csv_fields.empty()) source.csv_fields = csv_header;
    return copy;
}

// What a terminal would act on becomes a dot.
std::string printable(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '.';
    return out;
}

class Progress {
public:
    explicit Progress(bool shown) : shown_(shown) {}
    ~Progress() {
        if (shown_ && said_) std::fprintf(stderr, "\r\033[K");
    }
    void operator()(std::uint64_t done, std::uint64_t size) {
        if (!shown_) return;
        said_ = true;
        if (size > 0)
            std::fprintf(stderr, "\rreplay: %3u %%  %" PRIu64 " MiB", static_cast<unsigned>(done * 100 / size), done >> 20);
        else
            std::fprintf(stderr, "\rreplay: %" PRIu64 " MiB", done >> 20);
    }

private:
    bool shown_;
    bool said_ = false;
};

void tell_what_was_lost(const Codec& codec, const std::string& name_of_source) {
    for (std::size_t i = 0; i < decode_reasons; ++i) {
        const auto reason = static_cast<DecodeReason>(i);
        if (codec.counters()[reason] == 0) continue;
        std::fprintf(stderr, "replay: source '%s': %" PRIu64 " %s", name_of_source.c_str(),
                     codec.counters()[reason], std::string(name(reason)).c_str());
        for (std::size_t s = 0; s < codec.samples(); ++s)
            if (codec.sample(s).reason == reason) {
                const std::string text = printable(as_text(codec.sample(s).payload()));
                std::fprintf(stderr, ", such as: %.120s", text.c_str());
                break;
            }
        std::fputc('\n', stderr);
    }
}

void tell_what_was_lost(const Analysis& analysis, const ReplayReader& reader) {
    for (std::size_t source = 0; source < analysis.assembly().codecs().size(); ++source) {
        const std::string& name_of_source = analysis.assembly().config().sources[source].name;
        tell_what_was_lost(analysis.codec(source), name_of_source);
        tell_what_was_lost(*analysis.topicless_codec(source), name_of_source);
    }
    const EnginePlan& plan = analysis.assembly().engine();
    for (std::size_t source = 0; source < plan.sources(); ++source)
        for (std::size_t i = 0; i < analysis.engine().enrichments(source); ++i) {
            const EnrichmentStatus use = analysis.engine().enrichment_status(source, i);
            if (use.rows.unmatched > 0)
                std::fprintf(stderr, "replay: source '%s': %" PRIu64 " unmatched in table '%s'\n",
                             plan.source(source).name.c_str(), use.rows.unmatched, plan.table(use.table).name.c_str());
        }
    for (std::size_t j = 0; j < plan.joins(); ++j) {
        const JoinStatus status = analysis.engine().join_status(j);
        for (JoinCounter counter : {JoinCounter::late, JoinCounter::key_null, JoinCounter::quarantined, JoinCounter::evicted, JoinCounter::unmatched})
            if (const std::uint64_t count = status.counters[static_cast<std::size_t>(counter)]; count > 0)
                std::fprintf(stderr, "replay: join '%s': %" PRIu64 " %s\n", plan.join(j).name.c_str(), count, std::string(name(counter)).c_str());
    }
    if (reader.oversized_lines() > 0)
        std::fprintf(stderr, "replay: %" PRIu64 " lines longer than max_message\n", reader.oversized_lines());
    for (std::size_t w = 0; w < analysis.assembly().engine().windows(); ++w) {
        const WindowStatus status = analysis.engine().window_status(w);
        for (WindowCounter counter : {WindowCounter::late, WindowCounter::where_null, WindowCounter::quarantined,
                                      WindowCounter::late_after_eviction, WindowCounter::gap_invalid, WindowCounter::folded,
                                      WindowCounter::out_of_order})
            if (const std::uint64_t count = status.counters[static_cast<std::size_t>(counter)]; count > 0)
                std::fprintf(stderr, "replay: window '%s': %" PRIu64 " %s\n",
                             analysis.assembly().engine().window(w).name.c_str(), count,
                             std::string(name(counter)).c_str());
    }
    for (std::size_t p = 0; p < analysis.assembly().engine().patterns(); ++p) {
        const PatternStatus status = analysis.engine().pattern_status(p);
        for (PatternCounter counter : {PatternCounter::late, PatternCounter::where_null, PatternCounter::quarantined,
                                       PatternCounter::groups_full, PatternCounter::pending_full, PatternCounter::runs_given_up})
            if (const std::uint64_t count = status.counters[static_cast<std::size_t>(counter)]; count > 0)
                std::fprintf(stderr, "replay: pattern '%s': %" PRIu64 " %s\n",
                             analysis.assembly().engine().pattern(p).name.c_str(), count,
                             std::string(name(counter)).c_str());
    }
}

class Replay {
public:
    Replay(const Assembly& assembly, const ReplayRequest& request)
        : assembly_(assembly),
          printer_(request.output, request.sketches, assembly.engine().record_size_max() * json_expansion),
          scores_(printer_, assembly),
          scoring_(!request.scores.empty()),
          block_(Analysis::need(assembly, analysis_options(request.sketches))),
          arena_(block_.memory()),
          analysis_(arena_, assembly, analysis_options(request.sketches), scoring_ ? static_cast<OutputSink&>(scores_) : printer_) {}

    Status open_scores(const ReplayRequest& request, Problem& problem) {
        return scoring_ ? scores_.open(request.scores, request.path, problem) : Status::success();
    }

    Status load_tables(Problem& problem) {
        SystemFiles files;
        const std::vector<TableConfig>& tables = assembly_.config().tables;
        for (std::size_t i = 0; i < tables.size(); ++i) {
            const Result<std::string> image = read_table(files, tables[i], problem.what);
            if (!image.ok()) return image.error();
            if (Status loaded = analysis_.load_table(i, as_byte_span(*image)); !loaded.ok()) return loaded;
        }
        return {};
    }

    Status run(ReplayReader& reader, std::optional<std::size_t> source) {
        ReplayLine line;
        while (reader.fill()) {
            while (reader.next(line)) take(line, source);
            analysis_.flush();  // rows point into the reader's buffer
        }
        analysis_.finish();
        printer_.flush();
        tell_what_was_lost(analysis_, reader);
        tell_what_had_no_place();
        if (Status scored = scores_.finish(); !scored.ok()) return scored;
        return reader.status().ok() ? printer_.status() : reader.status();
    }

private:
    void take(ReplayLine& line, std::optional<std::size_t> source) {
        if (line.arrival_given) tick_until(line.message.arrival);
        line.message.arrival_trusted = true;
        if (source) return take_of(line, *source);
        // Whatever the connection: a file knows none.
        bool routed = false;
        for (std::size_t i = 0; i < assembly_.codecs().size(); ++i)
            for (const TopicTemplate& topic : assembly_.codecs()[i].topics)
                if (topic.matches(line.message.topic)) {
                    routed = true;
                    take_of(line, i);
                    break;
                }
        if (!routed) ++unrouted_;
    }

    void take_of(ReplayLine& line, std::size_t source) {
        if (!line.arrival_given) {
            const bool timeless = assembly_.codecs()[source].time.path.empty();
            timeless_lines_ += timeless ? 1 : 0;
            line.message.arrival = timeless ? Timestamp() : arrival_unknown;
        }
        analysis_.message_of(source, line.message);
    }

    void tell_what_had_no_place() const {
        if (unrouted_ > 0)
            std::fprintf(stderr, "replay: %" PRIu64 " lines whose topic no source has: --source NAME or --topic TOPIC says where they belong\n",
                         unrouted_);
        if (timeless_lines_ > 0)
            std::fprintf(stderr, "replay: %" PRIu64 " lines say no time: they are all taken for 1970-01-01T00:00:00Z. Name a time.field, or give "
                                 "ARRIVAL<TAB>TOPIC<TAB> before the payload\n", timeless_lines_);
    }

    void tick_until(Timestamp arrival) {
        if (!ticking_) {
            ticking_ = true;
            last_tick_ = align_down(arrival, tick_step);
        }
        for (Timestamp next = next_tick(last_tick_, arrival); next <= arrival; next = next_tick(last_tick_, arrival)) {
            analysis_.tick(next, true);
            last_tick_ = next;
        }
    }

    const Assembly& assembly_;
    ResultPrinter printer_;
    ScoreFiles scores_;
    bool scoring_;
    ArenaBlock block_;
    Arena arena_;
    Analysis analysis_;
    bool ticking_ = false;
    std::uint64_t unrouted_ = 0;
    std::uint64_t timeless_lines_ = 0;
    Timestamp last_tick_;
};

std::string one_line(const AgentConfig& config, const std::vector<ConfigProblem>& problems) {
    return problems.empty() ? std::string() : render_problems(config, problems);
}

// Which source a payload belongs to when its line does not say a topic.
Result<std::optional<std::size_t>> chosen_source(const AgentConfig& config, const ReplayRequest& request,
                                                 Problem& problem) {
    if (request.source.empty()) {
        if (config.sources.size() == 1) return std::optional<std::size_t>(0);
        return std::optional<std::size_t>();
    }
    for (std::size_t i = 0; i < config.sources.size(); ++i)
        if (config.sources[i].name == request.source) return std::optional<std::size_t>(i);
    problem.what = "there is no source '" + request.source + "'; the configuration has:";
    for (const SourceConfig& source : config.sources) problem.what += " " + source.name;
    return Error::missing;
}

}  // namespace

Status run_replay(const AgentConfig& config, const ReplayRequest& request, Problem& problem) {
    Result<std::optional<std::size_t>> source = chosen_source(config, request, problem);
    if (!source.ok()) return source.error();
    const SourceConfig* const first = config.sources.empty() ? nullptr : &config.sources[source->value_or(0)];
    if (first == nullptr) {
        problem.what = "the configuration has no [[source]]";
        return Error::missing;
    }

    Progress progress(request.show_progress);
    ReplayOptions options;
    options.path = request.path;
    options.topic = request.topic;
    options.csv_header = first->format == PayloadFormat::csv && first->csv_fields.empty();
    for (const MqttConfig& mqtt : config.mqtt) options.line_bytes_max = std::max(options.line_bytes_max, mqtt.max_message);
    options.progress = [&](std::uint64_t done, std::uint64_t size) { progress(done, size); };
    Result<std::unique_ptr<ReplayReader>> reader = ReplayReader::open(options, problem);
    if (!reader.ok()) return reader.error();

    const AgentConfig adapted = with_header(config, (*reader)->header());
    std::vector<ConfigProblem> problems;
    const std::unique_ptr<Assembly> assembly = Assembly::make(adapted, problems);
    if (!assembly) {
        problem.what = one_line(adapted, problems);
        return Error::invalid;
    }
    Replay replay(*assembly, request);
    if (Status opened = replay.open_scores(request, problem); !opened.ok()) return opened;
    if (Status loaded = replay.load_tables(problem); !loaded.ok()) return loaded;
    return replay.run(**reader, *source);
}

}  // namespace weir
