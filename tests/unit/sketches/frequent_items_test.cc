#include "sketches/frequent_items.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(FrequentItems) {
    template <typename Sketch>
    static std::vector<typename Sketch::Row> top(Sketch & sketch, std::size_t count) {
        std::vector<typename Sketch::Row> rows(count);
        rows.resize(sketch.top(rows));
        return rows;
    }
};

TEST(FrequentItems, memory_is_as_the_contract_says) {
    CHECK_EQUAL(16464, FrequentIntegers::need({}));
    CHECK_EQUAL(39536, FrequentStrings::need({}));
    CHECK_EQUAL(208, FrequentIntegers::need_min({}));
    CHECK_EQUAL(424, FrequentStrings::need_min({}));
    Owned<FrequentStrings> sketch({.lg_max = 5, .item_bytes_max = 7});
    CHECK_EQUAL((FrequentStrings::need({.lg_max = 5, .item_bytes_max = 7})), sketch->memory_bytes());
}

TEST(FrequentItems, few_items_are_exact_and_ordered) {
    Owned<FrequentStrings> sketch;
    for (const char* item : {"b", "c", "a", "b", "c", "b", ""}) sketch->update(std::string_view(item));
    sketch->update("w", 2);
    sketch->update("nothing", 0);
    const auto rows = top(*sketch, 10);
    CHECK_EQUAL(5, rows.size());
    CHECK(rows[0].item == "b" && rows[0].estimate == 3);
    CHECK(rows[1].item == "c" && rows[1].lower == 2);
    CHECK(rows[2].item == "w" && rows[2].upper == 2);
    CHECK(rows[3].item == "" && rows[4].item == "a");
    CHECK_EQUAL(9, sketch->total_weight());
    CHECK_EQUAL(0, sketch->maximum_error());
    CHECK_EQUAL(0, sketch->estimate("nothing"));
}

TEST(FrequentItems, top_of_few_is_the_beginning_of_top_of_many) {
    Owned<FrequentIntegers> sketch;
    for (std::uint64_t i = 0; i < 5000; ++i) sketch->update(skewed_item(i));
    const auto all = top(*sketch, 2000);
    CHECK_EQUAL(sketch->size(), all.size());
    for (std::size_t count : {0, 1, 2, 10, 100}) {
        const auto some = top(*sketch, count);
        CHECK_EQUAL(count, some.size());
        for (std::size_t i = 0; i < count; ++i) CHECK(some[i].item == all[i].item);
    }
    for (std::size_t i = 1; i < all.size(); ++i)
        CHECK(all[i - 1].estimate > all[i].estimate ||
              (all[i - 1].estimate == all[i].estimate && all[i - 1].item < all[i].item));
}

TEST(FrequentItems, bounds_hold_the_truth_and_the_error_its_limit) {
    Owned<FrequentIntegers> sketch({.lg_max = 6});
    std::vector<std::uint64_t> truth(7000);
    for (std::uint64_t i = 0; i < 100000; ++i) {
        const std::int64_t item = skewed_item(i);
        ++truth[static_cast<std::size_t>(item)];
        sketch->update(item);
    }
    CHECK(sketch->maximum_error() > 0);
    CHECK(static_cast<double>(sketch->maximum_error()) <= 3.5 / 64 * 100000);
    for (std::size_t item = 0; item < truth.size(); ++item) {
        CHECK(sketch->lower_bound(static_cast<std::int64_t>(item)) <= truth[item]);
        CHECK(sketch->upper_bound(static_cast<std::int64_t>(item)) >= truth[item]);
    }
}

TEST(FrequentItems, long_strings_are_cut_between_characters_and_counted) {
    Owned<FrequentStrings> sketch({.lg_max = 4, .item_bytes_max = 5});
    sketch->update("abcdefgh");
    sketch->update("abcde");
    CHECK_EQUAL(2, sketch->estimate("abcde"));
    CHECK_EQUAL(2, sketch->estimate("abcdeXYZ"));
    sketch->update("abc\xE2\x82\xAC");        // the euro sign does not fit: 3 + 3 bytes
    CHECK_EQUAL(1, sketch->estimate("abc"));
    sketch->update("ab\xE2\x82\xAC!");        // fits exactly, but for the last byte
    CHECK_EQUAL(1, sketch->estimate("ab\xE2\x82\xAC"));
    sketch->update("\x80\x80\x80\x80\x80\x80\x80");  // not text: cut hard
    CHECK_EQUAL(4, sketch->items_cut());
    CHECK_EQUAL(5, top(*sketch, 9).back().item.size());
}

