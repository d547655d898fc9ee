#include "sketches/theta.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir {

namespace {

constexpr std::uint64_t waiting = std::uint64_t{1} << 63;  // hashes have 63 bits

// Where to look for a hash: the first place, and the odd distance to the next.
struct Probe {
    Probe(std::uint64_t hash, std::uint8_t lg_places)
        : at(static_cast<std::uint32_t>(hash) & ((std::uint32_t{1} << lg_places) - 1)),
          stride((static_cast<std::uint32_t>(hash >> lg_places) & 127) * 2 + 1) {}

    std::uint32_t at;
    std::uint32_t stride;
};

}  // namespace

Bytes ThetaSketch::need(const Params& params) {
    return sizeof(ThetaSketch) + (Bytes{16} << params.lg_k);
}

ThetaSketch* ThetaSketch::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(ThetaSketch) == 0);
    auto* sketch = new (memory.data()) ThetaSketch(params.lg_k);
    std::memset(sketch->table(), 0, need(params) - sizeof(ThetaSketch));
    return sketch;
}

void ThetaSketch::reset() { create({reinterpret_cast<std::byte*>(this), memory_bytes()}, {lg_k_}); }

void ThetaSketch::update_column(std::span<const Hash128> hashes) {
    for (const Hash128& hash : hashes) update(hash);
}
void ThetaSketch::update_column(std::span<const std::int64_t> values) {
    for (std::int64_t value : values) update(hash_integer(value));
}
void ThetaSketch::update_column(std::span<const double> values) {
    for (double value : values) update(hash_real(value));
}
void ThetaSketch::update_column(std::span<const std::string_view> texts) {
    for (std::string_view text : texts) update(text);
}

// Whether it was new. REQUIRES: hash < theta_.
bool ThetaSketch::insert(std::uint64_t hash) {
    if (hash == 0) return false;  // a free place
    const std::uint32_t mask = places() - 1;
    const auto lg_places = static_cast<std::uint8_t>(lg_k_ + 1);
    Probe probe(hash, lg_places);
    for (; table()[probe.at] != 0; probe.at = (probe.at + probe.stride) & mask)
        if (table()[probe.at] == hash) return false;
    table()[probe.at] = hash;
    if (++count_ > count_max()) trim();
    return true;
}

bool ThetaSketch::contains(std::uint64_t hash) const {
    const std::uint32_t mask = places() - 1;
    Probe probe(hash, static_cast<std::uint8_t>(lg_k_ + 1));
    for (; table()[probe.at] != 0; probe.at = (probe.at + probe.stride) & mask)
        if (table()[probe.at] == hash) return true;
    return false;
}

// Hashes to the front of the table; lookups fail until place().
void ThetaSketch::gather() {
    std::uint64_t* const end = std::remove(table(), table() + places(), std::uint64_t{0});
    WEIR_ASSERT(end == table() + count_);
    std::fill(end, table() + places(), 0);
}

// From the front of the table to their places, without other memory: those that wait carry a mark,
// and placing one may push another out, which is placed next.
void ThetaSketch::place() {
    const std::uint32_t mask = places() - 1;
    for (std::uint32_t i = 0; i < count_; ++i) table()[i] |= waiting;
    for (std::uint32_t i = 0; i < places(); ++i) {
        if (!(table()[i] & waiting)) continue;
        std::uint64_t hand = std::exchange(table()[i], 0);
        while (hand != 0) {
            const std::uint64_t hash = hand & ~waiting;
            Probe probe(hash, static_cast<std::uint8_t>(lg_k_ + 1));
            while (table()[probe.at] != 0 && !(table()[probe.at] & waiting))
                probe.at = (probe.at + probe.stride) & mask;
            hand = std::exchange(table()[probe.at], hash);
        }
    }
}

void ThetaSketch::trim() {
    if (count_ <= k()) return;
    gather();
    std::nth_element(table(), table() + k(), table() + count_);
    theta_ = table()[k()];
    std::fill(table() + k(), table() + count_, 0);
    count_ = k();
    place();
}

// Drops the hashes that are not below theta.
void ThetaSketch::lower(std::uint64_t theta) {
    if (theta >= theta_) return;
    theta_ = theta;
    gather();
    std::uint64_t* const end =
        std::remove_if(table(), table() + count_, [theta](auto hash) { return hash >= theta; });
    std::fill(end, table() + count_, 0);
    count_ = static_cast<std::uint32_t>(end - table());
    place();
}

void ThetaSketch::merge(const ThetaSketch& other) {
    WEIR_ASSERT(&other != this);
    lower(other.theta_);
    for (std::uint32_t i = 0; i < other.places(); ++i)
        if (const std::uint64_t hash = other.table()[i]; hash != 0 && hash < theta_) insert(hash);
}

void ThetaSketch::intersect(const ThetaSketch& other) {
    WEIR_ASSERT(&other != this);
    if (empty() || other.empty()) return reset();
    theta_ = std::min(theta_, other.theta_);
    gather();
    std::uint64_t* const end = std::remove_if(table(), table() + count_, [&](std::uint64_t hash) {
        return hash >= theta_ || !other.contains(hash);
    });
    std::fill(end, table() + count_, 0);
    count_ = static_cast<std::uint32_t>(end - table());
    place();
}

namespace {

double share_of(std::uint64_t theta) {
    return static_cast<double>(theta) / static_cast<double>(ThetaSketch::theta_max);
}

// Where the s-sigma bounds of count successes of probability share lie: Wilson's interval for the
// number of trials, with half a hash for continuity. direction: -1 lower, +1 upper.
double bound(double count, double share, double sigmas, double direction) {
    const double n = (count + 0.5 * direction) / share;
    const double b = sigmas * std::sqrt((1 - share) / share);
    const double half = 0.5 * b * std::sqrt(b * b + 4 * n);
    return n + 0.5 * b * b + direction * (half + 0.5);
}

}  // namespace

double ThetaSketch::estimate() const { return count_ / share_of(theta_); }

double ThetaSketch::lower_bound(int sigmas) const {
    WEIR_ASSERT(sigmas >= 1 && sigmas <= 3);
    if (is_exact() || count_ == 0) return count_;
    const double low = bound(count_, share_of(theta_), sigmas, -1);
    return std::max<double>(count_, std::min(estimate(), low));
}

double ThetaSketch::upper_bound(int sigmas) const {
    WEIR_ASSERT(sigmas >= 1 && sigmas <= 3);
    if (is_exact()) return count_;
    return std::max(estimate(), bound(count_, share_of(theta_), sigmas, 1));
}

}  // namespace weir
