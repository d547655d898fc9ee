#include "tests/model/windows/session_twin.h"

#include <algorithm>
#include <tuple>

namespace weir::test {

std::int64_t SessionTwin::closing(const std::string& partition) const {
    return step_of(partition.empty() ? watermark_ : partitions_.at(partition).watermark);
}

std::int64_t SessionTwin::step_of(std::int64_t watermark) const {
    if (watermark == never) return never;
    const std::int64_t rest = ((watermark % step_) + step_) % step_;
    return watermark - rest;
}

void SessionTwin::say(Session& session, bool retracted, std::uint32_t early) {
    SessionResult result;
    result.retracted = retracted;
    result.early = early;
    result.late = session.belated;
    result.key = session.site ? *session.site : "";
    if (session.lane) result.key += (session.site ? "|" : "") + std::to_string(*session.lane);
    result.start = session.start;
    result.end = session.end;
    result.revision = early > 0 ? session.revision : session.revision++;
    session.fresh = false;
    if (!retracted)
        for (const auto& [place, row] : session.rows) result.rows.push_back(row);
    if (!retracted) result.history = session.history;
    sessions.push_back(result);
}

std::int64_t SessionTwin::gap_of(const TwinRow& row) const {
    switch (spec_.gap) {
        case 1: return row.n ? *row.n % 9 * 1000 : 0;
        case 2: return row.lane == 0 ? 200 : 3500;
        case 3: return !row.n ? 0 : *row.n < 0 ? 300 : *row.n % 2 == 0 ? 20000 : 1000;
        default: return spec_.size;
    }
}

// The sessions, of late rows or of others, that a row's own one overlaps.
std::vector<SessionTwin::Session> SessionTwin::hit_by(const Session& session, bool belated) const {
    std::vector<Session> hit;
    for (const Session& other : open_)
        if (other.belated == belated && other.site == session.site && other.lane == session.lane && session.start < other.end &&
            session.end > other.start)
            hit.push_back(other);
    return hit;
}

void SessionTwin::row(const TwinRow& row) {
    if (!passes(row)) return;
    const std::int64_t gap = gap_of(row);
    if (spec_.gap > 0 && (gap <= 0 || gap > spec_.gap_max)) {
        ++counts.gap_invalid;
        return;
    }
    const bool own = spec_.by_site || spec_.by_both;
    Session session;
    if (own) session.site = row.site;
    if (!spec_.by_site) session.lane = row.lane;
    session.partition = own ? row.site : "";
    session.start = row.at;
    session.end = row.at + gap;
    const std::int64_t watermark = closing(session.partition);
    std::vector<Session> hit = hit_by(session, false);
    if (spec_.aside && hit.empty() && session.end <= watermark) {
        session.belated = true;
        hit = hit_by(session, true);
    }
    if (hit.empty() && session.end + spec_.allow <= watermark) {
        ++counts.late;
        return;
    }
    std::sort(hit.begin(), hit.end(), [](const Session& a, const Session& b) { return a.start < b.start; });
    std::erase_if(open_, [&](const Session& other) {
        return std::any_of(hit.begin(), hit.end(), [&](const Session& h) { return h.start == other.start && h.site == other.site && h.lane == other.lane && h.belated == other.belated; });
    });
    bool was_said = false;
    session.rows.emplace_back(place_++, row);
    for (const Session& other : hit) {
        was_said |= other.said;
        session.start = std::min(session.start, other.start);
        session.end = std::max(session.end, other.end);
        session.rows.insert(session.rows.end(), other.rows.begin(), other.rows.end());
    }
    std::sort(session.rows.begin(), session.rows.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    if (hit.size() > 1) ++joined;
    if (hit.size() > 2) ++joined_many;
    if (!hit.empty()) session.history = hit[0].history;
    for (std::size_t i = 1; i < hit.size(); ++i) {
        session.history.push_back({Happening::Kind::begin, {}});
        session.history.insert(session.history.end(), hit[i].history.begin(), hit[i].history.end());
        session.history.push_back({Happening::Kind::end, {}});
    }
    session.history.push_back({Happening::Kind::row, row});
    const bool same = hit.size() == 1 && hit[0].start == session.start && hit[0].end == session.end;
    if (same) {
        session.said = hit[0].said;
        session.revision = hit[0].revision;
    } else {
        for (Session& other : hit)
            if (other.said) say(other, true);
    }
    ++counts.counted;
    session.fresh = true;
    if (session.belated) {
        ++counts.aside;
        open_.push_back(session);
        return;
    }
    session.changed = session.end <= watermark;
    if (was_said || session.changed) ++counts.revised;
    open_.push_back(session);
}

void SessionTwin::emit() {
    std::sort(open_.begin(), open_.end(), [](const Session& a, const Session& b) {
        return std::tie(a.end, a.site, a.lane, a.start) < std::tie(b.end, b.site, b.lane, b.start);
    });
    for (Session& session : open_) {
        const std::int64_t now = closing(session.partition);
        if (!session.said && !session.belated && session.end > now) {
            const auto before = before_.find(session.partition);
            const std::uint32_t early =
                early_due(session.start, session.end, before == before_.end() ? never : step_of(before->second), now);
            if (early > 0 && session.fresh) say(session, false, early);
            continue;
        }
        if (session.said ? !session.changed : session.end + (session.belated ? spec_.allow : 0) > now) continue;
        say(session, false);
        session.said = true;
        session.changed = false;
    }
    std::erase_if(open_, [&](const Session& session) { return session.end + kept(session) <= closing(session.partition); });
    remember_watermarks();
}

}  // namespace weir::test
