#include "sketches/theta.h"

#include <cstring>
#include <string>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(Theta) {
    static void add(ThetaSketch& sketch, int from, int count) {
        for (int i = from; i < from + count; ++i) sketch.update(i);
    }
};

TEST(Theta, memory_is_as_the_contract_says) {
    CHECK_EQUAL(32 + 65536, ThetaSketch::need({12}));
    Owned<ThetaSketch> sketch({9});
    CHECK_EQUAL(ThetaSketch::need({9}), sketch->room());
}

TEST(Theta, is_exact_until_the_table_is_full) {
    Owned<ThetaSketch> sketch({5});
    CHECK(sketch->empty());
    for (int i = 0; i < 60; ++i) {
        sketch->update(i);
        sketch->update(i);
        DOUBLES_EQUAL(i + 1, sketch->estimate(), 0);
        DOUBLES_EQUAL(i + 1, sketch->upper_bound(3), 0);
    }
    CHECK(sketch->is_exact());
    sketch->update(60);
    CHECK(!sketch->is_exact());
    CHECK_EQUAL(32, sketch->retained());
}

TEST(Theta, estimate_and_bounds_of_many) {
    Owned<ThetaSketch> sketch({12});
    add(*sketch, 0, 10000);  // figures of the reference
    DOUBLES_EQUAL(10013.156953213305, sketch->estimate(), 1e-9);
    DOUBLES_EQUAL(9918.249890970857, sketch->lower_bound(1), 1e-6);
    DOUBLES_EQUAL(9733.934018593247, sketch->lower_bound(3), 1e-6);
    DOUBLES_EQUAL(10108.95359315237, sketch->upper_bound(1), 1e-6);
    DOUBLES_EQUAL(10300.333168130333, sketch->upper_bound(3), 1e-6);
}

TEST(Theta, bounds_of_few_hashes_are_the_reference_s) {
    struct Known {
        std::uint32_t hashes;
        std::uint64_t share;  // one of so many hashes is below theta
        double lower[3];
        double upper[3];
    };
    constexpr Known known[] = {
        {0, 4, {0, 0, 0}, {7, 14, 23}},
        {1, 4, {1, 1, 1}, {12, 21, 32}},
        {2, 4, {3, 2, 2}, {18, 27, 39}},
        {2, 64, {45, 15, 3}, {296, 468, 692}},
        {3, 100000, {136729.458073, 59628.7482559, 21167.0734502}, {591817.487982, 890163.116668, 1268058.00539}},
        {40, 8, {272, 232, 197}, {376, 431, 492}},
        {40, 64, {2159.1096988, 1820.19051693, 1519.50407327}, {3028.9244097, 3498.09300109, 4012.07434077}},
        {120, 2, {224, 210, 197}, {258, 275, 293}},
        {120, 16, {1749.54235593, 1594.61517231, 1449.07296764}, {2106.16652784, 2291.29168963, 2486.66771146}},
        {121, 16, {1764.77588302, 1616.06186505, 1480.37756559}, {2122.92761626, 2317.34107105, 2528.71679864}},
    };
    for (const Known& truth : known) {
        std::vector<std::byte> bytes(24 + 8 * truth.hashes);
        const std::uint8_t header[] = {3, 3, 3, 0, 0, 0x1A, 0xCC, 0x93};
        std::memcpy(bytes.data(), header, sizeof header);
        store_le(&bytes[8], truth.hashes);
        store_le(&bytes[16], ThetaSketch::theta_max / truth.share);
        for (std::uint32_t i = 0; i < truth.hashes; ++i) store_le(&bytes[24 + 8 * i], std::uint64_t{i} + 1);
        Owned<ThetaSketch> sketch({8});
        CHECK(sketch->load(bytes).ok());
        for (int sigmas = 1; sigmas <= 3; ++sigmas) {
            DOUBLES_EQUAL(truth.lower[sigmas - 1], sketch->lower_bound(sigmas), 1e-11 * truth.upper[2]);
            DOUBLES_EQUAL(truth.upper[sigmas - 1], sketch->upper_bound(sigmas), 1e-11 * truth.upper[2]);
        }
    }
}

TEST(Theta, items_are_told_apart_as_the_reference_does) {
    Owned<ThetaSketch> sketch({8});
    sketch->update(1);
    sketch->update(1L);
    sketch->update(true);
    CHECK_EQUAL(1, sketch->retained());
    sketch->update(1.0);
    sketch->update(0.0);
    sketch->update(-0.0);
    CHECK_EQUAL(3, sketch->retained());
    sketch->update("1");
    sketch->update("");
    CHECK_EQUAL(4, sketch->retained());
}

