// HyperLogLog: how many different items came by, in DataSketches' HLL format.
// A few items are kept as a list, then a hash set, of 32-bit coupons; beyond 3/32 of k items as 2^lg_k
// registers of one byte. All three live in the same buffer.
// Memory: need(params) = 48 + max(32, 2^lg_k) bytes, given by the owner, or at first less: 80 for the
// list, 48 + 4 * places for a set of 32, 64, ... places (6 * places above 4,096), each 3/4 full at most.
// The results do not depend on when it grew. Where the owner has no more, settle() limits lg_k to what
// the room has registers for. No pointers inside: the room() bytes at `this` may be copied
// elsewhere and used there (same architecture).
// Cost: update O(1), now and then O(2^lg_k) when the form changes; merge, serialize, load O(2^lg_k);
// estimate O(1), after a merge O(2^lg_k). 8 KiB of stack at most.
// Accuracy: list and set: relative standard error 0.005 %. Registers: 0.8326 / sqrt(2^lg_k); once two
// sketches with registers have been merged 1.0390 / sqrt(2^lg_k). Bounds at 1, 2, 3 sigma hold with
// about 68, 95 and 99.7 %.
// Threads: one owner, no locks. Errors: only from bytes of others and from too small output.
// Source: Flajolet et al., HyperLogLog, 2007; HIP: Cohen, 2014; estimate after merges: Ertl,
// arXiv 1702.01284 (the reference uses other tables there: estimates differ by a permille, bytes do not).
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "sketches/murmur3.h"

namespace weir {

// The width of a register in bytes that go out; in memory it is always 8.
enum class HllType : std::uint8_t { hll4 = 0, hll6 = 1, hll8 = 2 };

class HllSketch {
public:
    struct Params {
        std::uint8_t lg_k = 12;  // 4 to 21
    };
    static bool valid(const Params& params) { return params.lg_k >= 4 && params.lg_k <= 21; }
    static Bytes need(const Params& params);  // never asks for more
    static Bytes need_min(const Params& params) { return block_bytes(0, params.lg_k); }
    // An empty sketch at the start of memory, of which it uses up to need(params) bytes.
    // REQUIRES: valid(params), memory of need_min(params) bytes or more, aligned to 8.
    static HllSketch* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static HllSketch* at(void* memory) { return static_cast<HllSketch*>(memory); }
    // What create() needs so that load(bytes) loses nothing.
    static Result<Params> params_of(ByteSpan bytes);
    HllSketch(const HllSketch&) = delete;
    HllSketch& operator=(const HllSketch&) = delete;

    // Takes the item, at the price of precision where room() is short: settle().
    void update(Hash128 hash);
    template <typename Item>  // an integer, a real, a text
    void update(const Item& item) {
        if (!is_ignored(item)) update(hash_item(item));
    }
    void update_column(std::span<const Hash128> hashes);
    void update_column(std::span<const std::int64_t> values) { update_items(values); }
    void update_column(std::span<const double> values) { update_items(values); }
    void update_column(std::span<const std::string_view> texts) { update_items(texts); }

    // Growth. False: nothing has changed, the item needs a block of wanted() bytes.
    bool offer(Hash128 hash);
    template <typename Item>
    bool offer(const Item& item) {
        return is_ignored(item) || offer(hash_item(item));
    }
    // How many were taken, from the front; the next one was refused, as by offer().
    std::size_t offer_column(std::span<const Hash128> hashes);
    std::size_t offer_column(std::span<const std::int64_t> values) { return offer_items(values); }
    std::size_t offer_column(std::span<const double> values) { return offer_items(values); }
    std::size_t offer_column(std::span<const std::string_view> texts) { return offer_items(texts); }
    // Bytes of the block this lives in, as far as it uses them.
    Bytes room() const { return room_; }
    // The block that the next form takes; room() when this has all that it will take.
    Bytes wanted() const;
    // The block that merge(other) takes to lose nothing: room() or more.
    Bytes wanted(const HllSketch& other) const;
    // The same sketch in another block, of which it uses up to need(); the bytes here are not
    // touched. REQUIRES: memory of room() bytes or more that do not overlap these, aligned to 8.
    HllSketch* move_to(MutableByteSpan memory) const;
    // No more memory will come: from now on everything is taken, with at most as many registers as
    // fit room(). Stays so until reset(). No effect where need() has been given.
    void settle();
    bool settled() const { return settled_; }

    // Afterwards as if this had also seen what other saw; with registers, lg_k is the smaller one.
    // settle()s when wanted(other) > room().
    void merge(const HllSketch& other);
    // Gives up precision: registers of 2^lg_k. REQUIRES: 4 <= lg_k <= this->lg_k().
    void fold(std::uint8_t lg_k);
    void reset();  // empty, with the lg_k of create(), in the same room

