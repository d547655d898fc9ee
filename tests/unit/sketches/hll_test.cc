#include "sketches/hll.h"

#include <cmath>
#include <cstring>
#include <string>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(Hll) {
    static void add(HllSketch& sketch, std::int64_t from, std::int64_t count) {
        for (std::int64_t i = from; i < from + count; ++i) sketch.update(i);
    }
    static double estimate_after_reload(HllSketch& sketch, HllType type) {
        Owned<HllSketch> other({sketch.lg_k()});
        CHECK(other->load(bytes_of(sketch, type)).ok());
        CHECK(bytes_of(*other, type) == bytes_of(sketch, type));
        return other->estimate();
    }
};

TEST(Hll, memory_is_the_registers_and_a_header) {
    CHECK_EQUAL(48 + 4096, HllSketch::need({12}));
    CHECK_EQUAL(48 + 32, HllSketch::need({4}));
    Owned<HllSketch> sketch({9});
    CHECK_EQUAL(HllSketch::need({9}), sketch->room());
}

TEST(Hll, empty_sketch_estimates_zero_in_eight_bytes) {
    Owned<HllSketch> sketch;
    CHECK(sketch->empty());
    DOUBLES_EQUAL(0, sketch->estimate(), 0);
    DOUBLES_EQUAL(0, sketch->lower_bound(3), 0);
    DOUBLES_EQUAL(0, sketch->upper_bound(3), 0);
    CHECK_EQUAL(8, bytes_of(*sketch).size());
}

TEST(Hll, few_items_are_counted_exactly_and_repeats_not_at_all) {
    Owned<HllSketch> sketch;
    for (int round = 0; round < 3; ++round) add(*sketch, 0, 384);
    CHECK(sketch->is_exact());
    CHECK_EQUAL(384, sketch->coupons());
    CHECK_EQUAL(384, std::lround(sketch->estimate()));
    sketch->update(384);
    CHECK(!sketch->is_exact());
}

TEST(Hll, promotion_starts_from_the_exact_count) {
    for (std::uint8_t lg_k = 4; lg_k <= 16; ++lg_k) {
        Owned<HllSketch> sketch({lg_k});
        std::int64_t i = 0;
        while (sketch->is_exact()) sketch->update(i++);
        const std::int64_t expected = lg_k < 8 ? 8 : 3 * (std::int64_t{1} << lg_k) / 32 + 1;
        CHECK_EQUAL(expected, i);
        DOUBLES_EQUAL(static_cast<double>(i), sketch->estimate(), 1e-3 + static_cast<double>(i * i) / 3e8);
    }
}

TEST(Hll, empty_text_is_ignored_and_small_integers_extend_their_sign) {
    Owned<HllSketch> sketch;
    sketch->update(std::string_view());
    CHECK(sketch->empty());
    sketch->update(std::uint8_t{255});
    sketch->update(std::int64_t{-1});
    sketch->update(std::uint16_t{65535});
    CHECK_EQUAL(1, sketch->coupons());
}

TEST(Hll, columns_count_as_their_values) {
    Owned<HllSketch> one;
    Owned<HllSketch> column;
    std::vector<std::int64_t> integers;
    std::vector<double> reals;
    std::vector<Hash128> hashes;
    const std::vector<std::string_view> texts = {"a", "", "bc", "a"};
    for (int i = 0; i < 500; ++i) {
        integers.push_back(i);
        reals.push_back(i * 0.25);
        hashes.push_back(hash_integer(-i - 1));
    }
    for (std::int64_t value : integers) one->update(value);
    for (double value : reals) one->update(value);
    for (std::string_view text : texts) one->update(text);
    for (Hash128 hash : hashes) one->update(hash);
    column->update_column(std::span<const std::int64_t>(integers));
    column->update_column(std::span<const double>(reals));
    column->update_column(std::span<const std::string_view>(texts));
    column->update_column(std::span<const Hash128>(hashes));
    CHECK(bytes_of(*one) == bytes_of(*column));
}

