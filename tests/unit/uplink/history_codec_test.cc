#include "uplink/history_codec.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

struct Kept {
    std::int64_t time = 0;
    std::uint8_t marks = 0;
    std::vector<std::optional<double>> values;
};

bool same(const std::optional<double>& a, const std::optional<double>& b) {
    if (!a || !b) return a.has_value() == b.has_value();
    return std::bit_cast<std::uint64_t>(*a) == std::bit_cast<std::uint64_t>(*b);
}

// A block, and beside it the plain twin: a vector of what was appended.
class Block {
public:
    Block(std::size_t columns, Bytes bytes) : bytes_(bytes), models_(columns), encoder_(bytes_, models_) {}

    bool append(const Kept& point) {
        if (!encoder_.append({Timestamp::micros(point.time), point.marks, point.values}).ok()) return false;
        twin_.push_back(point);
        return true;
    }
    void check() {
        HistoryDecoder decoder(encoder_.bytes(), models_.size());
        LONGS_EQUAL(twin_.size(), encoder_.points());
        for (const Kept& point : twin_) {
            const Result<HistoryPoint> got = decoder.next();
            CHECK_TRUE(got.ok());
            CHECK_TRUE(got->time == Timestamp::micros(point.time));
            LONGS_EQUAL(point.marks, got->marks);
            for (std::size_t i = 0; i < point.values.size(); ++i) CHECK_TRUE(same(point.values[i], got->values[i]));
        }
    }
    HistoryEncoder& encoder() { return encoder_; }
    double bits_a_point() const { return static_cast<double>(encoder_.bytes().size()) * 8 / static_cast<double>(twin_.size()); }
    std::size_t points() const { return twin_.size(); }

private:
    std::vector<std::byte> bytes_;
    std::vector<HistoryEncoder::ValueModel> models_;
    HistoryEncoder encoder_;
    std::vector<Kept> twin_;
};

// Series of many kinds: how times go on, and what values are like.
class Series {
public:
    Series(std::uint64_t seed, std::size_t columns) : random_(seed), kinds_(columns), levels_(columns) {
        for (unsigned& kind : kinds_) kind = pick(9);
        time_kind_ = pick(6);
        time_ = static_cast<std::int64_t>(random_() >> (pick(3) * 12 + 8));
    }
    Kept next() {
        Kept point;
        point.time = next_time();
        point.marks = pick(50) == 0 ? static_cast<std::uint8_t>(pick(4)) : std::uint8_t{0};
        for (std::size_t i = 0; i < kinds_.size(); ++i) point.values.push_back(value(i));
        if (pick(200) == 0) kinds_[pick(static_cast<unsigned>(kinds_.size()))] = pick(9);
        return point;
    }

private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
    std::int64_t next_time() {
        constexpr std::int64_t minute = 60'000'000;
        switch (time_kind_) {
            case 0: return time_ += minute;
            case 1: return time_ += minute * (1 + pick(4) * pick(2));
            case 2: return time_ += static_cast<std::int64_t>(pick(2'000'000));
            case 3: return time_ += (static_cast<std::int64_t>(pick(5)) - 1) * minute;  // back, and repeated
            case 4: return time_ = static_cast<std::int64_t>(random_());                // anything at all
            default: return time_ += 1'000'000 + static_cast<std::int64_t>(pick(3));
        }
    }
    std::optional<double> value(std::size_t i) {
        const double unit = static_cast<double>(random_() >> 11) / 9007199254740992.0;
        double& level = levels_[i];
        switch (kinds_[i]) {
            case 0: return level += pick(7) - 3.0;
            case 1: return std::round((level += unit - 0.5) * 100) / 100;
            case 2: return level += unit;
            case 3: return 42.5;
            case 4: return pick(3) == 0 ? std::optional<double>() : std::optional<double>(pick(10));
            case 5: return std::bit_cast<double>(random_());  // NaNs with their bits, too
            case 6: {
                constexpr double odd[] = {0.0, -0.0, 1e300, -1e-300, 5e-324, 9007199254740993.0, 1e15, 0.1};
                const unsigned n = pick(11);
                return n == 8 ? std::numeric_limits<double>::infinity() : n == 9 ? -std::numeric_limits<double>::infinity()
                       : n == 10 ? std::numeric_limits<double>::quiet_NaN() : odd[n];
            }
            case 7: return pick(40) == 0 ? unit : static_cast<double>(pick(1000));
            default: return static_cast<double>(pick(100)) / (pick(30) == 0 ? 1e6 : 10);
        }
    }
    std::mt19937_64 random_;
    std::vector<unsigned> kinds_;
    std::vector<double> levels_;
    unsigned time_kind_ = 0;
    std::int64_t time_ = 0;
};

}  // namespace

