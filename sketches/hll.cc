#include "sketches/hll.h"

#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "sketches/hll_bounds_detail.h"
#include "sketches/hll_detail.h"

namespace weir {

using namespace hll_detail;
using murmur3_detail::for_all;

namespace {

constexpr double hip_error = 0.8325546;    // sqrt(ln 2) and sqrt(3 ln 2 - 1), as the reference rounds them
constexpr double merged_error = 1.03896;
constexpr double coupon_error = 0.409 / 8192;  // 26-bit slots: 2^13 is the square root
constexpr double alpha_infinite = 0.7213475204444817;  // 1 / (2 ln 2)
constexpr std::uint32_t coupons_on_stack_max = 1536;   // what a set of lg_k 14 can hold
constexpr std::uint32_t ints_on_stack_max = 2048;      // of a set that grows

// The count of distinct items for which so many different coupons are expected (2^26 slots).
struct CurvePoint {
    double coupons;
    double items;
};
constexpr std::array<CurvePoint, 8> coupon_curve = {{{0, 0},
                                                     {1, 1},
                                                     {20, 20.0000009437402611},
                                                     {400, 400.0003963713384110},
                                                     {8000, 8000.1589294602090376},
                                                     {160000, 160063.6067763759638183},
                                                     {300000, 300223.7071597663452849},
                                                     {600000, 600895.5933856170158833}}};

// Cubic through four points; operations in the reference's order, so that HIP starts from equal
// bits.
double coupon_estimate(std::uint32_t coupons) {
    const double x = coupons;
    std::size_t first = 0;
    while (first + 4 < coupon_curve.size() && x >= coupon_curve[first + 2].coupons) ++first;
    const CurvePoint* point = &coupon_curve[first];
    double sum = 0;
    for (int i = 0; i < 4; ++i) {
        double numerator = 1;
        double denominator = 1;
        for (int j = 0; j < 4; ++j) {
            if (j == i) continue;
            numerator *= x - point[j].coupons;
            denominator *= point[i].coupons - point[j].coupons;
        }
        sum += point[i].items * numerator / denominator;
    }
    return std::max(sum, x);
}

// Ertl's sigma(x) = x + sum of x^(2^i) 2^(i-1): what the registers at zero stand for. REQUIRES: x
// < 1.
double sigma(double x) {
    double sum = x;
    double weight = 1;
    for (double before = -1; sum != before;) {
        before = sum;
        x *= x;
        sum += x * weight;
        weight += weight;
    }
    return sum;
}

// Ertl's tau(x): what the registers at the largest value stand for.
double tau(double x) {
    if (x <= 0 || x >= 1) return 0;
    double sum = 1 - x;
    double weight = 1;
    for (double before = -1; sum != before;) {
        before = sum;
        x = std::sqrt(x);
        weight *= 0.5;
        sum -= (1 - x) * (1 - x) * weight;
    }
    return sum / 3;
}

// to becomes the larger of both. count is a power of two from 16 up. GCC finds neither form alone at -O2.
void raise_registers(std::uint8_t* to, const std::uint8_t* from, std::uint32_t count) {
#if defined(__SSE2__) || defined(__ARM_NEON)
    using Lanes = std::uint8_t __attribute__((vector_size(16)));
    for (std::uint32_t i = 0; i < count; i += sizeof(Lanes)) {
        const auto mine = load_le<Lanes>(to + i);
        const auto theirs = load_le<Lanes>(from + i);
        store_le<Lanes>(to + i, mine > theirs ? mine : theirs);
    }
#else  // ARMv7 without NEON: registers are at most 63, so the top bit of each byte is free to tell which is larger
    constexpr std::uint32_t tops = 0x80808080;
    for (std::uint32_t i = 0; i < count; i += sizeof tops) {
        const auto mine = load_le<std::uint32_t>(to + i);
        const auto theirs = load_le<std::uint32_t>(from + i);
        const std::uint32_t not_less = ((mine | tops) - theirs) & tops;
        const std::uint32_t keep = not_less - (not_less >> 7);
        store_le(to + i, (mine & keep) | (theirs & ~keep));
    }
#endif
}

// Registers folded onto the first to_k, keeping the larger ones. to may be from.
void fold_registers(const std::uint8_t* from, std::uint32_t from_k, std::uint8_t* to,
                    std::uint32_t to_k) {
    if (to != from) std::copy_n(from, to_k, to);
    for (std::uint32_t begin = to_k; begin < from_k; begin += to_k)
        raise_registers(to, from + begin, to_k);
}

}  // namespace

Bytes HllSketch::need(const Params& params) {
    return sizeof(HllSketch) + std::max<Bytes>(32, Bytes{1} << params.lg_k);
}

// What the form for so many coupons takes. A set that has grown from one too large for the stack had
// that beside it.
Bytes HllSketch::block_bytes(std::uint32_t coupons, std::uint8_t lg_k) {
    if (coupons < list_ints) return sizeof(HllSketch) + sizeof(std::uint32_t) * list_ints;
    if (lg_k < lg_k_set_min || coupons > (std::uint32_t{1} << lg_k) / 32 * 3) return need({lg_k});
    Bytes ints = Bytes{1} << lg_set_min;
    while (Bytes{4} * coupons > 3 * ints) ints *= 2;
    const Bytes beside = ints / 2 > ints_on_stack_max ? ints / 2 : 0;
    return sizeof(HllSketch) + sizeof(std::uint32_t) * (ints + beside);
}

HllSketch* HllSketch::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need_min(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(HllSketch) == 0);
    const Bytes room = std::min(memory.size(), need(params));
    auto* sketch = new (memory.data()) HllSketch(params.lg_k, room);
    std::memset(sketch->registers(), 0, room - sizeof(HllSketch));
    return sketch;
}

