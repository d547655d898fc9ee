// Frequent items: any operations, against the true weights. The bounds are certain, so every item
// is asked for.
#include <map>
#include <string>

#include "sketches/frequent_items.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

constexpr std::uint64_t weight_max = ~std::uint64_t{0} >> 1;

std::uint64_t saturated(std::uint64_t a, std::uint64_t b) {
    return b > weight_max || a > weight_max - b ? weight_max : a + b;
}

// What the twin keeps of an item: reals by value, texts as they are held, cut at a UTF-8 boundary.
template <typename Item>
struct Kept {
    using Type = Item;
    static Type of(Item item, std::size_t) { return item; }
};
template <>
struct Kept<std::string_view> {
    using Type = std::string;
    static Type of(std::string_view item, std::size_t bytes_max) {
        if (item.size() <= bytes_max) return Type(item);
        while (bytes_max > 0 && (static_cast<unsigned char>(item[bytes_max]) & 0xC0) == 0x80)
            --bytes_max;
        return Type(item.substr(0, bytes_max));
    }
};

template <typename Item>
struct Subject {
    using Sketch = FrequentItems<Item>;
    explicit Subject(const typename Sketch::Params& given, Input& input)
        : params(given), whole(given), growing(given, input.below(2048), input.below(8192)) {}

    void update(Item item, std::uint64_t weight) {
        whole->update(item, weight);
        growing.update(item, weight);
        see(item, weight);
    }
    void see(Item item, std::uint64_t weight) {
        if (weight == 0) return;
        auto& held = truth[Kept<Item>::of(item, params.item_bytes_max)];
        held = saturated(held, weight);
        total = saturated(total, weight);
    }

    typename Sketch::Params params;
    Owned<Sketch> whole;
    Growing<Sketch> growing;
    std::map<typename Kept<Item>::Type, std::uint64_t> truth;
    std::uint64_t total = 0;
    bool lost = false;  // the growing one is not what it would be with all its room
};

template <typename Item>
void check(FrequentItems<Item>& sketch, const Subject<Item>& subject, bool full_size) {
    auto params = subject.params;
    params.lg_max = sketch.lg_max();
    check_round_trip(sketch, params);
    FUZZ_CHECK(sketch.total_weight() == subject.total);
    if (subject.total == weight_max) return;  // saturated: only that nothing breaks
    for (const auto& [item, weight] : subject.truth) {
        FUZZ_CHECK(sketch.lower_bound(item) <= weight && weight <= sketch.upper_bound(item));
        FUZZ_CHECK(sketch.upper_bound(item) - sketch.lower_bound(item) <= sketch.maximum_error());
    }
    if (full_size) {
        const auto bound = static_cast<double>(subject.total) * 3.5 /
                           static_cast<double>(std::size_t{1} << subject.params.lg_max);
        FUZZ_CHECK(static_cast<double>(sketch.maximum_error()) <= bound);
        if (subject.truth.size() <= (std::size_t{3} << subject.params.lg_max) / 4)
            FUZZ_CHECK(sketch.maximum_error() == 0);
    }
    std::vector<typename FrequentItems<Item>::Row> rows(sketch.size() + 1);
    FUZZ_CHECK(sketch.top(rows) == sketch.size());
    for (std::uint32_t i = 0; i < sketch.size(); ++i) {
        const auto& row = rows[i];
        FUZZ_CHECK(subject.truth.contains(typename Kept<Item>::Type(row.item)));
        FUZZ_CHECK(row.upper == row.estimate && row.upper - row.lower == sketch.maximum_error());
        FUZZ_CHECK(row.lower == sketch.lower_bound(row.item) &&
                   row.upper == sketch.upper_bound(row.item));
        if (i == 0) continue;
        FUZZ_CHECK(rows[i - 1].estimate > row.estimate ||
                   (rows[i - 1].estimate == row.estimate && rows[i - 1].item < row.item));
    }
}