TEST(Hll, every_type_reads_back_to_the_same_bytes_and_estimate) {
    for (int count : {0, 1, 7, 8, 31, 384, 385, 5000, 100000})
        for (HllType type : {HllType::hll4, HllType::hll6, HllType::hll8}) {
            Owned<HllSketch> sketch;
            add(*sketch, 0, count);
            if (!sketch->is_exact() || count < 8)
                DOUBLES_EQUAL(sketch->estimate(), estimate_after_reload(*sketch, type), 0);
        }
}

TEST(Hll, set_reads_back_with_all_coupons) {
    Owned<HllSketch> sketch;
    add(*sketch, 0, 200);
    Owned<HllSketch> other;
    CHECK(other->load(bytes_of(*sketch)).ok());
    CHECK_EQUAL(200, other->coupons());
    add(*other, 0, 200);
    CHECK_EQUAL(200, other->coupons());
}

TEST(Hll, merge_of_small_sketches_is_as_if_one_had_seen_all) {
    Owned<HllSketch> a;
    Owned<HllSketch> b;
    add(*a, 0, 100);
    add(*b, 50, 100);
    a->merge(*b);
    CHECK_EQUAL(150, a->coupons());
    CHECK(!a->merged());
}

TEST(Hll, small_into_large_and_large_into_small_keep_hip) {
    for (std::uint8_t lg_k : {5, 8, 12, 16}) {
        Owned<HllSketch> large({lg_k});
        Owned<HllSketch> small({lg_k});
        add(*large, 0, 50000);
        add(*small, 1000000, 5);
        Owned<HllSketch> expected({lg_k});
        CHECK(expected->load(bytes_of(*large)).ok());
        add(*expected, 1000000, 5);
        Owned<HllSketch> copy({lg_k});
        CHECK(copy->load(bytes_of(*large)).ok());
        copy->merge(*small);
        small->merge(*large);
        CHECK(!copy->merged() && !small->merged());
        CHECK(bytes_of(*copy) == bytes_of(*expected));
        CHECK(bytes_of(*small) == bytes_of(*expected));
    }
}

TEST(Hll, merge_of_registers_has_the_registers_of_one_that_saw_all) {
    Owned<HllSketch> a;
    Owned<HllSketch> b;
    Owned<HllSketch> all;
    add(*a, 0, 20000);
    add(*b, 10000, 20000);
    add(*all, 0, 30000);
    a->merge(*b);
    CHECK(a->merged());
    const auto merged = bytes_of(*a);
    const auto expected = bytes_of(*all);
    CHECK(std::memcmp(&merged[16], &expected[16], merged.size() - 16) == 0);
    DOUBLES_EQUAL(30000, a->estimate(), 30000 * 3 * a->relative_error());
    a->merge(*b);
    CHECK(bytes_of(*a) == merged);
}

TEST(Hll, merge_takes_the_smaller_lg_k) {
    for (std::uint8_t mine : {10, 12}) {
        const auto other = static_cast<std::uint8_t>(22 - mine);
        Owned<HllSketch> a({mine});
        Owned<HllSketch> b({other});
        Owned<HllSketch> all({10});
        add(*a, 0, 20000);
        add(*b, 10000, 20000);
        add(*all, 0, 30000);
        a->merge(*b);
        CHECK_EQUAL(10, a->lg_k());
        const auto merged = bytes_of(*a);
        const auto expected = bytes_of(*all);
        CHECK(std::memcmp(&merged[16], &expected[16], merged.size() - 16) == 0);
    }
}

