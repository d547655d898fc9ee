#include "agent/table_watch.h"

#include <sys/stat.h>

#include <algorithm>

#include "agent/base/log.h"
#include "agent/journal_control.h"
#include "agent/table_file.h"

namespace weir {
namespace {

Bytes part_bytes(const Journal& journal) {
    return std::min<Bytes>(table_part_bytes_max, journal.params().message_bytes_max - table_part_head);
}

}  // namespace

// What is read, what waits for room in the journal, one entry.
Bytes TableWatch::need(const AgentConfig& config) {
    Bytes most = 0;
    for (const TableConfig& table : config.tables) most = std::max(most, read_table_need(table));
    return most == 0 ? 0 : most + config.tables.size() * sizeof(Watched) + table_part_head + table_part_bytes_max;
}

TableWatch::TableWatch(const AgentConfig& config, Files& files, Journal& journal, const Clock& clock, const Engine& engine)
    : config_(config), files_(files), journal_(journal), clock_(clock), watched_(config.tables.size()) {
    for (std::size_t i = 0; i < watched_.size(); ++i) watched_[i].known = engine.table_status(i).image_hash;
    if (!watched_.empty()) entry_.resize(table_part_head + part_bytes(journal));
}

TableWatch::Stamp TableWatch::stamp_of(const std::string& path) {
    struct ::stat found {};
    if (::stat(path.c_str(), &found) != 0) return {};
    return {static_cast<std::int64_t>(found.st_mtim.tv_sec), static_cast<std::int64_t>(found.st_mtim.tv_nsec),
            static_cast<std::uint64_t>(found.st_size), static_cast<std::uint64_t>(found.st_ino)};
}

void TableWatch::poll() {
    if (!append_pending()) return;
    const bool all = look_again_.exchange(false);
    for (std::size_t i = 0; i < watched_.size(); ++i) {
        // Before it is read: what is written meanwhile shows at the next poll.
        const Stamp stamp = stamp_of(config_.tables[i].file);
        if (stamp == watched_[i].stamp && !all) continue;
        watched_[i].stamp = stamp;
        read(i);
        if (append_pending()) continue;
        look_again_ = look_again_ || all;  // the tables behind this one wait
        return;
    }
}

void TableWatch::read(std::size_t table) {
    const TableConfig& config = config_.tables[table];
    std::string why;
    Result<std::string> image = read_table(files_, config, why);
    if (!image.ok()) {
        ++watched_[table].bad;
        // The medium, or memory, says nothing about the file: it is read again at the next poll.
        if (image.error() == Error::io || image.error() == Error::no_memory) watched_[table].stamp = {};
        WEIR_LOG_ERROR("table", "%s: %s; what it was before goes on", config.name.c_str(), why.c_str());
        return;
    }
    const std::uint64_t hash = table_image_hash(as_byte_span(*image));
    if (hash == watched_[table].known) return;
    watched_[table].known = hash;
    pending_ = std::move(*image);
    pending_table_ = table;
    pending_done_ = 0;
}

// False while the journal has no room: then the rest goes at the next poll, from where it stopped.
bool TableWatch::append_pending() {
    if (pending_.empty()) return true;
    const ByteSpan image = as_byte_span(pending_);
    while (pending_done_ < image.size()) {
        ByteWriter out(entry_);
        const ByteSpan bytes = image.subspan(pending_done_, std::min(image.size() - pending_done_, entry_.size() - table_part_head));
        write_table_part(out, {pending_table_, pending_done_, image.size(), bytes});
        JournalEntry entry;
        entry.kind = EntryKind::control;
        entry.arrival = clock_.wall();
        entry.clock_trusted = clock_.wall_trusted();
        entry.payload = out.written();
        if (!journal_.append(entry).ok()) return false;
        pending_done_ += bytes.size();
    }
    ++watched_[pending_table_].appended;
    WEIR_LOG_INFO("table", "%s: %s is in use, %zu bytes", config_.tables[pending_table_].name.c_str(),
                  config_.tables[pending_table_].file.c_str(), image.size());
    pending_ = {};
    return true;
}

TableWatch::Status TableWatch::status(std::size_t table) const {
    return {watched_[table].appended, watched_[table].bad};
}

}  // namespace weir