void HllSketch::reset() { create({reinterpret_cast<std::byte*>(this), room_}, {lg_k_max_}); }

Bytes HllSketch::wanted() const {
    if (mode_ == Mode::registers) return room_;
    const std::uint32_t next = mode_ == Mode::list ? list_ints : table_ints() / 4 * 3 + 1;
    return std::max<Bytes>(room_, block_bytes(next, lg_k_));
}

Bytes HllSketch::wanted(const HllSketch& other) const {
    if (mode_ == Mode::registers) return room_;
    if (other.mode_ == Mode::registers)
        return std::max<Bytes>(room_, need({std::min(lg_k_, other.lg_k_)}));
    std::uint32_t both = coupons_;
    for (std::uint32_t i = 0; i < other.table_ints(); ++i)
        both += other.table()[i] != 0 && !holds(other.table()[i]);
    return std::max<Bytes>(room_, block_bytes(both, lg_k_));
}

HllSketch* HllSketch::move_to(MutableByteSpan memory) const {
    WEIR_ASSERT(memory.size() >= room_);
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(HllSketch) == 0);
    const Bytes room = std::min(memory.size(), need({lg_k_max_}));
    std::memcpy(memory.data(), this, room_);
    std::memset(memory.data() + room_, 0, room - room_);
    HllSketch* moved = at(memory.data());
    moved->room_ = static_cast<std::uint32_t>(room);
    return moved;
}

// The most registers that fit: every room has at least 32 bytes for them.
std::uint8_t HllSketch::lg_k_that_fits() const {
    const auto lg_room = std::bit_width(room_ - sizeof(HllSketch)) - 1;
    return std::min(lg_k_, static_cast<std::uint8_t>(lg_room));
}

void HllSketch::settle() {
    if (room_ == need({lg_k_max_})) return;
    settled_ = true;
    if (mode_ != Mode::registers) fold(lg_k_that_fits());
}

void HllSketch::update_column(std::span<const Hash128> hashes) {
    std::size_t first = 0;
    while (first < hashes.size() && mode_ != Mode::registers) update(hashes[first++]);
    const std::size_t mask = k() - 1;
    const std::uint8_t* const held = registers();
    for_all(hashes.subspan(first), [=, this](const Hash128& hash) __attribute__((always_inline)) {
        // Up to 64, where 62 is the most that counts: those pass here, and are left to update().
        if (static_cast<std::uint8_t>(std::countl_zero(hash.h2)) >= held[hash.h1 & mask]) [[unlikely]]
            update_seldom(hash);
    });
}

// The n-th item with a probability of about k / n. Not inline, so that the loop above stays small.
[[gnu::noinline]] void HllSketch::update_seldom(const Hash128& hash) { update(hash); }

std::size_t HllSketch::offer_column(std::span<const Hash128> hashes) {
    std::size_t taken = 0;
    for (; taken < hashes.size() && mode_ != Mode::registers; ++taken)
        if (!offer(hashes[taken])) return taken;
    update_column(hashes.subspan(taken));
    return hashes.size();
}

// Words of the buffer in use as a list or set; in a set zeros are free places.
std::uint32_t HllSketch::table_ints() const {
    return mode_ == Mode::list ? coupons_ : std::uint32_t{1} << lg_table_;
}

