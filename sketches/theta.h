// Theta: how many different items came by, with set operations, in DataSketches' Theta format.
// Of the 63-bit hashes all below a threshold are kept; when the table is full the threshold falls
// to the (2^lg_k + 1)-th smallest. Between 2^lg_k and 15/8 of that many are held from then on.
// Memory: need(params) = 32 + 16 * 2^lg_k bytes, given by the owner. No pointers inside: the
// need() bytes at `this` may be copied elsewhere and used there (same architecture).
// Cost: update O(1), now and then O(2^lg_k); merge and intersect O(2^lg_k); serialize O(n log n) of
// the hashes held; estimate and bounds O(1).
// Accuracy: exact until more than 15/8 * 2^lg_k items have come, then a relative standard error of
// at most 1 / sqrt(2^lg_k - 1), 1.56 % at lg_k 12. Bounds at 1, 2, 3 sigma hold with about 68, 95
// and 99.7 %. An intersection has the absolute error of the sets, so a small one is uncertain.
// Threads: one owner, no locks. Errors: only from bytes of others and from too small output.
// Source: Dasgupta, Lang, Rhodes, Thaler, A Framework for Estimating Stream Expression
// Cardinalities, ICDT 2016.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "sketches/murmur3.h"

namespace weir {

class ThetaSketch {
public:
    struct Params {
        std::uint8_t lg_k = 12;  // 5 to 26
    };
    static constexpr std::uint64_t theta_max = ~std::uint64_t{0} >> 1;  // the threshold for all

    static bool valid(const Params& params) { return params.lg_k >= 5 && params.lg_k <= 26; }
    static Bytes need(const Params& params);
    // An empty sketch at the start of memory.
    // REQUIRES: valid(params), memory of need(params) bytes or more, aligned to 8.
    static ThetaSketch* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static ThetaSketch* at(void* memory) { return static_cast<ThetaSketch*>(memory); }
    // What create() needs so that load(bytes) loses nothing.
    static Result<Params> params_of(ByteSpan bytes);
    ThetaSketch(const ThetaSketch&) = delete;
    ThetaSketch& operator=(const ThetaSketch&) = delete;

    void update(Hash128 hash) {
        const std::uint64_t half = hash.h1 >> 1;
        if (half < theta_) insert(half);
    }
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

    // Afterwards as if this had also seen what other saw. trim() after it gives the content of the
    // reference's union. REQUIRES: &other != this, as intersect() does.
    void merge(const ThetaSketch& other);
    // Afterwards this counts the items that both have seen.
    void intersect(const ThetaSketch& other);
    // Gives up all but 2^lg_k hashes.
    void trim();
    void reset();

    double estimate() const;
    // sigmas: 1, 2 or 3.
    double lower_bound(int sigmas) const;
    double upper_bound(int sigmas) const;
    bool empty() const { return count_ == 0 && theta_ == theta_max; }
    bool is_exact() const { return theta_ == theta_max; }
    std::uint32_t retained() const { return count_; }
    std::uint64_t theta() const { return theta_; }
    std::uint8_t lg_k() const { return lg_k_; }
    Bytes memory_bytes() const { return need({lg_k_}); }

    Bytes serialized_size() const;
    // The most that serialized_size() can be.
    static Bytes serialized_size_max(const Params& params);
    // Serial version 3, ordered. Error::full, with nothing of use written, when out is too small.
    Status serialize(ByteWriter& out) const;
    // Rewrites what serialize() gave as serial version 4, compressed, from its start; gives the new
    // size. A sketch of at most one hash stays as it is. Error::invalid for other bytes.
    static Result<Bytes> compress(MutableByteSpan serialized);
    // Replaces the content. Serial version 3 or 4, ordered or not, of any lg_k: what is too many
    // for this one lowers the threshold. On an error (invalid, unsupported, truncated) the sketch
    // is empty.
    Status load(ByteSpan bytes);

private:
    struct Header;

    explicit ThetaSketch(std::uint8_t lg_k) : lg_k_(lg_k) {}

    std::uint64_t* table() { return reinterpret_cast<std::uint64_t*>(this + 1); }
    const std::uint64_t* table() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }
    std::uint32_t k() const { return std::uint32_t{1} << lg_k_; }
    std::uint32_t places() const { return k() * 2; }
    std::uint32_t count_max() const { return k() / 8 * 15; }

    bool insert(std::uint64_t hash);
    bool contains(std::uint64_t hash) const;
    void lower(std::uint64_t theta);
    void gather();
    void place();
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);
    bool load_plain(ByteReader& in, const Header& header);
    bool load_deltas(ByteReader& in, const Header& header);

    std::uint64_t theta_ = theta_max;  // only hashes below it are held
    std::uint32_t count_ = 0;
    std::uint8_t lg_k_;
    std::uint8_t spare_[19] = {};
};
static_assert(sizeof(ThetaSketch) == 32);

}  // namespace weir