TEST(FrequentItems, reals_have_one_zero_and_one_nan) {
    Owned<FrequentReals> sketch;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (double item : {0.0, -0.0, nan, -nan, 1.5}) sketch->update(item);
    CHECK_EQUAL(3, sketch->size());
    CHECK_EQUAL(2, sketch->estimate(0.0));
    CHECK_EQUAL(2, sketch->estimate(nan));
    const auto rows = top(*sketch, 3);
    CHECK(rows[0].item == 0 && rows[1].item != rows[1].item && rows[2].item == 1.5);
}

TEST(FrequentItems, hash_given_ahead_is_the_same_as_none) {
    Owned<FrequentStrings> a({.lg_max = 5, .item_bytes_max = 6});
    Owned<FrequentStrings> b({.lg_max = 5, .item_bytes_max = 6});
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const std::string item = "item" + std::to_string(skewed_item(i));
        a->update(item);
        b->update(item, hash_text(item), 1);
    }
    CHECK(bytes_of(*a) == bytes_of(*b));
}

TEST(FrequentItems, weights_saturate) {
    Owned<FrequentIntegers> sketch;
    const std::uint64_t largest = 0x7FFFFFFFFFFFFFFF;
    sketch->update(1, ~std::uint64_t{0});
    sketch->update(1, largest);
    sketch->update(2, largest);
    CHECK_EQUAL(largest, sketch->estimate(1));
    CHECK_EQUAL(largest, sketch->total_weight());
    Owned<FrequentIntegers> other;
    CHECK(other->load(bytes_of(*sketch)).ok());
}

TEST(FrequentItems, merge_adds_weights_and_errors) {
    Owned<FrequentStrings> a({.lg_max = 5});
    Owned<FrequentStrings> b({.lg_max = 5});
    for (std::uint64_t i = 0; i < 3000; ++i) {
        const std::string item = std::to_string(skewed_item(i));
        a->update(item);
        b->update(item, 2);
    }
    const std::uint64_t error = a->maximum_error() + b->maximum_error();
    a->merge(*b);
    CHECK_EQUAL(9000, a->total_weight());
    CHECK(a->maximum_error() >= error);
    CHECK(a->lower_bound("0") <= 3 * 1500 / 2 + 2 && a->upper_bound("0") >= 3 * 1500 / 2);
}

TEST(FrequentItems, purge_that_leaves_nothing_is_the_empty_form) {
    Owned<FrequentIntegers> sketch({.lg_max = 3});
    for (int i = 0; i < 7; ++i) sketch->update(i);
    CHECK(sketch->empty());
    CHECK_EQUAL(1, sketch->maximum_error());
    CHECK_EQUAL(7, sketch->total_weight());
    CHECK_EQUAL(8, bytes_of(*sketch).size());
}

TEST(FrequentItems, every_size_reads_back_to_the_same_bytes) {
    for (std::uint64_t n : {0, 1, 7, 1000, 20000}) {
        Owned<FrequentStrings> sketch({.lg_max = 8, .item_bytes_max = 12});
        Owned<FrequentReals> reals({.lg_max = 8});
        for (std::uint64_t i = 0; i < n; ++i) {
            sketch->update(std::to_string(skewed_item(i)));
            reals->update(static_cast<double>(skewed_item(i)) / 4);
        }
        Owned<FrequentStrings> other(FrequentStrings::params_of(bytes_of(*sketch)).value());
        CHECK(other->load(bytes_of(*sketch)).ok());
        CHECK(bytes_of(*other) == bytes_of(*sketch));
        Owned<FrequentReals> more(FrequentReals::params_of(bytes_of(*reals)).value());
        CHECK(more->load(bytes_of(*reals)).ok());
        CHECK(bytes_of(*more) == bytes_of(*reals));
        CHECK(sketch->serialized_size() <= FrequentStrings::serialized_size_max({.lg_max = 8, .item_bytes_max = 12}));
    }
}