TEST(Theta, columns_count_as_their_values) {
    Owned<ThetaSketch> one({7});
    Owned<ThetaSketch> column({7});
    std::vector<std::int64_t> integers;
    std::vector<double> reals;
    std::vector<std::string> texts;
    std::vector<Hash128> hashes;
    for (int i = 0; i < 1000; ++i) {
        integers.push_back(i * 3);
        reals.push_back(i / 4.0);
        texts.push_back("t" + std::to_string(i));
        hashes.push_back(hash_integer(-1 - i));
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    for (auto value : integers) one->update(value);
    for (auto value : reals) one->update(value);
    for (auto value : views) one->update(value);
    for (auto value : hashes) one->update(value);
    column->update_column(integers);
    column->update_column(reals);
    column->update_column(views);
    column->update_column(hashes);
    CHECK(bytes_of(*one) == bytes_of(*column));
}

TEST(Theta, merge_and_trim_do_not_depend_on_the_order) {
    Owned<ThetaSketch> a({6});
    Owned<ThetaSketch> b({6});
    Owned<ThetaSketch> c({5});
    add(*a, 0, 1000);
    add(*b, 500, 100);
    add(*c, 900, 70);
    Owned<ThetaSketch> one({6});
    for (ThetaSketch* part : {&*a, &*b, &*c}) one->merge(*part);
    Owned<ThetaSketch> other({6});
    for (ThetaSketch* part : {&*c, &*a, &*b}) other->merge(*part);
    one->trim();
    other->trim();
    CHECK(bytes_of(*one) == bytes_of(*other));
    DOUBLES_EQUAL(1000, one->estimate(), 500);
}

TEST(Theta, merge_does_not_depend_on_how_the_other_grew) {
    for (int items : {50, 120, 240}) {
        Owned<ThetaSketch> whole({7});
        Growing<ThetaSketch> grown({7});
        for (int i = 0; i < items; ++i) {
            whole->update(i);
            grown.update(i);
        }
        Owned<ThetaSketch> one({5});
        Owned<ThetaSketch> other({5});
        one->merge(*whole);
        other->merge(*grown);
        CHECK(bytes_of(*one) == bytes_of(*other));
    }
}

TEST(Theta, intersection_of_small_sets_is_exact) {
    Owned<ThetaSketch> a({8});
    Owned<ThetaSketch> b({6});
    add(*a, 0, 200);
    add(*b, 150, 60);
    a->intersect(*b);
    DOUBLES_EQUAL(50, a->estimate(), 0);
    Owned<ThetaSketch> nothing({8});
    add(*b, 0, 1000);
    b->intersect(*nothing);
    CHECK(b->empty());
    add(*nothing, 5000, 3);
    nothing->intersect(*a);
    CHECK(nothing->empty());  // as the reference has it
}

TEST(Theta, intersection_with_an_estimate_has_bounds) {
    Owned<ThetaSketch> a({10});
    Owned<ThetaSketch> b({10});
    add(*a, 0, 20000);
    add(*b, 10000, 20000);
    a->intersect(*b);
    CHECK(a->lower_bound(3) <= 10000 && a->upper_bound(3) >= 10000);
    Owned<ThetaSketch> far({10});
    add(*far, 100000, 20000);
    b->intersect(*far);
    CHECK(!b->empty());
    DOUBLES_EQUAL(0, b->estimate(), 0);
    DOUBLES_EQUAL(0, b->lower_bound(2), 0);
    CHECK(b->upper_bound(2) > 1);
    CHECK_EQUAL(24, b->serialized_size());
    CHECK(a->load(bytes_of(*b)).ok());
    CHECK_EQUAL(b->theta(), a->theta());
}

TEST(Theta, every_size_reads_back_to_the_same_bytes) {
    for (int n : {0, 1, 2, 100, 119, 120, 121, 10000}) {
        Owned<ThetaSketch> sketch({6});
        add(*sketch, 0, n);
        const auto bytes = bytes_of(*sketch);
        CHECK(bytes.size() <= ThetaSketch::serialized_size_max({6}));
        Owned<ThetaSketch> fitted(*ThetaSketch::params_of(bytes));
        CHECK(fitted->load(bytes).ok());
        CHECK(bytes_of(*fitted) == bytes);
        auto packed = bytes;
        packed.resize(*ThetaSketch::compress(packed));
        CHECK(n < 2 ? packed == bytes : packed.size() < bytes.size());
        CHECK(fitted->load(packed).ok());
        CHECK(bytes_of(*fitted) == bytes);
        CHECK_EQUAL(fitted->lg_k(), ThetaSketch::params_of(packed)->lg_k);
    }
}

TEST(Theta, a_loaded_sketch_counts_on) {
    Owned<ThetaSketch> whole({7});
    Owned<ThetaSketch> resumed({7});
    add(*whole, 0, 3000);
    CHECK(resumed->load(bytes_of(*whole)).ok());
    add(*whole, 3000, 3000);
    add(*resumed, 3000, 3000);
    CHECK(bytes_of(*whole) == bytes_of(*resumed));
}

TEST(Theta, bytes_of_a_larger_sketch_are_trimmed) {
    Owned<ThetaSketch> large({10});
    add(*large, 0, 1900);
    Owned<ThetaSketch> small({6});
    CHECK(small->load(bytes_of(*large)).ok());
    CHECK(!small->is_exact());
    DOUBLES_EQUAL(1900, small->estimate(), 700);
}

TEST(Theta, made_up_bytes_are_refused) {
    Owned<ThetaSketch> sketch({6});
    add(*sketch, 0, 20);
    const auto good = bytes_of(*sketch);
    const auto with = [&](std::size_t at, int value) {
        auto bytes = good;
        bytes[at] = static_cast<std::byte>(value);
        Owned<ThetaSketch> other({6});
        const Error error = other->load(bytes).error();
        CHECK(other->empty());
        return error;
    };
    CHECK(with(0, 9) == Error::invalid);
    CHECK(with(1, 2) == Error::unsupported);
    CHECK(with(2, 7) == Error::invalid);
    CHECK(with(5, 0x1B) == Error::unsupported);
    CHECK(with(6, 0) == Error::unsupported);
    CHECK(with(8, 21) == Error::truncated);
    CHECK(with(8, 19) == Error::invalid);
    CHECK(with(16 + 7, 0x80) == Error::invalid);
    auto twice = good;
    std::memcpy(&twice[16], &twice[24], 8);
    CHECK(sketch->load(twice).error() == Error::invalid);
    CHECK(ThetaSketch::compress(twice).error() == Error::invalid);
}

TEST(Theta, copied_bytes_are_the_sketch) {
    Owned<ThetaSketch> sketch({6});
    Owned<ThetaSketch> other({6});
    add(*sketch, 0, 500);
    std::memcpy(other.memory().data(), sketch.memory().data(), sketch.memory().size());
    ThetaSketch* copy = ThetaSketch::at(other.memory().data());
    add(*sketch, 500, 500);
    add(*copy, 500, 500);
    CHECK(bytes_of(*copy) == bytes_of(*sketch));
}

TEST(Theta, too_small_output_is_refused_and_reset_empties) {
    Owned<ThetaSketch> sketch({6});
    add(*sketch, 0, 500);
    std::vector<std::byte> bytes(sketch->serialized_size() - 1);
    ByteWriter out(bytes);
    CHECK(sketch->serialize(out).error() == Error::full);
    sketch->reset();
    CHECK(sketch->empty());
    CHECK_EQUAL(8, sketch->serialized_size());
}

TEST(Theta, asks_for_twice_the_places_when_fifteen_sixteenths_are_used) {
    Growing<ThetaSketch> sketch({7});
    CHECK_EQUAL(32 + 8 * 16, sketch->room());
    std::vector<Bytes> rooms;
    std::vector<std::uint32_t> counts;
    for (int i = 0; i < 5000; ++i) {
        if (sketch->offer(i)) continue;
        rooms.push_back(sketch->wanted());
        counts.push_back(sketch->retained());
        sketch.grow(sketch->wanted());
        CHECK(sketch->offer(i));
    }
    CHECK((rooms == std::vector<Bytes>{32 + 8 * 32, 32 + 8 * 64, 32 + 8 * 128, 32 + 8 * 256}));
    CHECK((counts == std::vector<std::uint32_t>{15, 30, 60, 120}));
    CHECK_EQUAL(ThetaSketch::need({7}), sketch->room());
    CHECK_EQUAL(sketch->room(), sketch->wanted());
    CHECK(!sketch->settled());
    Owned<ThetaSketch> whole({7});
    add(*whole, 0, 5000);
    CHECK(bytes_of(*sketch) == bytes_of(*whole));
}

TEST(Theta, a_refused_item_changes_nothing_and_a_known_one_is_taken) {
    Growing<ThetaSketch> sketch({12});
    for (int i = 0; i < 15; ++i) CHECK(sketch->offer(i));
    const std::vector<std::byte> before(sketch.memory().begin(), sketch.memory().end());
    CHECK(!sketch->offer(15));
    CHECK(sketch->offer(3));
    CHECK(std::equal(before.begin(), before.end(), sketch.memory().begin()));
}

TEST(Theta, a_column_is_taken_up_to_the_item_that_needs_room) {
    std::vector<double> items;
    for (int i = 0; i < 1000; ++i) items.push_back(i % 700);
    Growing<ThetaSketch> sketch({12});
    std::vector<std::size_t> taken;
    for (std::size_t at = 0; at < items.size();) {
        at += sketch->offer_column(std::span<const double>(items).subspan(at));
        taken.push_back(at);
        if (at < items.size()) sketch.grow(sketch->wanted());
    }
    CHECK((taken == std::vector<std::size_t>{15, 30, 60, 120, 240, 480, 1000}));
    CHECK_EQUAL(700, sketch->retained());
}

TEST(Theta, without_more_room_the_threshold_falls) {
    for (const Bytes room : {160, 300, 32 + 8 * 64, 32 + 8 * 1024}) {
        Growing<ThetaSketch> sketch({12}, room);
        add(*sketch, 0, 40000);
        CHECK(sketch->settled());
        CHECK(!sketch->is_exact());
        CHECK_EQUAL(room, sketch->wanted());
        CHECK(sketch->lower_bound(3) < 40000 && sketch->upper_bound(3) > 40000);
        const std::uint8_t lg_k = sketch->lg_k();
        CHECK(sketch->retained() >= 1U << lg_k);
        CHECK(ThetaSketch::need({lg_k}) <= room);
        CHECK(ThetaSketch::need({static_cast<std::uint8_t>(lg_k + 1)}) > room);
        if (lg_k >= 5) {
            Owned<ThetaSketch> small({lg_k});
            add(*small, 0, 40000);
            CHECK(bytes_of(*sketch) == bytes_of(*small));
        }
        sketch.grow(ThetaSketch::need({12}));
        add(*sketch, 40000, 40000);
        CHECK(sketch->settled());
        CHECK_EQUAL(lg_k, sketch->lg_k());
        CHECK(sketch->retained() <= (2U << lg_k) / 16 * 15);
        sketch->reset();
        CHECK_EQUAL(12, sketch->lg_k());
        add(*sketch, 0, 1000);
        CHECK_EQUAL(1000, sketch->retained());
    }
}

TEST(Theta, settling_a_whole_sketch_does_nothing) {
    Owned<ThetaSketch> sketch({5});
    sketch->settle();
    CHECK(!sketch->settled());
}

TEST(Theta, merge_wants_what_it_needs_and_settles_without_it) {
    Growing<ThetaSketch> sketch({9}, 32 + 8 * 32);
    Owned<ThetaSketch> other({9});
    add(*sketch, 0, 20);
    add(*other, 10, 20);
    CHECK_EQUAL(sketch->room(), sketch->wanted(*other));
    add(*other, 30, 1);
    CHECK_EQUAL(32 + 8 * 64, sketch->wanted(*other));
    add(*other, 100, 400);
    CHECK_EQUAL(32 + 8 * 512, sketch->wanted(*other));
    add(*other, 500, 90000);
    CHECK_EQUAL(ThetaSketch::need({9}), sketch->wanted(*other));
    sketch->merge(*other);
    CHECK(sketch->settled());
    CHECK_EQUAL(4, sketch->lg_k());
    CHECK(sketch->lower_bound(3) < 90500 && sketch->upper_bound(3) > 90500);
}

TEST(Theta, bytes_are_loaded_with_the_precision_that_fits) {
    Owned<ThetaSketch> other({9});
    add(*other, 0, 400);
    Growing<ThetaSketch> sketch({9}, 32 + 8 * 32);
    CHECK(sketch->load(bytes_of(*other)).ok());
    CHECK(sketch->settled());
    CHECK(!sketch->is_exact());
    CHECK(sketch->lower_bound(3) < 400 && sketch->upper_bound(3) > 400);
    sketch.grow(ThetaSketch::need({9}));
    CHECK(sketch->load(bytes_of(*other)).ok());
    CHECK(bytes_of(*sketch) == bytes_of(*other));
}

TEST(Theta, what_was_in_a_block_before_does_not_stay_in_it) {
    Growing<ThetaSketch> grown({9});
    Growing<ThetaSketch> whole({9}, 32 + 8 * 64);
    add(*grown, 0, 5);
    add(*whole, 0, 5);
    grown.grow(32 + 8 * 64);
    CHECK(std::equal(grown.memory().begin(), grown.memory().end(), whole.memory().begin(), whole.memory().end()));
}