TEST(Hll, large_set_meets_larger_registers) {
    // More coupons than go on the stack: lg_k 16 holds 6,144.
    for (std::uint8_t lg_k : {16, 17}) {
        Owned<HllSketch> a({16});
        Owned<HllSketch> b({lg_k});
        Owned<HllSketch> all({16});
        add(*a, 0, 6000);
        add(*b, 3000, 100000);
        add(*all, 0, 103000);
        a->merge(*b);
        CHECK(!a->merged());
        const auto merged = bytes_of(*a);
        const auto expected = bytes_of(*all);
        CHECK(std::memcmp(&merged[16], &expected[16], merged.size() - 16) == 0);
        DOUBLES_EQUAL(103000, a->estimate(), 103000 * 0.015);
    }
}

TEST(Hll, fold_gives_the_registers_of_the_smaller_sketch_and_keeps_the_estimate) {
    Owned<HllSketch> sketch({14});
    Owned<HllSketch> small({11});
    add(*sketch, 0, 40000);
    add(*small, 0, 40000);
    const double before = sketch->estimate();
    sketch->fold(11);
    DOUBLES_EQUAL(before, sketch->estimate(), 0);
    const auto folded = bytes_of(*sketch);
    CHECK(std::memcmp(&folded[16], &bytes_of(*small)[16], folded.size() - 16) == 0);
}

TEST(Hll, fold_of_a_set_stays_one_where_it_fits) {
    Owned<HllSketch> sketch({14});
    add(*sketch, 0, 60);
    sketch->fold(10);
    CHECK(sketch->is_exact());
    CHECK_EQUAL(60, sketch->coupons());
    sketch->fold(8);
    CHECK(!sketch->is_exact());
    DOUBLES_EQUAL(60, sketch->estimate(), 0.01);
}

TEST(Hll, copied_bytes_are_the_sketch) {
    Owned<HllSketch> sketch;
    add(*sketch, 0, 1000);
    Owned<HllSketch> other;
    std::memcpy(other.memory().data(), sketch.memory().data(), HllSketch::need({12}));
    HllSketch* copy = HllSketch::at(other.memory().data());
    add(*sketch, 1000, 1000);
    add(*copy, 1000, 1000);
    CHECK(bytes_of(*copy) == bytes_of(*sketch));
}

TEST(Hll, reset_is_as_new) {
    Owned<HllSketch> sketch;
    add(*sketch, 0, 10000);
    sketch->fold(8);
    sketch->reset();
    Owned<HllSketch> fresh;
    add(*sketch, 5, 600);
    add(*fresh, 5, 600);
    CHECK(bytes_of(*sketch) == bytes_of(*fresh));
}

TEST(Hll, too_small_output_is_full) {
    Owned<HllSketch> sketch;
    add(*sketch, 0, 1000);
    std::vector<std::byte> bytes(sketch->serialized_size() - 1);
    ByteWriter out(bytes);
    CHECK(sketch->serialize(out).error() == Error::full);
}

TEST(Hll, bytes_of_a_larger_sketch_are_out_of_range_and_say_what_they_need) {
    Owned<HllSketch> large({13});
    add(*large, 0, 5);
    Owned<HllSketch> small({12});
    add(*small, 0, 3);
    CHECK(small->load(bytes_of(*large)).error() == Error::out_of_range);
    CHECK(small->empty());
    CHECK_EQUAL(13, HllSketch::params_of(bytes_of(*large)).value().lg_k);
}

