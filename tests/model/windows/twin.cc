#include "tests/model/windows/twin.h"

#include <algorithm>
#include <cmath>

namespace weir::test {

void Twin::arrive(std::int64_t arrival, bool trusted) {
    if (last_arrival_ != never && trusted == last_trusted_)
        elapsed_ += std::max<std::int64_t>(0, std::min(arrival - last_arrival_, spec_.step_max));
    last_arrival_ = arrival;
    last_trusted_ = trusted;
}

std::int64_t Twin::closing(const Group& group) const {
    if (group.partition.empty()) return watermark_;
    return partitions_.at(group.partition).watermark;
}

std::int64_t Twin::start_of(std::int64_t at) const {
    if (spec_.cuts.empty()) return at - at % spec_.size;
    return *std::prev(std::upper_bound(spec_.cuts.begin(), spec_.cuts.end(), at));
}

std::int64_t Twin::end_of(std::int64_t start) const {
    if (spec_.cuts.empty()) return start + spec_.size;
    return *std::upper_bound(spec_.cuts.begin(), spec_.cuts.end(), start);
}

std::vector<std::int64_t> twin_cuts(const std::vector<TwinClock>& clock, bool hours, std::int64_t from, std::int64_t to) {
    const std::int64_t unit = hours ? 3'600'000 : 86'400'000;
    std::vector<std::int64_t> cuts;
    std::int64_t shown = -1, moved = -1;
    for (std::int64_t now = from - from % 60'000; now < to; now += 60'000) {
        TwinClock reading = clock.front();
        for (const TwinClock& change : clock)
            if (change.from <= now) reading = change;
        const std::int64_t show = (now + reading.ahead) / unit;
        if (hours ? show != shown || reading.from != moved : show > shown) cuts.push_back(now);
        shown = hours ? show : std::max(shown, show);
        moved = reading.from;
    }
    cuts.erase(cuts.begin());  // where the looking began
    return cuts;
}

bool Twin::passes(const TwinRow& row) {
    ++counts.rows;
    if (row.at < 0 || (row.trusted && row.at > row.arrival + spec_.max_future)) {
        ++counts.quarantined;
        return false;
    }
    Partition& partition = partitions_[row.site];
    if (closed_) partition.watermark = forever;
    if (spec_.filter && !row.speed) {
        ++counts.where_null;
        return false;
    }
    if (spec_.filter && !(*row.speed > 10)) {
        ++counts.filtered;
        return false;
    }
    return true;
}

void Twin::row(const TwinRow& row) {
    if (!passes(row)) return;
    const Partition& partition = partitions_[row.site];
    const bool own = spec_.by_site || spec_.by_both;
    const std::int64_t start = start_of(row.at);
    const std::int64_t end = end_of(start);
    if (end + spec_.allow <= (own ? partition.watermark : watermark_)) {
        ++counts.late;
        return;
    }
    Id id{start, false, {}, {}};
    if (own) id.site = row.site;
    if (!spec_.by_site) id.lane = row.lane;
    const std::string name = (id.site ? *id.site : "") + "|" + (id.lane ? std::to_string(*id.lane) : "");
    if (!groups_.contains(id)) {
        auto& admitted = admitted_[start];
        if (admitted.size() < spec_.max_groups) {
            admitted.insert(name);
            groups_[id].partition = own ? row.site : "";
        } else {
            if (end + spec_.allow <= watermark_) {
                ++counts.late;
                return;
            }
            id = {start, true, {}, {}};
            ++counts.folded;
        }
    }
    Group& group = groups_[id];
    const bool behind = end <= closing(group);
    const bool apart = behind && spec_.aside;
    (apart ? group.late_rows : group.rows).push_back(row);
    if (id.other) (apart ? group.late_folded : group.folded).insert(name);
    ++counts.counted;
    group.fresh = true;
    if (apart) ++counts.aside;
    if (!behind || apart) return;
    ++counts.revised;
    group.changed = true;
}

std::uint32_t Twin::early_due(std::int64_t start, std::int64_t end, std::int64_t before, std::int64_t now) const {
    std::uint32_t count = 0;
    bool passed = false;
    if (spec_.early == 0) return 0;
    for (std::int64_t at = start + spec_.early; at < end && at <= now; at += spec_.early) {
        ++count;
        passed |= before < at;
    }
    return passed ? count : 0;
}

void Twin::remember_watermarks() {
    before_[""] = watermark_;
    for (const auto& [name, partition] : partitions_) before_[name] = partition.watermark;
}

void Twin::emit() {
    for (auto& [id, group] : groups_) {
        const std::int64_t end = end_of(id.start);
        const bool due = end <= closing(group) && (group.emitted ? group.changed : !group.rows.empty());
        const bool late = end + spec_.allow <= closing(group) && !group.late_rows.empty();
        std::uint32_t early = 0;
        if (end > closing(group)) {
            const auto before = before_.find(group.partition);
            early = early_due(id.start, end, before == before_.end() ? never : before->second, closing(group));
        }
        if (!due && !late && !(early > 0 && group.fresh)) continue;
        TwinResult result;
        result.early = early;
        result.late = late;
        if (id.other) {
            result.key = spec_.by_both ? "(other)|(other)" : "(other)";
        } else {
            result.key = id.site ? *id.site : "";
            if (id.lane) result.key += (id.site ? "|" : "") + std::to_string(*id.lane);
        }
        result.start = id.start;
        result.end = end_of(id.start);
        result.revision = late ? 0 : group.revision;
        result.other = id.other;
        result.rows = late ? group.late_rows : group.rows;
        result.folded = late ? group.late_folded : group.folded;
        results.push_back(result);
        group.fresh = false;
        if (late) group.late_rows.clear();
        if (!due) continue;
        ++group.revision;
        group.emitted = true;
        group.changed = false;
    }
    remember_watermarks();
    std::erase_if(groups_, [&](const auto& entry) {
        return entry.first.other ? false : end_of(entry.first.start) + spec_.allow <= closing(entry.second);
    });
    // An interval and its "(other)" are forgotten together, once no key is left.
    std::erase_if(admitted_, [&](const auto& entry) {
        if (end_of(entry.first) + spec_.allow > watermark_) return false;
        for (const auto& [id, group] : groups_)
            if (id.start == entry.first && !id.other) return false;
        groups_.erase(Id{entry.first, true, {}, {}});
        return true;
    });
}

std::int64_t Twin::behind_by_lateness(std::int64_t time) const {
    if (!spec_.adaptive || lateness_us_ < 0) return time - spec_.lateness;
    return time - (lateness_us_ + 999) / 1000;
}

// By sorting all that is remembered.
void Twin::settle() {
    if (!spec_.adaptive || unsettled_ < 64) return;
    unsettled_ = 0;
    std::vector<std::int64_t> all = older_;
    all.insert(all.end(), newer_.begin(), newer_.end());
    std::sort(all.begin(), all.end());
    const double rank = std::ceil((1.0 - spec_.late_share) * static_cast<double>(all.size()));
    const std::int64_t value = all[std::max<std::size_t>(1, static_cast<std::size_t>(rank)) - 1];
    std::int64_t end = 0;
    if (value > 0) {
        std::int64_t octave = 512;
        while (octave * 2 <= value) octave *= 2;
        const std::int64_t step = octave / 8;
        const std::int64_t middle = std::max<std::int64_t>(value, 512) / step * step + step / 2;
        end = middle + middle / 16;
    }
    lateness_us_ = std::clamp(end, spec_.floor * 1000, spec_.lateness * 1000);
    if (newer_.size() < 2000) return;
    older_ = std::move(newer_);
    newer_.clear();
}

void Twin::message(const std::vector<TwinRow>& rows) {
    take(rows);
    adopt();
    say();
}

void Twin::tick(std::int64_t arrival, bool trusted) {
    pass(arrival, trusted);
    adopt();
    say();
}

void Twin::adopt() {
    for (auto& [name, partition] : partitions_) partition.watermark = std::max(partition.watermark, std::min(partition.own, limit));
    watermark_ = std::max(watermark_, std::min(own_, limit));
}

std::int64_t Twin::unlimited() const {
    for (const auto& [name, partition] : partitions_)
        if (partition.active) return own_;
    return forever;
}

void Twin::take(const std::vector<TwinRow>& rows) {
    arrive(rows.front().arrival, rows.front().trusted);
    for (const TwinRow& r : rows) row(r);
    for (const TwinRow& r : rows) {
        if (r.at < 0 || (r.trusted && r.at > r.arrival + spec_.max_future)) continue;
        const Partition& partition = partitions_[r.site];
        newer_.push_back(partition.greatest == never ? 0 : std::max<std::int64_t>(0, partition.greatest - r.at) * 1000);
        ++unsettled_;
    }
    settle();
    for (const TwinRow& r : rows) {
        if (r.at < 0 || (r.trusted && r.at > r.arrival + spec_.max_future)) continue;
        Partition& partition = partitions_[r.site];
        partition.greatest = std::max(partition.greatest, r.at);
        partition.own = std::max(partition.own, behind_by_lateness(partition.greatest));
        partition.last = elapsed_;
        partition.active = true;
    }
    std::int64_t least = forever;
    bool any = false;
    for (auto& [name, partition] : partitions_) {
        if (elapsed_ - partition.last >= spec_.idle) partition.active = false;
        if (!partition.active) continue;
        any = true;
        least = std::min(least, partition.own);
    }
    if (any) own_ = std::max(own_, least);
}

void Twin::pass(std::int64_t arrival, bool trusted) {
    arrive(arrival, trusted);
    std::int64_t least = forever, furthest = never;
    bool any = false;
    for (auto& [name, partition] : partitions_) {
        if (elapsed_ - partition.last >= spec_.idle) partition.active = false;
        if (partition.active) {
            any = true;
            least = std::min(least, partition.own);
        } else if (partition.greatest != never) {
            partition.own = std::max(partition.own, behind_by_lateness(partition.greatest + elapsed_ - partition.last));
            furthest = std::max(furthest, partition.own);
        }
    }
    own_ = std::max(own_, any ? least : furthest);
}

void Twin::close() {
    closed_ = true;
    for (auto& [name, partition] : partitions_) partition.watermark = forever;
    watermark_ = forever;
    emit();
}

}  // namespace weir::test
