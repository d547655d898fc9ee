// Frequent items against a map with Misra and Gries's median purge, and against the true weights.
#include "sketches/frequent_items.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// Entries in order of arrival: a merge feeds them in that order.
class Twin {
public:
    explicit Twin(std::uint8_t lg_max) : size_max_((std::size_t{3} << lg_max) / 4) {}

    void update(const std::string& item, std::uint64_t weight) {
        truth_[item] += weight;
        total_ += weight;
        add(item, weight);
    }
    void merge(const Twin& other) {
        for (const auto& [item, weight] : other.entries_) add(item, weight);
        for (const auto& [item, weight] : other.truth_) truth_[item] += weight;
        total_ += other.total_;
        offset_ += other.offset_;
    }
    void check(const FrequentStrings& sketch) const {
        CHECK_EQUAL(total_, sketch.total_weight());
        CHECK_EQUAL(offset_, sketch.maximum_error());
        CHECK_EQUAL(entries_.size(), sketch.size());
        for (const auto& [item, weight] : entries_) CHECK_EQUAL(weight, sketch.lower_bound(item));
        for (const auto& [item, weight] : truth_)
            CHECK(sketch.lower_bound(item) <= weight && weight <= sketch.upper_bound(item));
        auto expected = entries_;
        std::sort(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
            return a.second != b.second ? a.second > b.second : a.first < b.first;
        });
        std::vector<FrequentStrings::Row> rows(5);
        rows.resize(sketch.top(rows));
        CHECK_EQUAL(std::min<std::size_t>(5, expected.size()), rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            CHECK(rows[i].item == expected[i].first);
            CHECK_EQUAL(expected[i].second + offset_, rows[i].estimate);
        }
    }

private:
    void add(const std::string& item, std::uint64_t weight) {
        for (auto& entry : entries_) {
            if (entry.first != item) continue;
            entry.second += weight;
            return;
        }
        entries_.push_back({item, weight});
        if (entries_.size() <= size_max_) return;
        std::vector<std::uint64_t> weights;
        for (const auto& entry : entries_) weights.push_back(entry.second);
        std::sort(weights.begin(), weights.end());
        const std::uint64_t median = weights[weights.size() / 2];
        offset_ += median;
        std::erase_if(entries_, [median](const auto& entry) { return entry.second <= median; });
        for (auto& entry : entries_) entry.second -= median;
    }

    std::size_t size_max_;
    std::vector<std::pair<std::string, std::uint64_t>> entries_;
    std::map<std::string, std::uint64_t> truth_;
    std::uint64_t total_ = 0;
    std::uint64_t offset_ = 0;
};

}  // namespace

TEST_GROUP(FrequentItemsModel) {};

TEST(FrequentItemsModel, random_operations_agree_with_the_twin) {
    for (std::uint64_t seed = 0; seed < 80; ++seed) {
        Random random(seed);
        constexpr std::size_t count = 2;
        std::vector<Owned<FrequentStrings>> sketches;
        std::vector<Twin> twins;
        for (std::size_t i = 0; i < count; ++i) {
            const auto lg_max = static_cast<std::uint8_t>(3 + random.below(4));
            sketches.emplace_back(FrequentStrings::Params{.lg_max = lg_max, .item_bytes_max = 8});
            twins.emplace_back(lg_max);
        }
        const std::uint64_t distinct = 5 + random.below(200);
        for (int step = 0; step < 40; ++step) {
            const std::size_t at = random.below(count);
            const std::uint64_t action = random.below(8);
            if (action == 0) {
                sketches[at]->merge(*sketches[1 - at]);
                twins[at].merge(twins[1 - at]);
            } else if (action == 1 && !sketches[at]->empty()) {
                const auto bytes = bytes_of(*sketches[at]);
                CHECK(sketches[at]->load(bytes).ok());
            } else {
                for (std::uint64_t n = random.below(100); n > 0; --n) {
                    const std::string item = std::to_string(random.below(1 + random.below(distinct)));
                    const std::uint64_t weight = random.below(4) == 0 ? 1 + random.below(50) : 1;
                    sketches[at]->update(item, weight);
                    twins[at].update(item, weight);
                }
            }
            twins[at].check(*sketches[at]);
        }
    }
}

// Blocks grow when they must, and at random; the result is that of a sketch that had all from the start.
template <typename Sketch, typename MakeItem>
static void check_growth(MakeItem make_item) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        Random random(seed);
        const auto lg_max = static_cast<std::uint8_t>(3 + random.below(5));
        const typename Sketch::Params params{.lg_max = lg_max, .item_bytes_max = 5};
        Owned<Sketch> full(params);
        Owned<Sketch> other(params);
        Growing<Sketch> growing(params, Sketch::need_min(params) + random.below(200));
        const std::uint64_t distinct = 2 + random.below(400);
        for (std::uint64_t n = random.below(3000); n > 0; --n) {
            const auto text_or_number = make_item(random.below(1 + random.below(distinct)));
            full->update(text_or_number);
            growing.update(text_or_number);
            if (random.below(300) == 0) growing.grow(growing->room() + random.below(500));
            if (random.below(3) == 0) other->update(text_or_number);
            if (random.below(1000) == 0) {
                full->merge(*other);
                growing.merge(*other);
            }
            if (random.below(100) == 0) CHECK(bytes_of(*growing) == bytes_of(*full));
        }
        CHECK(bytes_of(*growing) == bytes_of(*full));
        CHECK_EQUAL(full->items_cut(), growing->items_cut());
        CHECK(!growing->settled());
    }
}

TEST(FrequentItemsModel, grown_sketches_have_the_bytes_of_full_ones) {
    check_growth<FrequentIntegers>([](std::uint64_t i) { return static_cast<std::int64_t>(i << 40); });
    check_growth<FrequentReals>([](std::uint64_t i) { return static_cast<double>(i) / 8; });
    check_growth<FrequentStrings>([](std::uint64_t i) { return std::to_string(i * 1000); });
}
