#include "windows/table.h"

#include <cstring>

#include "tests/unit/windows/tables.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

// A table, and a column of keys to ask it by.
struct Asked {
    explicit Asked(TableSpec of) : spec(std::move(of)), block(Table::need(spec)), arena(block.memory()), table(arena, spec) {}

    bool give(const std::string& image) { return table.load_part(as_byte_span(image), 0, image.size()).ok(); }
    std::uint32_t find(std::string_view key) {
        Column on;
        on.type = ColumnType::text;
        on.texts = &key;
        on.present.set(0);
        return table.find(on, 0);
    }
    std::uint32_t find(std::int64_t key) {
        Column on;
        on.type = ColumnType::integer;
        on.integers = &key;
        on.present.set(0);
        return table.find(on, 0);
    }
    std::optional<double> limit(std::string_view key) {
        double value = 0;
        Column to;
        to.type = ColumnType::real;
        to.reals = &value;
        table.read(find(key), 0, to, 0);
        return to.present.test(0) ? std::optional<double>(value) : std::nullopt;
    }
    std::string road(std::string_view key) {
        std::string_view value;
        Column to;
        to.type = ColumnType::text;
        to.texts = &value;
        table.read(find(key), 1, to, 0);
        return to.present.test(0) ? std::string(value) : "null";
    }

    TableSpec spec;
    ArenaBlock block;
    Arena arena;
    Table table;
};

}  // namespace

TEST_GROUP(Table) {
    Asked asked{sites()};
    const std::string three = image_of(sites(), {{"s1", 50.0, "A1"}, {"s2", {}, "a road, quoted"}, {"", 80.0, {}}});
};

TEST(Table, takes_what_need_says) { CHECK_EQUAL(Table::need(asked.spec), asked.arena.used()); }

TEST(Table, gives_the_values_of_a_key_and_nulls_where_there_are_none) {
    CHECK(asked.find("s1") == Table::none);
    CHECK(asked.give(three));
    DOUBLES_EQUAL(50.0, *asked.limit("s1"), 0);
    STRCMP_EQUAL("A1", asked.road("s1").c_str());
    CHECK(!asked.limit("s2").has_value());
    STRCMP_EQUAL("a road, quoted", asked.road("s2").c_str());
    DOUBLES_EQUAL(80.0, *asked.limit(""), 0);
    STRCMP_EQUAL("null", asked.road("").c_str());
    CHECK(asked.find("s3") == Table::none);
    CHECK_EQUAL(3U, asked.table.status().rows);
}

TEST(Table, keys_may_be_ints) {
    TableSpec lanes;
    lanes.name = "lanes";
    lanes.key = {"lane", ColumnType::integer};
    lanes.columns = Schema({{"width", ColumnType::integer}});
    lanes.max_text = 0;
    Asked table(lanes);
    TableImage image(lanes);
    for (std::int64_t lane : {-3, 0, 7}) {
        image.begin_row(lane);
        image.set(0, lane * 100);
    }
    CHECK(table.give(image.bytes()));
    CHECK_EQUAL(0U, table.find(std::int64_t{-3}));
    CHECK_EQUAL(2U, table.find(std::int64_t{7}));
    CHECK(table.find(std::int64_t{1}) == Table::none);
}

TEST(Table, an_image_takes_effect_with_its_last_part) {
    CHECK(asked.give(image_of(sites(), {{"s1", 30.0, {}}})));
    for (Bytes at = 0; at < three.size(); at += 16) {
        DOUBLES_EQUAL(30.0, *asked.limit("s1"), 0);
        CHECK(asked.table.load_part(as_byte_span(three).subspan(at, std::min<Bytes>(16, three.size() - at)), at, three.size()).ok());
    }
    DOUBLES_EQUAL(50.0, *asked.limit("s1"), 0);
    CHECK_EQUAL(2U, asked.table.status().loads);
}

TEST(Table, a_part_out_of_order_is_refused_and_the_content_stays) {
    CHECK(asked.give(image_of(sites(), {{"s1", 30.0, {}}})));
    const ByteSpan bytes = as_byte_span(three);
    CHECK(asked.table.load_part(bytes.first(16), 0, bytes.size()).ok());
    CHECK(!asked.table.load_part(bytes.subspan(32), 32, bytes.size()).ok());
    CHECK(!asked.table.load_part(bytes.subspan(16), 16, bytes.size()).ok());  // forgotten with it
    DOUBLES_EQUAL(30.0, *asked.limit("s1"), 0);
    CHECK_EQUAL(2U, asked.table.status().refused);
    CHECK(asked.give(three));
}

TEST(Table, two_equal_keys_are_refused) {
    CHECK(!asked.give(image_of(sites(), {{"s1", 30.0, {}}, {"s1", 40.0, {}}})));
    CHECK_EQUAL(1U, asked.table.status().refused);
}

TEST(Table, hostile_images_are_refused_and_nothing_is_read_beyond_them) {
    CHECK(asked.give(three));
    for (std::size_t at = 0; at < three.size(); ++at)
        for (int bit : {0, 3, 7}) {
            std::string damaged = three;
            damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
            (void)asked.give(damaged);
            for (const char* key : {"s1", "s2", "", "x"})
                if (asked.find(key) != Table::none) CHECK(asked.road(key).size() <= table_text_max);
        }
    const std::uint64_t loads = asked.table.status().loads;
    for (std::size_t size = 1; size < three.size(); ++size) CHECK(!asked.give(three.substr(0, size)));
    CHECK(!asked.give(std::string(TableLayout(asked.spec).image_max() + 1, '\0')));
    CHECK_EQUAL(loads, asked.table.status().loads);
}

TEST(Table, a_saved_table_goes_on_in_the_middle_of_an_image) {
    CHECK(asked.give(image_of(sites(), {{"s1", 30.0, "old"}})));
    CHECK(asked.table.load_part(as_byte_span(three).first(20), 0, three.size()).ok());
    std::vector<std::byte> bytes(Table::save_size_max(asked.spec));
    ByteWriter out(bytes);
    asked.table.save(out);
    CHECK(out.ok());
    Asked other(sites());
    ByteReader in(out.written());
    CHECK(other.table.load(in));
    CHECK_EQUAL(0U, in.remaining());
    STRCMP_EQUAL("old", other.road("s1").c_str());
    CHECK_EQUAL(asked.table.status().image_hash, other.table.status().image_hash);
    CHECK(other.table.load_part(as_byte_span(three).subspan(20), 20, three.size()).ok());
    STRCMP_EQUAL("A1", other.road("s1").c_str());
}
