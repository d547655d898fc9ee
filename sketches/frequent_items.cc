#include "sketches/frequent_items.h"

#include <algorithm>
#include <array>
#include <bit>

#include "agent/base/assert.h"

namespace weir {

namespace {

constexpr std::uint64_t weight_max = 0x7FFFFFFFFFFFFFFFULL;  // Java reads weights as signed
constexpr std::uint32_t sample_max = 1024;                   // counters that a purge looks at
constexpr std::uint8_t lg_min = 3;
constexpr std::uint8_t family = 10;
constexpr std::uint8_t version = 1;
constexpr std::uint8_t flags_empty = 5;
constexpr Bytes empty_bytes = 8;
constexpr Bytes preamble_bytes = 32;

std::uint64_t saturating_sum(std::uint64_t a, std::uint64_t b) {
    return std::min(a + std::min(b, weight_max), weight_max);
}

// Entries below which a map of 2^lg places is not yet due for growth or purge.
constexpr std::uint32_t load_max(std::uint8_t lg) { return (std::uint32_t{3} << lg) / 4; }

std::uint8_t lg_for(std::uint32_t entries) {
    std::uint8_t lg = lg_min;
    while (load_max(lg) < entries) ++lg;
    return lg;
}

// Where text may be cut so that at most bytes_max stay and no character is split.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    std::size_t end = bytes_max;
    const auto continues = [&](std::size_t at) {
        return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
    };
    while (end > 0 && bytes_max - end < 3 && continues(end)) --end;
    return text.substr(0, continues(end) || end == 0 ? bytes_max : end);
}

std::uint64_t key_of(std::int64_t item) { return static_cast<std::uint64_t>(item); }
std::uint64_t key_of(double item) { return canonical_bits(item); }

bool precedes(std::string_view a, std::string_view b) { return a < b; }
bool precedes(std::int64_t a, std::int64_t b) { return a < b; }
// NaN comes last.
bool precedes(double a, double b) { return a == a && (b != b || a < b); }

}  // namespace

template <typename Item>
struct FrequentItems<Item>::Layout {
    Layout(std::uint8_t lg_places, std::uint16_t item_bytes_max) : lg(lg_places) {
        const Bytes entries = load_max(lg) + 1;
        keys_at = sizeof(FrequentItems) + entries * sizeof(std::uint64_t);
        places_at = keys_at + (is_text ? 0 : entries * sizeof(std::uint64_t));
        hashes_at = places_at + (Bytes{1} << lg) * sizeof(std::uint32_t);
        lengths_at = hashes_at + (is_text ? entries * sizeof(std::uint32_t) : 0);
        text_at = lengths_at + (is_text ? entries * sizeof(std::uint16_t) : 0);
        bytes = align_up(text_at + (is_text ? entries * item_bytes_max : 0), 8);
    }

    std::uint8_t lg;
    Bytes keys_at;
    Bytes places_at;
    Bytes hashes_at;
    Bytes lengths_at;
    Bytes text_at;
    Bytes bytes;
};

template <typename Item>
bool FrequentItems<Item>::valid(const Params& params) {
    // Offsets inside the sketch have 32 bits.
    constexpr std::uint64_t text_limit = std::uint64_t{1} << 31;
    if (params.lg_max < lg_min || params.lg_max > 20) return false;
    return !is_text ||
           (params.item_bytes_max >= 1 &&
            std::uint64_t{load_max(params.lg_max)} * params.item_bytes_max < text_limit);
}

template <typename Item>
Bytes FrequentItems<Item>::need(const Params& params) {
    return Layout(params.lg_max, params.item_bytes_max).bytes;
}

template <typename Item>
Bytes FrequentItems<Item>::need_min(const Params& params) {
    return Layout(lg_min, params.item_bytes_max).bytes;
}

template <typename Item>
FrequentItems<Item>::FrequentItems(const Params& params)
    : item_bytes_max_(params.item_bytes_max), lg_max_(params.lg_max) {}

