// Theta: how many different items came by, with set operations, in DataSketches' Theta format.
// Of the 63-bit hashes all below a threshold are kept; when the table is full the threshold falls
// to the (2^lg_k + 1)-th smallest. Between 2^lg_k and 15/8 of that many are held from then on.
// Memory: need(params) = 32 + 16 * 2^lg_k bytes, given by the owner, or at first less: 32 + 8 * places
// for 16, 32, ... places, each 15/16 full at most. The results do not depend on when it grew.
// Where the owner has no more, settle() limits lg_k so that the room is all it needs. No pointers inside:
// the room() bytes at `this` may be copied elsewhere and used there (same architecture).
// Cost: update O(1), now and then O(2^lg_k); merge and intersect O(2^lg_k); serialize O(n log n) of
// the hashes held; estimate and bounds O(1).
// Accuracy: exact until more than 15/8 * 2^lg_k items have come, then a relative standard error of
// at most 1 / sqrt(2^lg_k - 1), 1.56 % at lg_k 12. Bounds at 1, 2, 3 sigma hold with about 68, 95
// and 99.7 %. An intersection has the absolute error of the sets, so a small one is uncertain.
// Threads: one owner, no locks. Errors: only from bytes of others and from too small output.
// Source: Dasgupta, Lang, Rhodes, Thaler, A Framework for Estimating Stream Expression
// Cardinalities, ICDT 2016.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

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
    static Bytes need(const Params& params);  // never asks for more
    static Bytes need_min(const Params& params);
    // An empty sketch at the start of memory, of which it uses up to need(params) bytes.
    // REQUIRES: valid(params), memory of need_min(params) bytes or more, aligned to 8.
    static ThetaSketch* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static ThetaSketch* at(void* memory) { return static_cast<ThetaSketch*>(memory); }
    // What create() needs so that load(bytes) loses nothing.
    static Result<Params> params_of(ByteSpan bytes);
    ThetaSketch(const ThetaSketch&) = delete;
    ThetaSketch& operator=(const ThetaSketch&) = delete;

    // Takes the item, at the price of precision where room() is short: settle().
    void update(Hash128 hash) {
        const std::uint64_t half = hash.h1 >> 1;
        if (half < theta_) update_half(half);
    }
    template <typename Item>  // an integer, a real, a text
    void update(const Item& item) {
        if (!is_ignored(item)) update(hash_item(item));
    }
    void update_column(std::span<const Hash128> hashes);
    void update_column(std::span<const std::int64_t> values) { update_items(values); }
    void update_column(std::span<const double> values) { update_items(values); }
    void update_column(std::span<const std::string_view> texts) { update_items(texts); }

    // Growth. False: nothing has changed, the item needs a block of wanted() bytes.
    bool offer(Hash128 hash) {
        const std::uint64_t half = hash.h1 >> 1;
        return half >= theta_ || insert(half);
    }
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
    Bytes wanted(const ThetaSketch& other) const;
    // The same sketch in another block, of which it uses up to need(); the bytes here are not
    // touched. REQUIRES: memory of room() bytes or more that do not overlap these, aligned to 8.
    ThetaSketch* move_to(MutableByteSpan memory) const;
    // No more memory will come: from now on everything is taken, and the threshold falls when the
    // table that fits room() is full. lg_k() becomes that of a sketch which needs no more, 3 at least.
    // Stays so until reset(). No effect where need() has been given.
    void settle();
    bool settled() const { return settled_; }

    // Afterwards as if this had also seen what other saw. trim() after it gives the content of the
    // reference's union. settle()s when wanted(other) > room(). REQUIRES: &other != this, as
    // intersect() does.
    void merge(const ThetaSketch& other);
    // Afterwards this counts the items that both have seen.
    void intersect(const ThetaSketch& other);
    // Gives up all but 2^lg_k hashes.
    void trim();
    void reset();  // empty, with the lg_k of create(), in the same room

    double estimate() const;
    // sigmas: 1, 2 or 3.
    double lower_bound(int sigmas) const;
    double upper_bound(int sigmas) const;
    bool empty() const { return count_ == 0 && theta_ == theta_max; }
    bool is_exact() const { return theta_ == theta_max; }
    std::uint32_t retained() const { return count_; }
    std::uint64_t theta() const { return theta_; }
    std::uint8_t lg_k() const { return lg_k_; }

    Bytes serialized_size() const;
    // The most that serialized_size() can be.
    static Bytes serialized_size_max(const Params& params);
    // Serial version 3, ordered. Error::full, with nothing of use written, when out is too small.
    Status serialize(ByteWriter& out) const;
    // Rewrites what serialize() gave as serial version 4, compressed, from its start; gives the new
    // size. A sketch of at most one hash stays as it is. Error::invalid for other bytes.
    static Result<Bytes> compress(MutableByteSpan serialized);
    // Replaces the content. Serial version 3 or 4, ordered or not, of any lg_k: what is too many
    // for this one lowers the threshold, or settles it. On an error (invalid, unsupported, truncated) the sketch
    // is empty.
    Status load(ByteSpan bytes);

private:
    struct Header;

    ThetaSketch(std::uint8_t lg_k, Bytes room)
        : room_(static_cast<std::uint32_t>(room)), lg_k_(lg_k), lg_k_max_(lg_k), lg_places_(lg_places_that_fit()) {}

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

    std::uint64_t* table() { return reinterpret_cast<std::uint64_t*>(this + 1); }
    const std::uint64_t* table() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }
    std::uint32_t k() const { return std::uint32_t{1} << lg_k_; }
    std::uint32_t places() const { return std::uint32_t{1} << lg_places_; }
    std::uint32_t count_max() const { return places() / 16 * 15; }
    bool is_whole() const { return lg_places_ > lg_k_; }
    std::uint8_t lg_places_that_fit() const;

    bool insert(std::uint64_t hash);
    void update_half(std::uint64_t hash);
    std::uint32_t place_of(std::uint64_t hash) const;
    bool contains(std::uint64_t hash) const { return table()[place_of(hash)] == hash; }
    void lower(std::uint64_t theta);
    void gather();
    void place();
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);
    bool load_plain(ByteReader& in, const Header& header);
    bool load_deltas(ByteReader& in, const Header& header);

    std::uint64_t theta_ = theta_max;  // only hashes below it are held
    std::uint32_t count_ = 0;
    std::uint32_t room_;
    std::uint8_t lg_k_;
    std::uint8_t lg_k_max_;   // that of create()
    std::uint8_t lg_places_;  // lg_k + 1, or less while growing
    bool settled_ = false;
    std::uint8_t spare_[12] = {};
};
static_assert(sizeof(ThetaSketch) == 32);

}  // namespace weir
