// t-digest: any operations, against all values. It promises no error, so what is certain is
// checked: n, min, max, centroids that ascend and whose weights add up, answers that ascend and lie
// in between.
#include <cmath>

#include "sketches/tdigest.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

struct Subject {
    explicit Subject(const TDigest::Params& given)
        : params(given), sketch(given, 0, ~std::uint64_t{0}) {}

    void update(double value) {
        sketch.update(value);
        see(value);
    }
    void see(double value) {
        if (!std::isfinite(value)) return;
        low = n == 0 ? value : std::min(low, value);
        high = n == 0 ? value : std::max(high, value);
        ++n;
    }

    TDigest::Params params;
    Growing<TDigest> sketch;
    std::uint64_t n = 0;
    double low = 0;
    double high = 0;
};

void check(Subject& subject) {
    TDigest& sketch = *subject.sketch;
    FUZZ_CHECK(sketch.n() == subject.n && sketch.empty() == (subject.n == 0));
    const auto bytes = check_round_trip(sketch, subject.params);
    if (subject.n == 0) return;
    FUZZ_CHECK(sketch.min() == subject.low && sketch.max() == subject.high);
    FUZZ_CHECK(sketch.quantile(0) == subject.low && sketch.quantile(1) == subject.high);
    double before = subject.low;
    for (int i = 0; i <= 20; ++i) {
        const double value = sketch.quantile(i / 20.0);
        FUZZ_CHECK(value >= before && value <= subject.high);
        const double rank = sketch.rank(value);
        FUZZ_CHECK(rank >= 0 && rank <= 1);
        before = value;
    }
    double lower_rank = 0;
    for (int i = 0; i <= 8; ++i) {
        const double value = subject.low + (subject.high / 8 - subject.low / 8) * i;
        const double rank = sketch.rank(value);
        FUZZ_CHECK(rank >= lower_rank && rank <= 1);
        lower_rank = rank;
    }
    if (subject.n == 1) return;
    std::uint64_t weight = 0;
    before = subject.low;
    for (std::size_t at = 32; at < bytes.size(); at += 16) {
        const auto mean = load_le<double>(&bytes[at]);
        FUZZ_CHECK(mean >= before && mean <= subject.high);
        before = mean;
        weight += load_le<std::uint64_t>(&bytes[at + 8]);
    }
    FUZZ_CHECK(weight == subject.n);
}

}  // namespace

void operate_tdigest(ByteSpan bytes) {
    Input input(bytes);
    std::vector<std::unique_ptr<Subject>> subjects;
    for (int i = 0; i < 2; ++i)
        subjects.push_back(std::make_unique<Subject>(TDigest::Params{
            .k = static_cast<std::uint16_t>(10 + input.below(60)),
            .buffer_values =
                static_cast<std::uint32_t>(input.below(2) ? 0 : 16 + input.below(300))}));
    for (int budget = 20000; budget > 0 && !input.done(); --budget) {
        const std::uint8_t action = input.byte();
        Subject& subject = *subjects[action & 1];
        Subject& other = *subjects[~action & 1];
        switch (action >> 1 & 15) {
            case 0:
                if (subject.n + other.n > std::uint64_t{1} << 50) break;
                FUZZ_CHECK(other.sketch->merge(*subject.sketch).ok());
                if (subject.n == 0) break;
                other.low = other.n == 0 ? subject.low : std::min(other.low, subject.low);
                other.high = other.n == 0 ? subject.high : std::max(other.high, subject.high);
                other.n += subject.n;
                budget -= 100;
                break;
            case 1: FUZZ_CHECK(subject.sketch->load(bytes_of(*subject.sketch)).ok()); break;
            case 2: subject.sketch->compress(); break;
            case 3:
                if (input.below(4) != 0) break;
                subject.sketch->reset();
                subject.n = 0;
                break;
            case 4: subject.sketch.relocate(); break;
            case 5:
                check(subject);
                budget -= 500;
                break;
            case 6:
            case 7: subject.update(input.real()); break;
            case 8: {
                std::vector<double> column(input.byte());
                Random random(input.number(2));
                for (double& value : column) value = random.unit() * 100;
                subject.sketch.update_column(std::span<const double>(column));
                for (double value : column) subject.see(value);
                budget -= static_cast<int>(column.size());
                break;
            }
            case 9: {
                Random random(input.number(2));
                const int shift = input.byte();
                for (int count = 8 * input.byte(); count > 0; --count, --budget)
                    subject.update(
                        std::ldexp(static_cast<double>(random.below(1000)), shift - 128));
                break;
            }
            default: subject.update(input.byte());
        }
    }
    for (auto& subject : subjects) check(*subject);
}

}  // namespace weir::fuzz