template <typename Item>
void FrequentItems<Item>::use(const Layout& layout) {
    size_max_ = load_max(layout.lg);
    keys_at_ = static_cast<std::uint32_t>(layout.keys_at);
    places_at_ = static_cast<std::uint32_t>(layout.places_at);
    hashes_at_ = static_cast<std::uint32_t>(layout.hashes_at);
    lengths_at_ = static_cast<std::uint32_t>(layout.lengths_at);
    text_at_ = static_cast<std::uint32_t>(layout.text_at);
    lg_ = layout.lg;
}

// The largest map that fits. REQUIRES: the smallest does.
template <typename Item>
std::uint8_t FrequentItems<Item>::lg_in(Bytes size, const Params& params) {
    std::uint8_t lg = params.lg_max;
    while (lg > lg_min && Layout(lg, params.item_bytes_max).bytes > size) --lg;
    return lg;
}

template <typename Item>
FrequentItems<Item>* FrequentItems<Item>::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need_min(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % 8 == 0);
    const Layout layout(lg_in(memory.size(), params), params.item_bytes_max);
    std::memset(memory.data(), 0, layout.bytes);
    auto* sketch = new (memory.data()) FrequentItems(params);
    sketch->use(layout);
    return sketch;
}

template <typename Item>
Bytes FrequentItems<Item>::room() const {
    return Layout(lg_, item_bytes_max_).bytes;
}

template <typename Item>
Bytes FrequentItems<Item>::wanted() const {
    if (settled_ || lg_ == lg_max_) return room();
    return Layout(static_cast<std::uint8_t>(lg_ + 1), item_bytes_max_).bytes;
}

template <typename Item>
Bytes FrequentItems<Item>::wanted(const FrequentItems& other) const {
    std::uint8_t lg = lg_;
    if (!settled_)
        while (lg < lg_max_ && load_max(lg) < size_ + other.size_) ++lg;
    return Layout(lg, item_bytes_max_).bytes;
}

template <typename Item>
FrequentItems<Item>* FrequentItems<Item>::move_to(MutableByteSpan memory) const {
    WEIR_ASSERT(memory.size() >= room());
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % 8 == 0);
    const Layout layout(lg_in(memory.size(), {lg_max_, item_bytes_max_}), item_bytes_max_);
    std::memset(memory.data(), 0, layout.bytes);
    std::memcpy(memory.data(), this, sizeof *this);
    FrequentItems& moved = *at(memory.data());
    moved.use(layout);
    std::copy_n(weights(), size_, moved.weights());
    for (std::uint32_t entry = 0; entry < size_; ++entry) {
        moved.put(entry, item_at(entry), hash_at(entry));
        moved.place(entry);
    }
    return &moved;
}

template <typename Item>
void FrequentItems<Item>::reset() {
    total_weight_ = offset_ = items_cut_ = 0;
    size_ = 0;
    settled_ = false;
    std::fill_n(part<std::uint32_t>(places_at_), std::size_t{1} << lg_, 0U);
}

// Only the map depends on it. Of a number: a product whose high bits all bits of the number take
// part in (Fibonacci hashing: Knuth, The Art of Computer Programming, volume 3, 6.4).
template <typename Item>
std::uint32_t FrequentItems<Item>::hash(Item item) {
    if constexpr (is_text) {
        return static_cast<std::uint32_t>(hash_text(item).h1);
    } else {
        const std::uint64_t key = key_of(item);
        return static_cast<std::uint32_t>((key ^ key >> 32) * 0x9E3779B97F4A7C15ULL >> 32);
    }
}

template <typename Item>
std::uint32_t FrequentItems<Item>::hash_at(std::uint32_t entry) const {
    if constexpr (is_text)
        return part<std::uint32_t>(hashes_at_)[entry];
    else
        return hash(item_at(entry));
}

template <typename Item>
Item FrequentItems<Item>::fitting(Item item) const {
    if constexpr (is_text)
        return cut(item, item_bytes_max_);
    else
        return item;
}