TEST(FrequentItems, bytes_that_do_not_fit_are_out_of_range) {
    Owned<FrequentStrings> sketch;
    sketch->update("longer than four");
    Owned<FrequentStrings> narrow({.lg_max = 10, .item_bytes_max = 4});
    CHECK(narrow->load(bytes_of(*sketch)).error() == Error::out_of_range);
    for (int i = 0; i < 20; ++i) sketch->update(std::to_string(i));
    Owned<FrequentStrings> small({.lg_max = 4});
    CHECK(small->load(bytes_of(*sketch)).error() == Error::out_of_range);
    CHECK(small->empty());
    std::vector<std::byte> bytes(sketch->serialized_size() - 1);
    ByteWriter out(bytes);
    CHECK(sketch->serialize(out).error() == Error::full);
}

TEST(FrequentItems, an_offset_that_no_purge_leaves_is_refused) {
    Owned<FrequentIntegers> sketch({.lg_max = 3});
    for (std::int64_t i = 0; i < 100; ++i) sketch->update(i % 13, 5);
    sketch->update(77, 1000);
    auto bytes = bytes_of(*sketch);
    CHECK(sketch->load(bytes).ok());
    std::uint64_t held = 0;
    for (std::size_t i = 0; i < sketch->size(); ++i) held += load_le<std::uint64_t>(&bytes[32 + 8 * i]);
    const std::uint64_t most = sketch->total_weight() - held;
    CHECK(most >= sketch->maximum_error());
    store_le(&bytes[24], most);
    CHECK(sketch->load(bytes).ok());
    store_le(&bytes[24], most + 1);
    CHECK(sketch->load(bytes).error() == Error::invalid);
    CHECK(sketch->empty());
}

TEST(FrequentItems, copied_bytes_are_the_sketch_and_reset_is_as_new) {
    Owned<FrequentStrings> sketch({.lg_max = 5});
    Owned<FrequentStrings> other({.lg_max = 5});
    for (std::uint64_t i = 0; i < 500; ++i) sketch->update(std::to_string(skewed_item(i)));
    std::memcpy(other.memory().data(), sketch.memory().data(), sketch.memory().size());
    FrequentStrings* copy = FrequentStrings::at(other.memory().data());
    for (std::uint64_t i = 0; i < 500; ++i) {
        sketch->update(std::to_string(skewed_item(i)));
        copy->update(std::to_string(skewed_item(i)));
    }
    CHECK(bytes_of(*copy) == bytes_of(*sketch));
    copy->reset();
    CHECK(copy->empty() && copy->total_weight() == 0 && copy->maximum_error() == 0);
    copy->update("x");
    CHECK_EQUAL(1, copy->estimate("x"));
}

TEST(FrequentItems, small_block_says_when_it_needs_room_and_how_much) {
    Growing<FrequentStrings> sketch({.lg_max = 5, .item_bytes_max = 4});
    CHECK_EQUAL((FrequentStrings::need({.lg_max = 3, .item_bytes_max = 4})), sketch->room());
    for (const char* item : {"a", "b", "c", "d", "e", "f"}) CHECK(sketch->offer(item));
    CHECK(sketch->offer("f", 3));
    const auto before = bytes_of(*sketch);
    CHECK(!sketch->offer("g234567"));
    CHECK(bytes_of(*sketch) == before);
    CHECK_EQUAL(9, sketch->total_weight());
    CHECK_EQUAL(0, sketch->items_cut());
    CHECK_EQUAL((FrequentStrings::need({.lg_max = 4, .item_bytes_max = 4})), sketch->wanted());
    sketch.grow(sketch->wanted() + 9);
    CHECK_EQUAL((FrequentStrings::need({.lg_max = 4, .item_bytes_max = 4})), sketch->room());
    CHECK(bytes_of(*sketch) == before);
    CHECK(sketch->offer("g234567"));
    CHECK_EQUAL(1, sketch->items_cut());
    CHECK_EQUAL(1, sketch->estimate("g234"));
    sketch.grow(100000);
    CHECK_EQUAL((FrequentStrings::need({.lg_max = 5, .item_bytes_max = 4})), sketch->room());
    CHECK_EQUAL(sketch->room(), sketch->wanted());
    for (int i = 0; i < 100; ++i) CHECK(sketch->offer(std::to_string(i)));
}

