#include "tests/sim/twin.h"

#include "tests/sim/bridge.h"

namespace weir::sim {

void Twin::begin(const Assembly& assembly, Analysis& from, std::uint64_t epoch, std::uint64_t journal_sequence) {
    std::vector<std::byte> state(Analysis::save_size_max(assembly));
    ByteWriter out(state);
    from.flush();
    WEIR_ASSERT(from.save(out).ok());
    analysis_.reset();
    block_ = std::make_unique<ArenaBlock>(Analysis::need(assembly, {}));
    arena_ = std::make_unique<Arena>(block_->memory());
    analysis_ = std::make_unique<Analysis>(*arena_, assembly, Analysis::Options{}, static_cast<OutputSink&>(*this));
    ByteReader in(out.written());
    WEIR_ASSERT(analysis_->load(in).ok());
    epoch_ = epoch;
    sequence_ = journal_sequence;
    cursor_valid_ = false;
    said_[epoch].behind = analysis_->last_sequence();
}

void Twin::follow(Journal& journal) {
    if (!cursor_valid_) cursor_ = journal.seek(sequence_ + 1);
    cursor_valid_ = true;
    for (JournalEntry entry; journal.next(cursor_, entry);) {
        WEIR_ASSERT(entry.sequence == sequence_ + 1);
        sequence_ = entry.sequence;
        switch (entry.kind) {
            case EntryKind::message: analysis_->message(entry.link, {entry.topic, entry.payload, entry.arrival, entry.clock_trusted}); break;
            case EntryKind::tick: analysis_->tick(entry.arrival, entry.clock_trusted); break;
            case EntryKind::control: analysis_->control(entry.payload); break;
            default: break;
        }
    }
    analysis_->flush();
}

void Twin::result(const Record& record) {
    if (record.flags & record_provisional) return;
    said_[epoch_].contents.push_back(describe(record, scratch_).content);
}

void Twin::alert(const AlertTransition&, const Record& record) {
    ++alerts_;
    said_[epoch_].contents.push_back(describe(record, scratch_).content);
}

}  // namespace weir::sim