template <typename Item>
Item FrequentItems<Item>::item_at(std::uint32_t entry) const {
    if constexpr (is_text)
        return {part<char>(text_at_) + std::size_t{entry} * item_bytes_max_,
                part<std::uint16_t>(lengths_at_)[entry]};
    else
        return std::bit_cast<Item>(part<std::uint64_t>(keys_at_)[entry]);
}

template <typename Item>
void FrequentItems<Item>::put(std::uint32_t entry, Item item, std::uint32_t hash) {
    if constexpr (is_text) {
        part<std::uint32_t>(hashes_at_)[entry] = hash;
        part<std::uint16_t>(lengths_at_)[entry] = static_cast<std::uint16_t>(item.size());
        std::memmove(part<char>(text_at_) + std::size_t{entry} * item_bytes_max_, item.data(),
                     item.size());
    } else {
        part<std::uint64_t>(keys_at_)[entry] = key_of(item);
    }
}

// The map as a search needs it. The high bits of a hash say where to look first. A place holds the
// entry + 1, of text with the rest of the hash above it; 0 is free. Linear probing; entries are only
// ever removed all at once.
template <typename Item>
struct FrequentItems<Item>::Map {
    explicit Map(const FrequentItems& of)
        : sketch(of),
          places(of.part<std::uint32_t>(of.places_at_)),
          keys(of.part<std::uint64_t>(of.keys_at_)),
          mask((std::uint32_t{1} << of.lg_) - 1),
          lg(of.lg_) {}

    std::uint32_t mark(std::uint32_t entry, std::uint32_t hash) const {
        return is_text ? hash << lg | (entry + 1) : entry + 1;
    }
    std::uint32_t entry(std::uint32_t place) const {
        return (is_text ? places[place] & mask : places[place]) - 1;
    }
    bool is_at(std::uint32_t place, Item item, std::uint32_t hash) const {
        if constexpr (is_text)
            return places[place] >> lg == hash << lg >> lg && sketch.item_at(entry(place)) == item;
        else
            return keys[entry(place)] == key_of(item);
    }
    // The place of the item, or the free one that it would take.
    std::uint32_t find(Item item, std::uint32_t hash) const {
        std::uint32_t place = hash >> (32 - lg);
        while (places[place] != 0 && !is_at(place, item, hash)) place = (place + 1) & mask;
        return place;
    }

    const FrequentItems& sketch;
    const std::uint32_t* places;
    const std::uint64_t* keys;
    std::uint32_t mask;
    std::uint8_t lg;
};

template <typename Item>
std::uint32_t FrequentItems<Item>::find(Item item) const {
    const Map map(*this);
    const std::uint32_t place = map.find(item, hash(item));
    return map.places[place] == 0 ? no_entry : map.entry(place);
}

template <typename Item>
void FrequentItems<Item>::place(std::uint32_t entry) {
    const Map map(*this);
    const std::uint32_t hash = hash_at(entry);
    std::uint32_t place = hash >> (32 - lg_);
    while (map.places[place] != 0) place = (place + 1) & map.mask;
    part<std::uint32_t>(places_at_)[place] = map.mark(entry, hash);
}

template <typename Item>
bool FrequentItems<Item>::offer(Item item, std::uint64_t weight) {
    return offer(item, Hash128{hash(item), 0}, weight);
}

template <typename Item>
bool FrequentItems<Item>::offer(Item item, Hash128 given, std::uint64_t weight) {
    if (weight == 0) return true;
    const Item fits = fitting(item);
    bool is_cut = false;
    auto hash = static_cast<std::uint32_t>(given.h1);
    if constexpr (is_text) {
        is_cut = fits.size() < item.size();
        if (is_cut) hash = FrequentItems::hash(fits);
    } else {
        hash = FrequentItems::hash(item);
    }
    if (!take(fits, hash, weight)) return false;
    items_cut_ += is_cut;
    total_weight_ = saturating_sum(total_weight_, weight);
    return true;
}

