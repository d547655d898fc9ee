#include "agent/record.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "agent/journal_tail.h"
#include "agent/recovery.h"
#include "drivers/replay_line.h"

namespace weir {
namespace {

constexpr Bytes buffered_bytes = 64 * 1024;
// A journal that is being set up, or is set aside, is there again in a moment.
constexpr int tries = 3;

Result<JournalTail> read_tail(Files& files, const std::string& path) {
    Error error = Error::missing;
    for (int i = 0; i < tries; ++i) {
        const Result<Bytes> size = files.size(path);
        if (!size) return size.error();
        Result<std::string> file = files.read(path, *size);
        if (!file) return file.error();
        Result<JournalTail> tail = JournalTail::read(std::move(*file));
        if (tail.ok()) return tail;
        error = tail.error();
    }
    return error;
}

Status write_all(int descriptor, std::string& text) {
    std::string_view rest = text;
    while (!rest.empty()) {
        const ssize_t written = ::write(descriptor, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno == EPIPE ? Error::closed : Error::io;
        rest.remove_prefix(static_cast<Bytes>(written));
    }
    text.clear();
    return {};
}

// The messages of one lane since a time, in their order.
struct Lane {
    JournalTail tail;
    std::size_t at = 0;

    // At the next message that arrived since then.
    bool advance(Timestamp since, RecordReport& report) {
        for (; at < tail.size(); ++at) {
            const JournalEntry entry = tail.entry(at);
            if (entry.arrival < since) continue;
            report.shed += entry.kind == EntryKind::shed ? 1 : 0;
            if (entry.kind == EntryKind::message) return true;
        }
        return false;
    }
};

Result<std::vector<Lane>> read_lanes(const AgentConfig& config, Files& files, Problem& problem) {
    std::vector<Lane> lanes;
    const RunFiles paths = run_files(config);
    for (std::size_t lane = 0;; ++lane) {
        const std::string path = paths.journal_of(lane);
        Result<JournalTail> tail = read_tail(files, path);
        if (!tail.ok() && tail.error() == Error::missing && lane > 0) return lanes;
        if (!tail.ok()) {
            problem.what = path + ": " + (tail.error() == Error::missing ? "there is no journal: has an agent run with this configuration on this machine?"
                                          : tail.error() == Error::refused ? "it may not be read: it belongs to the agent's user"
                                                                           : "it cannot be read (" + std::string(name(tail.error())) + ")");
            return tail.error();
        }
        lanes.push_back({std::move(*tail)});
    }
}

}  // namespace

Status run_record(const AgentConfig& config, Files& files, const RecordRequest& request, RecordReport& report, Problem& problem) {
    Result<std::vector<Lane>> lanes = read_lanes(config, files, problem);
    if (!lanes.ok()) return lanes.error();
    for (const Lane& lane : *lanes)
        if (lane.tail.size() > 0) report.newest = std::max(report.newest, lane.tail.entry(lane.tail.size() - 1).arrival);
    const Timestamp since = report.newest - request.last;
    for (const Lane& lane : *lanes) {
        report.ring_bytes += lane.tail.ring_bytes();
        const bool covered = lane.tail.from_its_beginning() || (lane.tail.size() > 0 && lane.tail.entry(0).arrival <= since);
        report.reaches_back = report.reaches_back && covered;
    }

    std::string text;
    for (;;) {
        Lane* next = nullptr;
        for (Lane& lane : *lanes)
            if (lane.advance(since, report) && (!next || lane.tail.entry(lane.at).arrival < next->tail.entry(next->at).arrival)) next = &lane;
        if (!next) break;
        const JournalEntry entry = next->tail.entry(next->at++);
        if (report.messages++ == 0) report.first = entry.arrival;
        append_replay_line(text, entry.arrival, entry.topic, entry.payload);
        if (text.size() < buffered_bytes) continue;
        if (Status written = write_all(request.output, text); !written.ok()) return written;
    }
    return write_all(request.output, text);
}

}  // namespace weir