// False: it is new, and the form that it makes necessary does not fit.
bool HllSketch::offer_coupon(std::uint32_t coupon) {
    if (mode_ == Mode::registers) {
        const std::uint32_t slot = coupon & (k() - 1);
        const auto value = static_cast<std::uint8_t>(coupon >> 26);
        if (value > registers()[slot]) raise(slot, value);
        return true;
    }
    std::uint32_t& place = table()[place_of(coupon)];
    if (place == coupon) return true;
    const bool list = mode_ == Mode::list;
    const bool full = list ? coupons_ + 1 == list_ints : 4 * (coupons_ + 1) > 3 * table_ints();
    if (full && wanted() > room_) return false;
    place = coupon;
    ++coupons_;
    if (!full) return true;
    if (lg_k_ < lg_k_set_min || (!list && lg_table_ >= lg_k_ - 3))
        to_registers();
    else if (list)
        list_to_set();
    else
        grow_set();
    return true;
}

void HllSketch::update_coupon(std::uint32_t coupon) {
    if (offer_coupon(coupon)) return;
    settle();
    const bool taken = offer_coupon(coupon);
    WEIR_ASSERT(taken);
}

// Where the coupon is in the list or set, or belongs: there is a 0 then, in the list as everywhere
// behind its end.
std::uint32_t HllSketch::place_of(std::uint32_t coupon) const {
    if (mode_ == Mode::list) {
        std::uint32_t at = 0;
        while (at < coupons_ && table()[at] != coupon) ++at;
        return at;
    }
    const std::uint32_t mask = (std::uint32_t{1} << lg_table_) - 1;
    const std::uint32_t stride = (coupon & slot_mask) >> lg_table_ | 1;
    std::uint32_t at = coupon & mask;
    while (table()[at] != 0 && table()[at] != coupon) at = (at + stride) & mask;
    return at;
}

bool HllSketch::holds(std::uint32_t coupon) const { return table()[place_of(coupon)] == coupon; }

void HllSketch::list_to_set() {
    std::array<std::uint32_t, list_ints> coupons;
    std::copy_n(table(), list_ints, coupons.begin());
    mode_ = Mode::set;
    lg_table_ = lg_set_min;
    std::fill_n(table(), table_ints(), 0);
    for (std::uint32_t coupon : coupons) table()[place_of(coupon)] = coupon;
}

// The doubled table, of at most 2^(lg_k - 3) ints, and a copy of the old one take at most 3/4 of
// what the registers will take.
void HllSketch::grow_set() {
    std::array<std::uint32_t, ints_on_stack_max> stack;
    const std::uint32_t ints = table_ints();
    std::uint32_t* const old = ints <= stack.size() ? stack.data() : table() + 2 * ints;
    std::copy_n(table(), ints, old);
    ++lg_table_;
    std::fill_n(table(), 2 * ints, 0);
    for (std::uint32_t i = 0; i < ints; ++i)
        if (old[i] != 0) table()[place_of(old[i])] = old[i];
}

// In place: every word of the buffer is either four registers or, with the top bit set (registers
// are at most 63), a coupon that waits for its place. Placing one may push another out of its word,
// which is placed next.
void HllSketch::to_registers() {
    if (table_ints() <= ints_on_stack_max) return spread_registers();
    constexpr std::uint32_t waiting = std::uint32_t{1} << 31;
    const std::uint32_t words = std::max(k() / 4, list_ints);
    const std::uint32_t used = table_ints();
    for (std::uint32_t i = 0; i < used; ++i) {
        const std::uint32_t coupon = table()[i];
        if (coupon != 0) table()[i] = waiting | coupon >> 26 << 21 | (coupon & (k() - 1));
    }
    std::fill(table() + used, table() + words, 0);
    for (std::uint32_t i = 0; i < words; ++i) {
        std::uint32_t hand = table()[i] & waiting ? std::exchange(table()[i], 0) : 0;
        while (hand != 0) {
            const std::uint32_t slot = hand & ((1U << 21) - 1);
            const auto value = static_cast<std::uint8_t>(hand >> 21 & value_max);
            std::uint32_t& word = table()[slot / 4];
            hand = word & waiting ? std::exchange(word, 0) : 0;
            registers()[slot] = std::max(registers()[slot], value);
        }
    }
    mode_ = Mode::registers;
    hip_ = coupon_estimate(std::exchange(coupons_, 0));
    restore_sums();
}

