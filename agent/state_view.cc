#include "agent/state_view.h"

#include <algorithm>

#include "agent/memory_plan.h"
#include "agent/pipeline.h"
#include "agent/recovery.h"

namespace weir {
namespace {

constexpr Bytes reader_cache_bytes = Bytes{256} << 10;
constexpr Bytes sqlite_bytes_max = Bytes{8} << 20;

// Copies: what is mapped is read whole, and written to nobody.
class CopiedFiles final : public Files {
public:
    Result<std::unique_ptr<MappedFile>> map(const std::string& path, Bytes size) override {
        auto copy = std::make_unique<Copy>(size);
        if (path != renamed_) {
            const Result<std::string> content = files_.read(path, size);
            if (!content) return content.error();
            if (content->size() != size) return Error::invalid;
            std::copy(content->begin(), content->end(), reinterpret_cast<char*>(copy->memory().data()));
        }
        return std::unique_ptr<MappedFile>(std::move(copy));
    }
    Result<Bytes> size(const std::string& path) override { return files_.size(path); }
    Result<std::string> read(const std::string& path, Bytes size_max) override { return files_.read(path, size_max); }
    Status replace(const std::string&, ByteSpan, bool) override { return Error::refused; }
    // What would be set aside is empty from then on.
    Status rename(const std::string& from, const std::string&) override {
        renamed_ = from;
        return {};
    }
    Status remove(const std::string&) override { return Error::refused; }
    Status make_folders(const std::string&) override { return Error::refused; }
    Result<std::vector<std::string>> list(const std::string& folder) override { return files_.list(folder); }

private:
    class Copy final : public MappedFile {
    public:
        explicit Copy(Bytes size) : words_(size / 8 + 1), size_(size) {}
        MutableByteSpan memory() override { return std::as_writable_bytes(std::span(words_)).first(size_); }
        Status sync() override { return {}; }

    private:
        std::vector<std::uint64_t> words_;
        Bytes size_;
    };
    SystemFiles files_;
    std::string renamed_;
};

class Look {
public:
    Look(const AgentConfig& config, StateView& view) : config_(config), view_(view) {}

    void at_journals();
    void at_crash_checkpoint();
    void at_database(const std::function<Status(const OutboxReader::Row&)>& each_row);
    void at_analysis();
    void compare();

private:
    struct Kept {
        std::uint64_t program = 0;
        std::string configuration;
        std::string state;
    };
    void problem(std::string what, std::string then) { view_.problems.push_back({std::move(what), std::move(then)}); }
    void at_journal(JournalView& journal);
    void at_rows(OutboxReader& reader, const std::function<Status(const OutboxReader::Row&)>& each_row);
    void at_flash_checkpoint(OutboxReader& reader);

