#include "agent/replay.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "agent/alert_list.h"
#include "agent/analysis.h"
#include "agent/replay_feed.h"
#include "agent/replay_lanes.h"
#include "agent/result_printer.h"
#include "agent/scores.h"
#include "agent/table_file.h"
#include "drivers/replay_reader.h"

namespace weir {
namespace {

// JSON is at most this much longer than a record's own bytes: base64, escapes, names.
constexpr Bytes json_expansion = 6;

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

// Where results and scores go.
class Output {
public:
    Output(const Assembly& assembly, const ReplayRequest& request)
        : printer_(request.output, request.sketches, assembly.engine().record_size_max() * json_expansion),
          alerts_(request.output, request.json, assembly),
          listing_(request.alerts),
          scores_(printed(), assembly),
          scoring_(!request.scores.empty()) {}

    Status open(const ReplayRequest& request, Problem& problem) {
        return scoring_ ? scores_.open(request.scores, request.path, problem) : Status::success();
    }
    OutputSink& sink() { return scoring_ ? static_cast<OutputSink&>(scores_) : printed(); }
    // read: how reading went.
    Status finish(Status read) {
        printer_.flush();
        const Status listed = listing_ ? alerts_.finish() : Status::success();
        if (Status scored = scores_.finish(); !scored.ok()) return scored;
        if (!listed.ok()) return listed;
        return read.ok() ? printer_.status() : read;
    }

private:
    OutputSink& printed() { return listing_ ? static_cast<OutputSink&>(alerts_) : printer_; }

    ResultPrinter printer_;
    AlertList alerts_;
    bool listing_;
    ScoreFiles scores_;
    bool scoring_;
};

Status replay_in_one(const Assembly& assembly, const ReplayRequest& request, ReplayReader& reader, std::optional<std::size_t> source,
                     std::span<const std::string> images, OutputSink& out) {
    const Analysis::Options options = analysis_options(request.sketches);
    ArenaBlock block(Analysis::need(assembly, options));
    Arena arena(block.memory());
    Analysis analysis(arena, assembly, options, out);
    for (std::size_t i = 0; i < images.size(); ++i)
        if (Status loaded = analysis.load_table(i, as_byte_span(images[i])); !loaded.ok()) return loaded;
    ReplayFeed feed(assembly, analysis, 0, nullptr);
    ReplayLine line;
    while (reader.fill()) {
        while (reader.next(line)) feed.take(line, source);
        analysis.flush();  // rows point into the reader's buffer
    }
    analysis.finish();
    tell_what_was_lost(analysis, &reader);
    feed.tell_what_had_no_place();
    return reader.status();
}

Result<std::vector<std::string>> table_images(const AgentConfig& config, Problem& problem) {
    SystemFiles files;
    std::vector<std::string> images;
    for (const TableConfig& table : config.tables) {
        Result<std::string> image = read_table(files, table, problem.what);
        if (!image.ok()) return image.error();
        images.push_back(std::move(*image));
    }
    return images;
}

// Whether the file can be read in as many lanes as were asked for: each reads it from its beginning.
Status check_lanes(const AgentConfig& config, const ReplayRequest& request, Problem& problem) {
    struct stat file {};
    if (request.path == "-" || (::stat(request.path.c_str(), &file) == 0 && !S_ISREG(file.st_mode))) {
        problem.what = "--lanes needs a file: each lane reads it from its beginning";
        return Error::invalid;
    }
    for (const AlertConfig& alert : config.alerts)
        if (config.find_source(alert.from.text)) {
            problem.what = "alert '" + alert.name + "' watches the rows of a source, which takes one lane: leave out --lanes, or watch a window";
            return Error::invalid;
        }
    return {};
}

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
    if (request.lanes > 1)
        if (Status fits = check_lanes(adapted, request, problem); !fits.ok()) return fits;
    const std::unique_ptr<Assembly> assembly = Assembly::make(adapted, problems, request.lanes);
    if (!assembly) {
        problem.what = one_line(adapted, problems);
        return Error::invalid;
    }
    Output output(*assembly, request);
    if (Status opened = output.open(request, problem); !opened.ok()) return opened;
    const Result<std::vector<std::string>> images = table_images(adapted, problem);
    if (!images.ok()) return images.error();
    if (request.lanes == 1) return output.finish(replay_in_one(*assembly, request, **reader, *source, *images, output.sink()));
    options.progress = nullptr;
    return output.finish(replay_in_lanes(*assembly, request, options, *source, *images, output.sink(), problem));
}

}  // namespace weir