// The same from a copy of the table, where that fits the stack.
void HllSketch::spread_registers() {
    std::array<std::uint32_t, ints_on_stack_max> table;
    const std::uint32_t ints = table_ints();
    std::copy_n(this->table(), ints, table.begin());
    std::memset(registers(), 0, std::max<std::size_t>(k(), list_ints * sizeof(std::uint32_t)));
    mode_ = Mode::registers;
    hip_ = coupon_estimate(std::exchange(coupons_, 0));
    inverse_low_ = k();
    inverse_high_ = 0;
    zeros_ = k();
    for (std::uint32_t i = 0; i < ints; ++i) {
        if (table[i] == 0) continue;
        std::uint8_t& held = registers()[table[i] & (k() - 1)];
        const auto value = static_cast<std::uint8_t>(table[i] >> 26);
        if (value > held) replace(held, value);
    }
}

// A register by a larger value. The sums are exact: powers of two that fit the 53 bits of a double.
inline void HllSketch::replace(std::uint8_t& held, std::uint8_t value) {
    (held < 32 ? inverse_low_ : inverse_high_) -= inverse_power(held);
    (value < 32 ? inverse_low_ : inverse_high_) += inverse_power(value);
    zeros_ -= held == 0;
    held = value;
}

void HllSketch::raise(std::uint32_t slot, std::uint8_t value) {
    std::uint8_t& held = registers()[slot];
    if (!merged_) {
        hip_ += k() / (inverse_low_ + inverse_high_);
        replace(held, value);
    }
    held = value;
}

