// Log-histogram: any operations, against all values. Its error is certain.
#include <cmath>

#include "sketches/log_histogram.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

constexpr int lowest = -10;
constexpr int octaves = 30;

void check(const LogHistogram& histogram, std::vector<double>& values) {
    FUZZ_CHECK(histogram.n() == values.size() && histogram.empty() == values.empty());
    if (values.empty()) return;
    std::sort(values.begin(), values.end());
    double before = 0;
    for (int i = 0; i <= 20; ++i) {
        const double wanted = std::ceil(i / 20.0 * static_cast<double>(values.size()));
        const double truth = values[static_cast<std::size_t>(std::max(1.0, wanted)) - 1];
        const double told = histogram.quantile(i / 20.0);
        FUZZ_CHECK(std::abs(told - truth) <= truth * histogram.relative_error());
        FUZZ_CHECK(told >= before);
        before = told;
        const auto below = std::upper_bound(values.begin(), values.end(), truth) - values.begin();
        FUZZ_CHECK(histogram.rank(truth) >=
                   static_cast<double>(below) / static_cast<double>(values.size()));
    }
}

bool is_in_range(double value) {
    return !(value > 0) ||
           (value >= std::ldexp(1.0, lowest) && value < std::ldexp(1.0, lowest + octaves));
}

}  // namespace

void operate_log_histogram(ByteSpan bytes) {
    Input input(bytes);
    const LogHistogram::Params params{.sub_bits = static_cast<std::uint8_t>(input.below(9)),
                                      .lowest_exponent = lowest,
                                      .octaves = octaves};
    std::vector<Growing<LogHistogram>> histograms;
    std::vector<std::vector<double>> values(2);
    for (int i = 0; i < 2; ++i) histograms.emplace_back(params, 0, ~std::uint64_t{0});
    for (int budget = 10000; budget > 0 && !input.done(); --budget) {
        const std::uint8_t action = input.byte();
        const std::size_t at = action & 1;
        LogHistogram& histogram = *histograms[at];
        switch (action >> 1 & 7) {
            case 0:
                if (values[0].size() + values[1].size() > 20000) break;
                FUZZ_CHECK(histogram.merge(*histograms[1 - at]).ok());
                if (input.below(2))
                    FUZZ_CHECK(histogram.subtract(*histograms[1 - at]).ok());
                else
                    values[at].insert(values[at].end(), values[1 - at].begin(),
                                      values[1 - at].end());
                break;
            case 1:
                if (input.below(4) != 0) break;
                histogram.reset();
                values[at].clear();
                break;
            case 2: histograms[at].relocate(); break;
            case 3:
                check(histogram, values[at]);
                budget -= 500;
                break;
            case 4: {
                const double value = input.real();
                if (is_in_range(value)) {
                    histogram.update(value);
                    values[at].push_back(value > 0 ? value
                                                   : 0);  // negative ones and NaN count as 0
                } else {                                  // counts in an outer bucket
                    Owned<LogHistogram> other(params);
                    other->update(value);
                    FUZZ_CHECK(other->n() == 1 && other->quantile(0.5) > 0);
                }
                break;
            }
            case 5: {
                std::vector<double> column(input.byte());
                Random random(input.number(2));
                for (double& value : column)
                    value = std::ldexp(1 + random.unit(),
                                       static_cast<int>(random.below(octaves)) + lowest);
                histogram.update_column(column);
                values[at].insert(values[at].end(), column.begin(), column.end());
                budget -= static_cast<int>(column.size());
                break;
            }
            default: {
                const double value =
                    std::ldexp(input.byte(), static_cast<int>(input.below(20)) + lowest);
                histogram.update(value);
                values[at].push_back(value);
            }
        }
    }
    for (std::size_t at = 0; at < 2; ++at) check(*histograms[at], values[at]);
}

}  // namespace weir::fuzz
