// Frequent items: which items came most often, or with the most weight, in DataSketches' format.
// Memory: need(params): 64 bytes, 4 a place of the map (2^lg_max), and for 3/4 of the places and one
// more: 16 bytes an integer or real, 14 + item_bytes_max a string. lg_max 10: 16.1 KiB of integers,
// 38.6 KiB of strings of 32 bytes. Given by the owner; need_min(params), the same with 8 places, will do
// to start in: see Growth. No pointers inside: the room() bytes at `this` may be copied elsewhere and
// used there (same architecture).
// Cost: update O(1) amortised, O(2^lg_max) when the map is purged (8 KiB of stack); estimate O(1);
// top O(items x log n); merge, serialize, load O(items).
// Accuracy: certain, not probable: the true weight is between lower and upper, which are
// maximum_error() apart; maximum_error() <= 3.5 / 2^lg_max of the total weight, and 0 until the map
// was full once.
// Growth: in a block smaller than need(), offer() says when the map is full; the owner gives a block
// for twice the places or more (move_to) or none (settle). A sketch that grew is the same as one that
// had need() bytes from the start. settle() makes the lg_max of the room the sketch's: its map is purged
// when it is full, and maximum_error() tells.
// Threads: one owner, no locks. Errors: only from bytes of others and from too small output. Strings
// longer than item_bytes_max are cut at a UTF-8 boundary and counted.
// Source: Misra, Gries 1982; Anderson et al., A High-Performance Algorithm for Identifying Frequent
// Items in Data Streams, 2017 (median purge).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "sketches/murmur3.h"

namespace weir {

// Item: std::string_view, std::int64_t or double (-0.0 counts as 0.0, every NaN as one NaN).
template <typename Item>
class FrequentItems {
    static constexpr bool is_text = std::is_same_v<Item, std::string_view>;
    static_assert(is_text || std::is_same_v<Item, std::int64_t> || std::is_same_v<Item, double>);

public:
    struct Params {
        std::uint8_t lg_max = 10;            // 3 to 20: the map has 2^lg_max places
        std::uint16_t item_bytes_max = 32;   // 1 to 65,535; strings only
    };
    // One line of an answer. The item is a view into the sketch, until its next change.
    struct Row {
        Item item;
        std::uint64_t estimate;  // = upper
        std::uint64_t lower;
        std::uint64_t upper;
    };
    static bool valid(const Params& params);
    static Bytes need(const Params& params);
    // The smallest block to start in.
    static Bytes need_min(const Params& params);
    // An empty sketch at the start of memory, of which it uses room() bytes.
    // REQUIRES: valid(params), memory of need_min(params) bytes or more, aligned to 8.
    static FrequentItems* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static FrequentItems* at(void* memory) { return static_cast<FrequentItems*>(memory); }
    // What create() needs so that load(bytes) loses nothing.
    static Result<Params> params_of(ByteSpan bytes);
    FrequentItems(const FrequentItems&) = delete;
    FrequentItems& operator=(const FrequentItems&) = delete;

    // Weight 0 is ignored. Weights saturate at 2^63 - 1. Settles when the item does not fit.
    void update(Item item, std::uint64_t weight = 1);
    // With the hash the other sketches of the column use; numbers do without. REQUIRES: hash ==
    // hash_text(item).
    void update(Item item, Hash128 hash, std::uint64_t weight);
    void update_column(std::span<const Item> items);

    // As update(), but false, and nothing changed, when more room is needed.
    bool offer(Item item, std::uint64_t weight = 1);
    bool offer(Item item, Hash128 hash, std::uint64_t weight);
    // How many were taken, from the front; fewer than all when more room is needed.
    std::size_t offer_column(std::span<const Item> items);
    Bytes room() const;    // bytes in use of the block it was given
    Bytes wanted() const;  // the block to go on in after a refused offer; room(): settle() is all that is left
    Bytes wanted(const FrequentItems& other) const;  // the block in which merge(other) need not settle, as above
    // The same sketch in another block, of memory.size() bytes; the bytes at `this` are used no more.
    // REQUIRES: memory.size() >= room(), aligned to 8, not overlapping.
    FrequentItems* move_to(MutableByteSpan memory) const;
    // No more room will come: the error grows instead, until reset(). Then every offer is taken.
    void settle() { settled_ = true; }
    bool settled() const { return settled_; }

