#include "agent/state_command.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>

#include "agent/base/json_writer.h"
#include "agent/commands.h"
#include "agent/state_view.h"

namespace weir {
namespace {

constexpr Bytes line_bytes_max = Bytes{4} << 20;

unsigned long long number(std::uint64_t n) { return n; }

std::string when(Timestamp t) {
    const std::time_t seconds = static_cast<std::time_t>(t.ms() / 1000);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char text[40];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

std::string size_text(Bytes bytes) {
    char text[32];
    if (bytes >= Bytes{10} << 20)
        std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / 1048576);
    else
        std::snprintf(text, sizeof text, "%.1f KiB", static_cast<double>(bytes) / 1024);
    return text;
}

std::string hex(const Incarnation& incarnation) {
    std::string text;
    for (const std::byte b : incarnation) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(b));
        text += digits;
    }
    return text;
}

// ---- export ---------------------------------------------------------------------------------------

// Each row as the bridge would write its value; one to a line, in the order in which rows are sent.
class Exporter {
public:
    Exporter(std::FILE* file, std::string agent) : file_(file), agent_(std::move(agent)), buffer_(new char[line_bytes_max]) {}

    Status row(const OutboxReader::Row& row) {
        RecordStorage storage;
        const Result<Record> record = decode_record(row.record, storage);
        if (!record) return {};
        JsonWriter json(std::span(buffer_.get(), line_bytes_max));
        write_record(json, *record, {.sketches = true, .identity = true, .agent = agent_});
        if (!json.ok()) {
            ++too_long_;
            return {};
        }
        const bool written = std::fwrite(json.text().data(), 1, json.text().size(), file_) == json.text().size();
        if (!written || std::fputc('\n', file_) == EOF) return Error::io;
        ++lines_;
        return {};
    }
    std::uint64_t lines() const { return lines_; }
    std::uint64_t too_long() const { return too_long_; }

private:
    std::FILE* file_;
    std::string agent_;
    std::unique_ptr<char[]> buffer_;
    std::uint64_t lines_ = 0;
    std::uint64_t too_long_ = 0;
};

// ---- text -----------------------------------------------------------------------------------------

void line(const char* format, ...) __attribute__((format(printf, 1, 2)));
void line(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
    std::fputc('\n', stdout);
}

void tell(const JournalView& journal) {
    if (journal.bytes == 0) return line("journal           %s: none", journal.path.c_str());
    line("journal           %s, %s", journal.path.c_str(), size_text(journal.bytes).c_str());
    if (journal.newest + 1 == journal.oldest || !journal.last)
        return line("                  no entries that a checkpoint does not cover; the next is %llu", number(journal.newest + 1));
    line("                  entries %llu to %llu not covered by a checkpoint, %llu of them messages; from %s to %s",
         number(journal.oldest), number(journal.newest), number(journal.messages), when(*journal.first).c_str(),
         when(*journal.last).c_str());
}

void tell(const CrashCheckpointView& crash) {
    if (crash.bytes == 0) return line("crash checkpoint  %s: none (a power cut takes it)", crash.path.c_str());
    line("crash checkpoint  %s, %s", crash.path.c_str(), size_text(crash.bytes).c_str());
    if (!crash.whole) return line("                  holds no state");
    line("                  epoch %llu, journal up to entry %llu, state of %s, results not yet on flash %s", number(crash.epoch),
         number(crash.journal_position), size_text(crash.state_bytes).c_str(), size_text(crash.staged_bytes).c_str());
}

