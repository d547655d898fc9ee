#include "agent/duplicates.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(DuplicateHorizon) {
    static constexpr std::uint16_t links = 2;
    static constexpr std::uint16_t rows = 4;
    std::vector<std::uint64_t>* memory = nullptr;

    void setup() override { memory = new std::vector<std::uint64_t>(DuplicateHorizon::need(links, rows) / 8); }
    void teardown() override { delete memory; }

    // A new object over the same bytes is what a restart sees.
    DuplicateHorizon horizon() {
        return DuplicateHorizon(std::as_writable_bytes(std::span(*memory)), links, rows);
    }
    DuplicateHorizon recovered(std::uint64_t newest) {
        DuplicateHorizon found = horizon();
        found.recover(newest);
        return found;
    }
};

TEST(DuplicateHorizon, message_equal_to_a_remembered_one_is_a_duplicate) {
    DuplicateHorizon h = horizon();
    h.remember(0, 7, 100, 1);
    CHECK(h.is_duplicate(0, 7, 100));
}

TEST(DuplicateHorizon, another_packet_id_or_content_or_link_is_none) {
    DuplicateHorizon h = horizon();
    h.remember(0, 7, 100, 1);
    CHECK_FALSE(h.is_duplicate(0, 8, 100));
    CHECK_FALSE(h.is_duplicate(0, 7, 101));
    CHECK_FALSE(h.is_duplicate(1, 7, 100));
}

TEST(DuplicateHorizon, hash_tells_topic_from_payload) {
    CHECK(DuplicateHorizon::hash("ab", as_byte_span("c")) != DuplicateHorizon::hash("a", as_byte_span("bc")));
    CHECK(DuplicateHorizon::hash("a", {}) != DuplicateHorizon::hash("", as_byte_span("a")));
    CHECK(DuplicateHorizon::hash("a", as_byte_span("b")) == DuplicateHorizon::hash("a", as_byte_span("b")));
}

TEST(DuplicateHorizon, packet_id_used_again_forgets_the_earlier_message) {
    DuplicateHorizon h = horizon();
    h.remember(0, 7, 100, 1);
    h.remember(0, 7, 200, 2);
    CHECK_FALSE(h.is_duplicate(0, 7, 100));
    CHECK(h.is_duplicate(0, 7, 200));
}

TEST(DuplicateHorizon, remembers_the_last_rows_and_no_more) {
    DuplicateHorizon h = horizon();
    for (std::uint16_t i = 1; i <= 10; ++i) h.remember(0, i, 100u + i, i);
    for (std::uint16_t i = 1; i <= 10; ++i) CHECK_EQUAL(i > 6, h.is_duplicate(0, i, 100u + i));
}

TEST(DuplicateHorizon, links_do_not_displace_each_other) {
    DuplicateHorizon h = horizon();
    h.remember(0, 1, 100, 1);
    for (std::uint16_t i = 2; i <= 20; ++i) h.remember(1, i, 100u + i, i);
    CHECK(h.is_duplicate(0, 1, 100));
}

TEST(DuplicateHorizon, forgotten_session_has_no_duplicates_but_new_ones_do) {
    DuplicateHorizon h = horizon();
    h.remember(0, 1, 100, 1);
    h.remember(1, 1, 100, 2);
    h.forget(0, 2);
    CHECK_FALSE(h.is_duplicate(0, 1, 100));
    CHECK(h.is_duplicate(1, 1, 100));
    h.remember(0, 1, 100, 3);
    CHECK(h.is_duplicate(0, 1, 100));
    CHECK(recovered(3).is_duplicate(0, 1, 100));
}

TEST(DuplicateHorizon, forgetting_outlives_a_restart) {
    DuplicateHorizon h = horizon();
    h.remember(0, 1, 100, 1);
    h.forget(0, 1);
    CHECK_FALSE(recovered(1).is_duplicate(0, 1, 100));
}

