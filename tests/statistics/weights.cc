// Frequent items, whose bounds are certain for every item, and Count-Min, whose error bound holds
// with 1 - e^-hashes.
#include <algorithm>
#include <cmath>
#include <string>

#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "tests/statistics/statistics.h"

namespace weir::statistics {

namespace {

constexpr std::uint64_t items = 20000;

// Items that come about as often as 1, 1/2, 1/3, ...: a power of a uniform number.
std::int64_t skewed(Random& random) {
    return static_cast<std::int64_t>(
               std::exp(random.unit() * std::log(static_cast<double>(items)))) -
           1;
}

// For every item: lower <= truth <= upper; and for all, the error is at most what is stated of this
// lg_max.
std::vector<bool> bounds_hold(const FrequentIntegers& sketch,
                              const std::vector<std::uint64_t>& truth) {
    bool bounds = true;
    std::uint64_t total = 0;
    for (std::size_t item = 0; item < truth.size(); ++item) {
        const auto key = static_cast<std::int64_t>(item);
        bounds &= sketch.lower_bound(key) <= truth[item] && truth[item] <= sketch.upper_bound(key);
        total += truth[item];
    }
    const double most = 3.5 / std::exp2(sketch.lg_max()) * static_cast<double>(total);
    return {bounds && sketch.total_weight() == total,
            static_cast<double>(sketch.maximum_error()) <= most};
}

}  // namespace

void of_frequent_items(Table& table) {
    const std::vector<double> stated = {certain, certain};
    for (const std::uint8_t lg_max : {std::uint8_t{5}, std::uint8_t{10}})
        for (const std::uint64_t n : {100U, 1000U, 10000U, 100000U}) {
            const std::string parameters = "lg_max " + std::to_string(lg_max);
            std::vector<std::uint64_t> truth(items);
            Owned<FrequentIntegers> whole({.lg_max = lg_max});
            Owned<FrequentIntegers> part({.lg_max = lg_max});
            const auto feed = [&](FrequentIntegers& sketch, std::uint64_t count, Random& random) {
                for (std::uint64_t i = 0; i < count; ++i) {
                    const std::int64_t item = skewed(random);
                    const std::uint64_t weight = random.below(8) == 0 ? 1 + random.below(20) : 1;
                    sketch.update(item, weight);
                    truth[static_cast<std::size_t>(item)] += weight;
                }
            };
            table.row({"frequent", parameters, "whole", n}, stated, [&](Random& random) {
                std::fill(truth.begin(), truth.end(), 0);
                whole->reset();
                feed(*whole, n, random);
                return bounds_hold(*whole, truth);
            });
            table.row({"frequent", parameters, "merged of 4", n}, stated, [&](Random& random) {
                std::fill(truth.begin(), truth.end(), 0);
                whole->reset();
                for (int p = 0; p < 4; ++p) {
                    part->reset();
                    feed(*part, n / 4, random);
                    whole->merge(*part);
                }
                return bounds_hold(*whole, truth);
            });
            InRoom<FrequentIntegers> settled({.lg_max = lg_max},
                                             FrequentIntegers::need({.lg_max = lg_max}) / 2);
            table.row({"frequent", parameters, "settled in half", n}, stated, [&](Random& random) {
                std::fill(truth.begin(), truth.end(), 0);
                settled->reset();
                feed(*settled, n, random);
                return bounds_hold(*settled, truth);
            });
        }
}

void of_count_min(Table& table) {
    for (const CountMinMode mode : {CountMinMode::compatible, CountMinMode::local})
        for (const auto& [hashes, buckets] :
             {std::pair<std::uint8_t, std::uint32_t>{1, 64}, {2, 256}, {4, 2048}})
            for (const std::uint64_t n : {1000U, 10000U, 100000U}) {
                Owned<CountMinIntegers> sketch(
                    {.hashes = hashes, .buckets = buckets, .mode = mode});
                const std::string parameters =
                    std::to_string(hashes) + " x " + std::to_string(buckets);
                const char* form = mode == CountMinMode::local ? "local" : "compatible";
                // Never too low, and within the error bound; of an item that came, by chance a
                // heavy or a light one.
                table.row({"countmin", parameters, form, n}, {certain, 1 - std::exp(-1.0 * hashes)},
                          [&](Random& random) {
                              sketch->reset();
                              const std::uint64_t base = random.next();
                              const std::uint64_t asked = random.below(n);
                              std::uint64_t truth = 0;
                              for (std::uint64_t i = 0; i < n; ++i) {
                                  const std::uint64_t weight = i % 50 == 0 ? 50 : 1;
                                  sketch->update(base + i * i, weight);
                                  truth += i * i == asked * asked ? weight : 0;
                              }
                              const auto told =
                                  static_cast<double>(sketch->estimate(base + asked * asked));
                              const auto exact = static_cast<double>(truth);
                              return std::vector<bool>{told >= exact,
                                                       told <= exact + sketch->error_bound()};
                          });
            }
}

}  // namespace weir::statistics
