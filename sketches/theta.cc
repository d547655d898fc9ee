#include "sketches/theta.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "sketches/portable_math.h"
#include "sketches/theta_bounds_detail.h"

namespace weir {

namespace {

constexpr std::uint64_t waiting = std::uint64_t{1} << 63;  // hashes have 63 bits
constexpr Bytes place_bytes = sizeof(std::uint64_t);
constexpr Bytes places_min = 16;

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
    return sizeof(ThetaSketch) + (2 * place_bytes << params.lg_k);
}

Bytes ThetaSketch::need_min(const Params&) { return sizeof(ThetaSketch) + place_bytes * places_min; }

std::uint8_t ThetaSketch::lg_places_that_fit() const {
    const auto lg = std::bit_width((room_ - sizeof(ThetaSketch)) / place_bytes) - 1;
    return static_cast<std::uint8_t>(std::min<int>(lg_k_ + 1, static_cast<int>(lg)));
}

ThetaSketch* ThetaSketch::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need_min(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(ThetaSketch) == 0);
    const Bytes room = std::min(memory.size(), need(params));
    auto* sketch = new (memory.data()) ThetaSketch(params.lg_k, room);
    std::memset(sketch->table(), 0, room - sizeof(ThetaSketch));
    return sketch;
}

void ThetaSketch::reset() { create({reinterpret_cast<std::byte*>(this), room_}, {lg_k_max_}); }

Bytes ThetaSketch::wanted() const {
    return is_whole() ? room_ : sizeof(ThetaSketch) + (2 * place_bytes << lg_places_);
}

Bytes ThetaSketch::wanted(const ThetaSketch& other) const {
    if (is_whole()) return room_;
    const std::uint64_t theta = std::min(theta_, other.theta_);
    Bytes both = 0;
    for (std::uint32_t i = 0; i < places(); ++i) both += table()[i] != 0 && table()[i] < theta;
    for (std::uint32_t i = 0; i < other.places(); ++i)
        if (const std::uint64_t hash = other.table()[i]; hash != 0 && hash < theta)
            both += !contains(hash);
    Bytes places = places_min;
    while (places / 16 * 15 < both && places < Bytes{2} * k()) places *= 2;
    return std::max<Bytes>(room_, sizeof(ThetaSketch) + place_bytes * places);
}

ThetaSketch* ThetaSketch::move_to(MutableByteSpan memory) const {
    WEIR_ASSERT(memory.size() >= room_);
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(ThetaSketch) == 0);
    const Bytes room = std::min(memory.size(), need({lg_k_max_}));
    std::memcpy(memory.data(), this, sizeof(ThetaSketch));
    std::memset(memory.data() + sizeof(ThetaSketch), 0, room - sizeof(ThetaSketch));
    ThetaSketch* moved = at(memory.data());
    moved->room_ = static_cast<std::uint32_t>(room);
    moved->lg_places_ = moved->lg_places_that_fit();
    for (std::uint32_t i = 0; i < places(); ++i)
        if (table()[i] != 0) moved->table()[moved->place_of(table()[i])] = table()[i];
    return moved;
}

void ThetaSketch::settle() {
    if (room_ == need({lg_k_max_})) return;
    settled_ = true;
    lg_k_ = static_cast<std::uint8_t>(lg_places_ - 1);
}

void ThetaSketch::update_column(std::span<const Hash128> hashes) {
    murmur3_detail::for_all(hashes, [this](const Hash128& hash) __attribute__((always_inline)) {
        if (const std::uint64_t half = hash.h1 >> 1; half < theta_) [[unlikely]]
            update_half(half);
    });
}

std::size_t ThetaSketch::offer_column(std::span<const Hash128> hashes) {
    for (std::size_t i = 0; i < hashes.size(); ++i)
        if (!offer(hashes[i])) return i;
    return hashes.size();
}

// Where the hash is or belongs: there is a 0 then.
std::uint32_t ThetaSketch::place_of(std::uint64_t hash) const {
    const std::uint32_t mask = places() - 1;
    Probe probe(hash, lg_places_);
    while (table()[probe.at] != 0 && table()[probe.at] != hash)
        probe.at = (probe.at + probe.stride) & mask;
    return probe.at;
}