    // Adds what other saw; the errors add too. Settles when that does not fit. REQUIRES: &other != this.
    void merge(const FrequentItems& other);
    // As created in room() bytes.
    void reset();

    // The heaviest first, equal ones by item (bytes, or number). Fills at most rows.size().
    std::size_t top(std::span<Row> rows) const;
    std::uint64_t estimate(Item item) const;     // 0 for an item that is not held
    std::uint64_t lower_bound(Item item) const;
    std::uint64_t upper_bound(Item item) const;
    std::uint64_t maximum_error() const { return offset_; }
    std::uint64_t total_weight() const { return total_weight_; }
    bool empty() const { return size_ == 0; }    // as the format has it: no item held
    std::uint32_t size() const { return size_; }
    std::uint64_t items_cut() const { return items_cut_; }
    std::uint8_t lg_max() const { return settled_ ? lg_ : lg_max_; }
    Bytes memory_bytes() const { return room(); }

    Bytes serialized_size() const;
    // The most that serialized_size() can be.
    static Bytes serialized_size_max(const Params& params);
    // Error::full, with nothing of use written, when out is too small.
    Status serialize(ByteWriter& out) const;
    // Replaces the content. On an error (invalid, unsupported, truncated; out_of_range: more or longer
    // items than fit) the sketch is empty.
    Status load(ByteSpan bytes);

private:
    // After the header, in this order: a weight an entry; a key an entry (not text); the map's places;
    // a hash, a length and bytes an entry (text). Entries stand in order of arrival.
    struct Layout;
    struct Header;  // of bytes, checked
    struct Map;
    static constexpr std::uint32_t no_entry = 0xFFFFFFFF;

    explicit FrequentItems(const Params& params);
    void use(const Layout& layout);
    static std::uint8_t lg_in(Bytes size, const Params& params);

    template <typename U>
    U* part(std::uint32_t at) {
        return reinterpret_cast<U*>(reinterpret_cast<std::byte*>(this) + at);
    }
    template <typename U>
    const U* part(std::uint32_t at) const {
        return reinterpret_cast<const U*>(reinterpret_cast<const std::byte*>(this) + at);
    }
    std::uint64_t* weights() { return reinterpret_cast<std::uint64_t*>(this + 1); }
    const std::uint64_t* weights() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }

    static std::uint32_t hash(Item item);
    Item fitting(Item item) const;               // cut to item_bytes_max
    Item item_at(std::uint32_t entry) const;
    std::uint32_t hash_at(std::uint32_t entry) const;
    void put(std::uint32_t entry, Item item, std::uint32_t hash);
    std::uint32_t find(Item item) const;
    bool take(Item item, std::uint32_t hash, std::uint64_t weight);
    bool take_new(std::uint32_t place, Item item, std::uint32_t hash, std::uint64_t weight);
    void place(std::uint32_t entry);
    void purge();
    std::uint64_t sampled_median() const;
    void keep_heavier_than(std::uint64_t weight);
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);

    std::uint64_t total_weight_ = 0;
    std::uint64_t offset_ = 0;
    std::uint64_t items_cut_ = 0;
    std::uint32_t size_ = 0;
    std::uint32_t size_max_;       // one more is held for a moment, before a purge
    std::uint32_t keys_at_;        // bytes from this, as are the next four
    std::uint32_t places_at_;
    std::uint32_t hashes_at_;
    std::uint32_t lengths_at_;
    std::uint32_t text_at_;
    std::uint16_t item_bytes_max_;
    std::uint8_t lg_max_;
    std::uint8_t lg_ = 0;          // of the places there is room for
    bool settled_ = false;
};

extern template class FrequentItems<std::string_view>;
extern template class FrequentItems<std::int64_t>;
extern template class FrequentItems<double>;

using FrequentStrings = FrequentItems<std::string_view>;
using FrequentIntegers = FrequentItems<std::int64_t>;
using FrequentReals = FrequentItems<double>;

}  // namespace weir
