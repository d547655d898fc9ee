#include "tests/model/windows/count_twin.h"

#include <algorithm>
#include <tuple>

namespace weir::test {

std::int64_t CountTwin::watermark_of(const Place& place) const {
    const std::int64_t watermark = place.partition.empty() ? watermark_ : partitions_.at(place.partition).watermark;
    return watermark - ((watermark % step_) + step_) % step_;
}

std::int64_t CountTwin::end(const Place& place) const {
    std::int64_t last = never;
    for (const TwinRow& row : place.rows) last = std::max(last, row.at);
    return std::max(last, place.ended) + 1;
}

std::string CountTwin::name(const Key& key) const {
    if (key.other) return spec_.by_both ? "(other)|(other)" : "(other)";
    std::string text = key.site ? *key.site : "";
    if (key.lane) text += (key.site ? "|" : "") + std::to_string(*key.lane);
    return text;
}

void CountTwin::say(const Key& key, Place& place, bool by_time) {
    CountResult result;
    result.key = name(key);
    result.start = place.rows.front().at;
    for (const TwinRow& row : place.rows) result.start = std::min(result.start, row.at);
    result.end = end(place);
    result.other = key.other;
    result.partial = by_time && spec_.max_wait == 0;
    result.by_time = by_time;
    result.rows = std::move(place.rows);
    result.folded = std::move(place.folded);
    place.rows.clear();
    place.folded.clear();
    place.ended = result.end;
    windows.push_back(std::move(result));
    if (!key.other) waiting_.push_back(key);
}

void CountTwin::row(const TwinRow& row) {
    if (!passes(row)) return;
    const bool own = spec_.by_site || spec_.by_both;
    Key key;
    if (own) key.site = row.site;
    if (!spec_.by_site) key.lane = row.lane;
    const Key other{true, {}, {}};
    const std::string called = name(key);
    if (!places_.contains(key)) {
        const std::size_t used = places_.size() - (places_.contains(other) ? 1 : 0);
        const bool shares = places_.contains(other) && !places_.at(other).rows.empty();
        if (shares || (used == spec_.max_groups && waiting_.empty())) {
            key = other;
        } else {
            if (used == spec_.max_groups) {
                const Key gone = waiting_.front();
                const auto [ended, is_new] = ended_.try_emplace(group_(gone.site, gone.lane), never);
                ended->second = std::max(ended->second, places_.at(gone).ended);
                places_.erase(gone);
                waiting_.pop_front();
                ++gave_up;
            }
            const auto ended = ended_.find(group_(key.site, key.lane));
            places_[key].ended = ended == ended_.end() ? never : ended->second;
        }
    }
    Place& place = places_[key];
    if (place.rows.empty()) {
        waiting_.remove(key);
        place.partition = own && !key.other ? row.site : "";
        if (spec_.max_wait > 0) place.closes_at = std::max(row.at, watermark_of(place)) + spec_.max_wait;
    }
    if (key.other) {
        place.folded.insert(called);
        ++counts.folded;
    }
    place.rows.push_back(row);
    ++counts.counted;
    if (place.rows.size() == spec_.count) say(key, place, false);
}

void CountTwin::emit() {
    std::vector<std::tuple<std::int64_t, Key>> due;
    for (const auto& [key, place] : places_)
        if (!place.rows.empty() && place.closes_at <= watermark_of(place)) due.emplace_back(end(place), key);
    std::sort(due.begin(), due.end());
    for (const auto& [at, key] : due) say(key, places_.at(key), true);
}

}  // namespace weir::test