template <typename Item>
void FrequentItems<Item>::update(Item item, std::uint64_t weight) {
    update(item, Hash128{hash(item), 0}, weight);
}

template <typename Item>
void FrequentItems<Item>::update(Item item, Hash128 hash, std::uint64_t weight) {
    if (offer(item, hash, weight)) return;
    settle();
    offer(item, hash, weight);
}

template <typename Item>
std::size_t FrequentItems<Item>::offer_column(std::span<const Item> items) {
    std::size_t taken = 0;
    if constexpr (is_text) {
        while (taken < items.size() && offer(items[taken])) ++taken;
    } else {
        const Map map(*this);
        std::uint64_t* const weight = weights();
        for (const Item item : items) {
            const std::uint32_t hash = FrequentItems::hash(item);
            const std::uint32_t place = map.find(item, hash);
            if (map.places[place] == 0) {
                if (!take_new(place, item, hash, 1)) break;
            } else {
                const std::uint32_t entry = map.entry(place);
                weight[entry] = saturating_sum(weight[entry], 1);
            }
            ++taken;
        }
        total_weight_ = saturating_sum(total_weight_, taken);
    }
    return taken;
}

template <typename Item>
void FrequentItems<Item>::update_column(std::span<const Item> items) {
    const std::size_t taken = offer_column(items);
    if (taken == items.size()) return;
    settle();
    offer_column(items.subspan(taken));
}

// False, and nothing changed, when the item is new and needs more room.
template <typename Item>
bool FrequentItems<Item>::take(Item item, std::uint32_t hash, std::uint64_t weight) {
    const Map map(*this);
    const std::uint32_t place = map.find(item, hash);
    if (map.places[place] == 0) return take_new(place, item, hash, weight);
    std::uint64_t& held = weights()[map.entry(place)];
    held = saturating_sum(held, weight);
    return true;
}

template <typename Item>
bool FrequentItems<Item>::take_new(std::uint32_t place, Item item, std::uint32_t hash,
                                   std::uint64_t weight) {
    if (size_ == size_max_ && lg_ < lg_max()) return false;
    put(size_, item, hash);
    weights()[size_] = std::min(weight, weight_max);
    part<std::uint32_t>(places_at_)[place] = Map(*this).mark(size_, hash);
    if (++size_ > size_max_) purge();
    return true;
}

template <typename Item>
void FrequentItems<Item>::purge() {
    const std::uint64_t median = sampled_median();
    offset_ = saturating_sum(offset_, median);
    keep_heavier_than(median);
}

// Of all counters where lg_max <= 10, which makes the outcome the same for every hash and order;
// else of 1,024 evenly spread in order of arrival.
template <typename Item>
std::uint64_t FrequentItems<Item>::sampled_median() const {
    std::array<std::uint64_t, sample_max> sample;
    const std::uint32_t count = std::min(size_, sample_max);
    for (std::uint32_t i = 0; i < count; ++i)
        sample[i] = weights()[std::uint64_t{i} * size_ / count];
    std::nth_element(sample.begin(), sample.begin() + count / 2, sample.begin() + count);
    return sample[count / 2];
}

template <typename Item>
void FrequentItems<Item>::keep_heavier_than(std::uint64_t weight) {
    std::fill_n(part<std::uint32_t>(places_at_), std::size_t{1} << lg_, 0U);
    std::uint32_t kept = 0;
    for (std::uint32_t entry = 0; entry < size_; ++entry) {
        if (weights()[entry] <= weight) continue;
        weights()[kept] = weights()[entry] - weight;
        if (kept != entry) put(kept, item_at(entry), hash_at(entry));
        place(kept);
        ++kept;
    }
    size_ = kept;
}