void tell(const DatabaseView& database) {
    if (database.bytes == 0) return line("database          %s: none", database.path.c_str());
    line("database          %s, %s and a log of %s", database.path.c_str(), size_text(database.bytes).c_str(),
         size_text(database.log_bytes).c_str());
    if (database.busy || !database.state) return;
    const StoreState& state = *database.state;
    line("  identity        incarnation %s, epoch %llu, output up to %llu of epoch %llu", hex(state.incarnation).c_str(),
         number(state.epoch), number(state.output.sequence), number(state.output.epoch));
    line("  outbox          %llu results and %llu alerts wait, %llu of them have a ship number%s", number(database.results),
         number(database.alerts), number(database.numbered), state.group_is_open ? "; the newest are an incomplete group" : "");
    if (database.oldest)
        line("                  windows that ended from %s to %s", when(*database.oldest).c_str(), when(*database.newest).c_str());
    line("  delivery        numbers given up to %llu, acknowledged up to %llu; for want of room %llu results and %llu alerts dropped",
         number(state.last_ship), number(state.acknowledged), number(state.dropped_results + state.refused),
         number(state.dropped_alerts));
    line("  frontiers       %zu", database.frontiers);
    if (state.has_checkpoint == 0) return line("  flash checkpoint  none yet");
    line("  flash checkpoint  %s, epoch %llu, output up to %llu, journal up to entry %llu", size_text(state.checkpoint.size).c_str(),
         number(state.checkpoint.output.epoch), number(state.checkpoint.output.sequence), number(state.checkpoint.journal_position));
}

void tell(const AnalysisView& analysis) {
    line("state             of the %s checkpoint%s", analysis.from_crash_checkpoint ? "crash" : "flash",
         analysis.other_program ? ", written by another version of weir" : "");
    for (const AnalysisView::Source& source : analysis.sources)
        line("  source %s: watermark %s, %zu partitions", source.name.c_str(),
             source.watermark ? when(*source.watermark).c_str() : "none yet", source.partitions);
    for (const AnalysisView::Window& window : analysis.windows)
        line("  window %s: %zu open, with %zu groups", window.name.c_str(), window.open_intervals, window.groups);
    for (const AnalysisView::Pattern& pattern : analysis.patterns)
        line("  pattern %s: %zu groups", pattern.name.c_str(), pattern.groups);
    for (const AnalysisView::Alert& alert : analysis.alerts)
        line("  alert %s: raised for %zu", alert.name.c_str(), alert.raised);
}

void tell(const StateView& view, const std::string& config) {
    for (const JournalView& journal : view.journals) tell(journal);
    tell(view.crash);
    tell(view.database);
    if (view.analysis) tell(*view.analysis);
    if (view.database.busy)
        return line("\nAn agent runs with this state: `weir status %s` tells what it does. Stop it to verify or export.", config.c_str());
    if (view.problems.empty()) return line("\nEvery checksum holds.");
    line("\nWRONG:");
    for (const StateProblem& problem : view.problems) line("- %s\n  %s", problem.what.c_str(), problem.then.c_str());
}

// ---- JSON -----------------------------------------------------------------------------------------

class Summary {
public:
    Summary() : buffer_(Bytes{1} << 20), json_(buffer_) {}

