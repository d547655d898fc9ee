// What the sketches' tests share: memory for a sketch, its bytes, random numbers, the vectors' inputs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "agent/base/bytes.h"

namespace weir {

// A sketch in memory of exactly need() bytes, so that a step beyond is seen by the sanitizer.
template <typename Sketch>
class Owned {
public:
    explicit Owned(const typename Sketch::Params& params = {}) : memory_(Sketch::need(params)) {
        sketch_ = Sketch::create(memory_, params);
    }
    Sketch* operator->() { return sketch_; }
    Sketch& operator*() { return *sketch_; }
    MutableByteSpan memory() { return memory_; }

private:
    std::vector<std::byte> memory_;  // operator new aligns to 16
    Sketch* sketch_;
};

// A sketch that starts small, and whose owner always has a larger block.
template <typename Sketch>
class Growing {
public:
    explicit Growing(const typename Sketch::Params& params) : Growing(params, Sketch::need_min(params)) {}
    Growing(const typename Sketch::Params& params, Bytes room) : memory_(room) {
        sketch_ = Sketch::create(memory_, params);
    }
    Sketch* operator->() { return sketch_; }
    Sketch& operator*() { return *sketch_; }
    MutableByteSpan memory() { return memory_; }

    void grow(Bytes room) {
        std::vector<std::byte> larger(room, std::byte{0xA5});
        sketch_ = sketch_->move_to(larger);
        std::fill(memory_.begin(), memory_.end(), std::byte{0x5A});
        memory_.swap(larger);
    }
    template <typename Item>
    void update(const Item& item) {
        while (!sketch_->offer(item)) grow(sketch_->wanted());
    }
    void merge(const Sketch& other) {
        if (sketch_->wanted(other) > sketch_->room()) grow(sketch_->wanted(other));
        sketch_->merge(other);
    }

private:
    std::vector<std::byte> memory_;
    Sketch* sketch_;
};

template <typename Sketch, typename... Args>
std::vector<std::byte> bytes_of(Sketch& sketch, Args... args) {  // a t-digest merges its buffer first
    std::vector<std::byte> bytes(sketch.serialized_size(args...));
    ByteWriter out(bytes);
    if (!sketch.serialize(out, args...).ok() || out.remaining() != 0) return {};
    return bytes;
}

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15ULL;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
        return z ^ z >> 31;
    }
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }
    double unit() { return static_cast<double>(next() >> 11) / 9007199254740992.0; }

private:
    std::uint64_t state_;
};

inline std::vector<std::byte> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const ByteSpan bytes = as_byte_span(text);
    return {bytes.begin(), bytes.end()};
}

// Item i of the input "skew": heavy hitters 0, 1, 2, ... and a uniform tail from 1,000.
inline std::int64_t skewed_item(std::uint64_t i) {
    if (i % 2 == 0) return __builtin_ctzll(i / 2 + 1);
    return static_cast<std::int64_t>(1000 + i % 5003);
}

}  // namespace weir