TEST(FrequentItems, columns_are_taken_up_to_the_item_that_does_not_fit) {
    Growing<FrequentIntegers> sketch({.lg_max = 4});
    const std::vector<std::int64_t> items = {1, 2, 1, 3, 4, 5, 6, 6, 7, 1};
    CHECK_EQUAL(8, sketch->offer_column(items));
    CHECK_EQUAL(8, sketch->total_weight());
    sketch.grow(sketch->wanted());
    CHECK_EQUAL(2, sketch->offer_column(std::span(items).subspan(8)));
    CHECK_EQUAL(3, sketch->estimate(1));
    CHECK_EQUAL(10, sketch->total_weight());
}

TEST(FrequentItems, columns_count_as_their_items) {
    Owned<FrequentIntegers> one({.lg_max = 6});
    Owned<FrequentIntegers> column({.lg_max = 6});
    std::vector<std::int64_t> items;
    for (std::uint64_t i = 0; i < 20000; ++i) items.push_back(skewed_item(i));
    for (std::int64_t item : items) one->update(item);
    column->update_column(items);
    CHECK(bytes_of(*one) == bytes_of(*column));
    Owned<FrequentReals> real;
    Owned<FrequentReals> reals;
    const std::vector<double> numbers = {0.0, -0.0, 1.5, std::numeric_limits<double>::quiet_NaN(), 1.5};
    for (double number : numbers) real->update(number);
    reals->update_column(numbers);
    CHECK(bytes_of(*real) == bytes_of(*reals));
}

TEST(FrequentItems, settled_sketch_takes_everything_and_tells_its_error) {
    std::vector<std::byte> memory(FrequentIntegers::need({.lg_max = 6}) + 100);
    FrequentIntegers* sketch = FrequentIntegers::create(memory, {.lg_max = 10});
    Owned<FrequentIntegers> small({.lg_max = 6});
    for (std::uint64_t i = 0; i < 50000; ++i) {
        sketch->update(skewed_item(i));
        small->update(skewed_item(i));
    }
    CHECK(sketch->settled());
    CHECK_EQUAL(6, sketch->lg_max());
    CHECK_EQUAL(sketch->room(), sketch->wanted());
    CHECK(sketch->maximum_error() > 0);
    CHECK(bytes_of(*sketch) == bytes_of(*small));
    Owned<FrequentIntegers> many({.lg_max = 10});
    for (int i = 0; i < 700; ++i) many->update(i);
    sketch->reset();
    CHECK(!sketch->settled());
    CHECK(sketch->load(bytes_of(*many)).ok());
    CHECK(sketch->settled());
    CHECK(sketch->maximum_error() > 0);
    CHECK_EQUAL(700, sketch->total_weight());
}

TEST(FrequentItems, merge_into_the_block_it_wants_does_not_settle) {
    Owned<FrequentIntegers> other({.lg_max = 8});
    Owned<FrequentIntegers> full({.lg_max = 8});
    Growing<FrequentIntegers> sketch({.lg_max = 8});
    Growing<FrequentIntegers> cramped({.lg_max = 8});
    for (int i = 0; i < 5; ++i) full->update(i), sketch->update(i), cramped->update(i);
    for (int i = 0; i < 60; ++i) other->update(i * 7, 5);
    CHECK_EQUAL(FrequentIntegers::need({.lg_max = 7}), sketch->wanted(*other));
    sketch.merge(*other);
    full->merge(*other);
    CHECK(!sketch->settled());
    CHECK(bytes_of(*sketch) == bytes_of(*full));
    cramped->merge(*other);
    CHECK(cramped->settled());
    CHECK_EQUAL(305, cramped->total_weight());
    CHECK(cramped->upper_bound(7) >= 5);
}

TEST(FrequentItems, maps_beyond_the_sample_keep_their_guarantee) {
    Owned<FrequentIntegers> sketch({.lg_max = 12});
    Random random(4);
    std::vector<std::uint64_t> truth(20000);
    for (int i = 0; i < 200000; ++i) {
        const auto item = static_cast<std::size_t>(20000 * std::pow(random.unit(), 3));
        ++truth[item];
        sketch->update(static_cast<std::int64_t>(item));
    }
    CHECK(static_cast<double>(sketch->maximum_error()) <= 3.5 / 4096 * 200000);
    for (std::size_t item = 0; item < truth.size(); ++item) {
        CHECK(sketch->lower_bound(static_cast<std::int64_t>(item)) <= truth[item]);
        CHECK(sketch->upper_bound(static_cast<std::int64_t>(item)) >= truth[item]);
    }
}
