#include "windows/zone.h"

#include <algorithm>

#include "windows/civil.h"

namespace weir {

std::optional<ZoneTable> ZoneTable::make(std::string name, Duration before, std::vector<Change> changes) {
    const auto sane = [](Duration offset) { return offset.us() > -day_us && offset.us() < day_us; };
    if (!sane(before)) return std::nullopt;
    for (std::size_t i = 0; i < changes.size(); ++i)
        if (!sane(changes[i].offset) || (i > 0 && changes[i].at <= changes[i - 1].at)) return std::nullopt;
    ZoneTable table;
    table.name_ = std::move(name);
    table.before_ = before;
    table.changes_ = std::move(changes);
    return table;
}

ZoneTable ZoneTable::fixed(std::string name, Duration offset) {
    ZoneTable table;
    table.name_ = std::move(name);
    table.before_ = offset;
    return table;
}

ZoneTable::Change ZoneTable::stretch(Timestamp utc) const {
    const auto after = std::upper_bound(changes_.begin(), changes_.end(), utc,
                                        [](Timestamp t, const Change& change) { return t < change.at; });
    if (after == changes_.begin()) return {Timestamp::min(), before_};
    return *(after - 1);
}

Duration ZoneTable::offset(Timestamp utc) const { return stretch(utc).offset; }

Timestamp ZoneTable::utc(Timestamp local) const {
    // No offset reaches a day, so the answer lies between these two; the clock's greatest reading so far never
    // falls as stretches pass.
    const Timestamp from = local - Duration::micros(day_us);
    const Timestamp to = local + Duration::micros(day_us);
    auto next = std::upper_bound(changes_.begin(), changes_.end(), from,
                                 [](Timestamp t, const Change& change) { return t < change.at; });
    Change now = stretch(from);
    while (true) {
        const Timestamp candidate = std::max(local - now.offset, now.at);
        if (next == changes_.end() || candidate < next->at || next->at > to) return candidate;
        now = *next++;
    }
}

// Where clocks are set back across midnight a date is left and come back to: its second part belongs to the
// day after, so that days follow each other without overlap.
Timestamp ZoneTable::midnight(Timestamp at) const {
    const Duration day = Duration::micros(day_us);
    Timestamp start = align_down(local(at), day);
    while (utc(start + day) <= at) start = start + day;
    return start;
}

Timestamp ZoneTable::day_start(Timestamp at) const { return utc(midnight(at)); }
Timestamp ZoneTable::day_end(Timestamp at) const { return utc(midnight(at) + Duration::micros(day_us)); }

Timestamp ZoneTable::hour_start(Timestamp at) const {
    const Change now = stretch(at);
    const Timestamp full = align_down(at + now.offset, Duration::micros(hour_us)) - now.offset;
    return std::max(full, now.at);
}

Timestamp ZoneTable::hour_end(Timestamp at) const {
    const Change now = stretch(at);
    const Timestamp full = align_down(at + now.offset, Duration::micros(hour_us)) - now.offset + Duration::micros(hour_us);
    const auto next = std::upper_bound(changes_.begin(), changes_.end(), at,
                                       [](Timestamp t, const Change& change) { return t < change.at; });
    return next == changes_.end() ? full : std::min(full, next->at);
}

}  // namespace weir