template <typename Item>
void FrequentItems<Item>::merge(const FrequentItems& other) {
    WEIR_ASSERT(&other != this);
    if (wanted(other) > room()) settle();
    for (std::uint32_t entry = 0; entry < other.size_; ++entry) {
        const Item item = other.item_at(entry);
        const Item fits = fitting(item);
        std::uint32_t hash = other.hash_at(entry);
        if constexpr (is_text) {
            if (fits.size() < item.size()) {
                hash = FrequentItems::hash(fits);
                ++items_cut_;
            }
        }
        const bool is_taken = take(fits, hash, other.weights()[entry]);
        WEIR_ASSERT(is_taken);
    }
    offset_ = saturating_sum(offset_, other.offset_);
    total_weight_ = saturating_sum(total_weight_, other.total_weight_);
    items_cut_ += other.items_cut_;
}

template <typename Item>
std::size_t FrequentItems<Item>::top(std::span<Row> rows) const {
    const auto better = [](const Row& a, const Row& b) {
        return a.lower != b.lower ? a.lower > b.lower : precedes(a.item, b.item);
    };
    // A heap of the best so far, the worst of them in front.
    std::size_t count = 0;
    for (std::uint32_t entry = 0; entry < size_; ++entry) {
        const std::uint64_t upper = saturating_sum(weights()[entry], offset_);
        const Row row = {item_at(entry), upper, weights()[entry], upper};
        if (count == rows.size()) {
            if (count == 0 || !better(row, rows.front())) continue;
            std::pop_heap(rows.begin(), rows.end(), better);
            rows[--count] = row;
        } else {
            rows[count] = row;
        }
        ++count;
        std::push_heap(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), better);
    }
    std::sort_heap(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), better);
    return count;
}

template <typename Item>
std::uint64_t FrequentItems<Item>::lower_bound(Item item) const {
    const std::uint32_t entry = find(fitting(item));
    return entry == no_entry ? 0 : weights()[entry];
}

template <typename Item>
std::uint64_t FrequentItems<Item>::upper_bound(Item item) const {
    return saturating_sum(lower_bound(item), offset_);
}

template <typename Item>
std::uint64_t FrequentItems<Item>::estimate(Item item) const {
    const std::uint64_t lower = lower_bound(item);
    return lower == 0 ? 0 : saturating_sum(lower, offset_);
}

// Bytes: preamble of 32, weights, items.

template <typename Item>
Bytes FrequentItems<Item>::serialized_size() const {
    if (size_ == 0) return empty_bytes;
    Bytes size = preamble_bytes + std::size_t{size_} * 2 * sizeof(std::uint64_t);
    if constexpr (is_text) {
        size =
            preamble_bytes + std::size_t{size_} * (sizeof(std::uint64_t) + sizeof(std::uint32_t));
        for (std::uint32_t entry = 0; entry < size_; ++entry) size += item_at(entry).size();
    }
    return size;
}

template <typename Item>
Bytes FrequentItems<Item>::serialized_size_max(const Params& params) {
    const Bytes item =
        is_text ? sizeof(std::uint32_t) + params.item_bytes_max : sizeof(std::uint64_t);
    return preamble_bytes + load_max(params.lg_max) * (sizeof(std::uint64_t) + item);
}

template <typename Item>
Status FrequentItems<Item>::serialize(ByteWriter& out) const {
    const MutableByteSpan place = out.reserve(serialized_size());
    if (place.empty()) return Error::full;
    ByteWriter to(place);
    to.write<std::uint8_t>(size_ == 0 ? 1 : 4);
    to.write(version);
    to.write(family);
    to.write(lg_max());
    to.write(lg_for(size_));
    to.write<std::uint8_t>(size_ == 0 ? flags_empty : 0);
    to.write<std::uint16_t>(0);
    if (size_ == 0) return Status::success();
    to.write(std::uint64_t{size_});
    to.write(total_weight_);
    to.write(offset_);
    to.bytes(std::as_bytes(std::span<const std::uint64_t>(weights(), size_)));
    for (std::uint32_t entry = 0; entry < size_; ++entry) {
        if constexpr (is_text)
            to.text(item_at(entry));
        else
            to.write(item_at(entry));
    }
    return Status::success();
}