    std::string_view render(const StateView& view) {
        json_.begin_object();
        json_.key("journals");
        json_.begin_array();
        for (const JournalView& journal : view.journals) add(journal);
        json_.end_array();
        add(view.crash);
        add(view.database);
        if (view.analysis) add(*view.analysis);
        json_.key("running");
        json_.boolean(view.database.busy);
        json_.key("problems");
        json_.begin_array();
        for (const StateProblem& problem : view.problems) {
            json_.begin_object();
            put("what", problem.what);
            put("then", problem.then);
            json_.end_object();
        }
        json_.end_array();
        json_.end_object();
        return json_.text();
    }

private:
    void put(std::string_view key, std::uint64_t value) {
        json_.key(key);
        json_.natural(value);
    }
    void put(std::string_view key, const std::string& value) {
        json_.key(key);
        json_.text(value);
    }
    void put(std::string_view key, const std::optional<Timestamp>& value) {
        json_.key(key);
        if (value)
            json_.integer(value->ms());
        else
            json_.null();
    }
    template <typename Items, typename Fill>
    void list(std::string_view key, const Items& items, Fill&& fill) {
        json_.key(key);
        json_.begin_array();
        for (const auto& item : items) {
            json_.begin_object();
            put("name", item.name);
            fill(item);
            json_.end_object();
        }
        json_.end_array();
    }
    void add(const JournalView& journal) {
        json_.begin_object();
        put("path", journal.path);
        put("bytes", journal.bytes);
        put("oldest", journal.oldest);
        put("newest", journal.newest);
        put("messages", journal.messages);
        put("first", journal.first);
        put("last", journal.last);
        json_.end_object();
    }
    void add(const CrashCheckpointView& crash) {
        json_.key("crash_checkpoint");
        json_.begin_object();
        put("path", crash.path);
        put("bytes", crash.bytes);
        json_.key("whole");
        json_.boolean(crash.whole);
        put("epoch", crash.epoch);
        put("journal_position", crash.journal_position);
        put("state_bytes", crash.state_bytes);
        put("staged_bytes", crash.staged_bytes);
        json_.end_object();
    }
    void add(const DatabaseView& database) {
        json_.key("database");
        json_.begin_object();
        put("path", database.path);
        put("bytes", database.bytes);
        put("log_bytes", database.log_bytes);
        if (database.state) {
            const StoreState& state = *database.state;
            put("incarnation", hex(state.incarnation));
            put("epoch", state.epoch);
            put("output_epoch", state.output.epoch);
            put("output_sequence", state.output.sequence);
            put("results", database.results);
            put("alerts", database.alerts);
            put("numbered", database.numbered);
            put("damaged", database.rows.damaged);
            put("oldest", database.oldest);
            put("newest", database.newest);
            put("last_ship", state.last_ship);
            put("acknowledged", state.acknowledged);
            put("dropped_full_results", state.dropped_results);
            put("dropped_full_alerts", state.dropped_alerts);
            put("refused_full", state.refused);
            put("frontiers", database.frontiers);
            json_.key("group_is_open");
            json_.boolean(state.group_is_open != 0);
            if (state.has_checkpoint) add(state.checkpoint);
        }
        json_.end_object();
    }
    void add(const FlashCheckpointInfo& checkpoint) {
        json_.key("flash_checkpoint");
        json_.begin_object();
        put("bytes", checkpoint.size);
        put("epoch", checkpoint.output.epoch);
        put("sequence", checkpoint.output.sequence);
        put("journal_position", checkpoint.journal_position);
        json_.end_object();
    }
    void add(const AnalysisView& analysis) {
        json_.key("state");
        json_.begin_object();
        put("of", std::string(analysis.from_crash_checkpoint ? "crash_checkpoint" : "flash_checkpoint"));
        list("sources", analysis.sources, [&](const AnalysisView::Source& source) {
            put("watermark", source.watermark);
            put("partitions", source.partitions);
        });
        list("windows", analysis.windows, [&](const AnalysisView::Window& window) {
            put("open", window.open_intervals);
            put("groups", window.groups);
        });
        list("patterns", analysis.patterns, [&](const AnalysisView::Pattern& pattern) { put("groups", pattern.groups); });
        list("alerts", analysis.alerts, [&](const AnalysisView::Alert& alert) { put("raised", alert.raised); });
        json_.end_object();
    }

    std::vector<char> buffer_;
    JsonWriter json_;
};

}  // namespace

int run_state(const AgentConfig& config, const StateRequest& request) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(nullptr, std::fclose);
    std::unique_ptr<Exporter> exporter;
    if (!request.export_path.empty()) {
        file.reset(std::fopen(request.export_path.c_str(), "wx"));
        if (!file) {
            std::fprintf(stderr, "weir: state: %s cannot be made: %s\n", request.export_path.c_str(),
                         errno == EEXIST ? "it is there already; name a new file" : std::strerror(errno));
            return exit_failed;
        }
        exporter = std::make_unique<Exporter>(file.get(), config.agent.id);
    }
    StateView view = look_at_state(config, [&](const OutboxReader::Row& row) { return exporter ? exporter->row(row) : Status(); });
    if (exporter) {
        const bool kept = std::fflush(file.get()) == 0;
        if (view.database.busy) {
            view.problems.push_back({"nothing was exported: an agent has the database", "stop it, then export"});
            std::remove(request.export_path.c_str());
        }
        if (!kept) view.problems.push_back({request.export_path + " is not whole: " + std::strerror(errno), "make room there, then again"});
        if (exporter->too_long() > 0)
            view.problems.push_back({std::to_string(exporter->too_long()) + " rows are longer than a line may be", "they are not exported"});
    }
    if (request.json) {
        Summary summary;
        std::printf("%s\n", std::string(summary.render(view)).c_str());
    } else {
        tell(view, request.config_path);
        if (exporter) line("%llu rows exported to %s", number(exporter->lines()), request.export_path.c_str());
    }
    return view.problems.empty() ? exit_done : exit_failed;
}

}  // namespace weir
