// HLL and Theta: the number of different items lies within the bounds at 1, 2 and 3 sigma as often
// as it is said to.
#include "sketches/hll.h"
#include "sketches/theta.h"
#include "tests/statistics/statistics.h"

namespace weir::statistics {

namespace {

const std::vector<double> sigmas = {0.6827, 0.9545, 0.9973};
constexpr std::uint64_t sizes[] = {10, 100, 1000, 10000, 100000, 1000000};

template <typename Sketch>
std::vector<bool> within(const Sketch& sketch, std::uint64_t truth) {
    std::vector<bool> holds;
    for (int s = 1; s <= 3; ++s) {
        const auto exact = static_cast<double>(truth);
        holds.push_back(sketch.lower_bound(s) <= exact && exact <= sketch.upper_bound(s));
    }
    return holds;
}

// Items first, first + 1, ...: different ones, since a trial's first is at random.
template <typename Sketch>
void fill(Sketch& sketch, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i)
        sketch.update(hash_integer(static_cast<std::int64_t>(first + i)));
}

}  // namespace

void of_hll(Table& table) {
    for (const std::uint8_t lg_k : {std::uint8_t{8}, std::uint8_t{12}})
        for (const std::uint64_t n : sizes) {
            const std::string parameters = "lg_k " + std::to_string(lg_k);
            Owned<HllSketch> whole({lg_k});
            Owned<HllSketch> part({lg_k});
            table.row({"hll", parameters, "whole", n}, sigmas, [&](Random& random) {
                whole->reset();
                fill(*whole, random.next(), n);
                return within(*whole, n);
            });
            table.row({"hll", parameters, "merged of 4, overlapping", n}, sigmas,
                      [&](Random& random) {
                          whole->reset();
                          const std::uint64_t first = random.next();
                          const std::uint64_t step = n / 5;
                          for (std::uint64_t i = 0; i < 4; ++i) {
                              part->reset();
                              fill(*part, first + i * step, i < 3 ? 2 * step : n - 3 * step);
                              whole->merge(*part);
                          }
                          return within(*whole, n);
                      });
            table.row({"hll", parameters, "folded to lg_k " + std::to_string(lg_k - 2), n}, sigmas,
                      [&](Random& random) {
                          whole->reset();
                          fill(*whole, random.next(), n);
                          whole->fold(static_cast<std::uint8_t>(lg_k - 2));
                          return within(*whole, n);
                      });
            InRoom<HllSketch> settled({lg_k}, HllSketch::need({lg_k}) / 3);
            table.row({"hll", parameters, "settled in a third", n}, sigmas, [&](Random& random) {
                settled->reset();
                fill(*settled, random.next(), n);
                return within(*settled, n);
            });
        }
}

void of_theta(Table& table) {
    for (const std::uint8_t lg_k : {std::uint8_t{5}, std::uint8_t{8}, std::uint8_t{12}})
        for (const std::uint64_t n : sizes) {
            const std::string parameters = "lg_k " + std::to_string(lg_k);
            Owned<ThetaSketch> whole({lg_k});
            Owned<ThetaSketch> part({lg_k});
            table.row({"theta", parameters, "whole", n}, sigmas, [&](Random& random) {
                whole->reset();
                fill(*whole, random.next(), n);
                return within(*whole, n);
            });
            table.row({"theta", parameters, "union of 2, trimmed", n}, sigmas, [&](Random& random) {
                whole->reset();
                part->reset();
                const std::uint64_t first = random.next();
                fill(*whole, first, n / 2);
                fill(*part, first + n / 3, n - n / 3);
                whole->merge(*part);
                whole->trim();
                return within(*whole, n);
            });
            table.row({"theta", parameters, "intersection of a third", n}, sigmas,
                      [&](Random& random) {
                          whole->reset();
                          part->reset();
                          const std::uint64_t first = random.next();
                          fill(*whole, first, n - n / 3);
                          fill(*part, first + n / 3, n - n / 3);
                          whole->intersect(*part);
                          return within(*whole, n - 2 * (n / 3));
                      });
            InRoom<ThetaSketch> settled({lg_k}, ThetaSketch::need({lg_k}) / 3);
            table.row({"theta", parameters, "settled in a third", n}, sigmas, [&](Random& random) {
                settled->reset();
                fill(*settled, random.next(), n);
                return within(*settled, n);
            });
        }
}

}  // namespace weir::statistics
