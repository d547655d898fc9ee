#include "agent/any_sketch.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <utility>

#include "agent/sketch_describe.h"

namespace weir {
namespace {

struct Freed {
    void operator()(void* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Freed>;

std::uint64_t empty_texts(const SketchColumn& column) {
    return static_cast<std::uint64_t>(std::count(column.texts.begin(), column.texts.end(), std::string_view()));
}

template <typename Sketch, typename Value>
void update_each(Sketch& sketch, const std::vector<Value>& values, const std::vector<std::uint64_t>& weights) {
    if (weights.empty()) return sketch.update_column(values);
    for (std::size_t i = 0; i < values.size(); ++i) {
        if constexpr (requires { sketch.total_weight(); })
            sketch.update(values[i], static_cast<decltype(sketch.total_weight())>(weights[i]));
    }
}

// Whatever is the same for all kinds.
template <typename Sketch>
class Held : public AnySketch {
public:
    using Params = typename Sketch::Params;

    Held(const SketchShape& shape, const Params& params) : AnySketch(shape), params_(params) {}

    static bool valid(const Params& params) { return Sketch::valid(params); }
    bool take_memory() { return replace(params_); }
    Status load(ByteSpan bytes) override { return sketch_->load(bytes); }
    Status merge(const AnySketch& other) override {
        const Sketch& from = *static_cast<const Held&>(other).sketch_;
        if constexpr (std::is_void_v<decltype(sketch_->merge(from))>) {
            sketch_->merge(from);
            return Status::success();
        } else {
            return sketch_->merge(from);
        }
    }
    Result<std::vector<std::byte>> bytes() override {
        std::vector<std::byte> bytes(sketch_->serialized_size());
        ByteWriter out(bytes);
        if (const Status written = sketch_->serialize(out); !written) return written.error();
        return bytes;
    }
    Status describe(JsonWriter& out, const SketchQuestions& questions, Problem& problem) override {
        return weir::describe(out, *sketch_, shape_, questions, problem);
    }

protected:
    // An empty one in new memory, if there is any; the former one stays until the next call.
    bool replace(const Params& params) {
        const Bytes need = Sketch::need(params);
        Memory memory(static_cast<std::byte*>(std::malloc(need)));
        if (!memory) return false;
        sketch_ = Sketch::create({memory.get(), need}, params);
        former_ = std::exchange(memory_, std::move(memory));
        params_ = params;
        return true;
    }

    Params params_;
    Memory memory_;
    Memory former_;
    Sketch* sketch_ = nullptr;
};

// Those that keep hashes, and so take anything.
template <typename Sketch>
class Hashed : public Held<Sketch> {
public:
    using Held<Sketch>::Held;
    void update(const SketchColumn& column) override {
        update_each(*this->sketch_, column.integers, column.weights);
        update_each(*this->sketch_, column.reals, column.weights);
        update_each(*this->sketch_, column.texts, column.weights);
        this->ignored_ += empty_texts(column);
    }
};

class HeldHll final : public Hashed<HllSketch> {
public:
    using Hashed::Hashed;
    Result<std::vector<std::byte>> bytes() override {
        const auto type = static_cast<HllType>((shape_.hll_bits - 4) / 2);
        std::vector<std::byte> bytes(sketch_->serialized_size(type));
        ByteWriter out(bytes);
        if (const Status written = sketch_->serialize(out, type); !written) return written.error();
        return bytes;
    }
};

class HeldTheta final : public Hashed<ThetaSketch> {
public:
    using Hashed::Hashed;
    Status merge(const AnySketch& other) override {
        const Status merged = Held::merge(other);
        sketch_->trim();  // as the reference's union does when it is asked for its result
        return merged;
    }
    Result<std::vector<std::byte>> bytes() override {
        Result<std::vector<std::byte>> plain = Held::bytes();
        if (!plain || shape_.theta_version != 4) return plain;
        const Result<Bytes> size = ThetaSketch::compress(*plain);
        if (!size) return size.error();
        plain->resize(*size);
        return plain;
    }
};

template <typename T>
class HeldKll final : public Held<KllSketch<T>> {
public:
    using Held<KllSketch<T>>::Held;
    void update(const SketchColumn& column) override {
        const std::uint64_t before = this->sketch_->n();
        if constexpr (std::is_same_v<T, double>) {
            this->sketch_->update_column(column.reals);
        } else {
            values_.clear();
            for (const double value : column.reals) values_.push_back(static_cast<float>(value));
            this->sketch_->update_column(values_);
        }
        this->ignored_ += column.reals.size() - (this->sketch_->n() - before);
    }

private:
    std::vector<float> values_;
};

class HeldTDigest final : public Held<TDigest> {
public:
    using Held::Held;
    void update(const SketchColumn& column) override {
        const std::uint64_t before = sketch_->n();
        sketch_->update_column(column.reals);
        ignored_ += column.reals.size() - (sketch_->n() - before);
    }
    Result<std::vector<std::byte>> bytes() override {
        const Result<std::vector<std::byte>> wide = Held::bytes();
        return wide.ok() && shape_.items == ItemType::real32 ? narrow(*wide) : wide;
    }

private:
    // The form for floats: means of 4 bytes, weights of 4.
    static Result<std::vector<std::byte>> narrow(const std::vector<std::byte>& wide) {
        constexpr std::uint8_t preamble_of_many = 2;
        constexpr Bytes header_bytes = 8;
        ByteReader in(wide);
        std::vector<std::byte> bytes(wide.size());
        ByteWriter out(bytes);
        const bool many = std::to_integer<std::uint8_t>(wide[0]) == preamble_of_many;
        out.bytes(in.bytes(header_bytes));
        if (many) out.bytes(in.bytes(2 * sizeof(std::uint32_t)));
        const auto real = [&] { out.write(static_cast<float>(in.read<double>())); };
        for (int i = 0; i < (many ? 2 : 1) && in.remaining() > 0; ++i) real();  // min and max, or the only value
        while (in.remaining() > 0) {
            real();
            const auto weight = in.read<std::uint64_t>();
            if (weight > std::numeric_limits<std::uint32_t>::max()) return Error::out_of_range;
            out.write(static_cast<std::uint32_t>(weight));
        }
        bytes.resize(out.size());
        return bytes;
    }
};

template <typename Item>
class HeldFrequent final : public Held<FrequentItems<Item>> {
public:
    using Params = typename FrequentItems<Item>::Params;
    using Held<FrequentItems<Item>>::Held;
    void update(const SketchColumn& column) override {
        std::size_t longest = 0;
        for (const std::string_view text : column.texts) longest = std::max(longest, text.size());
        if (longest > this->params_.item_bytes_max) grow(longest);
        if constexpr (std::is_same_v<Item, std::int64_t>)
            update_each(*this->sketch_, column.integers, column.weights);
        else if constexpr (std::is_same_v<Item, double>)
            update_each(*this->sketch_, column.reals, column.weights);
        else
            update_each(*this->sketch_, column.texts, column.weights);
    }
    Result<std::vector<std::byte>> bytes() override {
        if (this->sketch_->items_cut() > 0) return Error::no_memory;  // there was none to grow
        return Held<FrequentItems<Item>>::bytes();
    }
    std::size_t text_bytes_max() const override {
        Params params{.lg_max = this->shape_.lg_map, .item_bytes_max = std::numeric_limits<std::uint16_t>::max()};
        while (!FrequentItems<Item>::valid(params)) params.item_bytes_max /= 2;
        return params.item_bytes_max;
    }

private:
    // Strings need room for the longest.
    void grow(std::size_t longest) {
        Params params = this->params_;
        const std::size_t room = std::max(longest, std::size_t{params.item_bytes_max} * 2);
        params.item_bytes_max = static_cast<std::uint16_t>(std::min(room, text_bytes_max()));
        const FrequentItems<Item>& former = *this->sketch_;
        if (this->replace(params)) this->sketch_->merge(former);
    }
};

template <typename Kind>
Result<std::unique_ptr<AnySketch>> held(const SketchShape& shape, const typename Kind::Params& params, Problem& problem) {
    if (!Kind::valid(params)) {
        problem.what = "a " + std::string(name(shape.kind)) + " sketch cannot be as large, or as small, as this";
        return Error::out_of_range;
    }
    auto sketch = std::make_unique<Kind>(shape, params);
    if (!sketch->take_memory()) {
        problem.what = "there is no memory for a " + std::string(name(shape.kind)) + " sketch of this size";
        return Error::no_memory;
    }
    return std::unique_ptr<AnySketch>(std::move(sketch));
}

constexpr std::uint64_t kll_values_max = std::uint64_t{1} << 56;  // what the sketch allows; it costs little

template <typename Weight>
Result<std::unique_ptr<AnySketch>> count_min(const SketchShape& shape, Problem& problem) {
    typename CountMin<Weight>::Params params{.hashes = shape.hashes, .buckets = shape.buckets};
    if (shape.seed) params.seed = *shape.seed;
    return held<Hashed<CountMin<Weight>>>(shape, params, problem);
}

}  // namespace

Result<std::unique_ptr<AnySketch>> AnySketch::make(const SketchShape& shape, Problem& problem) {
    const bool floats = shape.items == ItemType::real32;
    const std::uint64_t seed = shape.seed.value_or(0);
    switch (shape.kind) {
        case SketchKind::hll: return held<HeldHll>(shape, {shape.lg_k}, problem);
        case SketchKind::theta: return held<HeldTheta>(shape, {shape.lg_k}, problem);
        case SketchKind::kll:
            if (floats) return held<HeldKll<float>>(shape, {shape.k, kll_values_max, seed}, problem);
            return held<HeldKll<double>>(shape, {shape.k, kll_values_max, seed}, problem);
        case SketchKind::tdigest: return held<HeldTDigest>(shape, {shape.k, 0}, problem);
        case SketchKind::frequent:
            if (shape.items == ItemType::integer)
                return held<HeldFrequent<std::int64_t>>(shape, {shape.lg_map, shape.item_bytes}, problem);
            if (shape.items == ItemType::real)
                return held<HeldFrequent<double>>(shape, {shape.lg_map, shape.item_bytes}, problem);
            return held<HeldFrequent<std::string_view>>(shape, {shape.lg_map, shape.item_bytes}, problem);
        case SketchKind::count_min:
            return shape.counters == ItemType::integer ? count_min<std::uint64_t>(shape, problem)
                                                       : count_min<double>(shape, problem);
        case SketchKind::none: break;
    }
    problem.what = "there is no such kind of sketch";
    return Error::invalid;
}

}  // namespace weir