TEST(Hll, bounds_are_the_reference_s) {
    struct Known {
        std::uint8_t lg_k;
        int items;
        double lower[3];
        double upper[3];
    };
    constexpr Known known[] = {
        {4, 100, {69.3885434207, 55.7427848372, 44.5060535802}, {105.7491513, 129.997778626, 159.73216019}},
        {6, 1000, {860.735912839, 774.039204368, 695.719727354}, {1060.43062094, 1175.36147538, 1300.52074741}},
        {9, 5000, {5171.97986573, 4984.68036525, 4805.06864421}, {5566.84304729, 5774.33944496, 5987.42690337}},
        {12, 5000, {4881.15752723, 4818.35778288, 4756.93693909}, {5009.01961232, 5074.05980439, 5139.05597348}},
        {13, 20000, {19903.0355104, 19723.2643814, 19546.7116928}, {20272.5916467, 20462.5643322, 20656.1311328}},
        {12, 300, {300, 300, 300}, {300.015201559, 300.030181841, 300.045163619}},
    };
    for (const Known& truth : known) {
        Owned<HllSketch> sketch({truth.lg_k});
        add(*sketch, 0, truth.items);
        for (int sigmas = 1; sigmas <= 3; ++sigmas) {
            DOUBLES_EQUAL(truth.lower[sigmas - 1], sketch->lower_bound(sigmas), 1e-10 * truth.items);
            DOUBLES_EQUAL(truth.upper[sigmas - 1], sketch->upper_bound(sigmas), 1e-10 * truth.items);
        }
    }
}

TEST(Hll, lower_bound_is_never_above_the_estimate) {
    Owned<HllSketch> sketch({5});
    add(*sketch, 0, 1000);
    auto bytes = bytes_of(*sketch);
    store_le(&bytes[8], 3.0);  // fewer items than registers that are not 0: bytes that no update leads to
    CHECK(sketch->load(bytes).ok());
    DOUBLES_EQUAL(3, sketch->estimate(), 0);
    DOUBLES_EQUAL(3, sketch->lower_bound(1), 0);
    CHECK(sketch->upper_bound(1) > 3);
}

TEST(Hll, a_set_of_any_size_reads_back_in_its_order) {
    for (std::int64_t seed = 0; seed < 20; ++seed) {
        Owned<HllSketch> sketch;
        for (int count = 1; count <= 384; ++count) {
            add(*sketch, seed * 1000 + count, 1);
            if (count % (seed + 1) != 0) continue;
            Owned<HllSketch> read;
            CHECK(read->load(bytes_of(*sketch)).ok());
            CHECK(bytes_of(*read) == bytes_of(*sketch));
        }
    }
}

TEST(Hll, union_of_sets_that_were_read_is_that_of_the_sketches) {
    int differing = 0;
    for (int round = 0; round < 200; ++round) {
        Owned<HllSketch> a;
        Owned<HllSketch> b;
        add(*a, round * 1000, 20 + round);
        add(*b, round * 1000 + 10, 220 - round);
        Owned<HllSketch> read;
        CHECK(read->load(bytes_of(*a)).ok());
        read->merge(*b);
        a->merge(*b);
        CHECK_EQUAL(a->coupons(), read->coupons());
        differing += bytes_of(*read) != bytes_of(*a);
    }
    CHECK_EQUAL(0, differing);
}

TEST(Hll, a_set_whose_order_no_table_has_is_read) {
    Owned<HllSketch> sketch;
    add(*sketch, 0, 300);
    auto bytes = bytes_of(*sketch);
    for (std::size_t i = 0; i < 150; ++i)
        std::swap_ranges(&bytes[12 + 4 * i], &bytes[16 + 4 * i], &bytes[12 + 4 * (299 - i)]);
    Owned<HllSketch> read;
    CHECK(read->load(bytes).ok());
    CHECK_EQUAL(300, read->coupons());
    add(*read, 0, 300);
    CHECK_EQUAL(300, read->coupons());
    std::memcpy(&bytes[12], &bytes[16], 4);
    CHECK(read->load(bytes).error() == Error::invalid);
}