template <typename Item>
struct FrequentItems<Item>::Header {
    std::uint8_t lg_max = 0;
    std::uint32_t items = 0;
    std::uint64_t total_weight = 0;
    std::uint64_t offset = 0;
};

template <typename Item>
Result<typename FrequentItems<Item>::Header> FrequentItems<Item>::read_header(ByteReader& in) {
    const auto preamble = in.read<std::uint8_t>();
    const auto serial = in.read<std::uint8_t>();
    const auto family_id = in.read<std::uint8_t>();
    Header header;
    header.lg_max = in.read<std::uint8_t>();
    const auto lg_now = in.read<std::uint8_t>();
    const bool is_empty = in.read<std::uint8_t>() & flags_empty;
    in.read<std::uint16_t>();
    if (!in.ok()) return Error::truncated;
    if (family_id != family) return Error::invalid;
    if (serial != version) return Error::unsupported;
    if (lg_now < lg_min || lg_now > header.lg_max || header.lg_max > 30) return Error::invalid;
    if (preamble != (is_empty ? 1 : 4)) return Error::invalid;
    if (is_empty) return header;
    header.items = in.read<std::uint32_t>();
    in.read<std::uint32_t>();
    header.total_weight = in.read<std::uint64_t>();
    header.offset = in.read<std::uint64_t>();
    if (!in.ok() || in.remaining() / sizeof(std::uint64_t) < header.items) return Error::truncated;
    if (header.items > load_max(header.lg_max)) return Error::invalid;
    if (header.total_weight > weight_max || header.offset > header.total_weight)
        return Error::invalid;
    return header;
}

template <typename Item>
Result<typename FrequentItems<Item>::Params> FrequentItems<Item>::params_of(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    std::size_t longest = 1;
    if constexpr (is_text) {
        in.bytes(header->items * sizeof(std::uint64_t));
        for (std::uint32_t i = 0; i < header->items && in.ok(); ++i)
            longest = std::max(longest, in.text().size());
        if (!in.ok()) return Error::truncated;
        if (longest > 0xFFFF) return Error::out_of_range;
    }
    const Params params{.lg_max = header->lg_max,
                        .item_bytes_max = static_cast<std::uint16_t>(longest)};
    if (!valid(params)) return Error::out_of_range;
    return params;
}

template <typename Item>
Status FrequentItems<Item>::load(ByteSpan bytes) {
    reset();
    const Status status = load_checked(bytes);
    if (!status) reset();
    return status;
}

template <typename Item>
Status FrequentItems<Item>::load_checked(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    if (header->items > load_max(lg_max_)) return Error::out_of_range;
    if (header->items > size_max_) settle();
    ByteReader weight(in.bytes(header->items * sizeof(std::uint64_t)));
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < header->items; ++i) {
        const auto value = weight.read<std::uint64_t>();
        if (value == 0 || value > weight_max) return Error::invalid;
        sum = saturating_sum(sum, value);
        Item item;
        if constexpr (is_text)
            item = in.text();
        else
            item = in.read<Item>();
        if (!in.ok()) return Error::truncated;
        if constexpr (is_text)
            if (item.size() > item_bytes_max_) return Error::out_of_range;
        if (find(item) != no_entry) return Error::invalid;
        take(item, hash(item), value);
    }
    // A purge that adds to the offset takes as much from one item or more.
    const bool saturated = header->total_weight == weight_max;
    const bool fits = header->offset <= header->total_weight && sum <= header->total_weight - header->offset;
    if (in.remaining() != 0 || !(fits || saturated)) return Error::invalid;
    total_weight_ = header->total_weight;
    offset_ = saturating_sum(offset_, header->offset);  // to that of purges on the way
    return Status::success();
}

template class FrequentItems<std::string_view>;
template class FrequentItems<std::int64_t>;
template class FrequentItems<double>;

}  // namespace weir
