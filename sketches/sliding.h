// The sketch of a sliding window: panes go in at one end and out at the other, and query() is the
// merge of those that are there. Three ways, the cheapest that the sketch and the window allow:
//   subtract   where S has subtract() (Count-Min of integers, log-histogram): one merge in, one
//              subtraction out; the answer is exactly that of the panes.
//   merge_all  up to 16 panes: they are kept, and merged when somebody asks.
//   daba_lite  more: partial merges are kept, so that no operation needs more than four merges.
// Memory: need(params): S::need() for each pane, and one more (subtract) or two (daba_lite).
// Cost: in merges of S, at worst: insert 2 / 1 / 4, evict 1 / 0 / 2, query 1 / panes / 2.
// Accuracy: that of S after merges. HLL loses its HIP estimator: 1.04 / sqrt(k) instead of 0.83.
// KLL and Theta keep their error; errors of frequent items add up to what one sketch of the whole window has
// at most, 3.5 / 2^lg_max of its weight; Count-Min and log-histogram are exact as to the panes; a
// t-digest of merges has no guarantee, as before.
// Threads: one owner, no locks. Errors: that of a merge that S refuses, which means panes of other params;
// the window is empty then.
// Source: Tangwongsan, Hirzel, Schneider, In-Order Sliding-Window Aggregation in Worst-Case Constant
// Time, VLDB Journal 2021 (DABA Lite).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <new>

#include "agent/base/assert.h"
#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

enum class SlidingForm : std::uint8_t { subtract, merge_all, daba_lite };

template <typename S>
concept Subtractable = requires(S& s) { s.subtract(s); };

// S: a sketch of this folder, or what has need, create, at, merge and reset as they do.
template <typename S>
class SlidingWindow {
public:
    struct Params {
        typename S::Params sketch;  // of KLL: n_max for the whole window
        std::uint32_t panes = 1;    // that can be there together, 1 to 2^20
    };
    static constexpr std::uint32_t merge_all_panes_max = 16;
    static constexpr SlidingForm form(std::uint32_t panes) {
        if (Subtractable<S>) return SlidingForm::subtract;
        return panes <= merge_all_panes_max ? SlidingForm::merge_all : SlidingForm::daba_lite;
    }
    static bool valid(const Params& params) {
        return S::valid(params.sketch) && params.panes >= 1 && params.panes <= (std::uint32_t{1} << 20);
    }
    static Bytes need(const Params& params) {
        return sizeof(SlidingWindow) + (params.panes + extras(form(params.panes))) * stride(params);
    }
    // An empty window at the start of memory; it can be copied elsewhere as the sketches can.
    // REQUIRES: valid(params), memory of need(params) bytes or more, aligned to 8.
    static SlidingWindow* create(MutableByteSpan memory, const Params& params);
    static SlidingWindow* at(void* memory) { return static_cast<SlidingWindow*>(memory); }
    SlidingWindow(const SlidingWindow&) = delete;
    SlidingWindow& operator=(const SlidingWindow&) = delete;

    // The newest pane, finished; it is copied. REQUIRES: size() < panes().
    Status insert(const S& pane);
    // The oldest pane leaves. REQUIRES: size() > 0.
    Status evict();
    // The whole window, in place of what out held. REQUIRES: out has the params of the window's
    // sketches, and all the room it may want.
    Status query(S& out) const;
    void reset();

    std::uint32_t size() const { return static_cast<std::uint32_t>(end_ - front_); }
    std::uint32_t panes() const { return panes_; }
    SlidingForm form() const { return form_; }

private:
    static constexpr std::uint32_t extras(SlidingForm form) {
        return form == SlidingForm::subtract ? 1 : form == SlidingForm::merge_all ? 0 : 2;
    }
    static Bytes stride(const Params& params) { return align_up(S::need(params.sketch), 8); }

    SlidingWindow(std::uint32_t panes, Bytes stride)
        : panes_(panes), stride_(static_cast<std::uint32_t>(stride)), form_(form(panes)) {}

    S& block(std::uint32_t number) {
        return *S::at(reinterpret_cast<std::byte*>(this + 1) + Bytes{number} * stride_);
    }
    const S& block(std::uint32_t number) const { return const_cast<SlidingWindow*>(this)->block(number); }
    S& pane(std::uint64_t number) { return block(static_cast<std::uint32_t>(number % panes_)); }
    const S& pane(std::uint64_t number) const { return block(static_cast<std::uint32_t>(number % panes_)); }
    // Of all panes (subtract), or of those since the last flip (daba_lite).
    S& back() { return block(panes_ + back_); }
    const S& back() const { return block(panes_ + back_); }
    S& flipped() { return block(panes_ + 1 - back_); }

