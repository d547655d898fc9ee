// HyperLogLog: how many different items came by, in DataSketches' HLL format.
// A few items are kept as a list, then a hash set, of 32-bit coupons; beyond 3/32 of k items as 2^lg_k
// registers of one byte. All three live in the same buffer.
// Memory: need(params) = 48 + max(32, 2^lg_k) bytes, given by the owner. No pointers inside: the
// need() bytes at `this` may be copied elsewhere and used there (same architecture).
// Cost: update O(1), now and then O(2^lg_k) when the form changes; merge, serialize, load O(2^lg_k);
// estimate O(1), after a merge O(2^lg_k). merge() may use 6 KiB of stack.
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
    static Bytes need(const Params& params);
    // An empty sketch at the start of memory.
    // REQUIRES: valid(params), memory of need(params) bytes or more, aligned to 8.
    static HllSketch* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static HllSketch* at(void* memory) { return static_cast<HllSketch*>(memory); }
    // What create() needs so that load(bytes) loses nothing.
    static Result<Params> params_of(ByteSpan bytes);
    HllSketch(const HllSketch&) = delete;
    HllSketch& operator=(const HllSketch&) = delete;

    void update(Hash128 hash);
    template <std::integral T>
    void update(T value) {
        if constexpr (std::same_as<T, bool>)  // not an overload: text literals would become bools
            update(hash_integer(value));
        else
            update(hash_integer(static_cast<std::make_signed_t<T>>(value)));
    }
    void update(double value) { update(hash_real(value)); }
    void update(std::string_view text) {
        if (!text.empty()) update(hash_text(text));  // as the reference does
    }
    void update_column(std::span<const Hash128> hashes);
    void update_column(std::span<const std::int64_t> values);
    void update_column(std::span<const double> values);
    void update_column(std::span<const std::string_view> texts);

    // Afterwards as if this had also seen what other saw; with registers, lg_k is the smaller one.
    void merge(const HllSketch& other);
    // Gives up precision: registers of 2^lg_k. REQUIRES: 4 <= lg_k <= this->lg_k().
    void fold(std::uint8_t lg_k);
    void reset();  // empty, with the lg_k of create()

    double estimate() const;
    // sigmas: 1, 2 or 3.
    double lower_bound(int sigmas) const;
    double upper_bound(int sigmas) const;
    // One standard deviation over the true count.
    double relative_error() const;
    bool empty() const { return mode_ == Mode::list && coupons_ == 0; }
    // Still a list or set: the estimate, rounded, is the count but for a chance of about n^2 / 2^27.
    bool is_exact() const { return mode_ != Mode::registers; }
    std::uint32_t coupons() const { return coupons_; }  // 0 once !is_exact()
    bool merged() const { return merged_; }             // registers met registers: HIP is lost
    std::uint8_t lg_k() const { return lg_k_; }
    Bytes memory_bytes() const { return need({lg_k_max_}); }

    Bytes serialized_size(HllType type = HllType::hll8) const;
    // The most that serialized_size() can be.
    static Bytes serialized_size_max(const Params& params, HllType type = HllType::hll8);
    // Error::full, with nothing of use written, when out is too small.
    Status serialize(ByteWriter& out, HllType type = HllType::hll8) const;
    // Replaces the content, lg_k included. Any type, compact or updatable form. On an error (invalid,
    // unsupported, truncated; out_of_range: lg_k above that of create()) the sketch is empty.
    Status load(ByteSpan bytes);

private:
    enum class Mode : std::uint8_t { list = 0, set = 1, registers = 2 };

    explicit HllSketch(std::uint8_t lg_k) : lg_k_(lg_k), lg_k_max_(lg_k) {}

    std::uint32_t* table() { return reinterpret_cast<std::uint32_t*>(this + 1); }
    const std::uint32_t* table() const { return reinterpret_cast<const std::uint32_t*>(this + 1); }
    std::uint8_t* registers() { return reinterpret_cast<std::uint8_t*>(this + 1); }
    const std::uint8_t* registers() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
    std::uint32_t k() const { return std::uint32_t{1} << lg_k_; }
    std::uint32_t table_ints() const;

    struct Sums;
    struct Header;
    bool update_coupon(std::uint32_t coupon);
    bool insert_in_table(std::uint32_t coupon);
    void raise(std::uint32_t slot, std::uint8_t value);
    void list_to_set();
    void grow_set();
    void to_registers();
    void copy_registers(const HllSketch& other);
    void merge_into_copy(const HllSketch& other);
    void restore_sums();
    Sums sums() const;
    std::uint32_t zero_registers() const;
    double registers_estimate() const;
    double skewed(double sigmas, double direction) const;
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);
    bool load_coupons(ByteReader& in, const Header& header);
    bool load_registers(ByteReader& in, const Header& header);
    bool load_nibbles(ByteReader& in, const Header& header, std::uint32_t exceptions);

    double hip_ = 0;            // the estimate while !merged_
    double inverse_low_ = 0;    // sum of 2^-value over registers with value < 32; while !merged_
    double inverse_high_ = 0;   // the same for the others
    std::uint32_t zeros_ = 0;   // registers that are 0; while !merged_
    std::uint32_t coupons_ = 0;
    std::uint8_t lg_k_;
    std::uint8_t lg_k_max_;     // what the memory was taken for
    Mode mode_ = Mode::list;
    std::uint8_t lg_table_ = 3; // list 8 ints, set 32 and more
    bool merged_ = false;
    std::uint8_t spare_[11] = {};
};
static_assert(sizeof(HllSketch) == 48);

inline void HllSketch::update(Hash128 hash) {
    const auto value = static_cast<std::uint32_t>(std::min(std::countl_zero(hash.h2), 62) + 1);
    if (mode_ == Mode::registers) {
        const std::uint32_t slot = static_cast<std::uint32_t>(hash.h1) & (k() - 1);
        if (value > registers()[slot]) raise(slot, static_cast<std::uint8_t>(value));
        return;
    }
    update_coupon(value << 26 | (static_cast<std::uint32_t>(hash.h1) & 0x3FFFFFF));
}

}  // namespace weir
