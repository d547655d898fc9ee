// The keys that one alert has something to say about, what was said of each, and the saying: each change once, raise and clear in pairs.
// With `flap`, more than so many raises within so much time are one word, "flapping", and then nothing until it has not changed for that time;
// then what is so is said.
// Memory: need(): keys_max keys of 104 bytes, what is kept of each, and the times of its raises, with `flap`. Cost: find() O(1);
// add() O(1), O(keys) once the table is full. Threads: one owner.
// Errors: none; when all places are taken, a key that is calm makes room, else the one that changed longest ago: it is cleared ("forgotten"), said
// and counted. load() refuses hostile bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "agent/alert_shape.h"
#include "agent/alert_transition.h"
#include "agent/base/arena.h"
#include "windows/hash_index.h"

namespace weir {

// What all alerts of the agent share: the numbers of what is said, and to whom.
class AlertTeller {
public:
    AlertTeller(AlertSink& sink, std::string_view agent) : sink_(sink), agent_(agent) {}
    // Gives it the next sequence and its message. Returns the sequence.
    std::uint64_t tell(AlertTransition transition);
    std::uint64_t said() const { return said_; }
    std::uint64_t forgotten() const { return forgotten_; }
    void forget() { ++forgotten_; }
    void restore(std::uint64_t said, std::uint64_t forgotten) {
        said_ = said;
        forgotten_ = forgotten;
    }
    // Where a record is put together again.
    std::array<Field, record_fields_max>& fields() { return fields_; }

    static constexpr Bytes message_bytes_max = 512;

private:
    AlertSink& sink_;
    const std::string_view agent_;
    std::uint64_t said_ = 0;
    std::uint64_t forgotten_ = 0;
    std::array<char, message_bytes_max> message_;
    std::array<Field, record_fields_max> fields_;
};

// Times are of the alert's own time: of events, or, of absence, the time that went by.
struct AlertKey {
    std::uint64_t hash = 0;      // of the key; 0: free
    std::uint64_t id = 0;        // of what stands, or stood last
    std::uint64_t sequence = 0;  // of what was said last
    std::uint64_t touched = 0;
    std::int64_t since = 0;      // pending: when the condition began to hold; raised: when it was raised
    std::int64_t last = 0;       // the newest result
    std::int64_t held = 0;       // the newest that raises
    std::int64_t changed = 0;    // raised or cleared, said or not
    std::int64_t start = 0;      // of the result that is kept
    std::int64_t end = 0;
    std::uint64_t partition = 0; // that closed it; 0: all of the source
    std::uint16_t flags = 0;
    std::uint16_t raises = 0;    // whose times are known
    AlertState state = AlertState::cleared;  // or pending, or raised
    bool acknowledged = false;
    bool flapping = false;

    AlertState shown() const {
        if (flapping) return AlertState::flapping;
        return state == AlertState::raised && acknowledged ? AlertState::acknowledged : state;
    }
};

class AlertTable {
public:
    struct Params {
        const AlertConfig* alert = nullptr;
        std::uint64_t definition = 0;
        std::string_view from;  // records that are put together again say it
        AlertShape shape;
        std::size_t keys_max = 0;
    };
    static Bytes need(const Params& params);
    AlertTable(Arena& arena, Params params, AlertTeller& teller);

    const AlertConfig& alert() const { return *params_.alert; }
    std::uint64_t definition() const { return params_.definition; }
    std::span<const AlertKey> keys() const { return keys_.first(used_); }
    std::span<AlertKey> keys() { return keys_.first(used_); }
    std::size_t raised() const { return raised_; }
    std::size_t pending() const { return pending_; }
    std::size_t flapping() const { return flapping_; }
    bool full() const { return used_ == keys_.size(); }

    AlertKey* find(std::uint64_t hash);
    // at: the alert's time now. REQUIRES: it is not there.
    AlertKey& add(std::uint64_t hash, std::int64_t at);
    // The newest result of a key.
    void keep(AlertKey& key, const Record& record);
    void wait(AlertKey& key, std::int64_t since);
    void stop_waiting(AlertKey& key);
    // record: what decided it; null: what is kept is said again, with `at` as its end. REQUIRES: not raised; raised.
    void raise(AlertKey& key, std::int64_t at, AlertReason reason, const Record* record = nullptr);
    void clear(AlertKey& key, std::int64_t at, AlertReason reason, const Record* record = nullptr);
    // False: it is not raised, or was acknowledged before.
    bool acknowledge(AlertKey& key, std::int64_t at);
    // When it no longer flaps, if nothing happens until then; REQUIRES: flapping.
    std::int64_t calm_at(const AlertKey& key) const { return key.changed + params_.alert->flap->within.us(); }
    void calm_down(AlertKey& key, std::int64_t at);
    // The result that is kept, with the fields of the teller.
    Record kept(const AlertKey& key) const;
    // What was said last, again, under its sequence.
    AlertTransition last_said(const AlertKey& key, const Record& record) const;

    // Keys of the same alert in another configuration.
    void adopt(const AlertTable& from);

    static Bytes save_size_max(const Params& params);
    void save(ByteWriter& out) const;
    Status load(ByteReader& in);

private:
    static std::size_t raises_kept(const AlertConfig& alert) { return alert.flap ? alert.flap->raises + std::size_t{1} : 0; }
    std::span<std::int64_t> raises_of(const AlertKey& key) { return raises_.subspan(index(key) * per_key_, per_key_); }
    std::span<const std::int64_t> raises_of(const AlertKey& key) const { return raises_.subspan(index(key) * per_key_, per_key_); }
    std::byte* bytes_of(const AlertKey& key) const { return kept_.data() + index(key) * params_.shape.width(); }
    std::size_t index(const AlertKey& key) const { return static_cast<std::size_t>(&key - keys_.data()); }
    bool begins_to_flap(AlertKey& key, std::int64_t at);
    void set_state(AlertKey& key, AlertState state);
    void set_flapping(AlertKey& key, bool flapping);
    void tell(AlertKey& key, AlertState state, AlertReason reason, std::int64_t at, const Record* record);
    AlertKey& make_room(std::int64_t at);
    bool load_key(AlertKey& key, ByteReader& in);

    const Params params_;
    AlertTeller& teller_;
    const std::size_t per_key_;
    std::span<AlertKey> keys_;
    std::span<std::byte> kept_;
    std::span<std::int64_t> raises_;
    HashIndex index_;
    std::size_t used_ = 0;
    std::size_t raised_ = 0;
    std::size_t pending_ = 0;
    std::size_t flapping_ = 0;
    std::uint64_t touches_ = 0;
};

}  // namespace weir
