// Prints a hash of all bytes and answers of each kind of sketch after long sequences of operations:
// whole, grown and settled sketches. sketch_bytes.py compares what x86-64, aarch64 and ARMv7 print.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <string>
#include <vector>

#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/log_histogram.h"
#include "sketches/tdigest.h"
#include "sketches/theta.h"
#include "tests/unit/sketches/sketch_support.h"

using namespace weir;

namespace {

// Everything that came, in order, as one number.
class Digest {
public:
    void add(std::uint64_t value) { state_ = murmur3_word(value, state_).h1; }
    void add(double value) { add(std::bit_cast<std::uint64_t>(value)); }
    void add(float value) { add(static_cast<double>(value)); }
    void add(ByteSpan bytes) { state_ = murmur3(bytes, state_).h1; }
    std::uint64_t value() const { return state_; }

private:
    std::uint64_t state_ = 1;
};

// Numbers of many sizes, some of them equal, by exact arithmetic.
double some_number(Random& random) {
    switch (random.below(4)) {
        case 0: return static_cast<double>(random.below(50)) / 4;
        case 1: return (random.unit() - 0.5) * 1e-5;
        case 2: return random.unit() * random.unit() * 1e9;
        default: return random.unit() - random.unit();
    }
}

// Sketches of the same parameters in three blocks: all they need, a half, and the least.
template <typename Sketch>
class Blocks {
public:
    Blocks(const typename Sketch::Params& params, Digest& digest) {
        const Bytes need = Sketch::need(params);
        Bytes sizes[] = {need, need, need};
        if constexpr (requires { Sketch::need_min(params); }) {
            sizes[1] = std::max(Sketch::need_min(params), need / 2);
            sizes[2] = Sketch::need_min(params);
        }
        for (std::size_t i = 0; i < 3; ++i) {
            digest.add(std::uint64_t{sizes[i]});
            memory_[i].resize(sizes[i]);
            sketches_[i] = Sketch::create(memory_[i], params);
        }
    }
    Sketch& operator[](std::size_t i) { return *sketches_[i]; }

private:
    std::vector<std::byte> memory_[3];
    Sketch* sketches_[3];
};

void answer(Digest& digest, HllSketch& sketch) {
    for (HllType type : {HllType::hll4, HllType::hll6, HllType::hll8})
        digest.add(bytes_of(sketch, type));
    digest.add(sketch.estimate());
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        digest.add(sketch.lower_bound(sigmas));
        digest.add(sketch.upper_bound(sigmas));
    }
}
void answer(Digest& digest, ThetaSketch& sketch) {
    auto bytes = bytes_of(sketch);
    digest.add(bytes);
    bytes.resize(*ThetaSketch::compress(bytes));
    digest.add(bytes);
    digest.add(sketch.estimate());
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        digest.add(sketch.lower_bound(sigmas));
        digest.add(sketch.upper_bound(sigmas));
    }
}
template <typename T>
void answer(Digest& digest, KllSketch<T>& sketch) {
    digest.add(bytes_of(sketch));
    digest.add(sketch.rank_error());
    if (sketch.empty()) return;
    for (int i = 0; i <= 20; ++i) {
        digest.add(sketch.quantile(i / 20.0));
        digest.add(sketch.quantile_lower_bound(i / 20.0));
        digest.add(sketch.rank(static_cast<T>(i / 20.0)));
    }
}
void answer(Digest& digest, TDigest& sketch) {
    digest.add(bytes_of(sketch));
    if (sketch.empty()) return;
    for (int i = 0; i <= 20; ++i) {
        digest.add(sketch.quantile(i / 20.0));
        digest.add(sketch.rank(i / 20.0));
    }
}
template <typename Item>
void answer(Digest& digest, FrequentItems<Item>& sketch) {
    digest.add(bytes_of(sketch));
    digest.add(sketch.maximum_error());
    std::vector<typename FrequentItems<Item>::Row> rows(sketch.size());
    rows.resize(sketch.top(rows));
    for (const auto& row : rows) digest.add(row.estimate);
}
template <typename Weight>
void answer(Digest& digest, CountMin<Weight>& sketch) {
    if (sketch.mode() == CountMinMode::compatible) digest.add(bytes_of(sketch));
    for (int item = 0; item < 20; ++item) digest.add(sketch.estimate(item));
    digest.add(sketch.error_bound());
}
void answer(Digest& digest, LogHistogram& sketch) {
    digest.add(sketch.n());
    if (sketch.empty()) return;
    for (int i = 0; i <= 20; ++i) {
        digest.add(sketch.quantile(i / 20.0));
        digest.add(sketch.rank(i / 20.0));
    }
}