    double estimate() const;
    // sigmas: 1, 2 or 3.
    double lower_bound(int sigmas) const;
    double upper_bound(int sigmas) const;
    struct Bounds {
        double estimate;
        double lower;
        double upper;
    };
    Bounds bounds(int sigmas) const;  // all three at the cost of one
    // One standard deviation over the true count.
    double relative_error() const;
    bool empty() const { return mode_ == Mode::list && coupons_ == 0; }
    // Still a list or set: the estimate, rounded, is the count but for a chance of about n^2 / 2^27.
    bool is_exact() const { return mode_ != Mode::registers; }
    std::uint32_t coupons() const { return coupons_; }  // 0 once !is_exact()
    bool merged() const { return merged_; }             // registers met registers: HIP is lost
    std::uint8_t lg_k() const { return lg_k_; }

    Bytes serialized_size(HllType type = HllType::hll8) const;
    // The most that serialized_size() can be.
    static Bytes serialized_size_max(const Params& params, HllType type = HllType::hll8);
    // Error::full, with nothing of use written, when out is too small.
    Status serialize(ByteWriter& out, HllType type = HllType::hll8) const;
    // Replaces the content, lg_k included. Any type, compact or updatable form. On an error (invalid,
    // unsupported, truncated; out_of_range: lg_k above that of create(); full: room() is too small)
    // the sketch is empty.
    Status load(ByteSpan bytes);

private:
    enum class Mode : std::uint8_t { list = 0, set = 1, registers = 2 };

    HllSketch(std::uint8_t lg_k, Bytes room)
        : room_(static_cast<std::uint32_t>(room)), lg_k_(lg_k), lg_k_max_(lg_k) {}

    template <typename Item>
    void update_items(std::span<const Item> items) {
        in_hashed_blocks(items, hash_seed_default, [this](std::span<const Hash128> hashes) {
            update_column(hashes);
            return hashes.size();
        });
    }
    template <typename Item>
    std::size_t offer_items(std::span<const Item> items) {
        return in_hashed_blocks(items, hash_seed_default, [this](std::span<const Hash128> hashes) {
            return offer_column(hashes);
        });
    }

    std::uint32_t* table() { return reinterpret_cast<std::uint32_t*>(this + 1); }
    const std::uint32_t* table() const { return reinterpret_cast<const std::uint32_t*>(this + 1); }
    std::uint8_t* registers() { return reinterpret_cast<std::uint8_t*>(this + 1); }
    const std::uint8_t* registers() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
    std::uint32_t k() const { return std::uint32_t{1} << lg_k_; }
    std::uint32_t table_ints() const;
    static Bytes block_bytes(std::uint32_t coupons, std::uint8_t lg_k);
    std::uint8_t lg_k_that_fits() const;

    struct Sums;
    struct Header;
    bool offer_coupon(std::uint32_t coupon);
    void update_coupon(std::uint32_t coupon);
    void update_seldom(const Hash128& hash);
    std::uint32_t place_of(std::uint32_t coupon) const;
    bool holds(std::uint32_t coupon) const;
    void raise(std::uint32_t slot, std::uint8_t value);
    void replace(std::uint8_t& held, std::uint8_t value);
    void list_to_set();
    void grow_set();
    void to_registers();
    void spread_registers();
    void copy_registers(const HllSketch& other);
    void merge_into_copy(const HllSketch& other);
    void restore_sums();
    Sums sums() const;
    double registers_estimate(const Sums& sums) const;
    double distance(int sigmas, int direction) const;
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);
    Status load_coupons(ByteReader& in, const Header& header);
    bool load_table(ByteSpan bytes, const Header& header, std::uint32_t count);
    bool load_registers(ByteReader& in, const Header& header);
    bool load_nibbles(ByteReader& in, const Header& header, std::uint32_t exceptions);

    double hip_ = 0;            // the estimate while !merged_
    double inverse_low_ = 0;    // sum of 2^-value over registers with value < 32; while !merged_
    double inverse_high_ = 0;   // the same for the others
    std::uint32_t zeros_ = 0;   // registers that are 0; while !merged_
    std::uint32_t coupons_ = 0;
    std::uint32_t room_;
    std::uint8_t lg_k_;
    std::uint8_t lg_k_max_;     // that of create()
    Mode mode_ = Mode::list;
    std::uint8_t lg_table_ = 3; // list 8 ints, set 32 and more
    bool merged_ = false;
    bool settled_ = false;
    std::uint8_t spare_[6] = {};
};
static_assert(sizeof(HllSketch) == 48);

// The coupon of a hash: a slot in 26 bits, and above it the number of leading zeros and 1, 63 at most.
constexpr std::uint32_t hll_coupon(Hash128 hash) {
    const auto value = static_cast<std::uint32_t>(std::countl_zero(hash.h2 | 2) + 1);
    return value << 26 | (static_cast<std::uint32_t>(hash.h1) & 0x3FFFFFF);
}

inline void HllSketch::update(Hash128 hash) {
    if (mode_ != Mode::registers) return update_coupon(hll_coupon(hash));
    const auto value = static_cast<std::uint8_t>(std::countl_zero(hash.h2 | 2) + 1);
    const std::uint32_t slot = static_cast<std::uint32_t>(hash.h1) & (k() - 1);
    if (value > registers()[slot]) raise(slot, value);
}

inline bool HllSketch::offer(Hash128 hash) {
    if (mode_ != Mode::registers) return offer_coupon(hll_coupon(hash));
    update(hash);
    return true;
}

}  // namespace weir
