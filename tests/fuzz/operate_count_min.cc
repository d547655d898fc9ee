// Count-Min: any operations, against the true weights: never too low, never above the total, rows
// add up.
#include <map>

#include "sketches/count_min.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

// Sums of reals may differ in their last digits by the order they were added in; those of halves up
// to 2^52 do not.
template <typename Weight>
Weight weight_of(std::uint64_t number) {
    if constexpr (std::is_same_v<Weight, double>)
        return static_cast<double>(number) / 2;
    else
        return number;
}

template <typename Weight>
struct Twin {
    std::map<std::int64_t, Weight> weights;
    Weight total = 0;

    void add(std::int64_t item, Weight weight) {
        weights[item] += weight;
        total += weight;
    }
    void add(const Twin& other) {
        for (const auto& [item, weight] : other.weights) add(item, weight);
    }
};

template <typename Weight>
void check(CountMin<Weight>& sketch, const typename CountMin<Weight>::Params& params,
           const Twin<Weight>& twin) {
    FUZZ_CHECK(sketch.total_weight() == twin.total);
    FUZZ_CHECK(sketch.empty() == (twin.total == 0));
    for (std::int64_t item = 0; item < 300; ++item) {
        const auto found = twin.weights.find(item);
        FUZZ_CHECK(sketch.estimate(item) >= (found == twin.weights.end() ? 0 : found->second));
        FUZZ_CHECK(sketch.estimate(item) <= twin.total);
    }
    if (params.mode == CountMinMode::local) {
        FUZZ_CHECK(sketch.serialized_size() == 0);
        return;
    }
    if (params.seed != hash_seed_default) return;
    const auto bytes = check_round_trip(sketch, params);
    if (sketch.empty()) return;
    FUZZ_CHECK(bytes.size() == 24 + 8U * params.hashes * params.buckets);
    for (std::uint32_t row = 0; row < params.hashes; ++row) {
        Weight sum = 0;
        for (std::uint32_t bucket = 0; bucket < params.buckets; ++bucket)
            sum += load_le<Weight>(&bytes[24 + 8 * (row * params.buckets + bucket)]);
        FUZZ_CHECK(sum == twin.total);
    }
}

template <typename Weight>
void operate(Input& input) {
    using Sketch = CountMin<Weight>;
    const typename Sketch::Params params{
        .hashes = static_cast<std::uint8_t>(1 + input.below(6)),
        .buckets = static_cast<std::uint32_t>(3 + input.below(200)),
        .seed = input.below(4) ? hash_seed_default : input.number(8),
        .mode = input.below(3) ? CountMinMode::compatible : CountMinMode::local};
    std::vector<Growing<Sketch>> sketches;
    std::vector<Twin<Weight>> twins(2);
    for (int i = 0; i < 2; ++i) sketches.emplace_back(params, 0, ~std::uint64_t{0});
    for (int budget = 10000; budget > 0 && !input.done(); --budget) {
        const std::uint8_t action = input.byte();
        const std::size_t at = action & 1;
        Sketch& sketch = *sketches[at];
        switch (action >> 1 & 15) {
            case 0:
                if (twins[at].total + twins[1 - at].total > Weight{1} * (std::uint64_t{1} << 50))
                    break;
                FUZZ_CHECK(sketch.merge(*sketches[1 - at]).ok());
                if constexpr (std::is_same_v<Weight, std::uint64_t>) {
                    if (input.below(2)) {
                        FUZZ_CHECK(sketch.subtract(*sketches[1 - at]).ok());
                        break;
                    }
                }
                twins[at].add(twins[1 - at]);
                break;
            case 1:
                if (params.mode == CountMinMode::local || params.seed != hash_seed_default) break;
                FUZZ_CHECK(sketch.load(bytes_of(sketch)).ok());
                break;
            case 2:
                if (twins[at].total > Weight{1} * (std::uint64_t{1} << 50)) break;
                {
                    const std::int64_t item = input.byte();
                    const Weight weight = weight_of<Weight>(input.number(5));
                    sketch.update(item, weight);
                    twins[at].add(item, weight);
                }
                break;
            case 3:
                if (input.below(4) != 0) break;
                sketch.reset();
                twins[at] = {};
                break;
            case 4: sketches[at].relocate(); break;
            case 5:
                check(sketch, params, twins[at]);
                budget -= 500;
                break;
            case 6: {  // what cannot be merged or taken out changes nothing
                auto shape = params;
                shape.buckets += 1;
                Owned<Sketch> other(shape);
                other->update(std::int64_t{1});
                FUZZ_CHECK(!sketch.merge(*other).ok());
                if constexpr (std::is_same_v<Weight, std::uint64_t>) {
                    Owned<Sketch> strange(params);
                    strange->update(std::int64_t{1000}, twins[at].total + 1);
                    FUZZ_CHECK(!sketch.subtract(*strange).ok());
                }
                break;
            }
            case 7:
            case 8: {
                std::vector<std::int64_t> column(input.byte());
                for (auto first = static_cast<std::int64_t>(input.byte()); auto& item : column)
                    item = first++ % 256;
                sketch.update_column(column);
                for (std::int64_t item : column) twins[at].add(item, 1);
                budget -= static_cast<int>(column.size());
                break;
            }
            case 9: sketch.update(std::string_view()); break;
            default: {
                const std::int64_t item = input.byte();
                sketch.update(item);
                twins[at].add(item, 1);
            }
        }
    }
    for (std::size_t at = 0; at < 2; ++at) check(*sketches[at], params, twins[at]);
}

}  // namespace

void operate_count_min(ByteSpan bytes) {
    Input input(bytes);
    if (input.below(2))
        operate<double>(input);
    else
        operate<std::uint64_t>(input);
}

}  // namespace weir::fuzz