TEST(Hll, updatable_set_keeps_its_places) {
    // The reference takes such a table as it is: its order is not that of the same coupons inserted anew.
    Owned<HllSketch> set;
    add(*set, 0, 100);
    const auto compact = bytes_of(*set);
    std::vector<std::byte> bytes(12 + 4 * 256);
    std::memcpy(bytes.data(), compact.data(), 12);
    bytes[5] = std::byte{0};
    const std::uint32_t ints = 1U << std::to_integer<unsigned>(compact[4]);
    CHECK_EQUAL(256, ints);
    std::vector<std::uint32_t> table(ints);
    for (std::int64_t i = 0; i < 100; ++i) {  // into a table of that size from the start
        const std::uint32_t coupon = hll_coupon(hash_item(i));
        std::uint32_t at = coupon % ints;
        while (table[at] != 0) at = (at + ((coupon & 0x3FFFFFF) / ints | 1)) % ints;
        table[at] = coupon;
    }
    std::memcpy(&bytes[12], table.data(), 4 * ints);
    std::erase(table, 0U);
    Owned<HllSketch> read;
    CHECK(read->load(bytes).ok());
    const auto again = bytes_of(*read);
    CHECK_EQUAL(compact.size(), again.size());
    CHECK_EQUAL(0, std::memcmp(&again[12], table.data(), 400));
    for (std::int64_t i = 0; i < 100; ++i) read->update(i);
    CHECK_EQUAL(100, read->coupons());
}

TEST(Hll, updatable_forms_are_read) {
    // A list with room for 8 coupons and a set with its gaps, as Java writes them.
    Owned<HllSketch> list;
    add(*list, 0, 3);
    auto bytes = bytes_of(*list);
    bytes[5] = std::byte{0};
    bytes.resize(8 + 32);
    Owned<HllSketch> read;
    CHECK(read->load(bytes).ok());
    CHECK_EQUAL(3, read->coupons());
    bytes.pop_back();
    CHECK(read->load(bytes).error() == Error::invalid);

    Owned<HllSketch> set;
    add(*set, 0, 20);
    const auto compact = bytes_of(*set);
    bytes.assign(compact.begin(), compact.begin() + 12);
    bytes[5] = std::byte{0};
    bytes.resize(12 + 4 * 32);
    std::memcpy(&bytes[12 + 4 * 7], &compact[12], compact.size() - 12);
    CHECK(read->load(bytes).ok());
    CHECK_EQUAL(20, read->coupons());
}

TEST(Hll, updatable_nibbles_have_a_table_of_exceptions_even_without_any) {
    Owned<HllSketch> sketch({4});
    add(*sketch, 0, 100);
    auto bytes = bytes_of(*sketch, HllType::hll4);
    CHECK_EQUAL(48, bytes.size());
    const auto compact = bytes;
    bytes[5] = std::byte{0};
    bytes.resize(48 + 16);  // as the reference writes it
    Owned<HllSketch> read({4});
    CHECK(read->load(bytes).ok());
    CHECK(bytes_of(*read, HllType::hll4) == compact);
    bytes[50] = std::byte{1};
    CHECK(read->load(bytes).error() == Error::invalid);
    bytes.resize(48 + 15);
    CHECK(!read->load(bytes).ok());
}

TEST(Hll, sizes_are_those_of_the_format) {
    CHECK_EQUAL(1064, HllSketch::serialized_size_max({10}));
    CHECK_EQUAL(4136, HllSketch::serialized_size_max({12}));
    CHECK_EQUAL(16424, HllSketch::serialized_size_max({14}));
    Owned<HllSketch> sketch({4});
    add(*sketch, 0, 7);
    CHECK_EQUAL(36, sketch->serialized_size(HllType::hll4));
    CHECK(HllSketch::serialized_size_max({4}, HllType::hll4) >= 36);
}

TEST(Hll, a_text_literal_is_text) {
    Owned<HllSketch> sketch({10});
    sketch->update("ada");
    sketch->update(std::string_view("ada"));
    sketch->update("grace");
    CHECK_EQUAL(2, sketch->coupons());
}

