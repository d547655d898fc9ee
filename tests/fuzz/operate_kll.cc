// KLL: any operations, against all values. What is certain is checked, not what is probable: n,
// min, max, the weights, and everything while it is exact.
#include <cmath>

#include "sketches/kll.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

template <typename T>
struct Subject {
    using Params = typename KllSketch<T>::Params;
    explicit Subject(const Params& given, Input& input)
        : params(given), whole(given), growing(given, input.below(1024), input.below(4096)) {}

    void update(T value) {
        whole->update(value);
        growing.update(value);
        if (value == value) values.push_back(value);
    }

    Params params;
    Owned<KllSketch<T>> whole;
    Growing<KllSketch<T>> growing;
    std::vector<T> values;
    bool compacted = false;  // perhaps, by a merge or for a smaller k
    bool lost = false;       // the growing one is not what it would be with all its room
};

// Reads the format by hand: the total weight, order within levels, that no item was made up.
template <typename T>
void check_items(const std::vector<std::byte>& bytes, const std::vector<T>& values) {
    const std::uint32_t levels = std::to_integer<std::uint32_t>(bytes[18]);
    std::vector<std::uint32_t> starts;
    for (std::uint32_t i = 0; i < levels; ++i)
        starts.push_back(load_le<std::uint32_t>(&bytes[20 + 4 * i]));
    const std::size_t items_at = 20 + 4 * levels + 2 * sizeof(T);
    starts.push_back(starts[0] + static_cast<std::uint32_t>((bytes.size() - items_at) / sizeof(T)));
    std::uint64_t weight = 0;
    for (std::uint32_t level = 0; level < levels; ++level) {
        T before = -std::numeric_limits<T>::infinity();
        for (std::uint32_t i = starts[level]; i < starts[level + 1]; ++i) {
            const auto item = load_le<T>(&bytes[items_at + sizeof(T) * (i - starts[0])]);
            FUZZ_CHECK(level == 0 || item >= before);
            before = item;
            FUZZ_CHECK(std::binary_search(values.begin(), values.end(), item));
            weight += std::uint64_t{1} << level;
        }
    }
    FUZZ_CHECK(weight == values.size());
}

template <typename T>
void check(KllSketch<T>& sketch, Subject<T>& subject) {
    auto params = subject.params;
    params.k = sketch.k();
    params.n_max = std::uint64_t{1}
                   << 40;  // beyond n_max a sketch goes on, but what is loaded has to be within
    const auto bytes = check_round_trip(sketch, params);
    std::vector<T>& values = subject.values;
    std::sort(values.begin(), values.end());
    FUZZ_CHECK(sketch.n() == values.size());
    FUZZ_CHECK(sketch.empty() == values.empty());
    FUZZ_CHECK(sketch.is_exact() == (sketch.rank_error() == 0));
    if (values.empty()) return;
    FUZZ_CHECK(sketch.min() == values.front() && sketch.max() == values.back());
    if (values.size() > 1) check_items(bytes, values);
    T before = sketch.min();
    for (int i = 0; i <= 10; ++i) {
        const double rank = i / 10.0;
        const T value = sketch.quantile(rank);
        FUZZ_CHECK(value >= before && value <= sketch.max());
        FUZZ_CHECK(std::binary_search(values.begin(), values.end(), value));
        FUZZ_CHECK(sketch.rank(value) >= rank);
        before = value;
        if (!sketch.is_exact()) continue;
        const auto below = std::upper_bound(values.begin(), values.end(), value) - values.begin();
        FUZZ_CHECK(sketch.rank(value) ==
                   static_cast<double>(below) / static_cast<double>(values.size()));
    }
}

template <typename T>
void check(Subject<T>& subject) {
    check(*subject.whole, subject);
    check(*subject.growing, subject);
    if (!subject.compacted && subject.values.size() <= subject.params.k)
        FUZZ_CHECK(subject.whole->is_exact());
    if (!subject.lost) FUZZ_CHECK(bytes_of(*subject.growing) == bytes_of(*subject.whole));
}

template <typename T>
void operate(Input& input) {
    constexpr std::uint64_t sizes[] = {1 << 20, 1 << 20, 1 << 20, 3000, 100, 1};
    std::vector<std::unique_ptr<Subject<T>>> subjects;
    for (int i = 0; i < 2; ++i) {
        const typename KllSketch<T>::Params params{
            .k = static_cast<std::uint16_t>(8 + input.below(100)),
            .n_max = sizes[input.below(std::size(sizes))],
            .seed = input.number(2)};
        subjects.push_back(std::make_unique<Subject<T>>(params, input));
    }
    for (int budget = 20000; budget > 0 && !input.done(); --budget) {
        const std::uint8_t action = input.byte();
        Subject<T>& subject = *subjects[action & 1];
        Subject<T>& other = *subjects[~action & 1];
        switch (action >> 1 & 15) {
            case 0: {
                if (other.values.size() + subject.values.size() > 50000) break;
                other.growing.make_room_for(*subject.growing);
                const bool whole = other.whole->merge(*subject.whole).ok();
                const bool growing = other.growing->merge(*subject.growing).ok();
                FUZZ_CHECK(whole == growing);
                other.compacted |= !subject.whole->is_exact() || subject.params.k != other.params.k;
                other.lost |= subject.lost || is_settled(*other.growing);
                if (whole)
                    other.values.insert(other.values.end(), subject.values.begin(),
                                        subject.values.end());
                budget -= 200;
                break;
            }
            case 1:
                if (subject.values.size() > subject.params.n_max) break;
                FUZZ_CHECK(subject.whole->load(bytes_of(*subject.whole)).ok());
                FUZZ_CHECK(subject.growing->load(bytes_of(*subject.growing)).ok());
                break;
            case 2:
                if constexpr (requires(KllSketch<T> & sketch) { sketch.shrink(8); }) {
                    const std::uint16_t most = std::min(subject.whole->k(), subject.growing->k());
                    const auto k = static_cast<std::uint16_t>(8 + input.below(100));
                    if (k > most || input.below(4) != 0) break;
                    subject.compacted = true;
                    subject.whole->shrink(k);
                    subject.growing->shrink(k);
                }
                break;
            case 3:
                if (input.below(4) != 0) break;
                subject.whole->reset(7);
                subject.growing->reset(7);
                subject.values.clear();
                subject.compacted = false;
                subject.lost = false;
                break;
            case 4: subject.growing.relocate(); break;
            case 5:
                check(subject);
                budget -= 1000;
                break;
            case 6: subject.update(static_cast<T>(input.real())); break;
            case 7:
            case 8: {  // a column
                std::vector<T> column(input.byte());
                Random random(input.number(2));
                for (T& value : column) value = static_cast<T>(random.unit());
                subject.whole->update_column(column);
                subject.growing.update_column(std::span<const T>(column));
                subject.values.insert(subject.values.end(), column.begin(), column.end());
                budget -= static_cast<int>(column.size());
                break;
            }
            case 9: {
                Random random(input.number(2));
                for (int count = 8 * input.byte(); count > 0; --count, --budget)
                    subject.update(static_cast<T>(random.below(1000)));
                break;
            }
            default: subject.update(static_cast<T>(input.byte()) - 100);
        }
        subject.lost |= is_settled(*subject.growing);
    }
    for (auto& subject : subjects) check(*subject);
}

}  // namespace

void operate_kll(ByteSpan bytes) {
    Input input(bytes);
    if (input.below(2))
        operate<float>(input);
    else
        operate<double>(input);
}

}  // namespace weir::fuzz