TEST_GROUP(HistoryCodec) {};

TEST(HistoryCodec, points_come_back_as_they_were) {
    Block block(2, 512);
    CHECK_TRUE(block.append({60'000'000, 0, {1.5, std::nullopt}}));
    CHECK_TRUE(block.append({120'000'000, history_partial, {2.25, -0.0}}));
    CHECK_TRUE(block.append({120'000'000, history_gone, {std::nullopt, std::nullopt}}));
    CHECK_TRUE(block.append({0, 0, {std::numeric_limits<double>::quiet_NaN(), 1e-320}}));
    block.check();
    CHECK_TRUE(block.encoder().least() == Timestamp());
    CHECK_TRUE(block.encoder().greatest() == Timestamp::micros(120'000'000));
}

TEST(HistoryCodec, a_full_block_refuses_and_stays_as_it_was) {
    Block block(3, 300);
    Series series(5, 3);
    while (block.append(series.next())) {
    }
    CHECK_TRUE(block.points() > 5);
    CHECK_TRUE(block.encoder().bytes().size() <= 300);
    block.check();
}

TEST(HistoryCodec, a_block_begun_anew_knows_nothing_of_the_one_before) {
    std::vector<std::byte> bytes(256);
    std::vector<HistoryEncoder::ValueModel> models(1);
    HistoryEncoder encoder(bytes, models);
    const auto fill = [&] {
        for (int i = 0; i < 20; ++i) {
            const std::optional<double> value = i * 0.25;
            CHECK_TRUE(encoder.append({Timestamp::seconds(i), 0, std::span(&value, 1)}).ok());
        }
        return std::vector<std::byte>(encoder.bytes().begin(), encoder.bytes().end());
    };
    const auto first = fill();
    encoder.reset();
    CHECK_TRUE(first == fill());
}

TEST(HistoryCodec, a_regular_series_of_one_value_takes_two_bits_a_point) {
    Block block(1, 1024);
    for (int i = 0; i < 3000; ++i) CHECK_TRUE(block.append({std::int64_t{i} * 60'000'000, 0, {42.5}}));
    block.check();
    CHECK_TRUE(block.bits_a_point() < 2.3);
}

TEST(HistoryCodec, full_doubles_take_hardly_more_than_their_mantissa) {
    std::mt19937_64 random(1);
    Block block(1, 16384);
    for (int i = 0; i < 1500; ++i)
        CHECK_TRUE(block.append({std::int64_t{i} * 60'000'000, 0, {50 + static_cast<double>(random() >> 11) / 9007199254740992.0}}));
    block.check();
    CHECK_TRUE(block.bits_a_point() < 58);
}

TEST(HistoryCodec, one_odd_value_does_not_spoil_what_follows) {
    Block block(1, 4096);
    for (int i = 0; i < 1000; ++i) CHECK_TRUE(block.append({std::int64_t{i} * 60'000'000, 0, {i % 100 == 50 ? 0.123456789012345 : 50 + i % 7}}));
    block.check();
    CHECK_TRUE(block.bits_a_point() < 7.5);
}

TEST(HistoryCodec, any_series_agrees_with_its_twin) {
    std::size_t points = 0;
    double bits = 0;
    const char* const given = getenv("WEIR_MODEL_STREAMS");
    const int streams = given ? atoi(given) : 2000;
    for (int seed = 0; seed < streams; ++seed) {
        const std::size_t columns = 1 + static_cast<std::size_t>(seed) % 5;
        Block block(columns, 200 + static_cast<Bytes>(seed % 40) * 50 * columns);
        Series series(static_cast<std::uint64_t>(seed), columns);
        while (block.append(series.next())) {
        }
        block.check();
        points += block.points();
        bits += block.bits_a_point() * static_cast<double>(block.points());
    }
    printf("%d series, %zu points, %.1f bits a point of all columns\n", streams, points, bits / static_cast<double>(points));
}

TEST(HistoryCodec, hostile_bytes_are_refused_or_read_never_more) {
    std::mt19937_64 random(9);
    std::size_t refused = 0;
    for (int i = 0; i < 4000; ++i) {
        Block block(2, 400);
        Series series(static_cast<std::uint64_t>(i), 2);
        while (block.append(series.next())) {
        }
        std::vector<std::byte> bytes(block.encoder().bytes().begin(), block.encoder().bytes().end());
        for (unsigned n = 1 + random() % 6; n > 0; --n) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        if (i % 3 == 0) bytes.resize(random() % bytes.size());
        HistoryDecoder decoder(bytes, 2);
        std::size_t read = 0;
        while (decoder.next().ok()) ++read;
        CHECK_TRUE(read <= bytes.size() * 8);
        refused += read < block.points();
    }
    CHECK_TRUE(refused > 1000);
}
