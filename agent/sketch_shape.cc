#include "agent/sketch_shape.h"

#include <algorithm>
#include <string>

#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/tdigest.h"
#include "sketches/theta.h"

namespace weir {
namespace {

struct Family {
    std::uint8_t id;
    SketchKind kind;
    const char* name;
};

// Byte 2 of every sketch.
constexpr Family families[] = {
    {3, SketchKind::theta, "Theta"},          {7, SketchKind::hll, "HLL"},
    {10, SketchKind::frequent, "frequent items"}, {15, SketchKind::kll, "KLL"},
    {18, SketchKind::count_min, "Count-Min"}, {20, SketchKind::tdigest, "t-digest"},
    {1, SketchKind::none, "Theta update"},    {2, SketchKind::none, "Theta update"},
    {8, SketchKind::none, "classic quantiles"}, {9, SketchKind::none, "Tuple"},
    {11, SketchKind::none, "reservoir"},      {16, SketchKind::none, "CPC"},
    {17, SketchKind::none, "REQ"},            {21, SketchKind::none, "Bloom filter"},
};

template <typename T>
bool kll_reads(ByteSpan bytes) {
    const auto params = KllSketch<T>::params_of(bytes);
    if (!params) return false;
    std::vector<std::byte> memory(KllSketch<T>::need(*params));
    KllSketch<T>* const sketch = KllSketch<T>::create(memory, *params);
    return sketch->load(bytes).ok() && !sketch->empty();
}

// The size is right for one of them only.
ItemType kll_items(ByteSpan bytes) {
    return kll_reads<double>(bytes)  ? ItemType::real
           : kll_reads<float>(bytes) ? ItemType::real32
                                     : ItemType::none;
}

ItemType tdigest_items(ByteSpan bytes) {
    constexpr std::uint8_t flag_empty = 1;
    constexpr std::uint8_t flag_single = 2;
    ByteReader in(bytes);
    in.bytes(5);
    const auto flags = in.read<std::uint8_t>();
    in.read<std::uint16_t>();
    if (!in.ok() || flags & flag_empty) return ItemType::none;
    if (flags & flag_single) return in.remaining() == sizeof(float) ? ItemType::real32 : ItemType::real;
    const std::uint64_t centroids = in.read<std::uint32_t>();
    const std::uint64_t values = in.read<std::uint32_t>();
    // min, max; mean and weight; value.
    return in.remaining() == 4 * (2 + 2 * centroids + values) ? ItemType::real32 : ItemType::real;
}

// Strings have lengths that must fit exactly, and rarely a zero; numbers have 8 bytes, a small one has zeros.
ItemType frequent_items(ByteSpan bytes) {
    constexpr Bytes preamble = 32;
    ByteReader in(bytes);
    in.bytes(8);
    const auto items = in.read<std::uint32_t>();
    if (!in.ok() || bytes.size() < preamble + Bytes{8} * items) return ItemType::none;
    in.bytes(preamble - 12 + Bytes{8} * items);
    const bool numbers = in.remaining() == Bytes{8} * items;
    bool zeros = false;
    for (std::uint32_t i = 0; i < items && in.ok(); ++i)
        zeros = in.text().find('\0') != std::string_view::npos || zeros;
    const bool strings = in.ok() && in.remaining() == 0;
    if (!numbers) return ItemType::text;
    return strings && !zeros ? ItemType::text : ItemType::none;  // longs or doubles
}

// A total below 2^52 would, read as a double, be a number so small that nobody counts with it.
ItemType count_min_counters(ByteSpan bytes) {
    ByteReader in(bytes);
    in.bytes(16);
    const auto total = in.read<std::uint64_t>();
    if (!in.ok()) return ItemType::none;
    return total >> 52 == 0 ? ItemType::integer : ItemType::real;
}

Error unreadable(const Family& family, Error error, Problem& problem) {
    problem.what = std::string("is no ") + family.name + " sketch that can be read: " + std::string(name(error));
    return error;
}

Result<SketchShape> count_min_shape(ByteSpan bytes, std::optional<std::uint64_t> seed, const Family& family,
                                    Problem& problem) {
    SketchShape shape{.kind = SketchKind::count_min, .seed = seed};
    if (!seed) {
        const auto params = CountMinReals::params_of(bytes);
        if (params.ok()) {
            shape.hashes = params->hashes;
            shape.buckets = params->buckets;
            shape.counters = count_min_counters(bytes);
            return shape;
        }
        if (params.error() != Error::unsupported) return unreadable(family, params.error(), problem);
        problem.what = "has another seed than the usual one: name it with --seed, or it is of an unknown version";
        return params.error();
    }
    ByteReader in(bytes);
    in.bytes(8);
    shape.buckets = in.read<std::uint32_t>();
    shape.hashes = in.read<std::uint8_t>();
    if (!in.ok()) return unreadable(family, Error::truncated, problem);
    if (!CountMinReals::valid({.hashes = shape.hashes, .buckets = shape.buckets, .seed = *seed}))
        return unreadable(family, Error::out_of_range, problem);
    shape.counters = count_min_counters(bytes);
    return shape;
}

}  // namespace

std::vector<ItemType> item_types(SketchKind kind) {
    switch (kind) {
        case SketchKind::hll:
        case SketchKind::theta:
        case SketchKind::count_min: return {ItemType::text, ItemType::integer, ItemType::real, ItemType::real32};
        case SketchKind::frequent: return {ItemType::text, ItemType::integer, ItemType::real};
        case SketchKind::kll:
        case SketchKind::tdigest: return {ItemType::real, ItemType::real32};
        case SketchKind::none: break;
    }
    return {};
}

bool weighs(SketchKind kind) { return kind == SketchKind::frequent || kind == SketchKind::count_min; }

std::string_view plural(ItemType type) {
    switch (type) {
        case ItemType::integer: return "longs";
        case ItemType::real: return "doubles";
        case ItemType::real32: return "floats";
        case ItemType::text: return "strings";
        case ItemType::none: break;
    }
    return "none";
}

SketchKind sketch_kind(std::string_view kind_name) {
    for (const Family& family : families)
        if (family.kind != SketchKind::none && name(family.kind) == kind_name) return family.kind;
    return SketchKind::none;
}

Result<SketchShape> shape_of(ByteSpan bytes, std::optional<std::uint64_t> seed, Problem& problem) {
    if (bytes.size() < 8) {
        problem.what = "is no sketch: the smallest one has 8 bytes, this has " + std::to_string(bytes.size());
        return Error::truncated;
    }
    const auto id = std::to_integer<std::uint8_t>(bytes[2]);
    const auto* const family = std::find_if(std::begin(families), std::end(families),
                                            [&](const Family& f) { return f.id == id; });
    if (family == std::end(families)) {
        problem.what = "is no DataSketches sketch: its third byte, the family, is " + std::to_string(id);
        return Error::invalid;
    }
    SketchShape shape{.kind = family->kind, .seed = seed};
    Error error = Error::none;
    switch (shape.kind) {
        case SketchKind::none:
            problem.what = std::string("is a ") + family->name + " sketch, which this program cannot read";
            return Error::unsupported;
        case SketchKind::hll: {
            const auto params = HllSketch::params_of(bytes);
            error = params.error();
            if (!params) break;
            shape.lg_k = params->lg_k;
            const auto type = std::to_integer<unsigned>(bytes[7]) >> 2 & 3;
            shape.hll_bits = static_cast<std::uint8_t>(4 + 2 * std::min(type, 2U));
            break;
        }
        case SketchKind::theta: {
            const auto params = ThetaSketch::params_of(bytes);
            error = params.error();
            if (params) shape.lg_k = params->lg_k;
            shape.theta_version = std::to_integer<std::uint8_t>(bytes[1]);
            break;
        }
        case SketchKind::kll: {
            const auto params = KllSketch<double>::params_of(bytes);
            error = params.error();
            if (params) shape.k = params->k;
            if (params) shape.items = kll_items(bytes);
            break;
        }
        case SketchKind::frequent: {
            const auto params = FrequentIntegers::params_of(bytes);
            error = params.error();
            if (!params) break;
            shape.lg_map = params->lg_max;
            shape.items = frequent_items(bytes);
            if (const auto strings = FrequentStrings::params_of(bytes); strings.ok())
                shape.item_bytes = strings->item_bytes_max;
            break;
        }
        case SketchKind::count_min: return count_min_shape(bytes, seed, *family, problem);
        case SketchKind::tdigest: {
            const auto params = TDigest::params_of(bytes);
            error = params.error();
            if (params) shape.k = params->k;
            if (params) shape.items = tdigest_items(bytes);
            break;
        }
    }
    if (error != Error::none) return unreadable(*family, error, problem);
    return shape;
}

}  // namespace weir