template <typename Item>
void check(Subject<Item>& subject, bool merged_smaller) {
    check(*subject.whole, subject, !merged_smaller);
    check(*subject.growing, subject, !merged_smaller && !subject.lost);
    if (!subject.lost) FUZZ_CHECK(bytes_of(*subject.growing) == bytes_of(*subject.whole));
}

// Items by number; texts of some length, some with characters of two bytes.
template <typename Item>
Item item_of(std::uint64_t number, std::string& text) {
    if constexpr (std::is_same_v<Item, std::string_view>) {
        text = number % 5 == 0 ? "" : std::to_string(number);
        for (std::uint64_t i = 0; i < number % 7; ++i) text += number % 2 ? "\xC3\xA9" : "x";
        return text;
    } else if constexpr (std::is_same_v<Item, double>) {
        return static_cast<double>(number) / 4;
    } else {
        return static_cast<std::int64_t>(number);
    }
}

template <typename Item>
void operate(Input& input) {
    std::vector<std::unique_ptr<Subject<Item>>> subjects;
    for (int i = 0; i < 2; ++i)
        subjects.push_back(std::make_unique<Subject<Item>>(
            typename FrequentItems<Item>::Params{
                .lg_max = static_cast<std::uint8_t>(3 + input.below(5)), .item_bytes_max = 8},
            input));
    const bool equal_sizes = subjects[0]->params.lg_max == subjects[1]->params.lg_max;
    bool merged = false;  // with what a smaller sketch had already lost
    std::string text;
    for (int budget = 10000; budget > 0 && !input.done(); --budget) {
        const std::uint8_t action = input.byte();
        Subject<Item>& subject = *subjects[action & 1];
        Subject<Item>& other = *subjects[~action & 1];
        switch (action >> 1 & 15) {
            case 0:
                if (!equal_sizes) merged = true;
                other.growing.make_room_for(*subject.growing);
                other.whole->merge(*subject.whole);
                other.growing->merge(*subject.growing);
                other.lost |= subject.lost || is_settled(*other.growing);
                for (const auto& [item, weight] : subject.truth) {
                    auto& held = other.truth[item];
                    held = saturated(held, weight);
                }
                other.total = saturated(other.total, subject.total);
                budget -= 200;
                break;
            case 1:  // an empty sketch's bytes do not tell its total
                if (subject.whole->empty() || subject.growing->empty()) break;
                FUZZ_CHECK(subject.whole->load(bytes_of(*subject.whole)).ok());
                FUZZ_CHECK(subject.growing->load(bytes_of(*subject.growing)).ok());
                break;
            case 2: subject.update(item_of<Item>(input.number(2), text), input.number(8)); break;
            case 3:
                if (input.below(4) != 0) break;
                subject.whole->reset();
                subject.growing->reset();
                subject.truth.clear();
                subject.total = 0;
                subject.lost = false;
                break;
            case 4: subject.growing.relocate(); break;
            case 5:
                check(subject, merged);
                budget -= 500;
                break;
            case 6:
            case 7: {  // a column
                std::vector<std::string> texts(input.byte());
                std::vector<Item> column;
                for (std::uint64_t number = input.number(2); std::string & each : texts)
                    column.push_back(item_of<Item>(number++, each));
                subject.whole->update_column(column);
                subject.growing.update_column(std::span<const Item>(column));
                for (Item item : column) subject.see(item, 1);
                budget -= static_cast<int>(column.size());
                break;
            }
            case 8: {
                Random random(input.number(2));
                for (int count = input.byte(); count > 0; --count, --budget)
                    subject.update(item_of<Item>(random.below(1 + random.below(300)), text),
                                   1 + random.below(3));
                break;
            }
            default: subject.update(item_of<Item>(input.byte(), text), 1 + (action >> 5));
        }
        subject.lost |= is_settled(*subject.growing);
    }
    for (auto& subject : subjects) check(*subject, merged);
}

}  // namespace

void operate_frequent_items(ByteSpan bytes) {
    Input input(bytes);
    switch (input.below(3)) {
        case 0: return operate<std::int64_t>(input);
        case 1: return operate<double>(input);
        default: return operate<std::string_view>(input);
    }
}

}  // namespace weir::fuzz