// Random operations on three sketches; update(sketch, random) is a few updates, also by column.
template <typename Sketch, typename Update>
void sequence(const char* kind, std::uint64_t seed, const typename Sketch::Params& params,
              Update update) {
    Digest digest;
    Blocks<Sketch> sketches(params, digest);
    Random random(seed);
    for (int step = 0; step < 60; ++step) {
        Sketch& sketch = sketches[random.below(3)];
        switch (random.below(10)) {
            case 0: {
                Sketch& other = sketches[random.below(3)];
                if (&other != &sketch) (void)sketch.merge(other);
                break;
            }
            case 1:
                if constexpr (requires(ByteSpan bytes) { sketch.load(bytes); })
                    if (sketch.serialized_size() > 0)
                        digest.add(std::uint64_t{sketch.load(bytes_of(sketch)).ok()});
                break;
            case 2:
                if constexpr (requires { sketch.fold(std::uint8_t{4}); })
                    if (sketch.lg_k() > 5 && random.below(4) == 0)
                        sketch.fold(static_cast<std::uint8_t>(sketch.lg_k() - 1));
                if constexpr (requires { sketch.trim(); }) sketch.trim();
                if constexpr (requires { sketch.shrink(std::uint16_t{8}); })
                    if (sketch.k() > 16 && random.below(4) == 0)
                        sketch.shrink(static_cast<std::uint16_t>(sketch.k() - 5));
                break;
            case 3:
                if (random.below(6) == 0) sketch.reset();
                break;
            default: update(sketch, random);
        }
        answer(digest, sketch);
    }
    std::printf("%s %llu %016llx\n", kind, static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(digest.value()));
}

template <typename Sketch>
void numbers(Sketch& sketch, Random& random) {
    std::vector<double> column(random.below(1500));
    for (double& value : column) value = some_number(random);
    if constexpr (requires { sketch.update_column(std::span<const double>(column)); })
        sketch.update_column(std::span<const double>(column));
    else
        for (double value : column) sketch.update(static_cast<float>(value));
    sketch.update(1);
}

template <typename Sketch>
void integers(Sketch& sketch, Random& random) {
    std::vector<std::int64_t> column(random.below(1500));
    const std::uint64_t range = std::uint64_t{1} << random.below(40);
    for (std::int64_t& value : column) value = static_cast<std::int64_t>(random.below(range)) - 100;
    sketch.update_column(std::span<const std::int64_t>(column));
    sketch.update(std::int64_t{1} << random.below(60));
}

template <typename Sketch>
void texts(Sketch& sketch, Random& random) {
    for (std::uint64_t n = random.below(800); n > 0; --n) {
        std::string text;
        for (std::uint64_t length = random.below(20); length > 0; --length)
            text += static_cast<char>('a' + random.below(1 + length));
        sketch.update(std::string_view(text));
    }
}

}  // namespace

int main() {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        const auto lg = static_cast<std::uint8_t>(5 + seed % 7);
        const auto k = static_cast<std::uint16_t>(20 + 30 * (seed % 7));
        sequence<HllSketch>("hll-integers", seed, {lg}, integers<HllSketch>);
        sequence<HllSketch>("hll-texts", seed, {lg}, texts<HllSketch>);
        sequence<HllSketch>("hll-reals", seed, {lg}, numbers<HllSketch>);
        sequence<ThetaSketch>("theta-integers", seed, {lg}, integers<ThetaSketch>);
        sequence<ThetaSketch>("theta-texts", seed, {lg}, texts<ThetaSketch>);
        sequence<KllSketch<double>>("kll-doubles", seed, {.k = k, .seed = seed},
                                    numbers<KllSketch<double>>);
        sequence<KllSketch<float>>("kll-floats", seed, {.k = k, .seed = seed},
                                   numbers<KllSketch<float>>);
        sequence<TDigest>("tdigest", seed, {.k = k}, numbers<TDigest>);
        sequence<TDigest>("tdigest-small-buffer", seed, {.k = k, .buffer_values = 50},
                          numbers<TDigest>);
        sequence<LogHistogram>("loghistogram", seed, {}, numbers<LogHistogram>);
        sequence<FrequentIntegers>("frequent-integers", seed, {.lg_max = lg},
                                   integers<FrequentIntegers>);
        sequence<FrequentStrings>("frequent-texts", seed, {.lg_max = lg, .item_bytes_max = 12},
                                  texts<FrequentStrings>);
        sequence<FrequentReals>("frequent-reals", seed, {.lg_max = lg}, numbers<FrequentReals>);
        sequence<CountMinIntegers>("countmin-integers", seed, {.hashes = 3, .buckets = 100},
                                   integers<CountMinIntegers>);
        sequence<CountMinIntegers>("countmin-texts", seed, {.hashes = 4, .buckets = 128},
                                   texts<CountMinIntegers>);
        sequence<CountMinReals>("countmin-reals", seed, {.hashes = 2, .buckets = 37},
                                numbers<CountMinReals>);
        sequence<CountMinIntegers>("countmin-local", seed,
                                   {.hashes = 4, .buckets = 256, .mode = CountMinMode::local},
                                   integers<CountMinIntegers>);
    }
    return 0;
}