TEST(Hll, asks_for_each_next_form_and_no_sooner) {
    Growing<HllSketch> sketch({12});
    std::vector<Bytes> rooms = {sketch->room()};
    std::vector<std::uint32_t> coupons;
    for (std::int64_t i = 0; sketch->is_exact(); ++i) {
        if (sketch->offer(i)) continue;
        coupons.push_back(sketch->coupons());
        rooms.push_back(sketch->wanted());
        sketch.grow(sketch->wanted());
        CHECK(sketch->offer(i));
    }
    CHECK((rooms == std::vector<Bytes>{80, 176, 304, 560, 1072, 2096, 4144}));
    CHECK((coupons == std::vector<std::uint32_t>{7, 24, 48, 96, 192, 384}));
    CHECK_EQUAL(HllSketch::need({12}), sketch->room());
    CHECK_EQUAL(sketch->room(), sketch->wanted());
    CHECK(!sketch->settled());
}

TEST(Hll, a_refused_item_changes_nothing_and_a_known_one_is_taken) {
    Growing<HllSketch> sketch({12}, 176);
    for (std::int64_t i = 0; i < 24; ++i) CHECK(sketch->offer(i));
    const std::vector<std::byte> before(sketch.memory().begin(), sketch.memory().end());
    CHECK(!sketch->offer(24));
    CHECK(sketch->offer(7));
    CHECK(std::equal(before.begin(), before.end(), sketch.memory().begin()));
}

TEST(Hll, a_column_is_taken_up_to_the_item_that_needs_room) {
    std::vector<std::int64_t> items;
    std::vector<Hash128> hashes;
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < 1000; ++i) {
        items.push_back(i % 400);
        hashes.push_back(hash_item(items.back()));
        names.push_back(i % 10 == 0 ? "" : "n" + std::to_string(i % 400));
    }
    const std::vector<std::string_view> texts(names.begin(), names.end());
    const auto grown_by = [](const auto& column) {
        Growing<HllSketch> sketch({11});
        for (std::size_t taken = 0; taken < column.size();) {
            taken += sketch->offer_column(std::span(column).subspan(taken));
            if (taken < column.size()) {
                CHECK(!sketch->offer(column[taken]));
                sketch.grow(sketch->wanted());
            }
        }
        return bytes_of(*sketch);
    };
    Owned<HllSketch> whole({11});
    for (std::int64_t item : items) whole->update(item);
    CHECK(grown_by(items) == bytes_of(*whole));
    CHECK(grown_by(hashes) == bytes_of(*whole));
    whole->reset();
    for (std::string_view text : texts) whole->update(text);
    CHECK(grown_by(texts) == bytes_of(*whole));
}

TEST(Hll, without_more_room_the_registers_that_fit_count_on) {
    for (const Bytes room : {80, 176, 304, 560, 1072, 2096, 3000}) {
        Growing<HllSketch> sketch({12}, room);
        add(*sketch, 0, 50000);
        CHECK(sketch->settled());
        CHECK(HllSketch::need({sketch->lg_k()}) <= room);
        CHECK(HllSketch::need({static_cast<std::uint8_t>(sketch->lg_k() + 1)}) > room);
        CHECK_EQUAL(room, sketch->wanted());
        DOUBLES_EQUAL(50000, sketch->estimate(), 50000 * 3 * sketch->relative_error());
        CHECK(sketch->lower_bound(3) < 50000 && sketch->upper_bound(3) > 50000);
        sketch.grow(HllSketch::need({12}));
        CHECK(sketch->settled());
        const std::uint8_t lg_k = sketch->lg_k();
        add(*sketch, 50000, 100);
        CHECK_EQUAL(lg_k, sketch->lg_k());
        sketch->reset();
        CHECK_EQUAL(12, sketch->lg_k());
        CHECK(!sketch->settled());
    }
}

TEST(Hll, settled_has_the_registers_of_a_small_sketch) {
    Growing<HllSketch> sketch({14}, 48 + 1024);
    Owned<HllSketch> small({10});
    add(*sketch, 0, 20000);
    add(*small, 0, 20000);
    const auto bytes = bytes_of(*sketch);
    const auto expected = bytes_of(*small);
    CHECK(std::equal(bytes.begin() + 16, bytes.end(), expected.begin() + 16, expected.end()));
}

