#include "tests/model/windows/hopping_twin.h"

#include <algorithm>

namespace weir::test {

bool HoppingTwin::has_windows(const Key& key, bool other) const {
    return std::any_of(windows_.begin(), windows_.end(),
                       [&](const auto& entry) { return entry.first.other == other && (other || entry.first.key == key); });
}

void HoppingTwin::row(const TwinRow& row) {
    if (!passes(row)) return;
    const bool own = spec_.by_site || spec_.by_both;
    Key key;
    if (own) key.first = row.site;
    if (!spec_.by_site) key.second = row.lane;
    const std::int64_t watermark = own ? partitions_[row.site].watermark : watermark_;
    const std::int64_t pane = row.at - row.at % every_;
    const std::int64_t last_end = pane + spec_.size;
    if (last_end + spec_.allow <= watermark) {
        ++counts.late;
        return;
    }
    if (!members_.contains(key) && members_.size() < spec_.max_groups) {
        Member member;
        if (has_windows({}, true)) member.own_from = std::max(pane, folded_until_) + every_;
        members_[key] = member;
    }
    if (members_.contains(key)) return put(row, {0, false, key}, own ? row.site : "", watermark, "");
    if (last_end + spec_.allow <= watermark_) {
        ++counts.late;
        return;
    }
    ++counts.folded;
    folded_until_ = std::max(folded_until_, pane);
    put(row, {0, true, {}}, "", watermark_, (key.first ? *key.first : "") + "|" + (key.second ? std::to_string(*key.second) : ""));
}

void HoppingTwin::put(const TwinRow& row, const Id& like, const std::string& partition, std::int64_t watermark, const std::string& folded) {
    const std::int64_t pane = row.at - row.at % every_;
    bool revised = false, missed = false;
    for (std::int64_t end = pane + every_; end <= pane + spec_.size; end += every_) {
        if (end + spec_.allow <= watermark) {
            missed = true;
            continue;
        }
        Group& group = windows_[{end, like.other, like.key}];
        group.partition = partition;
        group.rows.push_back(row);
        if (like.other) group.folded.insert(folded);
        if (end > watermark) continue;
        group.changed = revised = true;
    }
    ++counts.counted;
    counts.revised += revised;
    late_in_part += missed;
}

void HoppingTwin::emit() {
    for (auto& [id, group] : windows_) {
        if (id.end > closing(group) || (group.emitted && !group.changed)) continue;
        HoppingResult result;
        if (id.other) {
            result.key = spec_.by_both ? "(other)|(other)" : "(other)";
        } else {
            const auto& [site, lane] = id.key;
            result.key = site ? *site : "";
            if (lane) result.key += (site ? "|" : "") + std::to_string(*lane);
            result.partial = id.end - spec_.size < members_.at(id.key).own_from;
        }
        result.start = id.end - spec_.size;
        result.end = id.end;
        result.revision = group.revision++;
        result.other = id.other;
        result.rows = group.rows;
        result.folded = group.folded;
        hops.push_back(result);
        group.emitted = true;
        group.changed = false;
    }
    std::erase_if(windows_, [&](const auto& entry) { return entry.first.end + spec_.allow <= closing(entry.second); });
    std::erase_if(members_, [&](const auto& entry) { return !has_windows(entry.first, false); });
}

}  // namespace weir::test
