// Sketches of the reference: what we build from the same input must be equal to them, as far as the
// format determines it, and what they hold must read as what we build. The input of a file is in its name.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/tdigest.h"
#include "sketches/theta.h"
#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

struct Vector {
    std::string name;
    std::vector<std::byte> bytes;

    bool has(const char* part) const { return name.find(part) != std::string::npos; }
    std::uint64_t number_after(const char* part) const {
        return std::stoull(name.substr(name.find(part) + std::strlen(part)));
    }
    std::uint64_t n() const { return std::stoull(name.substr(name.rfind("_n") + 2)); }
    HllType type() const { return static_cast<HllType>(number_after("typehll") / 2 - 2); }
};

std::vector<Vector> vectors(const std::string& folder, const std::string& family) {
    std::vector<Vector> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(family) && name.ends_with(".sk")) found.push_back({name, read_file(entry.path().string())});
    }
    std::sort(found.begin(), found.end(), [](const Vector& a, const Vector& b) { return a.name < b.name; });
    return found;
}

template <typename Sketch>
void feed(Sketch& sketch, const Vector& vector, std::uint64_t from) {
    for (std::uint64_t i = from; i < from + vector.n(); ++i) {
        if (vector.has("strings"))
            sketch.update("vid-" + std::to_string(i));
        else if (vector.has("doubles"))
            sketch.update(static_cast<double>(i) * 0.5);
        else
            sketch.update(i);
    }
}

void check_hll(const Vector& vector) {
    const HllSketch::Params params{static_cast<std::uint8_t>(vector.number_after("lgk"))};
    Owned<HllSketch> built(params);
    feed(*built, vector, 0);
    if (vector.name.starts_with("hll_union")) {
        Owned<HllSketch> unite(params);
        Owned<HllSketch> second(params);
        feed(*second, vector, vector.n() / 2);
        unite->merge(*built);
        unite->merge(*second);
        CHECK_TEXT(bytes_of(*unite, vector.type()) == vector.bytes, vector.name.c_str());
        Owned<HllSketch> reread(params);  // the same of bytes
        unite->reset();
        for (HllSketch* part : {&*built, &*second}) {
            CHECK(reread->load(bytes_of(*part)).ok());
            unite->merge(*reread);
        }
        CHECK_TEXT(bytes_of(*unite, vector.type()) == vector.bytes, vector.name.c_str());
    } else {
        CHECK_TEXT(bytes_of(*built, vector.type()) == vector.bytes, vector.name.c_str());
    }
    Owned<HllSketch> read(params);
    CHECK_TEXT(read->load(vector.bytes).ok(), vector.name.c_str());
    CHECK_TEXT(bytes_of(*read, vector.type()) == vector.bytes, vector.name.c_str());
}

template <typename T>
void check_kll(const Vector& vector) {
    using Sketch = KllSketch<T>;
    const auto k = static_cast<std::uint16_t>(vector.number_after("_k"));
    const std::uint64_t n = vector.n();
    Owned<Sketch> read({.k = k});
    CHECK_TEXT(read->load(vector.bytes).ok(), vector.name.c_str());
    CHECK_EQUAL(n, read->n());
    auto again = bytes_of(*read);
    if (again.size() > 3) again[3] = vector.bytes[3];  // whether level 0 is sorted: ours never says so
    CHECK_TEXT(again == vector.bytes, vector.name.c_str());
    Owned<Sketch> built({.k = k, .seed = n});
    for (std::uint64_t i = 0; i < n; ++i) built->update(static_cast<T>(i * 611953 % n) / 2);
    CHECK_EQUAL(built->n(), read->n());
    if (n == 0) return;
    for (Sketch* sketch : {&*read, &*built}) {
        DOUBLES_EQUAL(0, sketch->min(), 0);
        DOUBLES_EQUAL(static_cast<double>(n - 1) / 2, sketch->max(), 0);
        for (double rank : {0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99}) {
            const double truth = (std::floor(2.0 * static_cast<double>(sketch->quantile(rank))) + 1) / static_cast<double>(n);
            DOUBLES_EQUAL(rank, truth, 1.5 * sketch->rank_error() + 1.0 / static_cast<double>(n));
        }
    }
}

template <typename Sketch>
std::map<std::string, std::uint64_t> content(const Sketch& sketch) {
    std::vector<typename Sketch::Row> rows(sketch.size());
    sketch.top(rows);
    std::map<std::string, std::uint64_t> found;
    for (const auto& row : rows) {
        if constexpr (std::is_same_v<Sketch, FrequentStrings>)
            found[std::string(row.item)] = row.lower;
        else
            found[std::to_string(row.item)] = row.lower;
    }
    return found;
}

