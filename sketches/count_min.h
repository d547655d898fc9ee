// Count-Min: about how much weight each item had, for any item that is asked for; in DataSketches'
// format, or a faster one for local use.
// Memory: need(params) = 32 + 8 * hashes * (buckets + 1) bytes, given by the owner. No pointers
// inside: the need() bytes at `this` may be copied elsewhere and used there (same architecture).
// Cost: update and estimate O(hashes); compatible: a MurmurHash3 of the item for each row, 4 x 2048 by
// column and AVX2 some 70 instructions; local: one for all rows. merge, serialize, load O(hashes * buckets).
// Accuracy: estimate() is never below the truth, and above truth + e / buckets * total_weight()
// with probability at most e^-hashes (4 x 2048: 0.133 % of the total, 98.2 %).
// Threads: one owner, no locks. Errors: from bytes of others, too small output, what cannot be
// merged, and from a local one that is asked for bytes.
// Source: Cormode, Muthukrishnan, An Improved Data Stream Summary, J. Algorithms 2005; local rows:
// Kirsch, Mitzenmacher, Less Hashing, Same Performance, 2006.
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

enum class CountMinMode : std::uint8_t {
    compatible,  // rows as datasketches-cpp and Python have them; Java derives other seeds
    local,       // never leaves this program: serialize() and load() refuse
};

// Weight: std::uint64_t (C++ and Java), or double (what Python writes). The bytes do not tell.
template <typename Weight>
class CountMin {
    static_assert(std::is_same_v<Weight, std::uint64_t> || std::is_same_v<Weight, double>);

public:
    struct Params {
        std::uint8_t hashes = 4;  // rows, 1 and more
        std::uint32_t buckets =
            2048;  // 3 and more; hashes * buckets up to 2^26; powers of two are fastest
        std::uint64_t seed = hash_seed_default;
        CountMinMode mode = CountMinMode::compatible;
    };
    static bool valid(const Params& params);
    static Bytes need(const Params& params);
    // An empty sketch at the start of memory.
    // REQUIRES: valid(params), memory of need(params) bytes or more, aligned to 8.
    static CountMin* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static CountMin* at(void* memory) { return static_cast<CountMin*>(memory); }
    // What create() needs for load(bytes). Error::unsupported for seeds other than the default.
    static Result<Params> params_of(ByteSpan bytes);
    CountMin(const CountMin&) = delete;
    CountMin& operator=(const CountMin&) = delete;

    // Ignored: an empty text, and a weight that is not above 0, or beyond what the total can be.
    template <std::integral T>
    void update(T value, Weight weight = 1) {
        update_word(word_of(value), weight);
    }
    void update(double value, Weight weight = 1) { update_word(canonical_bits(value), weight); }
    void update(std::string_view text, Weight weight = 1);
    // The hash of an item with this seed. REQUIRES: mode() is local.
    void update(Hash128 hash, Weight weight = 1);
    void update_column(std::span<const Hash128> hashes);  // REQUIRES: mode() is local
    void update_column(std::span<const std::int64_t> values);
    void update_column(std::span<const double> values);
    void update_column(std::span<const std::string_view> texts);

    // The most that the item can have had; 0 for an empty text.
    template <std::integral T>
    Weight estimate(T value) const {
        return estimate_word(word_of(value));
    }
    Weight estimate(double value) const { return estimate_word(canonical_bits(value)); }
    Weight estimate(std::string_view text) const;
    // What an estimate is above the truth by, with probability 1 - e^-hashes at most. (The
    // reference's "lower bound" is the estimate, its "upper bound" the estimate plus this.)
    double error_bound() const;

    // Adds other's counters. Nothing is changed on Error::wrong_type, when rows, buckets, seed or
    // mode differ, and Error::out_of_range, when the total would overflow.
    Status merge(const CountMin& other);
    // Takes out what was merged: a pane leaves a window. Error::invalid, and nothing changed, when
    // other was not part of this. Integers only: sums of reals would keep rounding errors.
    Status subtract(const CountMin& other) requires std::is_same_v<Weight, std::uint64_t>;
    void reset();

    Weight total_weight() const { return total_; }
    bool empty() const { return total_ == 0; }
    std::uint8_t hashes() const { return hashes_; }
    std::uint32_t buckets() const { return buckets_; }
    CountMinMode mode() const { return mode_; }
    Bytes memory_bytes() const { return need({hashes_, buckets_, seed_, mode_}); }

    Bytes serialized_size() const;  // 0 in local mode
    // The most that serialized_size() can be.
    static Bytes serialized_size_max(const Params& params);
    // Error::full, with nothing of use written, when out is too small; Error::unsupported in local
    // mode.
    Status serialize(ByteWriter& out) const;
    // Replaces the content. On an error (invalid, truncated; wrong_type: other rows, buckets or
    // seed; unsupported) the sketch is empty.
    Status load(ByteSpan bytes);

private:
    explicit CountMin(const Params& params);

    template <std::integral T>
    static std::uint64_t word_of(T value) {
        if constexpr (std::same_as<T, bool>)
            return value;
        else
            return static_cast<std::uint64_t>(
                static_cast<std::int64_t>(static_cast<std::make_signed_t<T>>(value)));
    }
    // After this: a seed a row, then the counters, row by row.
    std::uint64_t* seeds() { return reinterpret_cast<std::uint64_t*>(this + 1); }
    const std::uint64_t* seeds() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }
    Weight* counters() { return reinterpret_cast<Weight*>(seeds() + hashes_); }
    const Weight* counters() const { return reinterpret_cast<const Weight*>(seeds() + hashes_); }
    std::size_t cells() const { return std::size_t{hashes_} * buckets_; }

    bool takes(Weight weight);
    bool takes_all(std::size_t count);
    std::uint32_t bucket(std::uint64_t h1) const;
    std::uint32_t local_bucket(Hash128 hash, std::uint32_t row) const;
    void update_word(std::uint64_t word, Weight weight);
    Weight estimate_word(std::uint64_t word) const;
    Weight estimate_hash(Hash128 hash) const;
    template <typename Value>
    void update_words(std::span<const Value> values);
    template <typename Value>
    void update_values(std::span<const Value> values);
    bool same_shape(const CountMin& other) const;
    Status load_checked(ByteSpan bytes);

    Weight total_ = 0;
    std::uint64_t seed_;
    std::uint32_t buckets_;
    std::uint32_t mask_;  // buckets - 1 where that is a power of two, or 0
    std::uint8_t hashes_;
    CountMinMode mode_;
    std::uint8_t spare_[6] = {};
};

extern template class CountMin<std::uint64_t>;
extern template class CountMin<double>;

using CountMinIntegers = CountMin<std::uint64_t>;
using CountMinReals = CountMin<double>;

}  // namespace weir
