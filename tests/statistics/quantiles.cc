// KLL, t-digest, log-histogram: one question a trial, and whether the answer is as near as it is
// said to be.
#include <algorithm>
#include <cmath>

#include "sketches/kll.h"
#include "sketches/log_histogram.h"
#include "sketches/tdigest.h"
#include "tests/statistics/statistics.h"

namespace weir::statistics {

namespace {

// Feeds n values to each sketch in turn, and asks the rank of one of 19 numbers from 0.05 to 0.95.
// How the values lie is irrelevant to KLL, which only compares; a quarter of them are equal to
// others.
template <typename T>
class Question {
public:
    explicit Question(Random& random)
        : asked_(static_cast<T>(static_cast<double>(1 + random.below(19)) / 20)) {}
    T next(Random& random) {
        T value = static_cast<T>(random.unit());
        if (random.below(4) == 0) value = std::round(value * 100) / 100;
        below_ += value <= asked_;
        ++n_;
        return value;
    }
    std::vector<bool> answered(const KllSketch<T>& sketch) const {
        const double error =
            std::abs(sketch.rank(asked_) - static_cast<double>(below_) / static_cast<double>(n_));
        return {error <= sketch.rank_error(RankConfidence::percent_95),
                error <= sketch.rank_error(RankConfidence::percent_99)};
    }

private:
    T asked_;
    std::uint64_t below_ = 0;
    std::uint64_t n_ = 0;
};

template <typename T>
void of_kll_of(Table& table, const char* type) {
    using Sketch = KllSketch<T>;
    const std::vector<double> stated = {0.95, 0.99};
    for (const std::uint16_t k : {std::uint16_t{50}, std::uint16_t{200}})
        for (const std::uint64_t n : {100U, 1000U, 10000U, 100000U}) {
            const std::string parameters = "k " + std::to_string(k) + " " + type;
            Owned<Sketch> whole({.k = k});
            Owned<Sketch> part({.k = k});
            table.row({"kll", parameters, "whole", n}, stated, [&](Random& random) {
                Question<T> question(random);
                whole->reset(random.next());
                for (std::uint64_t i = 0; i < n; ++i) whole->update(question.next(random));
                return question.answered(*whole);
            });
            table.row({"kll", parameters, "merged of 16", n}, stated, [&](Random& random) {
                Question<T> question(random);
                whole->reset(random.next());
                for (std::uint64_t p = 0; p < 16; ++p) {
                    part->reset(random.next());
                    for (std::uint64_t i = p; i < n; i += 16) part->update(question.next(random));
                    if (!whole->merge(*part).ok()) return std::vector<bool>{false, false};
                }
                return question.answered(*whole);
            });
            InRoom<Sketch> settled({.k = k}, Sketch::need({.k = k}) / 2);
            table.row({"kll", parameters, "settled in half", n}, stated, [&](Random& random) {
                Question<T> question(random);
                settled->reset(random.next());
                for (std::uint64_t i = 0; i < n; ++i) settled->update(question.next(random));
                return question.answered(*settled);
            });
            if constexpr (requires { whole->shrink(k); }) {
                Owned<Sketch> shrunk({.k = k});
                table.row({"kll", parameters, "shrunk to k " + std::to_string(k / 2), n}, stated,
                          [&](Random& random) {
                              Question<T> question(random);
                              shrunk = Owned<Sketch>({.k = k, .seed = random.next()});
                              for (std::uint64_t i = 0; i < n; ++i) {
                                  if (i == n / 2) shrunk->shrink(k / 2);
                                  shrunk->update(question.next(random));
                              }
                              return question.answered(*shrunk);
                          });
            }
        }
}

constexpr double tails[] = {0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999};

}  // namespace

void of_kll(Table& table) {
    of_kll_of<double>(table, "double");
    of_kll_of<float>(table, "float");
}

// t-digest guarantees nothing. What tdigest.h says of its error is asked for in 99 of 100 trials.
void of_tdigest(Table& table) {
    const std::vector<double> stated = {0.99};
    for (const std::uint16_t k : {std::uint16_t{50}, std::uint16_t{100}, std::uint16_t{200}})
        for (const std::uint64_t n : {100U, 1000U, 10000U, 100000U})
            for (const std::uint64_t parts : {1U, 16U}) {
                Owned<TDigest> whole({.k = k});
                Owned<TDigest> part({.k = k});
                const std::string form =
                    parts == 1 ? "whole (about, no guarantee)" : "of 16 (about, no guarantee)";
                table.row(
                    {"tdigest", "k " + std::to_string(k), form, n}, stated, [&](Random& random) {
                        const double q = tails[random.below(std::size(tails))];
                        std::vector<double> values(n);
                        for (double& value : values) value = -std::log(1 - random.unit());
                        whole->reset();
                        for (std::uint64_t p = 0; p < parts; ++p) {
                            TDigest& into = parts == 1 ? *whole : *part;
                            part->reset();
                            for (std::uint64_t i = p; i < n; i += parts) into.update(values[i]);
                            if (parts > 1 && !whole->merge(*part).ok())
                                return std::vector<bool>{false};
                        }
                        const double told = whole->quantile(q);
                        const auto below = std::count_if(values.begin(), values.end(),
                                                         [told](double v) { return v < told; });
                        const auto upto = std::count_if(values.begin(), values.end(),
                                                        [told](double v) { return v <= told; });
                        const auto all = static_cast<double>(n);
                        const double off = std::max({0.0, static_cast<double>(below) / all - q,
                                                     q - static_cast<double>(upto) / all});
                        // A centroid's share, and one value of discreteness.
                        const double bound = q * (1 - q) * 4 *
                                                 std::max(1.0, std::log(all / (2.0 * k)) + 6) /
                                                 (2.0 * k) +
                                             1 / all;
                        return std::vector<bool>{off <= bound};
                    });
            }
}

void of_log_histogram(Table& table) {
    for (const std::uint8_t sub_bits : {std::uint8_t{2}, std::uint8_t{5}, std::uint8_t{8}})
        for (const std::uint64_t n : {10U, 100U, 1000U, 10000U, 100000U}) {
            const LogHistogram::Params params{
                .sub_bits = sub_bits, .lowest_exponent = -20, .octaves = 40};
            Owned<LogHistogram> whole(params);
            Owned<LogHistogram> part(params);
            table.row({"log-histogram", "sub_bits " + std::to_string(sub_bits), "merged of 2", n},
                      {certain}, [&](Random& random) {
                          const double q = static_cast<double>(random.below(1001)) / 1000;
                          std::vector<double> values(n);
                          whole->reset();
                          part->reset();
                          for (std::uint64_t i = 0; i < n; ++i) {
                              values[i] = std::ldexp(1 + random.unit(),
                                                     static_cast<int>(random.below(40)) - 20);
                              (i % 2 ? whole : part)->update(values[i]);
                          }
                          if (!whole->merge(*part).ok()) return std::vector<bool>{false};
                          const auto at = static_cast<std::ptrdiff_t>(std::max(
                                              1.0, std::ceil(q * static_cast<double>(n)))) -
                                          1;
                          std::nth_element(values.begin(), values.begin() + at, values.end());
                          const double truth = values[static_cast<std::size_t>(at)];
                          return std::vector<bool>{std::abs(whole->quantile(q) - truth) <=
                                                   truth * whole->relative_error()};
                      });
        }
}

}  // namespace weir::statistics