TEST(Hll, settling_a_whole_sketch_does_nothing) {
    Owned<HllSketch> sketch({10});
    add(*sketch, 0, 50);
    sketch->settle();
    CHECK(!sketch->settled());
    CHECK(sketch->is_exact());
}

TEST(Hll, merge_wants_what_it_needs_and_settles_without_it) {
    Owned<HllSketch> large({12});
    Owned<HllSketch> few({12});
    add(*large, 0, 50000);
    add(*few, 0, 30);
    Growing<HllSketch> sketch({12}, 304);
    add(*sketch, 10, 40);
    CHECK_EQUAL(560, sketch->wanted(*few));
    add(*few, 30, 20);
    CHECK_EQUAL(560, sketch->wanted(*few));
    CHECK_EQUAL(HllSketch::need({12}), sketch->wanted(*large));
    sketch->merge(*large);
    CHECK(sketch->settled());
    CHECK_EQUAL(8, sketch->lg_k());
    DOUBLES_EQUAL(50000, sketch->estimate(), 50000 * 3 * sketch->relative_error());

    Growing<HllSketch> same({12}, 304);
    add(*same, 0, 40);
    few->reset();
    add(*few, 0, 48);
    CHECK_EQUAL(304, same->wanted(*few));
    same->merge(*few);
    CHECK_EQUAL(48, same->coupons());
}

TEST(Hll, bytes_that_do_not_fit_the_room_are_refused) {
    Owned<HllSketch> other({12});
    add(*other, 0, 40);
    Growing<HllSketch> sketch({12}, 176);
    CHECK(sketch->load(bytes_of(*other)).error() == Error::full);
    CHECK(sketch->empty());
    sketch.grow(304);
    CHECK(sketch->load(bytes_of(*other)).ok());
    CHECK_EQUAL(40, sketch->coupons());
    add(*other, 40, 1000);
    CHECK(sketch->load(bytes_of(*other)).error() == Error::full);
    sketch.grow(HllSketch::need({12}));
    CHECK(sketch->load(bytes_of(*other)).ok());
}

TEST(Hll, the_longest_run_of_zeros_counts_as_62_in_a_column_too) {
    std::vector<Hash128> hashes;
    for (std::uint64_t i = 0; i < 40; ++i) hashes.push_back({i, i});
    for (int rounds = 0; rounds < 3; ++rounds)
        for (std::uint64_t h2 : {0, 1, 2, 3, 4}) hashes.push_back({5 + h2, h2});
    Owned<HllSketch> one({4});
    Owned<HllSketch> column({4});
    for (const Hash128& hash : hashes) one->update(hash);
    column->update_column(hashes);
    CHECK(bytes_of(*one) == bytes_of(*column));
    CHECK_EQUAL(63, std::to_integer<int>(bytes_of(*column)[40 + 5]));
}

TEST(Hll, registers_at_their_most_have_a_finite_estimate) {
    Owned<HllSketch> one({4});
    Owned<HllSketch> other({4});
    for (std::uint64_t i = 0; i < 16; ++i) {
        one->update(Hash128{i, 0});
        other->update(Hash128{i, 0});
    }
    one->merge(*other);
    CHECK(one->merged());
    CHECK(std::isfinite(one->estimate()));
    CHECK(std::isfinite(one->upper_bound(3)));
}

TEST(Hll, what_was_in_a_block_before_does_not_stay_in_it) {
    Growing<HllSketch> grown({9});
    Growing<HllSketch> whole({9}, 304);
    add(*grown, 0, 5);
    add(*whole, 0, 5);
    grown.grow(304);
    CHECK(std::equal(grown.memory().begin(), grown.memory().end(), whole.memory().begin(), whole.memory().end()));
}
