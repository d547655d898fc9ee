#include "agent/alert_table.h"

#include <algorithm>
#include <cstring>

#include "agent/base/hash.h"

namespace weir {
namespace {

constexpr Bytes saved_key_bytes = 11 * sizeof(std::uint64_t) + 2 * sizeof(std::uint16_t) + 3;

// Calm ones first, then those that wait.
int importance(const AlertKey& key) {
    if (key.flapping || key.state == AlertState::raised) return 2;
    return key.state == AlertState::pending ? 1 : 0;
}

}  // namespace

std::uint64_t AlertTeller::tell(AlertTransition transition) {
    transition.sequence = ++said_;
    if (!transition.alert->message.empty())
        transition.message = expand_message(transition.alert->message.text, transition, agent_, message_);
    sink_.transition(transition);
    return said_;
}

Bytes AlertTable::need(const Params& params) {
    return Arena::need<AlertKey>(params.keys_max) + Arena::need<std::byte>(params.keys_max * params.shape.width()) +
           Arena::need<std::int64_t>(params.keys_max * raises_kept(*params.alert)) + HashIndex::need(params.keys_max);
}

AlertTable::AlertTable(Arena& arena, Params params, AlertTeller& teller)
    : params_(std::move(params)),
      teller_(teller),
      per_key_(raises_kept(*params_.alert)),
      keys_(arena.take<AlertKey>(params_.keys_max)),
      kept_(arena.take<std::byte>(params_.keys_max * params_.shape.width())),
      raises_(arena.take<std::int64_t>(params_.keys_max * per_key_)),
      index_(arena, params_.keys_max) {}

AlertKey* AlertTable::find(std::uint64_t hash) {
    const std::uint32_t at = index_.find(hash, [&](std::uint32_t i) { return keys_[i].hash == hash; });
    return at == HashIndex::none ? nullptr : &keys_[at];
}

AlertKey& AlertTable::add(std::uint64_t hash, std::int64_t at) {
    AlertKey& key = full() ? make_room(at) : keys_[used_++];
    key = {};
    key.hash = hash;
    key.touched = ++touches_;
    index_.insert(hash, static_cast<std::uint32_t>(index(key)));
    return key;
}

AlertKey& AlertTable::make_room(std::int64_t at) {
    AlertKey& key = *std::min_element(keys_.begin(), keys_.end(), [](const AlertKey& a, const AlertKey& b) {
        return std::pair(importance(a), a.touched) < std::pair(importance(b), b.touched);
    });
    const int gives_up = importance(key);
    if (gives_up > 0) teller_.forget();
    set_flapping(key, false);
    if (gives_up == 2) clear(key, at, AlertReason::forgotten);
    stop_waiting(key);
    index_.erase(static_cast<std::uint32_t>(index(key)), [&](std::uint32_t i) { return keys_[i].hash; });
    return key;
}

void AlertTable::keep(AlertKey& key, const Record& record) {
    key.start = record.start.us();
    key.end = record.end.us();
    key.flags = record.flags;
    key.partition = record.partition;
    params_.shape.keep(record, bytes_of(key));
}

void AlertTable::set_state(AlertKey& key, AlertState state) {
    raised_ -= key.state == AlertState::raised;
    pending_ -= key.state == AlertState::pending;
    key.state = state;
    raised_ += state == AlertState::raised;
    pending_ += state == AlertState::pending;
    key.touched = ++touches_;
}

void AlertTable::set_flapping(AlertKey& key, bool flapping) {
    flapping_ += flapping;
    flapping_ -= key.flapping;
    key.flapping = flapping;
}

void AlertTable::wait(AlertKey& key, std::int64_t since) {
    set_state(key, AlertState::pending);
    key.since = since;
}

void AlertTable::stop_waiting(AlertKey& key) {
    if (key.state == AlertState::pending) set_state(key, AlertState::cleared);
}

void AlertTable::raise(AlertKey& key, std::int64_t at, AlertReason reason, const Record* record) {
    set_state(key, AlertState::raised);
    key.since = key.changed = key.held = at;
    key.acknowledged = false;
    if (key.flapping) return;
    const std::uint64_t unique[] = {key.hash, static_cast<std::uint64_t>(at), teller_.said()};
    key.id = hash64(std::as_bytes(std::span(unique)), {params_.definition, 0x616c657274});
    set_flapping(key, begins_to_flap(key, at));
    tell(key, key.flapping ? AlertState::flapping : AlertState::raised, reason, at, record);
}

void AlertTable::clear(AlertKey& key, std::int64_t at, AlertReason reason, const Record* record) {
    set_state(key, AlertState::cleared);
    key.changed = at;
    if (!key.flapping) tell(key, AlertState::cleared, reason, at, record);
}

bool AlertTable::acknowledge(AlertKey& key, std::int64_t at) {
    if (key.state != AlertState::raised || key.acknowledged) return false;
    key.acknowledged = true;
    tell(key, AlertState::acknowledged, AlertReason::person, at, nullptr);
    return true;
}

void AlertTable::calm_down(AlertKey& key, std::int64_t at) {
    set_flapping(key, false);
    key.raises = 0;
    tell(key, key.state == AlertState::raised ? AlertState::raised : AlertState::cleared, AlertReason::calm, at, nullptr);
}

// Notes this raise; whether there are more than `raises` in `within`, this one included.
bool AlertTable::begins_to_flap(AlertKey& key, std::int64_t at) {
    if (per_key_ == 0) return false;
    const std::span<std::int64_t> times = raises_of(key);
    if (key.raises == times.size()) {
        std::copy(times.begin() + 1, times.end(), times.begin());
        --key.raises;
    }
    times[key.raises++] = at;
    return key.raises == times.size() && at - times.front() < params_.alert->flap->within.us();
}

Record AlertTable::kept(const AlertKey& key) const {
    const std::span<Field> fields(teller_.fields());
    Record record;
    record.window = params_.from;
    record.definition = params_.definition;
    record.flags = key.flags;
    record.start = Timestamp::micros(key.start);
    record.end = Timestamp::micros(key.end);
    record.key = fields.first(params_.shape.keys());
    record.values = fields.subspan(params_.shape.keys(), params_.shape.values());
    params_.shape.read(bytes_of(key), fields.first(record.key.size()), fields.subspan(record.key.size(), record.values.size()));
    return record;
}

void AlertTable::tell(AlertKey& key, AlertState state, AlertReason reason, std::int64_t at, const Record* record) {
    Record again;
    if (record == nullptr) {
        again = kept(key);
        again.end = std::max(again.end, Timestamp::micros(at));
        record = &again;
    }
    key.sequence = teller_.tell({params_.alert, params_.definition, state, record, key.id, 0, reason, {}});
}

AlertTransition AlertTable::last_said(const AlertKey& key, const Record& record) const {
    return {params_.alert, params_.definition, key.shown(), &record, key.id, key.sequence, AlertReason::restated, {}};
}

void AlertTable::adopt(const AlertTable& from) {
    for (const AlertKey& key : from.keys()) {
        if (full() || find(key.hash) != nullptr) continue;
        AlertKey& mine = add(key.hash, 0);
        const std::uint64_t touched = mine.touched;
        mine = key;
        mine.touched = touched;
        mine.raises = 0;
        if (key.flapping && per_key_ == 0) {  // it stands, and something has to clear it
            mine.flapping = false;
            mine.state = AlertState::raised;
        }
        raised_ += mine.state == AlertState::raised;
        pending_ += mine.state == AlertState::pending;
        flapping_ += mine.flapping;
        Record record = from.kept(key);
        params_.shape.keep(record, bytes_of(mine));
    }
}

Bytes AlertTable::save_size_max(const Params& params) {
    const Bytes a_key = saved_key_bytes + params.shape.width() + raises_kept(*params.alert) * sizeof(std::int64_t);
    return sizeof(std::uint32_t) + sizeof(std::uint64_t) + params.keys_max * a_key;
}

void AlertTable::save(ByteWriter& out) const {
    out.write(static_cast<std::uint32_t>(used_));
    out.write(touches_);
    for (const AlertKey& key : keys()) {
        for (const std::uint64_t number : {key.hash, key.id, key.sequence, key.touched, key.partition}) out.write(number);
        for (const std::int64_t time : {key.since, key.last, key.held, key.changed, key.start, key.end}) out.write(static_cast<std::uint64_t>(time));
        out.write(key.flags);
        out.write(key.raises);
        out.write(static_cast<std::uint8_t>(key.state));
        out.write(static_cast<std::uint8_t>(key.acknowledged));
        out.write(static_cast<std::uint8_t>(key.flapping));
        out.bytes({bytes_of(key), params_.shape.width()});
        for (const std::int64_t time : raises_of(key).first(key.raises)) out.write(static_cast<std::uint64_t>(time));
    }
}

bool AlertTable::load_key(AlertKey& key, ByteReader& in) {
    key = {};
    for (std::uint64_t* number : {&key.hash, &key.id, &key.sequence, &key.touched, &key.partition}) *number = in.read<std::uint64_t>();
    for (std::int64_t* time : {&key.since, &key.last, &key.held, &key.changed, &key.start, &key.end})
        *time = static_cast<std::int64_t>(in.read<std::uint64_t>());
    key.flags = in.read<std::uint16_t>();
    const auto raises = in.read<std::uint16_t>();
    const auto state = in.read<std::uint8_t>();
    key.acknowledged = in.read<std::uint8_t>() != 0;
    key.flapping = in.read<std::uint8_t>() != 0;
    const ByteSpan kept = in.bytes(params_.shape.width());
    if (!in.ok() || key.hash == 0 || find(key.hash) != nullptr || state > static_cast<std::uint8_t>(AlertState::pending)) return false;
    if (raises > per_key_ || (key.flapping && per_key_ == 0) || !params_.shape.valid(kept.data())) return false;
    if (!kept.empty()) std::memcpy(bytes_of(key), kept.data(), kept.size());
    for (std::int64_t& time : raises_of(key).first(raises)) time = static_cast<std::int64_t>(in.read<std::uint64_t>());
    key.raises = raises;
    key.state = static_cast<AlertState>(state);
    raised_ += key.state == AlertState::raised;
    pending_ += key.state == AlertState::pending;
    flapping_ += key.flapping;
    return in.ok();
}

Status AlertTable::load(ByteReader& in) {
    index_.reset();
    used_ = raised_ = pending_ = flapping_ = 0;
    const auto count = in.read<std::uint32_t>();
    touches_ = in.read<std::uint64_t>();
    if (!in.ok()) return Error::truncated;
    if (count > keys_.size()) return Error::invalid;
    while (used_ < count) {
        if (!load_key(keys_[used_], in)) return in.ok() ? Error::invalid : Error::truncated;
        index_.insert(keys_[used_].hash, static_cast<std::uint32_t>(used_));
        ++used_;
    }
    return {};
}

}  // namespace weir