template <typename Sketch>
void check_frequent(const Vector& vector) {
    const auto lg_max = static_cast<std::uint8_t>(vector.number_after("lgmap"));
    Owned<Sketch> built({.lg_max = lg_max});
    for (std::uint64_t i = 0; i < vector.n(); ++i) {
        if constexpr (std::is_same_v<Sketch, FrequentStrings>)
            built->update("vid-" + std::to_string(skewed_item(i)));
        else
            built->update(skewed_item(i));
    }
    Owned<Sketch> read({.lg_max = lg_max});
    CHECK_TEXT(read->load(vector.bytes).ok(), vector.name.c_str());
    CHECK_TEXT(content(*read) == content(*built), vector.name.c_str());
    CHECK_EQUAL(built->lg_max(), static_cast<std::uint8_t>(vector.bytes[3]));
    CHECK_EQUAL(vector.bytes.size(), bytes_of(*built).size());
    if (built->empty()) return;
    CHECK_EQUAL(read->maximum_error(), built->maximum_error());
    CHECK_EQUAL(read->total_weight(), built->total_weight());
}

std::vector<std::byte> theta_bytes(const ThetaSketch& sketch, std::uint64_t serial) {
    std::vector<std::byte> bytes = bytes_of(sketch);
    if (serial == 4) bytes.resize(*ThetaSketch::compress(bytes));
    return bytes;
}

void check_theta(const Vector& vector) {
    const ThetaSketch::Params params{static_cast<std::uint8_t>(vector.number_after("lgk"))};
    const std::uint64_t serial = vector.number_after("_ser");
    Owned<ThetaSketch> built(params);
    feed(*built, vector, 0);
    if (vector.name.starts_with("theta_union")) {
        Owned<ThetaSketch> second(params);
        feed(*second, vector, vector.n() / 2);
        built->merge(*second);
        built->trim();
    }
    CHECK_TEXT(theta_bytes(*built, serial) == vector.bytes, vector.name.c_str());
    Owned<ThetaSketch> read(params);
    CHECK_TEXT(read->load(vector.bytes).ok(), vector.name.c_str());
    CHECK_TEXT(theta_bytes(*read, serial) == vector.bytes, vector.name.c_str());
}

template <typename Weight>
void check_count_min(const Vector& vector) {
    using Sketch = CountMin<Weight>;
    const typename Sketch::Params params{.hashes = static_cast<std::uint8_t>(vector.number_after("hashes")),
                                         .buckets = static_cast<std::uint32_t>(vector.number_after("buckets"))};
    Owned<Sketch> built(params);
    for (std::uint64_t i = 0; i < vector.n(); ++i) {
        if (vector.has("strings"))
            built->update("vid-" + std::to_string(skewed_item(i)));
        else
            built->update(skewed_item(i));
    }
    CHECK_TEXT(bytes_of(*built) == vector.bytes, vector.name.c_str());
    Owned<Sketch> read(*Sketch::params_of(vector.bytes));
    CHECK_TEXT(read->load(vector.bytes).ok(), vector.name.c_str());
    CHECK_TEXT(bytes_of(*read) == vector.bytes, vector.name.c_str());
}

// Doubles: bytes, for the buffer is the reference's too. Floats are only read; they have another rounding.
void check_tdigest(const Vector& vector) {
    const TDigest::Params params{.k = static_cast<std::uint16_t>(vector.number_after("_k"))};
    const std::uint64_t n = vector.n();
    Owned<TDigest> built(params);
    for (std::uint64_t i = 0; i < n; ++i) built->update(static_cast<double>(i * 611953 % n) / 2);
    Owned<TDigest> read(*TDigest::params_of(vector.bytes));
    CHECK_TEXT(read->load(vector.bytes).ok(), vector.name.c_str());
    CHECK_EQUAL(n, read->n());
    if (vector.has("double_")) CHECK_TEXT(bytes_of(*built) == vector.bytes, vector.name.c_str());
    if (n == 0) return;
    DOUBLES_EQUAL(static_cast<double>(n - 1) / 2, read->max(), 0);
    for (double rank : {0.001, 0.01, 0.25, 0.5, 0.75, 0.99})
        DOUBLES_EQUAL(built->quantile(rank), read->quantile(rank), 1e-5 * static_cast<double>(n));
}

int check_folder(const std::string& folder) {
    int checked = 0;
    const auto each = [&](const char* family, void (*check)(const Vector&)) {
        for (const Vector& vector : vectors(folder, family)) {
            check(vector);
            ++checked;
        }
    };
    each("hll", check_hll);
    each("kll_doubles", check_kll<double>);
    each("kll_floats", check_kll<float>);
    each("theta", check_theta);
    each("tdigest", check_tdigest);
    each("cm_hashes", check_count_min<double>);
    each("cm_u64", check_count_min<std::uint64_t>);
    each("fi_strings", check_frequent<FrequentStrings>);
    each("fi_longs", check_frequent<FrequentIntegers>);
    return checked;
}

}  // namespace

TEST_GROUP(GoldenSketches) {};

TEST(GoldenSketches, those_in_this_tree_are_equal_to_ours) { CHECK(check_folder("tests/golden/sketches") >= 20); }

TEST(GoldenSketches, those_beside_this_tree_are_equal_to_ours) {
    const char* folder = "../shared/sketch-vectors";
    if (!std::filesystem::is_directory(folder)) {
        std::printf("skipped: no %s\n", folder);
        return;
    }
    CHECK(check_folder(folder) >= 60);
}