    const AgentConfig& config_;
    StateView& view_;
    CopiedFiles files_;
    SeededEntropy entropy_{1};
    std::optional<Kept> crash_;
    std::optional<Kept> flash_;
};

void Look::at_journals() {
    const std::string path = run_files(config_).journal;
    for (unsigned lane = 0;; ++lane) {
        JournalView journal;
        journal.path = lane == 0 ? path : path + "-lane" + std::to_string(lane);
        if (lane > 0 && !files_.size(journal.path)) return;
        at_journal(journal);
        view_.journals.push_back(std::move(journal));
    }
}

void Look::at_journal(JournalView& journal) {
    const Result<Bytes> size = files_.size(journal.path);
    if (!size) {
        if (size.error() != Error::missing)
            problem(journal.path + " cannot be read: " + std::string(name(size.error())), "look at the folder and its rights");
        return;
    }
    journal.bytes = *size;
    const std::string then = "a start sets it aside and goes on from a checkpoint; what no checkpoint covers is lost, and the "
                             "windows that it touches say \"partial\"";
    const Result<JournalParams> shape = Journal::inspect(files_, journal.path);
    if (!shape) return problem(journal.path + " is damaged: its header does not hold", then);
    journal.shape = *shape;
    JournalOpenReport report;
    const Result<std::unique_ptr<Journal>> opened = Journal::open(files_, entropy_, journal.path, *shape, report);
    if (!opened) return problem(journal.path + " cannot be read: " + std::string(name(opened.error())), then);
    if (report.kind == JournalOpenReport::Kind::set_aside) return problem(journal.path + ": " + std::string(report.reason), then);
    journal.oldest = report.oldest;
    journal.newest = report.newest;
    JournalCursor cursor = (*opened)->seek(0);
    for (JournalEntry entry; (*opened)->next(cursor, entry);) {
        journal.messages += entry.kind == EntryKind::message;
        if (!journal.first) journal.first = entry.arrival;
        journal.last = entry.arrival;
    }
    journal.stranded = (*opened)->stranded();
    if (journal.stranded > 0)
        problem(journal.path + ": the entry behind " + std::to_string(journal.newest) + " is damaged, at least " +
                    std::to_string(journal.stranded) + " whole ones lie behind it",
                "a start reads up to the damage; what lies behind is lost. Copy the file away if you want it looked at");
}

void Look::at_crash_checkpoint() {
    CrashCheckpointView& crash = view_.crash;
    crash.path = run_files(config_).checkpoint;
    const Result<Bytes> size = files_.size(crash.path);
    if (!size) return;
    crash.bytes = *size;
    const std::string then = "a start takes the flash checkpoint instead, as after a power cut";
    const Result<Bytes> content = CheckpointFile::inspect(files_, crash.path);
    if (!content) return problem(crash.path + " is no checkpoint of this version", then);
    CheckpointFile::OpenReport report;
    const Result<std::unique_ptr<CheckpointFile>> file = CheckpointFile::open(files_, crash.path, *content, report);
    if (!file) return problem(crash.path + " cannot be read: " + std::string(name(file.error())), then);
    const std::optional<CheckpointView> newest = (*file)->newest();
    if (report.damaged > 0)
        problem(crash.path + ": " + std::to_string(report.damaged) + " of 2 slots are damaged: their checksums do not hold",
                newest ? "a start takes the other slot, and needs the journal behind it" : then);
    if (!newest) return;
    crash.whole = true;
    crash.epoch = newest->label.epoch;
    crash.journal_position = newest->label.journal_sequence;
    crash.state_bytes = newest->engine.size();
    crash.staged_bytes = newest->staged_results.size();
    ByteReader in(newest->configuration);
    crash_ = Kept{newest->label.plan_hash, std::string(Pipeline::read_preamble(in).configuration),
                  std::string(as_text(newest->engine))};
}

void Look::at_database(const std::function<Status(const OutboxReader::Row&)>& each_row) {
    DatabaseView& database = view_.database;
    database.path = config_.agent.state + "/weir.db";
    const Result<Bytes> size = files_.size(database.path);
    if (!size) return;
    database.bytes = *size;
    if (const Result<Bytes> log = files_.size(database.path + "-wal")) database.log_bytes = *log;
    set_sqlite_heap_limit(sqlite_bytes_max);
    const Result<std::unique_ptr<OutboxReader>> reader = OutboxReader::open(database.path, reader_cache_bytes);
    const std::string then = "a start sets it aside as " + database.path +
                             ".damaged and saves what it can; keep a copy if you want it looked at";
    if (!reader) {
        if (reader.error() == Error::busy)
            database.busy = true;
        else if (reader.error() == Error::unsupported)
            problem(database.path + " is of a newer version of weir", "look with that version; a start sets it aside, unharmed");
        else if (reader.error() == Error::io)
            problem(database.path + " cannot be read", "run this as the agent's user, who may write " + config_.agent.state);
        else
            problem(database.path + " is damaged, or no database of weir's", then);
        return;
    }
    if (const std::string wrong = (*reader)->structure(); !wrong.empty()) problem(database.path + " is damaged: " + wrong, then);
    database.state = (*reader)->state();
    if (!database.state)
        problem(database.path + ": its counters are damaged: which rows were delivered is not known", then);
    at_rows(**reader, each_row);
    const OutboxReader::Frontiers frontiers = (*reader)->frontiers();
    database.frontiers = frontiers.emitted.size();
    if (!frontiers.whole)
        problem(database.path + ": emission frontiers cannot be read",
                "after a power cut windows may be emitted again; without one nothing happens");
    at_flash_checkpoint(**reader);
}

void Look::at_rows(OutboxReader& reader, const std::function<Status(const OutboxReader::Row&)>& each_row) {
    DatabaseView& database = view_.database;
    std::uint64_t undecodable = 0;
    const auto one = [&](const OutboxReader::Row& row) -> Status {
        ++(row.alert ? database.alerts : database.results);
        database.numbered += row.ship != 0;
        RecordStorage storage;
        const Result<Record> record = decode_record(row.record, storage);
        if (!record) {
            ++undecodable;
            return {};
        }
        if (!row.alert) {
            database.oldest = std::min(database.oldest.value_or(record->end), record->end);
            database.newest = std::max(database.newest.value_or(record->end), record->end);
        }
        return each_row ? each_row(row) : Status();
    };
    const Result<OutboxReader::Rows> rows = reader.each_row(one);
    if (!rows) return problem(database.path + ": its rows cannot be read to the end: " + std::string(name(rows.error())),
                              "look at the medium, and at the disk with the export");
    database.rows = *rows;
    if (rows->damaged + undecodable > 0)
        problem(database.path + ": " + std::to_string(rows->damaged + undecodable) + " rows are damaged",
                "they are never sent: the agent deletes and counts them (corrupt_rows) when their turn comes");
    if (rows->unreadable > 0)
        problem(database.path + ": rows cannot be read at " + std::to_string(rows->unreadable) + " places",
                "a start sets the file aside when it meets one, and saves the others");
    const std::uint64_t counted = database.alerts + database.results + rows->damaged;
    if (database.state && rows->unreadable == 0 && database.state->rows != counted)
        problem(database.path + " counts " + std::to_string(database.state->rows) + " rows and holds " + std::to_string(counted),
                "rows were lost or came back: compare with a copy; the agent goes on with what is there");
}

void Look::at_flash_checkpoint(OutboxReader& reader) {
    const Result<std::string> bytes = reader.checkpoint();
    const std::string then = "it is needed after a power cut only: open windows would begin anew. The next flush writes another";
    if (!bytes) {
        if (bytes.error() != Error::missing) problem("the flash checkpoint is damaged: its checksum does not hold", then);
        return;
    }
    const FlashCheckpointInfo& info = view_.database.state->checkpoint;
    const std::optional<Pipeline::FlashContent> content = Pipeline::split(as_byte_span(*bytes), info.format);
    if (!content) return problem("the flash checkpoint is of another version", then);
    flash_ = Kept{info.plan, std::string(content->preamble.configuration), std::string(as_text(content->state))};
}

// What belongs together has to say the same.
void Look::compare() {
    const JournalView& journal = view_.journals.front();
    const CrashCheckpointView& crash = view_.crash;
    if (!crash.whole || view_.database.busy) return;
    if (view_.database.state && view_.database.state->epoch != crash.epoch)
        problem("the crash checkpoint is of epoch " + std::to_string(crash.epoch) + ", the database of epoch " +
                    std::to_string(view_.database.state->epoch),
                "one of them is from another time or place: a start believes the database");
    if (journal.bytes > 0 && (journal.newest < crash.journal_position || journal.oldest > crash.journal_position + 1))
        problem("the journal has entries " + std::to_string(journal.oldest) + " to " + std::to_string(journal.newest) +
                    ", the crash checkpoint goes on behind " + std::to_string(crash.journal_position),
                "a start goes on from the checkpoint, in a new epoch; windows that may miss events say \"partial\"");
}

void Look::at_analysis() {
    const std::optional<Kept>& kept = crash_ ? crash_ : flash_;
    if (!kept) return;
    SystemFiles files;
    ConfigContext context;
    context.files = &files;
    context.read_secrets = false;
    context.need_connections = false;
    const ConfigLoad load = parse_config(kept->configuration, "/checkpoint", context);
    std::vector<ConfigProblem> problems;
    const std::unique_ptr<Assembly> assembly = load.ok() ? Assembly::make(load.config, problems) : nullptr;
    const char* const then = "the version that wrote it can read it; a start of this one gives up its open windows";
    if (!assembly) return problem("the configuration in the checkpoint cannot be read by this version", then);
    ArenaBlock block(Pipeline::need(*assembly));
    Arena arena(block.memory());
    const SystemClock clock;
    Pipeline::Parts parts;
    parts.clock = &clock;
    Pipeline pipeline(arena, *assembly, Analysis::Options{}, Pipeline::Options{}, parts, kept->configuration);
    if (!pipeline.restore(as_byte_span(kept->state)).ok()) return problem("the state in the checkpoint cannot be read by this version", then);

    AnalysisView& view = view_.analysis.emplace();
    view.from_crash_checkpoint = crash_.has_value();
    view.other_program = kept->program != assembly->program();
    for (std::size_t i = 0; i < load.config.sources.size(); ++i) {
        const SourceStatus status = pipeline.source_status(i);
        AnalysisView::Source source{load.config.sources[i].name, {}, status.partitions};
        if (status.watermark != Timestamp::min()) source.watermark = status.watermark;
        view.sources.push_back(source);
    }
    for (std::size_t i = 0; i < load.config.windows.size(); ++i) {
        const WindowStatus status = pipeline.window_status(i);
        view.windows.push_back({load.config.windows[i].name, status.open_intervals, status.cells});
    }
    for (std::size_t i = 0; i < load.config.patterns.size(); ++i)
        view.patterns.push_back({load.config.patterns[i].name, pipeline.pattern_status(i).groups});
    for (std::size_t i = 0; i < load.config.alerts.size(); ++i)
        view.alerts.push_back({load.config.alerts[i].name, pipeline.analysis().alerts().raised(i)});
}

}  // namespace

StateView look_at_state(const AgentConfig& config, const std::function<Status(const OutboxReader::Row&)>& each_row) {
    StateView view;
    Look look(config, view);
    look.at_database(each_row);
    look.at_journals();
    look.at_crash_checkpoint();
    look.compare();
    look.at_analysis();
    // A running agent writes while we read: what does not hold now may hold the next moment.
    if (view.database.busy) view.problems.clear();
    return view;
}

}  // namespace weir
