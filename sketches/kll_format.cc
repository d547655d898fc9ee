// KLL's bytes out and in; README.md names the format's fields.
#include "sketches/kll.h"

#include <algorithm>
#include <bit>

#include "sketches/kll_detail.h"

namespace weir {

using namespace kll_detail;

namespace {

constexpr std::uint8_t family = 15;
constexpr std::uint8_t flag_empty = 1;
constexpr std::uint8_t flag_level_zero_sorted = 2;
constexpr std::uint8_t flag_single = 4;
constexpr Bytes header_bytes = 8;
constexpr Bytes preamble_bytes = 20;

}  // namespace

template <typename T>
struct KllSketch<T>::Header {
    std::uint16_t k;
    std::uint16_t min_k;
    std::uint64_t n;
    std::uint32_t levels;
};

template <typename T>
Bytes KllSketch<T>::serialized_size() const {
    if (n_ <= 1) return n_ == 0 ? header_bytes : header_bytes + sizeof(T);
    const auto light = static_cast<std::uint32_t>(std::popcount(pending_));  // written once a bit
    return preamble_bytes + top() * sizeof(std::uint32_t) + (held() + light + 2) * sizeof(T);
}

template <typename T>
Bytes KllSketch<T>::serialized_size_max(const Params& params) {
    const std::uint32_t levels = levels_for(params.k, params.n_max);
    return preamble_bytes + levels * sizeof(std::uint32_t) +
           (total_capacity(params.k, levels) + 2) * sizeof(T);
}

template <typename T>
Status KllSketch<T>::serialize(ByteWriter& out) const {
    const MutableByteSpan place = out.reserve(serialized_size());
    if (place.empty()) return Error::full;
    ByteWriter to(place);
    to.write<std::uint8_t>(n_ <= 1 ? 2 : 5);
    to.write<std::uint8_t>(n_ == 1 ? 2 : 1);
    to.write(family);
    to.write<std::uint8_t>(n_ == 0   ? flag_empty
                           : n_ == 1 ? flag_single | flag_level_zero_sorted
                                     : 0);
    to.write(k_);
    to.write(m);
    to.write<std::uint8_t>(0);
    if (n_ == 0) return Status::success();
    if (n_ > 1) {
        to.write(n_);
        to.write(min_k_);
        to.write(static_cast<std::uint8_t>(top()));
        to.write<std::uint8_t>(0);
        std::uint32_t start = total_capacity(k_, top()) - held();
        start -= static_cast<std::uint32_t>(std::popcount(pending_));
        for (std::uint32_t level = 0; level < lowest_; ++level) {
            to.write(start);
            start += static_cast<std::uint32_t>(pending_ >> level & 1);
        }
        for (std::uint32_t level = 0; level < levels_; ++level) {
            to.write(start);
            start += level_size(level);
        }
        to.write(min_);
        to.write(max_);
    }
    for (std::uint32_t level = 0; level < lowest_; ++level)
        if (pending_ >> level & 1) to.write(candidate_);
    to.bytes(std::as_bytes(std::span<const T>(items() + starts()[0], held())));
    return Status::success();
}

template <typename T>
Result<typename KllSketch<T>::Header> KllSketch<T>::read_header(ByteReader& in) {
    const auto preamble = in.read<std::uint8_t>();
    const auto version = in.read<std::uint8_t>();
    const auto family_id = in.read<std::uint8_t>();
    const auto flags = in.read<std::uint8_t>();
    Header header{};
    header.k = header.min_k = in.read<std::uint16_t>();
    const auto least = in.read<std::uint8_t>();
    in.read<std::uint8_t>();
    if (!in.ok()) return Error::truncated;
    if (family_id != family || header.k < m) return Error::invalid;
    if (version != 1 && version != 2) return Error::unsupported;
    if (least != m) return Error::unsupported;
    const bool empty = flags & flag_empty;
    const bool single = version == 2;
    if (preamble != (empty || single ? 2 : 5) || (empty && single)) return Error::invalid;
    if (empty) return header;
    header.n = header.levels = 1;
    if (single) return header;
    header.n = in.read<std::uint64_t>();
    header.min_k = in.read<std::uint16_t>();
    header.levels = in.read<std::uint8_t>();
    in.read<std::uint8_t>();
    if (!in.ok()) return Error::truncated;
    if (header.n == 0 || header.levels == 0 || header.min_k < m || header.min_k > header.k)
        return Error::invalid;
    if (header.n > n_max_limit || header.levels > levels_limit) return Error::out_of_range;
    return header;
}

template <typename T>
Result<typename KllSketch<T>::Params> KllSketch<T>::params_of(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    // The fewest values for which so many levels are taken.
    const std::uint32_t doublings = header->levels < 2 ? 0 : header->levels - 2;
    if (header->k > n_max_limit >> doublings) return Error::out_of_range;
    const std::uint64_t for_levels = header->levels < 2 ? 1 : std::uint64_t{header->k} << doublings;
    return Params{.k = header->k, .n_max = std::max(header->n, for_levels)};
}

template <typename T>
Status KllSketch<T>::load(ByteSpan bytes) {
    reset();
    const Status status = load_checked(bytes);
    if (!status) reset();
    return status;
}

template <typename T>
Status KllSketch<T>::load_checked(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> read = read_header(in);
    if (!read) return read.error();
    const Header& header = *read;
    if (header.n == 0) return in.remaining() == 0 ? Status::success() : Status(Error::invalid);
    if (header.n > n_capacity()) return Error::out_of_range;
    const bool single = in.position() == header_bytes;
    const std::uint32_t capacity = total_capacity(header.k, header.levels);
    const auto start = [&](std::uint32_t level) {  // of a level, as an item from the first one
        if (single) return level;
        const auto at = [&](std::uint32_t i) {
            return load_le<std::uint32_t>(&bytes[preamble_bytes + i * sizeof(std::uint32_t)]);
        };
        return (level == header.levels ? capacity : at(level)) - at(0);
    };
    if (!single) {
        std::uint32_t before = 0;
        for (std::uint32_t level = 0; level < header.levels; ++level) {
            const auto offset = in.read<std::uint32_t>();
            if (in.ok() && (offset < before || offset > capacity)) return Error::invalid;
            before = offset;
        }
    }
    const T min = single ? T{0} : in.read<T>();
    const T max = single ? T{0} : in.read<T>();
    if (!in.ok()) return Error::truncated;
    const Bytes held = start(header.levels) * sizeof(T);
    if (in.remaining() < held) return Error::truncated;
    if (in.remaining() > held) return Error::invalid;
    const ByteSpan items = in.bytes(held);
    const auto level_bytes = [&](std::uint32_t level) {
        return items.subspan(start(level) * sizeof(T),
                             (start(level + 1) - start(level)) * sizeof(T));
    };

    min_ = single ? load_le<T>(items.data()) : min;
    max_ = single ? min_ : max;
    std::uint64_t weight = 0;
    std::uint32_t levels = header.levels;  // without empty ones on top that n_max values never reach
    while (levels > n_levels_ && level_bytes(levels - 1).empty()) --levels;
    for (std::uint32_t level = 0; level < levels; ++level) {
        const ByteSpan from = level_bytes(level);
        T before = min_;
        for (Bytes at = 0; at < from.size(); at += sizeof(T)) {
            const T item = load_le<T>(&from[at]);
            if (!(item >= before && item <= max_)) return Error::invalid;  // NaN fails too
            if (level > 0) before = item;
        }
        if (from.size() / sizeof(T) > header.n >> level) return Error::invalid;
        weight += std::uint64_t{from.size() / sizeof(T)} << level;
    }
    if (weight != header.n) return Error::invalid;

    if (header.levels > 1) min_k_ = std::min(k_, header.min_k);
    if (items_for(header.n, levels) > end_) settle();
    reach(levels);
    for (std::uint32_t level = levels; level-- > 0;) absorb(level, level_bytes(level));
    n_ = header.n;
    return Status::success();
}

#define WEIR_KLL_FORMAT(T)                                                                 \
    template Bytes KllSketch<T>::serialized_size() const;                                  \
    template Bytes KllSketch<T>::serialized_size_max(const Params&);                       \
    template Status KllSketch<T>::serialize(ByteWriter&) const;                            \
    template Result<typename KllSketch<T>::Header> KllSketch<T>::read_header(ByteReader&); \
    template Result<typename KllSketch<T>::Params> KllSketch<T>::params_of(ByteSpan);      \
    template Status KllSketch<T>::load(ByteSpan);                                          \
    template Status KllSketch<T>::load_checked(ByteSpan);
WEIR_KLL_FORMAT(double)
WEIR_KLL_FORMAT(float)
#undef WEIR_KLL_FORMAT

}  // namespace weir