    static Status merge(S& to, const S& from) {
        if constexpr (std::same_as<decltype(to.merge(from)), void>) {
            to.merge(from);
            return {};
        } else {
            return to.merge(from);
        }
    }
    Status fail(Status status) {
        reset();
        return status;
    }
    Status step();

    // DABA Lite. Panes are numbered for ever; those there are front_ to end_. Pane i holds
    //   front_ to left_:   the merge of i to back_from_
    //   left_ to right_:   the merge of i to right_; flipped() has right_ to back_from_
    //   right_ to sorted_: itself
    //   sorted_ to back_from_: the merge of i to back_from_
    //   back_from_ to end_: itself; back() has their merge.
    // One step an operation makes left_ meet right_ and sorted_, and then back_from_, just when the
    // panes behind back_from_ are as many as those before: then the roles change.
    std::uint64_t front_ = 0;
    std::uint64_t left_ = 0;
    std::uint64_t right_ = 0;
    std::uint64_t sorted_ = 0;
    std::uint64_t back_from_ = 0;
    std::uint64_t end_ = 0;
    std::uint32_t panes_;
    std::uint32_t stride_;   // bytes from block to block
    SlidingForm form_;
    std::uint8_t back_ = 0;  // which of the two extra blocks is back()
    std::uint8_t spare_[6] = {};
};

template <typename S>
SlidingWindow<S>* SlidingWindow<S>::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params) && memory.size() >= need(params));
    auto* const window = new (memory.data()) SlidingWindow(params.panes, stride(params));
    typename S::Params sketch = params.sketch;
    for (std::uint32_t i = 0; i < params.panes + extras(window->form_); ++i) {
        // Sketches with coins that will be merged need different ones; a Count-Min's seed is its shape.
        if constexpr (requires { sketch.seed; sketch.n_max; }) sketch.seed = params.sketch.seed + i * 0x9E3779B97F4A7C15ULL;
        S::create({reinterpret_cast<std::byte*>(window + 1) + Bytes{i} * window->stride_, window->stride_}, sketch);
    }
    return window;
}

template <typename S>
void SlidingWindow<S>::reset() {
    front_ = left_ = right_ = sorted_ = back_from_ = end_ = 0;
    for (std::uint32_t i = 0; i < panes_ + extras(form_); ++i) block(i).reset();
}

template <typename S>
Status SlidingWindow<S>::insert(const S& from) {
    WEIR_ASSERT(size() < panes_);
    S& to = pane(end_++);
    to.reset();
    if (const Status status = merge(to, from); !status) return fail(status);
    if (form_ == SlidingForm::merge_all) return {};
    if (const Status status = merge(back(), from); !status) return fail(status);
    return form_ == SlidingForm::daba_lite ? step() : Status();
}

template <typename S>
Status SlidingWindow<S>::evict() {
    WEIR_ASSERT(size() > 0);
    [[maybe_unused]] const S& oldest = pane(front_++);
    if constexpr (Subtractable<S>) {
        const Status status = back().subtract(oldest);
        return status ? status : fail(status);
    }
    return form_ == SlidingForm::daba_lite ? step() : Status();
}

template <typename S>
Status SlidingWindow<S>::query(S& out) const {
    out.reset();
    if (form_ == SlidingForm::subtract) return merge(out, back());
    // Of DABA Lite's front the first pane holds all.
    const std::uint64_t last = form_ == SlidingForm::merge_all ? end_ : std::min(front_ + 1, back_from_);
    for (std::uint64_t i = front_; i < last; ++i)
        if (const Status status = merge(out, pane(i)); !status) return status;
    return form_ == SlidingForm::daba_lite ? merge(out, back()) : Status();
}

template <typename S>
Status SlidingWindow<S>::step() {
    if (front_ == back_from_) {  // the front is used up; the back is one pane at most
        left_ = right_ = sorted_ = back_from_ = end_;
        back().reset();
        return {};
    }
    if (left_ == back_from_) {
        left_ = front_;
        right_ = back_from_;
        sorted_ = back_from_ = end_;
        back_ ^= 1;
        back().reset();
    }
    if (left_ == right_) {
        ++left_;
        ++right_;
        ++sorted_;
        return {};
    }
    if (const Status status = merge(pane(left_++), flipped()); !status) return fail(status);
    if (--sorted_ + 1 == back_from_) return {};
    const Status status = merge(pane(sorted_), pane(sorted_ + 1));
    return status ? status : fail(status);
}

}  // namespace weir
