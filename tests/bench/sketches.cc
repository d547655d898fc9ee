// What an update and a merge of each sketch cost, beside a floor: the least that any sketch of the
// kind would have to do with the same input. tests/bench/sketches.py runs this and makes the table;
// alone:
//   bench_sketches list                    the names of the lines
//   bench_sketches run LINE COUNT MOST     COUNT updates or merges, for callgrind; input for MOST
//   is prepared bench_sketches time COUNT LINE...      nanoseconds of this thread's CPU time for
//   each, one JSON object a line
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
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

constexpr std::size_t batch = 1024;  // values a column, as the agent has them

// Runs count updates (or merges) on an empty sketch; what it returns depends on them, so none can
// be left out.
using Body = std::function<std::uint64_t(std::size_t count)>;
struct Line {
    std::string name;
    std::function<Body(std::size_t most)> prepare;
};

std::uint64_t bits_of(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// --- inputs --------------------------------------------------------------------------------------

std::vector<std::int64_t> distinct_longs(std::size_t count) {
    std::vector<std::int64_t> values(count);
    Random random(1);
    for (auto& value : values) value = static_cast<std::int64_t>(random.next());
    return values;
}

std::vector<double> distinct_doubles(std::size_t count) {
    std::vector<double> values(count);
    Random random(2);
    for (double& value : values) value = random.unit() * 1000;
    return values;
}

struct Texts {
    explicit Texts(std::size_t count) : bytes(12 * count) {
        for (std::size_t i = 0; i < count; ++i) {
            char text[16];
            std::snprintf(text, sizeof text, "sen-%08x", static_cast<unsigned>(i * 2654435761U));
            std::memcpy(&bytes[12 * i], text, 12);
            views.emplace_back(&bytes[12 * i], 12);
        }
    }
    std::vector<char> bytes;
    std::vector<std::string_view> views;
};

// Items 1 to 2^20 with weights 1 / item^exponent, each a 64-bit key.
std::vector<std::int64_t> zipf(std::size_t count, double exponent, std::uint64_t seed) {
    std::vector<double> sums(std::size_t{1} << 20);
    double sum = 0;
    for (std::size_t i = 0; i < sums.size(); ++i)
        sums[i] = sum += std::pow(static_cast<double>(i + 1), -exponent);
    std::vector<std::int64_t> values(count);
    Random random(seed);
    for (auto& value : values) {
        const auto item =
            std::lower_bound(sums.begin(), sums.end(), random.unit() * sum) - sums.begin();
        value = static_cast<std::int64_t>(murmur3_word(static_cast<std::uint64_t>(item)).h1);
    }
    return values;
}

// --- subjects ------------------------------------------------------------------------------------

std::uint64_t answer(const HllSketch& sketch) { return bits_of(sketch.estimate()); }
std::uint64_t answer(const ThetaSketch& sketch) { return sketch.theta(); }
std::uint64_t answer(const KllSketch<double>& sketch) { return bits_of(sketch.quantile(0.5)); }
std::uint64_t answer(TDigest& sketch) { return bits_of(sketch.quantile(0.5)); }
std::uint64_t answer(const FrequentIntegers& sketch) { return sketch.maximum_error(); }
std::uint64_t answer(const CountMinIntegers& sketch) { return sketch.estimate(1); }
std::uint64_t answer(const LogHistogram& sketch) { return bits_of(sketch.quantile(0.5)); }

const std::vector<std::int64_t>& items_of(const std::vector<std::int64_t>& values) {
    return values;
}
const std::vector<double>& items_of(const std::vector<double>& values) { return values; }
const std::vector<Hash128>& items_of(const std::vector<Hash128>& values) { return values; }
const std::vector<std::string_view>& items_of(const Texts& texts) { return texts.views; }

template <typename Sketch, typename Input>
Line one_at_a_time(std::string name, typename Sketch::Params params, Input (*input)(std::size_t)) {
    return {std::move(name), [params, input](std::size_t most) -> Body {
                auto values = std::make_shared<Input>(input(most));
                auto sketch = std::make_shared<Owned<Sketch>>(params);
                return [values, sketch](std::size_t count) {
                    Sketch& into = **sketch;
                    into.reset();
                    const auto* items = items_of(*values).data();
                    for (std::size_t i = 0; i < count; ++i) into.update(items[i]);
                    return answer(into);
                };
            }};
}

template <typename Sketch, typename Input>
Line by_column(std::string name, typename Sketch::Params params, Input (*input)(std::size_t)) {
    return {std::move(name), [params, input](std::size_t most) -> Body {
                auto values = std::make_shared<Input>(input(most));
                auto sketch = std::make_shared<Owned<Sketch>>(params);
                return [values, sketch](std::size_t count) {
                    Sketch& into = **sketch;
                    into.reset();
                    const std::span items(items_of(*values));
                    for (std::size_t i = 0; i < count; i += batch)
                        into.update_column(items.subspan(i, std::min(batch, count - i)));
                    return answer(into);
                };
            }};
}

// Merges other into a fresh copy of target, count times. The copy alone is the floor's line.
template <typename Sketch, typename Fill>
void merges(std::vector<Line>& lines, const std::string& name, typename Sketch::Params first,
            typename Sketch::Params second, Fill fill) {
    for (const bool merging : {true, false})
        lines.push_back({name + (merging ? "/merge" : "/copy"), [=](std::size_t) -> Body {
                             auto target = std::make_shared<Owned<Sketch>>(first);
                             auto other = std::make_shared<Owned<Sketch>>(second);
                             auto copy = std::make_shared<Owned<Sketch>>(first);
                             fill(**target, 1);
                             fill(**other, 2);
                             return [=](std::size_t count) {
                                 std::uint64_t sum = 0;
                                 for (std::size_t i = 0; i < count; ++i) {
                                     std::memcpy(copy->memory().data(), target->memory().data(),
                                                 copy->memory().size());
                                     if (merging) (void)(*copy)->merge(**other);
                                     sum += std::to_integer<std::uint64_t>(
                                         copy->memory()[i % copy->memory().size()]);
                                 }
                                 return sum;
                             };
                         }});
}

// --- floors --------------------------------------------------------------------------------------

// each(item) is a number that takes all of the floor's work to know.
template <typename Input, typename Each>
Line floor_of(std::string name, Input (*input)(std::size_t), Each each) {
    return {std::move(name), [input, each](std::size_t most) -> Body {
                auto values = std::make_shared<Input>(input(most));
                return [values, each](std::size_t count) {
                    auto mine = each;  // with its own counters, if it has any
                    const auto* items = items_of(*values).data();
                    std::uint64_t sum = 0;
                    for (std::size_t i = 0; i < count; ++i) sum += mine(items[i]);
                    return sum;
                };
            }};
}

Line sum_of_doubles(std::string name) {
    return {std::move(name), [](std::size_t most) -> Body {
                auto values = std::make_shared<std::vector<double>>(distinct_doubles(most));
                return [values](std::size_t count) {
                    const double* items = values->data();
                    double sum = 0;
                    for (std::size_t i = 0; i < count; ++i) sum += items[i];
                    return bits_of(sum);
                };
            }};
}

// Adds one to a counter of a bare array of 2^Lg.
template <unsigned Lg>
struct Increment {
    std::vector<std::uint64_t> counters = std::vector<std::uint64_t>(std::size_t{1} << Lg);
    std::uint64_t operator()(std::uint64_t at) { return ++counters[at >> (64 - Lg)]; }
};

std::uint64_t hashed(std::int64_t key) {
    const Hash128 hash = hash_integer(key);
    return hash.h1 ^ hash.h2;
}

std::vector<Hash128> hashes(std::size_t count) {
    std::vector<Hash128> found;
    for (std::int64_t key : distinct_longs(count)) found.push_back(hash_integer(key));
    return found;
}
std::vector<std::int64_t> zipf_keys(std::size_t count) { return zipf(count, 1.1, 3); }
std::vector<std::int64_t> steep_zipf_keys(std::size_t count) { return zipf(count, 1.5, 3); }
Texts texts(std::size_t count) { return Texts(count); }

std::vector<Line> all_lines() {
    std::vector<Line> lines;
    constexpr HllSketch::Params hll{12};
    lines.push_back(one_at_a_time<HllSketch>("hll-longs/update", hll, distinct_longs));
    lines.push_back(by_column<HllSketch>("hll-longs/column", hll, distinct_longs));
    lines.push_back(floor_of("hll-longs/floor", distinct_longs, hashed));
    lines.push_back(one_at_a_time<HllSketch>("hll-strings/update", hll, texts));
    lines.push_back(by_column<HllSketch>("hll-strings/column", hll, texts));
    const auto hashed_text = [](std::string_view text) {
        const Hash128 hash = hash_text(text);
        return hash.h1 ^ hash.h2;
    };
    lines.push_back(floor_of("hll-strings/floor", texts, hashed_text));
    const auto of_hash = [](Hash128 hash) { return hash.h1 ^ hash.h2; };
    lines.push_back(one_at_a_time<HllSketch>("hll-hashed/update", hll, hashes));
    lines.push_back(by_column<HllSketch>("hll-hashed/column", hll, hashes));
    lines.push_back(floor_of("hll-hashed/floor", hashes, of_hash));

    constexpr ThetaSketch::Params theta{12};
    lines.push_back(one_at_a_time<ThetaSketch>("theta-longs/update", theta, distinct_longs));
    lines.push_back(by_column<ThetaSketch>("theta-longs/column", theta, distinct_longs));
    lines.push_back(floor_of("theta-longs/floor", distinct_longs, hashed));

    constexpr KllSketch<double>::Params kll{.k = 200};
    for (const std::string row : {"kll-doubles", "kll-long"}) {
        lines.push_back(one_at_a_time<KllSketch<double>>(row + "/update", kll, distinct_doubles));
        lines.push_back(by_column<KllSketch<double>>(row + "/column", kll, distinct_doubles));
        lines.push_back(sum_of_doubles(row + "/floor"));
    }

    constexpr TDigest::Params tdigest{.k = 100};
    lines.push_back(one_at_a_time<TDigest>("tdigest-doubles/update", tdigest, distinct_doubles));
    lines.push_back(by_column<TDigest>("tdigest-doubles/column", tdigest, distinct_doubles));
    lines.push_back(sum_of_doubles("tdigest-doubles/floor"));

    constexpr FrequentIntegers::Params frequent{.lg_max = 10};
    const auto hash_and_count = [count = Increment<10>()](std::int64_t key) mutable {
        return count(hashed(key));
    };
    lines.push_back(one_at_a_time<FrequentIntegers>("frequent-zipf/update", frequent, zipf_keys));
    lines.push_back(by_column<FrequentIntegers>("frequent-zipf/column", frequent, zipf_keys));
    lines.push_back(floor_of("frequent-zipf/floor", zipf_keys, hash_and_count));
    lines.push_back(
        one_at_a_time<FrequentIntegers>("frequent-steep/update", frequent, steep_zipf_keys));
    lines.push_back(
        by_column<FrequentIntegers>("frequent-steep/column", frequent, steep_zipf_keys));
    lines.push_back(floor_of("frequent-steep/floor", steep_zipf_keys, hash_and_count));

    constexpr CountMinIntegers::Params compatible{.hashes = 4, .buckets = 2048};
    lines.push_back(
        one_at_a_time<CountMinIntegers>("countmin-longs/update", compatible, distinct_longs));
    lines.push_back(
        by_column<CountMinIntegers>("countmin-longs/column", compatible, distinct_longs));
    lines.push_back(floor_of("countmin-longs/floor", distinct_longs, [](std::int64_t key) {
        return hash_integer(key, 1).h1 ^ hash_integer(key, 2).h1 ^ hash_integer(key, 3).h1 ^
               hash_integer(key, 4).h1;
    }));
    constexpr CountMinIntegers::Params local{
        .hashes = 4, .buckets = 2048, .mode = CountMinMode::local};
    lines.push_back(
        one_at_a_time<CountMinIntegers>("countmin-local/update", local, distinct_longs));
    lines.push_back(by_column<CountMinIntegers>("countmin-local/column", local, distinct_longs));
    lines.push_back(floor_of("countmin-local/floor", distinct_longs, hashed));
    lines.push_back(one_at_a_time<CountMinIntegers>("countmin-local-hashed/update", local, hashes));
    lines.push_back(by_column<CountMinIntegers>("countmin-local-hashed/column", local, hashes));
    lines.push_back(floor_of("countmin-local-hashed/floor", hashes, of_hash));

    lines.push_back(
        one_at_a_time<LogHistogram>("loghistogram-doubles/update", {}, distinct_doubles));
    lines.push_back(by_column<LogHistogram>("loghistogram-doubles/column", {}, distinct_doubles));
    lines.push_back(floor_of(
        "loghistogram-doubles/floor", distinct_doubles,
        [count = Increment<11>()](double value) mutable { return count(bits_of(value) << 5); }));

    merges<HllSketch>(lines, "hll-merge", hll, hll, [](HllSketch& sketch, std::int64_t seed) {
        for (std::int64_t i = 0; i < 100000; ++i) sketch.update(seed * 50000 + i);
    });
    merges<KllSketch<double>>(lines, "kll-merge", {.k = 200, .seed = 1}, {.k = 200, .seed = 2},
                              [](KllSketch<double>& sketch, std::uint64_t seed) {
                                  Random random(seed);
                                  for (int i = 0; i < 1000000; ++i) sketch.update(random.unit());
                              });
    merges<FrequentIntegers>(lines, "frequent-merge", frequent, frequent,
                             [](FrequentIntegers& sketch, std::uint64_t seed) {
                                 sketch.update_column(zipf(1000000, 1.1, seed));
                             });
    return lines;
}

// --- measuring -----------------------------------------------------------------------------------

double thread_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

volatile std::uint64_t kept;

double seconds(const Body& body, std::size_t count) {
    const double began = thread_seconds();
    kept = body(count);
    return thread_seconds() - began;
}

const Line& line_named(const std::vector<Line>& lines, std::string_view name) {
    for (const Line& line : lines)
        if (line.name == name) return line;
    std::fprintf(stderr, "bench_sketches: no line %.*s\n", static_cast<int>(name.size()),
                 name.data());
    std::exit(2);
}

// All lines in turn, so that whatever else the machine does meets all of them; the least time
// counts, since load only adds.
void time_lines(const std::vector<Line>& lines, std::size_t count, std::span<char*> names) {
    constexpr int rounds = 7;
    std::vector<Body> bodies;
    for (const char* name : names) bodies.push_back(line_named(lines, name).prepare(count));
    constexpr double never = std::numeric_limits<double>::infinity();
    std::vector<double> shorter(bodies.size(), never);
    std::vector<double> longer(bodies.size(), never);
    for (int round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < bodies.size(); ++i) {
            shorter[i] = std::min(shorter[i], seconds(bodies[i], count / 4));
            longer[i] = std::min(longer[i], seconds(bodies[i], count));
        }
    for (std::size_t i = 0; i < bodies.size(); ++i)
        std::printf("{\"line\": \"%s\", \"ns\": %.2f}\n", names[i],
                    (longer[i] - shorter[i]) * 1e9 / static_cast<double>(count - count / 4));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view mode = argc > 1 ? argv[1] : "";
    const std::vector<Line> lines = all_lines();
    if (mode == "list") {
        for (const Line& line : lines) std::printf("%s\n", line.name.c_str());
        return 0;
    }
    if (mode == "run" && argc == 5) {
        const Body body = line_named(lines, argv[2]).prepare(std::strtoull(argv[4], nullptr, 10));
        kept = body(std::strtoull(argv[3], nullptr, 10));
        return 0;
    }
    if (mode == "time" && argc > 3) {
        time_lines(lines, std::strtoull(argv[2], nullptr, 10), std::span(argv + 3, argv + argc));
        return 0;
    }
    std::fprintf(stderr, "usage: bench_sketches list | run LINE COUNT MOST | time COUNT LINE...\n");
    return 2;
}