TEST(DuplicateHorizon, row_of_an_entry_that_was_never_born_is_dropped_and_costs_no_other) {
    DuplicateHorizon h = horizon();
    for (std::uint16_t i = 1; i <= 4; ++i) h.remember(0, i, 100u + i, i);
    h.remember(0, 5, 105, 5);  // and the crash came before entry 5 was valid
    DuplicateHorizon again = recovered(4);
    CHECK_FALSE(again.is_duplicate(0, 5, 105));
    for (std::uint16_t i = 1; i <= 4; ++i) CHECK(again.is_duplicate(0, i, 100u + i));
    again.remember(0, 6, 106, 5);
    CHECK(again.is_duplicate(0, 6, 106));
    CHECK_FALSE(again.is_duplicate(0, 1, 101));
}

TEST(DuplicateHorizon, recovery_finds_the_place_after_the_newest_wherever_it_is) {
    for (std::uint16_t count = 1; count <= 12; ++count) {
        std::fill(memory->begin(), memory->end(), 0);
        DuplicateHorizon h = horizon();
        for (std::uint16_t i = 1; i <= count; ++i) h.remember(0, i, 100u + i, i);
        DuplicateHorizon again = recovered(count);
        again.remember(0, 50, 150, count + 1u);
        CHECK(again.is_duplicate(0, 50, 150));
        for (std::uint16_t i = 1; i <= count; ++i) CHECK_EQUAL(i + 3 > count, again.is_duplicate(0, i, 100u + i));
    }
}

TEST(DuplicateHorizon, entries_known_already_are_not_remembered_twice) {
    DuplicateHorizon h = horizon();
    for (std::uint16_t i = 1; i <= 4; ++i) h.remember(0, i, 100u + i, i);
    for (std::uint16_t i = 1; i <= 4; ++i) h.remember(0, i, 100u + i, i);  // rebuilt from the journal
    for (std::uint16_t i = 1; i <= 4; ++i) CHECK(h.is_duplicate(0, i, 100u + i));
}

TEST(DuplicateHorizon, damaged_rows_are_ignored) {
    DuplicateHorizon h = horizon();
    for (std::uint16_t i = 1; i <= 4; ++i) h.remember(0, i, 100u + i, i);
    auto* bytes = reinterpret_cast<unsigned char*>(memory->data());
    bytes[16 + 24 + 8] ^= 1;  // the second row's hash
    DuplicateHorizon again = recovered(4);
    CHECK(again.is_duplicate(0, 1, 101));
    CHECK_FALSE(again.is_duplicate(0, 2, 102));
    CHECK_FALSE(again.is_duplicate(0, 2, 103));
    CHECK(again.is_duplicate(0, 3, 103));
}

TEST_GROUP_BASE(DuplicateHorizonSaved, TEST_GROUP_CppUTestGroupDuplicateHorizon) {
    static constexpr std::uint16_t both[] = {0, 1};

    static std::vector<std::byte> saved(const DuplicateHorizon& h, std::uint64_t sequence) {
        std::vector<std::byte> bytes(DuplicateHorizon::save_bytes(links, rows));
        ByteWriter out(bytes);
        h.save(sequence, out);
        CHECK(out.ok() && out.remaining() == 0);
        return bytes;
    }
    void lose_file() { std::fill(memory->begin(), memory->end(), 0); }
};

TEST(DuplicateHorizonSaved, rows_up_to_a_sequence_outlive_the_file) {
    for (std::uint16_t count = 0; count <= 12; ++count) {
        lose_file();
        DuplicateHorizon h = horizon();
        for (std::uint16_t i = 1; i <= count; ++i) h.remember(i % 2, i, 100u + i, i);
        const std::uint64_t position = count / 2;
        const std::vector<std::byte> bytes = saved(h, position);
        std::vector<bool> known;
        for (std::uint16_t i = 1; i <= count; ++i) known.push_back(i <= position && h.is_duplicate(i % 2, i, 100u + i));
        lose_file();
        DuplicateHorizon again = horizon();
        CHECK(again.load(bytes, both, position).ok());
        for (std::uint16_t i = 1; i <= count; ++i) CHECK_EQUAL(known[i - 1u], again.is_duplicate(i % 2, i, 100u + i));
        again.remember(0, 77, 177, position + 1);
        CHECK(recovered(position + 1).is_duplicate(0, 77, 177));
        for (std::uint16_t i = 1; i <= position; ++i) CHECK_EQUAL(known[i - 1u], again.is_duplicate(i % 2, i, 100u + i));
    }
}