// False: it is new, and the table has to grow first. REQUIRES: hash < theta_.
bool ThetaSketch::insert(std::uint64_t hash) {
    std::uint64_t& place = table()[place_of(hash)];
    if (place == hash) return true;  // also of 0, which the format cannot hold
    if (count_ == count_max() && !is_whole()) return false;
    place = hash;
    if (++count_ > count_max()) trim();
    return true;
}

void ThetaSketch::update_half(std::uint64_t hash) {
    if (insert(hash)) return;
    settle();
    const bool taken = insert(hash);
    WEIR_ASSERT(taken);
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
            Probe probe(hash, lg_places_);
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
    const std::uint64_t before = theta_;
    for (std::uint32_t i = 0; i < other.places(); ++i)
        if (const std::uint64_t hash = other.table()[i]; hash != 0 && hash < theta_)
            update_half(hash);
    // Which hashes were there when the threshold fell depends on the places in the other table, which
    // depend on how it grew. What is left of both after this does not.
    if (theta_ < before) trim();
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

constexpr std::uint32_t few = 120;  // hashes for which the normal distribution is not good enough
constexpr double trials_max = 360;   // up to which the binomial distribution is summed

// The share of a normal distribution beyond so many sigmas.
constexpr double beyond[] = {0.5, 0.1586553191586026479, 0.0227502618904135701, 0.0013498126861731796};

// Where the s-sigma bounds of count successes of probability share lie: Wilson's interval for the
// number of trials, with half a hash for continuity. direction: -1 lower, +1 upper.
double wilson(double count, double share, double sigmas, int direction) {
    const double n = (count + 0.5 * direction) / share;
    const double b = sigmas * std::sqrt((1 - share) / share);
    const double half = 0.5 * b * std::sqrt(b * b + 4 * n);
    return n + 0.5 * b * b + direction * (half + 0.5);
}

// The fewest trials, count or more, of which all but `likely` need no more to have count successes.
double trials_for(std::uint32_t count, double share, double likely, bool or_equal) {
    double term = 1;  // that the last of so many trials is the count-th success
    for (std::uint32_t i = 0; i < count; ++i) term *= share;
    double sum = term;
    std::uint32_t trials = count;
    for (; sum < likely || (or_equal && sum == likely); ++trials) {
        term = term * (1 - share) * trials / (trials + 1 - count);
        sum += term;
    }
    return trials;
}

// As the reference has it, case by case.
double lower_of(std::uint32_t count, double share, int sigmas) {
    if (count > few) return wilson(count, share, sigmas, -1);
    if (count == 1) return std::floor(portable_log(1 - beyond[sigmas]) / portable_log(1 - share));
    if (share > 1 - 1e-5) return count;
    if (share < count / trials_max) return wilson(count, share, theta_detail::sigmas_of[count - 1][sigmas - 1], -1);
    return trials_for(count, share, beyond[sigmas], true) - 1;
}

double upper_of(std::uint32_t count, double share, int sigmas) {
    if (count > few) return wilson(count, share, sigmas, 1);
    if (count == 0) return std::ceil(portable_log(beyond[sigmas]) / portable_log(1 - share));
    if (share > 1 - 1e-5) return count + 1.0;
    if (share < count / trials_max) return wilson(count, share, theta_detail::sigmas_of[count - 1][sigmas + 2], 1);
    return trials_for(count + 1, share, 1 - beyond[sigmas], false);
}

}  // namespace

double ThetaSketch::estimate() const { return count_ / share_of(theta_); }

double ThetaSketch::lower_bound(int sigmas) const {
    WEIR_ASSERT(sigmas >= 1 && sigmas <= 3);
    if (is_exact() || count_ == 0) return count_;
    return std::max<double>(count_, std::min(estimate(), lower_of(count_, share_of(theta_), sigmas)));
}

double ThetaSketch::upper_bound(int sigmas) const {
    WEIR_ASSERT(sigmas >= 1 && sigmas <= 3);
    if (is_exact()) return count_;
    return std::max(estimate(), upper_of(count_, share_of(theta_), sigmas));
}

}  // namespace weir
