// The detectors of alerts with `anomaly`: one a key, over the rows of a source in the order they came, or
// over the results of a window. A score goes out for every row and result, null and odd ones included.
// Keys beyond keys_max are not watched, and counted; revisions and the row of "(other)" are passed over.
// Memory: need(), from the arena: per alert, keys_max detectors of some 1 KiB and 24 bytes a key.
// Cost: one look-up and one Detector::step() a row or result. Threads: one owner (the engine's).
// Errors: load() refuses what is not the state of the same assembly.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/assembly.h"
#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/record.h"
#include "windows/detector.h"
#include "windows/key.h"

namespace weir {

struct AnomalyScore {
    std::size_t alert = 0;  // index into Assembly::alerts()
    double value = 0;       // NaN: none
    Detector::Verdict verdict;
    // The window's result and, last, `score` and `expected` (of the next). Of a source: its name, the key, the
    // event's time as start and end, the value. Lives during the call.
    const Record* record = nullptr;
};

class AnomalySink {
public:
    virtual ~AnomalySink() = default;
    virtual void scored(const AnomalyScore& score) = 0;
};

class Anomalies {
public:
    static Bytes need(const Assembly& assembly);
    Anomalies(Arena& arena, const Assembly& assembly, AnomalySink& sink);

    void observe(std::size_t source, const Batch& batch);
    void observe(const Record& result);

    std::uint64_t unwatched() const { return unwatched_; }  // rows and results of keys beyond keys_max

    // What the detectors of another configuration have learned goes on here, where an alert's definition is the same; of
    // its keys as many as there is room for, the first to come first. How many alerts. REQUIRES: this one is new.
    std::size_t adopt(const Anomalies& from);

    static Bytes save_size_max(const Assembly& assembly);
    void save(ByteWriter& out) const;
    Status load(ByteReader& in);
    // A record scored adds no more than this to what its window or key takes, encoded.
    static Bytes record_bytes_max(const Assembly& assembly, const AlertPlan& plan);

private:
    struct alignas(8) Place {
        std::byte bytes[sizeof(Detector)];
    };
    struct Watch {
        std::size_t alert;
        const AlertPlan* plan;
        std::string_view name;  // of what is watched
        std::uint64_t window_definition = 0;
        KeyLayout layout;
        std::span<std::byte> key;
        std::span<Field> key_fields;
        std::span<Place> detectors;
        std::span<std::uint64_t> hashes;  // of the detectors' keys
        std::span<std::uint32_t> slots;   // by hash: 1 + index into detectors
        std::uint32_t count = 0;
    };
    static std::size_t slots_of(const AnomalyPlan& plan);
    // Null: beyond keys_max.
    Detector* find_or_make(Watch& watch, std::uint64_t hash);
    std::uint32_t& slot(Watch& watch, std::uint64_t hash);
    void score(Watch& watch, Record record, Timestamp time, double value);

    std::vector<Watch> watches_;
    AnomalySink& sink_;
    std::array<Field, record_fields_max> values_;
    std::uint64_t unwatched_ = 0;
};

}  // namespace weir