TEST(DuplicateHorizonSaved, rows_are_added_to_those_that_are_there_and_the_newest_stay) {
    DuplicateHorizon h = horizon();
    for (std::uint16_t i = 1; i <= 3; ++i) h.remember(0, i, 100u + i, i);
    const std::vector<std::byte> bytes = saved(h, 3);
    lose_file();
    DuplicateHorizon again = horizon();
    again.remember(0, 3, 103, 3);  // rebuilt from an entry
    again.remember(0, 4, 104, 4);
    again.remember(0, 5, 105, 5);
    CHECK(again.load(bytes, both, 5).ok());
    for (std::uint16_t i = 1; i <= 5; ++i) CHECK_EQUAL(i >= 2, again.is_duplicate(0, i, 100u + i));
    CHECK(again.load(bytes, both, 5).ok());  // all of it is here
    again.remember(0, 6, 106, 6);
    for (std::uint16_t i = 1; i <= 6; ++i) CHECK_EQUAL(i >= 3, again.is_duplicate(0, i, 100u + i));
}

TEST(DuplicateHorizonSaved, what_was_forgotten_is_neither_saved_nor_brought_back) {
    DuplicateHorizon h = horizon();
    h.remember(0, 1, 101, 1);
    h.remember(1, 2, 102, 2);
    const std::vector<std::byte> before = saved(h, 2);
    h.forget(0, 2);
    CHECK(h.load(before, both, 2).ok());
    CHECK_FALSE(h.is_duplicate(0, 1, 101));
    const std::vector<std::byte> after = saved(h, 2);
    lose_file();
    DuplicateHorizon again = horizon();
    CHECK(again.load(after, both, 2).ok());
    CHECK_FALSE(again.is_duplicate(0, 1, 101));
    CHECK(again.is_duplicate(1, 2, 102));
}

TEST(DuplicateHorizonSaved, links_move_and_those_without_a_place_are_left) {
    DuplicateHorizon h = horizon();
    h.remember(0, 1, 101, 1);
    h.remember(1, 2, 102, 2);
    const std::vector<std::byte> bytes = saved(h, 2);
    lose_file();
    DuplicateHorizon again = horizon();
    constexpr std::uint16_t moved[] = {1, DuplicateHorizon::no_link};
    CHECK(again.load(bytes, moved, 2).ok());
    CHECK(again.is_duplicate(1, 1, 101));
    CHECK_FALSE(again.is_duplicate(0, 1, 101));
    CHECK_FALSE(again.is_duplicate(0, 2, 102) || again.is_duplicate(1, 2, 102));
}

TEST(DuplicateHorizonSaved, what_save_never_wrote_is_refused) {
    DuplicateHorizon h = horizon();
    for (std::uint16_t i = 1; i <= 4; ++i) h.remember(0, i, 100u + i, i);
    const std::vector<std::byte> bytes = saved(h, 4);
    CHECK(h.load(bytes, both, 3).error() == Error::invalid);  // of an entry that is not there
    CHECK(h.load({}, both, 4).error() == Error::invalid);
    CHECK(h.load(std::span(bytes).first(bytes.size() - 1), both, 4).error() == Error::invalid);
    std::vector<std::byte> disordered = bytes;
    std::copy(bytes.begin() + 4, bytes.begin() + 4 + 18, disordered.begin() + 4 + 18);
    CHECK(h.load(disordered, both, 4).error() == Error::invalid);
}
