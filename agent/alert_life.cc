#include "agent/alert_life.h"

#include <algorithm>

namespace weir {
namespace {

std::int64_t plus(std::int64_t at, Duration by) { return (Timestamp::micros(at) + by).us(); }

}  // namespace

AlertLife::AlertLife(Arena& arena, const Params& params, AlertTeller& teller)
    : hold_(params.hold), clear_after_(params.clear_after), missing_after_(params.missing_after), table_(arena, params.table, teller) {}

void AlertLife::judge(const Record& record, std::uint64_t hash, std::int64_t at, std::optional<bool> raises, std::optional<bool> clears) {
    AlertKey* key = table_.find(hash);
    if (key == nullptr) {
        if (raises != true) return;
        key = &table_.add(hash, at);
    } else if (at < key->last) {
        ++stale_;
        return;
    } else {
        settle(*key, at - 1);
        if (raises != true && is_calm(hash)) return;
    }
    key->last = at;
    table_.keep(*key, record);
    if (raises == true) key->held = at;
    if (key->state == AlertState::raised) {
        if (clears == true) table_.clear(*key, at, AlertReason::condition, &record);
    } else if (raises == true) {
        if (key->state == AlertState::cleared && hold_ > Duration()) table_.wait(*key, at);
        if (key->state == AlertState::cleared || at >= plus(key->since, hold_)) table_.raise(*key, at, AlertReason::condition, &record);
    } else if (raises == false) {
        table_.stop_waiting(*key);
    }
    due_ = std::min(due_, next(*key).at);
}

bool AlertLife::is_calm(std::uint64_t hash) {
    const AlertKey* const key = table_.find(hash);
    return key == nullptr || (key->state == AlertState::cleared && !key->flapping);
}

// Of two at once, that a result is missing comes first: what was not there did not hold.
AlertLife::Due AlertLife::next(const AlertKey& key) const {
    Due due;
    const auto offer = [&](std::int64_t at, What what) {
        if (at < due.at) due = {at, what};
    };
    if (missing_after_ && key.state != AlertState::cleared) offer(plus(key.last, *missing_after_), What::missing);
    if (key.state == AlertState::pending) offer(plus(key.since, hold_), What::held);
    if (key.state == AlertState::raised && clear_after_ > Duration()) offer(plus(key.held, clear_after_), What::lapsed);
    if (key.flapping) offer(table_.calm_at(key), What::calm);
    return due;
}

void AlertLife::settle(AlertKey& key, std::int64_t now) {
    for (Due due = next(key); due.at <= now && due.at != never; due = next(key)) {
        switch (due.what) {
            case What::missing:
                if (key.state == AlertState::raised)
                    table_.clear(key, due.at, AlertReason::missing);
                else
                    table_.stop_waiting(key);
                break;
            case What::held: table_.raise(key, due.at, AlertReason::held); break;
            case What::lapsed: table_.clear(key, due.at, AlertReason::lapsed); break;
            case What::calm: table_.calm_down(key, due.at); break;
        }
    }
}

void AlertLife::advance(std::int64_t now, const PartitionTimes* partitions) {
    if (now < due_) return;
    for (AlertKey& key : table_.keys()) {
        if (next(key).at > now || (key.partition != 0 && partitions == nullptr)) continue;
        settle(key, key.partition == 0 ? now : std::min(now, partitions->watermark_of(key.partition).us()));
    }
    look_again();
}

void AlertLife::look_again() {
    due_ = never;
    for (const AlertKey& key : table_.keys()) due_ = std::min(due_, next(key).at);
}

void AlertLife::adopt(const AlertLife& from) {
    table_.adopt(from.table_);
    look_again();
}

void AlertLife::save(ByteWriter& out) const {
    out.write(stale_);
    table_.save(out);
}

Status AlertLife::load(ByteReader& in) {
    stale_ = in.read<std::uint64_t>();
    if (Status loaded = table_.load(in); !loaded.ok()) return loaded;
    look_again();
    return {};
}

}  // namespace weir
