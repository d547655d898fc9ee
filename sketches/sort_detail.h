// Sorting and merging of numbers four at a time, without branches; not for users of the sketches.
// Memory: none. Cost: 64 numbers some 240 instructions with AVX2. Threads: pure functions. Errors: none.
// REQUIRES: no NaN. The vector types are the compiler's, which has every machine do the same.
// Source: Batcher, Sorting Networks and Their Applications, 1968 (odd-even merge sort, bitonic merge).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace weir::sort_detail {

template <typename T>
struct Four {
    typedef T Type __attribute__((vector_size(4 * sizeof(T))));
};
template <typename T>
using Lanes = typename Four<T>::Type;

template <typename T>
void load(Lanes<T>& lanes, const T* from) {
    std::memcpy(&lanes, from, sizeof lanes);
}
template <typename T>
void store(T* to, const Lanes<T>& lanes) {
    std::memcpy(to, &lanes, sizeof lanes);
}

// In each lane the smaller one to low, the other to high.
template <typename V>
void exchange(V& low, V& high) {
    const V a = low;
    const V b = high;
    low = a < b ? a : b;
    high = a < b ? b : a;
}

// The exchanges that sort 16.
struct Network {
    struct Pair {
        std::uint8_t low;
        std::uint8_t high;
    };
    std::array<Pair, 63> pairs{};
    std::size_t size = 0;

    constexpr void add(std::size_t low, std::size_t high) {
        pairs[size++] = {static_cast<std::uint8_t>(low), static_cast<std::uint8_t>(high)};
    }
    constexpr void merge(std::size_t from, std::size_t length, std::size_t step) {
        if (2 * step >= length) return add(from, from + step);
        merge(from, length, 2 * step);
        merge(from + step, length, 2 * step);
        for (std::size_t i = from + step; i + step < from + length; i += 2 * step) add(i, i + step);
    }
    constexpr void sort(std::size_t from, std::size_t length) {
        if (length == 1) return;
        sort(from, length / 2);
        sort(from + length / 2, length / 2);
        merge(from, length, 1);
    }
};
inline constexpr Network network_16 = [] {
    Network network;
    network.sort(0, 16);
    return network;
}();

// Sorts each of the four lanes. Every index is a constant, so that the vectors stay in registers.
template <typename V, std::size_t... I>
void sort_lanes(std::array<V, 16>& v, std::index_sequence<I...>) {
    (exchange(v[network_16.pairs[I].low], v[network_16.pairs[I].high]), ...);
}
template <typename V>
void sort_lanes(std::array<V, 16>& v) {
    sort_lanes(v, std::make_index_sequence<63>());
}

// Of two sorted runs of 8, merged: every second one, from the first or (odd) the second on. out may be a or b.
template <typename T>
void merge_and_halve(const T* a, const T* b, bool odd, T* out) {
    using V = Lanes<T>;
    V a0, a1, b0, b1;
    load<T>(a0, a), load<T>(a1, a + 4), load<T>(b0, b), load<T>(b1, b + 4);
    // a, then b backwards, rises and falls; each step halves the distance that is exchanged over.
    V r0 = __builtin_shufflevector(b1, b1, 3, 2, 1, 0);
    V r1 = __builtin_shufflevector(b0, b0, 3, 2, 1, 0);
    exchange(a0, r0), exchange(a1, r1);
    exchange(a0, a1), exchange(r0, r1);
    const auto last_two_steps = [odd](const V& x, const V& y, T* to) {
        V low = __builtin_shufflevector(x, y, 0, 1, 4, 5);
        V high = __builtin_shufflevector(x, y, 2, 3, 6, 7);
        exchange(low, high);
        V first = __builtin_shufflevector(low, high, 0, 4, 2, 6);
        V second = __builtin_shufflevector(low, high, 1, 5, 3, 7);
        exchange(first, second);
        store<T>(to, odd ? second : first);
    };
    last_two_steps(a0, a1, out);
    last_two_steps(r0, r1, out + 4);
}

// 64 items are sorted as 4 blocks of 16; of each every second one is written, by a bit of coins: 4
// sorted runs of 8.
template <typename T>
void sort_and_halve(const T* items, std::uint64_t coins, T* runs) {
    std::array<Lanes<T>, 16> v;
    for (std::size_t i = 0; i < 16; ++i) load<T>(v[i], items + 4 * i);
    sort_lanes(v);
    for (std::size_t lane = 0; lane < 4; ++lane, coins >>= 1)
        for (std::size_t i = 0; i < 8; ++i)
            runs[8 * lane + i] = coins & 1 ? v[2 * i + 1][lane] : v[2 * i][lane];
}

}  // namespace weir::sort_detail
