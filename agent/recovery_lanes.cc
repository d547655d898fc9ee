#include <algorithm>

#include "agent/base/log.h"
#include "agent/recovery.h"

// A start where the state that is found, or this configuration, has several lanes. Each has a journal, which continues
// the state from a place of its own; what is done with one journal elsewhere is done here with each.
// Other lanes are another configuration: the earlier one's are run to the end of their journals, in its own number.

namespace weir {
namespace {

std::string title_of(std::size_t lane) { return "journal of lane " + std::to_string(lane); }

}  // namespace

void Recovery::open_old_lanes(const Found* found) {
    std::optional<LaneStateHead> head;
    if (found) {
        ByteReader in(as_byte_span(found->state));
        head = LaneStateHead::read(in);
    }
    several_ = assembly_.lanes() > 1 || head;
    if (!several_) return;
    old_lanes_.resize(head ? head->positions.size() : 1);
    const Bytes horizon = found ? found->horizon.size() / old_lanes_.size() : 0;
    const RunFiles paths = run_files(assembly_.config());
    for (std::size_t lane = 0; lane < old_lanes_.size(); ++lane) {
        OldLane& old = old_lanes_[lane];
        old.old = lane == 0 ? OldJournal{std::move(old_journal_), same_journal_} : open_old_journal(paths.journal_of(lane));
        old.position = head ? head->positions[lane] : found ? found->journal_sequence : 0;
        if (found) old.horizon = found->horizon.substr(lane * horizon, horizon);
    }
    if (!found) return old_lanes_.clear();  // which entries were counted is not known of lanes that went on by themselves
    stand_in_for_lost_journals();
}

// Every entry behind the state is there.
bool Recovery::lane_continues(std::size_t lane) const {
    const OldLane& old = old_lanes_[lane];
    return !old.lost && old.old.journal && old.old.journal->oldest_sequence() <= old.position + 1 &&
           old.old.journal->newest_sequence() >= old.position;
}

// A file without a name, for as long as this start takes: so that the other lanes' entries count all the same.
void Recovery::stand_in_for_lost_journals() {
    const RunFiles paths = run_files(assembly_.config());
    for (std::size_t lane = 0; lane < old_lanes_.size(); ++lane) {
        if (lane_continues(lane)) continue;
        OldLane& old = old_lanes_[lane];
        JournalParams params = old.old.journal ? old.old.journal->params() : parts_.journal;
        params.first_sequence = old.position + 1;
        old = {{}, old.position, std::move(old.horizon), true};
        const std::string path = paths.journal_of(lane) + ".lost";
        JournalOpenReport report;
        Result<std::unique_ptr<Journal>> journal = Journal::open(files_, entropy_, path, params, report);
        (void)files_.remove(path).ok();
        if (journal.ok()) old.old.journal = std::move(*journal);
        WEIR_LOG_ERROR("recovery", "the %s cannot be read, or does not continue the state: its entries are lost", title_of(lane).c_str());
    }
}

// As another configuration left them.
Status Recovery::replay_old_lanes(Pipeline& pipeline, std::uint64_t epoch) {
    std::vector<Journal*> journals;
    std::vector<std::uint64_t> positions;
    for (const OldLane& old : old_lanes_) {
        if (!old.old.journal) return Error::io;
        journals.push_back(old.old.journal.get());
        positions.push_back(old.position);
    }
    if (Status begun = pipeline.begin(epoch, journals, positions); !begun.ok()) return begun;
    pipeline.catch_up();
    return {};
}

Status Recovery::open_lane_journals(Recovered& recovered, std::string& reason) {
    const RunFiles paths = run_files(assembly_.config());
    journal_covers_ = found_.has_value();
    for (std::size_t lane = 0; lane < old_lanes_.size(); ++lane) journal_covers_ = journal_covers_ && lane_continues(lane);
    recovered.more_journals.resize(assembly_.lanes() - 1);
    for (std::size_t lane = 0; lane < assembly_.lanes(); ++lane) {
        std::unique_ptr<Journal>& to = lane == 0 ? recovered.journal : recovered.more_journals[lane - 1];
        OldLane* const old = lane < old_lanes_.size() ? &old_lanes_[lane] : nullptr;
        if (found_ && old && lane_continues(lane) && old->old.same) {
            carry_horizon(*old->old.journal, old->old.journal.get(), old->position, as_byte_span(old->horizon), lane_links_now());
            to = std::move(old->old.journal);
            continue;
        }
        Result<std::unique_ptr<Journal>> opened = open_lane_journal(lane, reason);
        if (!opened.ok()) return opened.error();
        if (old) carry_horizon(**opened, old->lost ? nullptr : old->old.journal.get(), old->position, as_byte_span(old->horizon), lane_links_now());
        to = std::move(*opened);
    }
    return {};
}

// A new one; beside the old one while that may have to be read again. Its numbers go on from there: should this start be
// cut short before the new file has the old one's name, nothing in the old one lies behind the new state.
Result<std::unique_ptr<Journal>> Recovery::open_lane_journal(std::size_t lane, std::string& reason) {
    const OldLane* const old = lane < old_lanes_.size() ? &old_lanes_[lane] : nullptr;
    const bool kept = old && !old->lost;
    const std::string path = run_files(assembly_.config()).journal_of(lane) + (kept ? ".next" : "");
    (void)files_.remove(path).ok();
    JournalParams params = parts_.journal;
    params.first_sequence = 1 + std::max(kept ? old->old.journal->newest_sequence() : 0, old ? old->position : 0);
    JournalOpenReport report;
    Result<std::unique_ptr<Journal>> journal = Journal::open(files_, entropy_, path, params, report);
    if (!journal.ok()) reason = path + ": " + std::string(name(journal.error()));
    return journal;
}

// As links_now(), a lane's connections behind the other's.
std::vector<std::uint16_t> Recovery::lane_links_now() const {
    const std::vector<std::uint16_t> links = links_now();
    std::vector<std::uint16_t> all;
    for (std::size_t lane = 0; lane < old_lanes_.size(); ++lane)
        for (const std::uint16_t link : links)
            all.push_back(link == DuplicateHorizon::no_link || lane >= assembly_.lanes()
                              ? DuplicateHorizon::no_link
                              : static_cast<std::uint16_t>(lane * assembly_.config().mqtt.size() + link));
    return all;
}

// Under this configuration, each lane from the place that its state says; of another size the old one first.
Status Recovery::replay_lanes(Pipeline& pipeline, Recovered& recovered, std::uint64_t epoch) {
    std::vector<Journal*> journals = {recovered.journal.get()};
    for (const auto& journal : recovered.more_journals) journals.push_back(journal.get());
    std::vector<std::uint64_t> ends;
    for (const Journal* journal : journals) ends.push_back(journal->newest_sequence());
    if (found_) {
        std::vector<Journal*> old = journals;
        std::vector<std::uint64_t> positions;
        for (std::size_t lane = 0; lane < journals.size(); ++lane) {
            if (old_lanes_[lane].old.journal) old[lane] = old_lanes_[lane].old.journal.get();
            positions.push_back(old_lanes_[lane].position);
        }
        if (Status begun = pipeline.begin(epoch, old, positions); !begun.ok()) return begun;
        pipeline.catch_up();
        if (old == journals) return {};
        for (std::size_t lane = 0; lane < journals.size(); ++lane)
            if (old[lane] == journals[lane]) ends[lane] = journals[lane]->newest_sequence();
    }
    return pipeline.begin(epoch, journals, ends);
}

// What belongs to lanes that are no more, and what a start before left that was cut short.
void Recovery::remove_other_lanes() {
    const RunFiles paths = run_files(assembly_.config());
    for (std::size_t lane = assembly_.lanes(); lane < lanes_max; ++lane)
        for (const char* ending : {"", ".next", ".lost"})
            if (files_.size(paths.journal_of(lane) + ending).ok()) (void)files_.remove(paths.journal_of(lane) + ending).ok();
}

}  // namespace weir
