#include "windows/key.h"

#include <string>
#include <vector>

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(Key) {};

TEST(Key, equal_keys_have_equal_bytes_and_order_is_by_value) {
    const Schema schema({{"i", ColumnType::integer}, {"s", ColumnType::text}, {"b", ColumnType::boolean}});
    const KeyLayout layout(schema, {1, 0, 2});
    Batch::Params params;
    ArenaBlock block(Batch::need(schema, params));
    Arena arena(block.memory());
    Batch batch(arena, schema, params);
    const std::string long_a = std::string(63, 'a') + "\xc3\xa9 and more of it, far beyond what a key holds";
    const std::string long_b = long_a + "!";
    const std::vector<std::pair<int, std::string>> rows = {{-5, "a"}, {3, "a"}, {3, "a"}, {3, ""}, {3, long_a}, {3, long_b}};
    std::vector<std::vector<std::byte>> keys;
    for (const auto& [number, text] : rows) {
        batch.begin_row();
        batch.set_integer(0, number);
        batch.set_text(1, text);
        batch.commit_row({});
        std::vector<std::byte> key(layout.width());
        const bool cut = layout.encode(batch, batch.rows() - 1, key.data());
        CHECK_EQUAL(text.size() > key_text_max, cut);
        keys.push_back(key);
    }
    for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::size_t j = 0; j < rows.size(); ++j) {
            CHECK_EQUAL(rows[i] == rows[j], layout.equals(batch, i, keys[j].data()));
            CHECK_EQUAL(rows[i] == rows[j], keys[i] == keys[j]);
            CHECK_EQUAL(rows[i] == rows[j], layout.compare(keys[i].data(), keys[j].data()) == 0);
        }
    // same() is equals() of row after row, but that it leaves cut strings to equals().
    std::vector<std::byte> all;
    for (const std::vector<std::byte>& key : keys) all.insert(all.end(), key.begin(), key.end());
    const std::vector<std::uint16_t> wanted = {0, 1, 2, 3, 4};
    const auto same = [&](std::vector<std::uint32_t> cells) { return layout.same(batch, std::span(wanted).first(cells.size()), cells, all.data()); };
    CHECK_EQUAL(0U, same({}));
    CHECK_EQUAL(4U, same({0, 2, 1, 3}));
    CHECK_EQUAL(4U, same({0, 2, 1, 3, 4}));
    CHECK_EQUAL(1U, same({0, 3, 1, 3}));
    CHECK_EQUAL(0U, same({1, 1, 1, 3}));
    CHECK_EQUAL(3U, same({0, 1, 1, 2}));
    CHECK(layout.compare(keys[0].data(), keys[1].data()) < 0);
    CHECK(layout.compare(keys[3].data(), keys[1].data()) < 0);
    CHECK(layout.value(keys[0].data(), 1).integer == -5);
    CHECK(layout.value(keys[0].data(), 2).kind == ValueKind::null);
    CHECK(layout.value(keys[4].data(), 0).text.size() <= key_text_max);
}