HllSketch::Sums HllSketch::sums() const {
    Sums sums;
    // Eight registers a word; neighbours are often equal, so they are counted apart.
    std::array<std::uint32_t, 256> odd{};
    std::array<std::uint32_t, 256> even{};
    const std::uint8_t* const begin = registers();
    for (const std::uint8_t* at = begin; at != begin + k(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        for (int i = 0; i < 4; ++i, word >>= 16) {
            ++even[word & 0xff];
            ++odd[word >> 8 & 0xff];
        }
    }
    for (std::size_t value = 0; value < sums.counts.size(); ++value) sums.counts[value] = even[value] + odd[value];
    for (std::uint32_t value = 0; value <= value_max; ++value)
        (value < 32 ? sums.low : sums.high) += sums.counts[value] * inverse_power(value);
    return sums;
}

// After a merge nothing needs the sums until somebody asks, and then the registers are read.
void HllSketch::restore_sums() {
    inverse_low_ = inverse_high_ = 0;
    zeros_ = 0;
    if (merged_) return;
    const Sums now = sums();
    inverse_low_ = now.low;
    inverse_high_ = now.high;
    zeros_ = now.counts[0];
}

// HIP stays: what it has counted does not depend on the registers there are from now on.
void HllSketch::fold(std::uint8_t lg_k) {
    WEIR_ASSERT(lg_k >= 4 && lg_k <= lg_k_);
    if (lg_k == lg_k_) return;
    const bool set_fits = lg_k >= lg_k_set_min && lg_table_ <= lg_k - 3;
    if (mode_ == Mode::set && !set_fits) {
        lg_k_ = lg_k_that_fits();
        to_registers();
    }
    const std::uint32_t k_before = k();
    lg_k_ = lg_k;
    if (mode_ != Mode::registers) return;
    fold_registers(registers(), k_before, registers(), k());
    restore_sums();
}

void HllSketch::merge(const HllSketch& other) {
    if (room_ < need({lg_k_max_}) && wanted(other) > room_) settle();
    if (other.mode_ != Mode::registers) {
        const std::uint32_t ints = other.table_ints();
        if (empty() &&
            other.lg_k_ == lg_k_) {  // the same places in the table, as the reference has it
            mode_ = other.mode_;
            lg_table_ = other.lg_table_;
            coupons_ = other.coupons_;
            std::copy_n(other.table(), ints, table());
            return;
        }
        for (std::uint32_t i = 0; i < ints; ++i)
            if (const std::uint32_t coupon = other.table()[i]; coupon != 0) update_coupon(coupon);
        return;
    }
    if (mode_ != Mode::registers) return merge_into_copy(other);
    if (other.lg_k_ < lg_k_) fold(other.lg_k_);
    for (std::uint32_t begin = 0; begin < other.k(); begin += k())
        raise_registers(registers(), other.registers() + begin, k());
    merged_ = true;
    hip_ = 0;
    restore_sums();
}

void HllSketch::copy_registers(const HllSketch& other) {
    lg_k_ = std::min(lg_k_, other.lg_k_);
    mode_ = Mode::registers;
    coupons_ = 0;
    fold_registers(other.registers(), other.k(), registers(), k());
    merged_ = other.merged_;
    hip_ = other.hip_;
    restore_sums();
}

// This has a list or set, the other registers: the coupons are updates of a copy of the other, so
// HIP lives on.
void HllSketch::merge_into_copy(const HllSketch& other) {
    if (coupons_ <= coupons_on_stack_max) {
        std::array<std::uint32_t, coupons_on_stack_max> coupons;
        std::uint32_t* end = std::remove_copy(table(), table() + table_ints(), coupons.begin(), 0U);
        copy_registers(other);
        std::for_each(coupons.begin(), end,
                      [this](std::uint32_t coupon) { update_coupon(coupon); });
        return;
    }
    // Too many for the stack: they become registers where they are, and these are the updates. Only
    // the order differs from the above, and with it the last digits of HIP.
    if (other.lg_k_ < lg_k_) fold(other.lg_k_);
    if (mode_ != Mode::registers) to_registers();
    const auto theirs = [&](std::uint32_t slot) {
        std::uint8_t value = 0;
        for (; slot < other.k(); slot += k()) value = std::max(value, other.registers()[slot]);
        return value;
    };
    merged_ = other.merged_;
    hip_ = other.hip_;
    inverse_low_ = inverse_high_ = 0;
    zeros_ = 0;
    for (std::uint32_t slot = 0; slot < k(); ++slot) {
        const std::uint8_t value = theirs(slot);
        (value < 32 ? inverse_low_ : inverse_high_) += inverse_power(value);
        zeros_ += value == 0;
    }
    for (std::uint32_t slot = 0; slot < k(); ++slot) {
        const std::uint8_t mine = std::exchange(registers()[slot], theirs(slot));
        if (mine > registers()[slot]) raise(slot, mine);
    }
    restore_sums();
}

double HllSketch::estimate() const {
    if (mode_ != Mode::registers) return coupon_estimate(coupons_);
    return merged_ ? registers_estimate(sums()) : hip_;
}

// Ertl's improved raw estimator, algorithm 6. Its constant is that of infinitely many registers;
// Flajolet's 1 + 1.079 / m takes the bias of m out, which is not there while most registers are
// still zero.
double HllSketch::registers_estimate(const Sums& sums) const {
    const double m = k();
    if (sums.counts[0] == k()) return 0;
    double z = m * tau(1 - sums.counts[value_max] / m);
    for (std::uint32_t value = value_max - 1; value >= 1; --value)
        z = 0.5 * (z + sums.counts[value]);
    z += m * sigma(sums.counts[0] / m);
    z = std::max(z, m * 0x1p-64);  // it is 0 with all registers at their most, which only chosen items give
    const double filled = 1 - sums.counts[0] / m;
    return alpha_infinite * m * m / z / (1 + 1.079 / m * filled * filled);
}

double HllSketch::relative_error() const {
    if (mode_ != Mode::registers) return coupon_error;
    return (merged_ ? merged_error : hip_error) / std::sqrt(static_cast<double>(k()));
}

// How far the s-sigma bound is from the estimate, over it. direction: -1 lower, +1 upper. With few
// registers the estimate is skewed, and the distances are the reference's, as it measured them.
double HllSketch::distance(int sigmas, int direction) const {
    WEIR_ASSERT(sigmas >= 1 && sigmas <= 3);
    if (mode_ != Mode::registers || lg_k_ > 12) return sigmas * relative_error();
    const auto& table = merged_ ? merged_distance : hip_distance;
    return table[lg_k_ - 4][(direction < 0 ? 0 : 3) + sigmas - 1];
}

HllSketch::Bounds HllSketch::bounds(int sigmas) const {
    const bool reads = mode_ == Mode::registers && merged_;
    const Sums read = reads ? sums() : Sums();
    const double seen = reads ? k() - read.counts[0] : mode_ == Mode::registers ? k() - zeros_ : coupons_;
    const double best = reads ? registers_estimate(read) : estimate();  // of bytes of others it may be below what was seen
    const double lower = std::min(best, std::max(best / (1 + distance(sigmas, -1)), seen));
    return {best, lower, best / (1 - distance(sigmas, 1))};
}

double HllSketch::lower_bound(int sigmas) const { return bounds(sigmas).lower; }
double HllSketch::upper_bound(int sigmas) const { return bounds(sigmas).upper; }

}  // namespace weir
