// What the fuzz targets share: a check that aborts, the input as numbers, and sketches with an
// owner that gives them blocks. A target is a function of bytes that returns, or aborts where a
// promise was broken.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "agent/base/bytes.h"
#include "tests/unit/sketches/sketch_support.h"

#define FUZZ_CHECK(condition) \
    ((condition) ? static_cast<void>(0) : weir::fuzz::fail(#condition, __FILE__, __LINE__))

namespace weir::fuzz {

struct Target {
    const char* name;
    void (*run)(ByteSpan bytes);
};
std::span<const Target> targets();

[[noreturn]] inline void fail(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    std::abort();
}

// Bytes as decisions; zeros once they are used up.
class Input {
public:
    explicit Input(ByteSpan bytes) : bytes_(bytes) {}
    bool done() const { return at_ == bytes_.size(); }
    std::uint8_t byte() {
        return done() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(bytes_[at_++]);
    }
    std::uint64_t number(int bytes) {
        std::uint64_t value = 0;
        for (int i = 0; i < bytes; ++i) value = value << 8 | byte();
        return value;
    }
    // Takes as many bytes as bound needs.
    std::uint64_t below(std::uint64_t bound) {
        return number((static_cast<int>(std::bit_width(bound - 1)) + 7) / 8) % bound;
    }
    double real() { return std::bit_cast<double>(number(8)); }

private:
    ByteSpan bytes_;
    std::size_t at_ = 0;
};

template <typename Sketch>
concept Grows = requires(const typename Sketch::Params& params) {
    Sketch::need_min(params);
};

template <typename Sketch>
bool is_settled(const Sketch& sketch) {
    if constexpr (Grows<Sketch>)
        return sketch.settled();
    else
        return false;
}

// A sketch that starts in `first` bytes (if it can grow) and gets no block of more than `most`.
// Blocks have exactly the size asked for, so that the sanitizer sees a step beyond, and hold
// rubbish before they are used.
template <typename Sketch>
class Growing {
public:
    using Params = typename Sketch::Params;

    Growing(const Params& params, std::uint64_t first, std::uint64_t most)
        : params_(params),
          most_(static_cast<Bytes>(std::min<std::uint64_t>(most, Sketch::need(params)))) {
        Bytes bytes = Sketch::need(params);
        if constexpr (Grows<Sketch>) {
            const Bytes least = Sketch::need_min(params);
            FUZZ_CHECK(least <= bytes);
            bytes = static_cast<Bytes>(std::clamp<std::uint64_t>(first, least, bytes));
        }
        memory_ = block(bytes);
        sketch_ = Sketch::create(*memory_, params);
    }
    Sketch* operator->() { return sketch_; }
    Sketch& operator*() { return *sketch_; }

    template <typename... Args>
    void update(Args... args) {
        if constexpr (Grows<Sketch>) {
            while (!sketch_->offer(args...)) {
                if (grow(sketch_->wanted())) continue;
                sketch_->settle();
                FUZZ_CHECK(sketch_->offer(args...));
                return;
            }
        } else {
            sketch_->update(args...);
        }
    }

    template <typename Item>
    void update_column(std::span<const Item> items) {
        if constexpr (Grows<Sketch>) {
            while (!items.empty()) {
                const std::size_t taken = sketch_->offer_column(items);
                FUZZ_CHECK(taken <= items.size());
                items = items.subspan(taken);
                if (!items.empty() && !grow(sketch_->wanted())) sketch_->settle();
            }
        } else {
            sketch_->update_column(items);
        }
    }

    // Gives room for a merge if it may; otherwise merge() has to do with what there is.
    void make_room_for(const Sketch& other) {
        if constexpr (Grows<Sketch>)
            while (sketch_->wanted(other) > sketch_->room() && grow(sketch_->wanted(other))) {
            }
    }

    // The bytes at another address are the sketch.
    void relocate() {
        auto copy = block(static_cast<Bytes>(memory_->size()));
        std::memcpy(copy->data(), memory_->data(), memory_->size());
        replace(std::move(copy));
        sketch_ = Sketch::at(memory_->data());
    }

private:
    using Block = std::unique_ptr<std::vector<std::byte>>;
    static Block block(Bytes bytes) {
        return std::make_unique<std::vector<std::byte>>(bytes, std::byte{0xA5});
    }
    void replace(Block other) {
        std::fill(memory_->begin(), memory_->end(), std::byte{0x5A});
        memory_ = std::move(other);
    }
    bool grow(Bytes wanted) {
        FUZZ_CHECK(wanted >= sketch_->room() && wanted <= Sketch::need(params_));
        if (wanted == sketch_->room() || wanted > most_) return false;
        auto larger = block(wanted);
        sketch_ = sketch_->move_to(*larger);
        replace(std::move(larger));
        return true;
    }

    Params params_;
    Bytes most_;
    Block memory_;
    Sketch* sketch_;
};

// The coupons of an HLL set stand as in its table, whose order depends on that of arrival: sorts
// them.
inline std::vector<std::byte> in_order(std::vector<std::byte> bytes) {
    if (bytes.size() <= 12 || bytes[2] != std::byte{7} || (bytes[7] & std::byte{3}) != std::byte{1})
        return bytes;
    std::vector<std::uint32_t> coupons((bytes.size() - 12) / 4);
    std::memcpy(coupons.data(), &bytes[12], 4 * coupons.size());
    std::sort(coupons.begin(), coupons.end());
    std::memcpy(&bytes[12], coupons.data(), 4 * coupons.size());
    return bytes;
}

// What is written is read, and is then written the same.
template <typename Sketch, typename... Args>
std::vector<std::byte> check_round_trip(Sketch& sketch, const typename Sketch::Params& params,
                                        Args... args) {
    const std::vector<std::byte> bytes = bytes_of(sketch, args...);
    FUZZ_CHECK(!bytes.empty());
    const auto told = Sketch::params_of(bytes);
    FUZZ_CHECK(told.ok() && Sketch::valid(*told));
    Owned<Sketch> again(params);
    FUZZ_CHECK(again->load(bytes).ok());
    FUZZ_CHECK(in_order(bytes_of(*again, args...)) == in_order(bytes));
    FUZZ_CHECK(bytes.size() <= Sketch::serialized_size_max(params, args...));
    if (!bytes.empty()) {  // cut short it is refused
        std::vector<std::byte> small(bytes.size() - 1);
        ByteWriter out(small);
        FUZZ_CHECK(!sketch.serialize(out, args...).ok());
    }
    return bytes;
}

}  // namespace weir::fuzz
