// HLL: any operations, against a twin that keeps every hash. Each sketch exists twice, whole from
// the start and growing.
#include <cmath>
#include <set>

#include "sketches/hll.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

struct Subject {
    explicit Subject(const HllSketch::Params& given, Input& input)
        : params(given), whole(given), growing(given, input.below(2048), input.below(4096)) {}

    void update(Hash128 hash) {
        whole->update(hash);
        growing.update(hash);
        seen.insert({hash.h1, hash.h2});
    }

    HllSketch::Params params;
    Owned<HllSketch> whole;
    Growing<HllSketch> growing;
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
    bool lost = false;  // the growing one is not what it would be with all its room
};

std::uint8_t value_of(std::uint64_t h2) {
    int zeros = 0;
    while (zeros < 62 && !(h2 >> (63 - zeros) & 1)) ++zeros;
    return static_cast<std::uint8_t>(zeros + 1);
}

void check(HllSketch& sketch, const Subject& subject) {
    const auto bytes = check_round_trip(sketch, subject.params);
    for (HllType type : {HllType::hll4, HllType::hll6})
        check_round_trip(sketch, subject.params, type);
    double before = sketch.estimate();
    FUZZ_CHECK(std::isfinite(before) && before >= 0);
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        FUZZ_CHECK(sketch.lower_bound(sigmas) <= sketch.estimate());
        FUZZ_CHECK(sketch.upper_bound(sigmas) >= before);
        before = sketch.upper_bound(sigmas);
    }
    if (sketch.is_exact()) {
        std::set<std::uint32_t> coupons;
        for (const auto& [h1, h2] : subject.seen) {
            const std::uint32_t value = value_of(h2);
            coupons.insert(value << 26 | (static_cast<std::uint32_t>(h1) & 0x3FFFFFF));
        }
        FUZZ_CHECK(sketch.coupons() == coupons.size());
        FUZZ_CHECK(std::abs(sketch.estimate() - static_cast<double>(coupons.size())) <= 0.5);
        return;
    }
    std::vector<std::uint8_t> registers(std::size_t{1} << sketch.lg_k());
    for (const auto& [h1, h2] : subject.seen) {
        std::uint8_t& held = registers[h1 % registers.size()];
        held = std::max(held, value_of(h2));
    }
    FUZZ_CHECK(bytes.size() == 40 + registers.size());
    FUZZ_CHECK(std::memcmp(&bytes[40], registers.data(), registers.size()) == 0);
    double low = 0;
    double high = 0;
    for (std::uint8_t value : registers) (value < 32 ? low : high) += std::ldexp(1.0, -value);
    FUZZ_CHECK(low == load_le<double>(&bytes[16]) && high == load_le<double>(&bytes[24]));
    FUZZ_CHECK(load_le<std::uint32_t>(&bytes[32]) ==
               static_cast<std::uint32_t>(std::count(registers.begin(), registers.end(), 0)));
}

void check(Subject& subject) {
    check(*subject.whole, subject);
    check(*subject.growing, subject);
    if (!subject.lost) FUZZ_CHECK(bytes_of(*subject.growing) == bytes_of(*subject.whole));
}

}  // namespace

void operate_hll(ByteSpan bytes) {
    Input input(bytes);
    std::vector<std::unique_ptr<Subject>> subjects;
    for (int i = 0; i < 2; ++i)
        subjects.push_back(std::make_unique<Subject>(
            HllSketch::Params{static_cast<std::uint8_t>(4 + input.below(8))}, input));
    for (int budget = 20000; budget > 0 && !input.done(); --budget) {
        const std::uint8_t action = input.byte();
        Subject& subject = *subjects[action & 1];
        Subject& other = *subjects[~action & 1];
        switch (action >> 1 & 15) {
            case 0:
                other.growing.make_room_for(*subject.growing);
                other.whole->merge(*subject.whole);
                other.growing->merge(*subject.growing);
                other.lost |= subject.lost || is_settled(*other.growing);
                other.seen.insert(subject.seen.begin(), subject.seen.end());
                budget -= 200;
                break;
            case 1: {
                const auto type = static_cast<HllType>(input.below(3));
                const auto written = bytes_of(*subject.whole, type);
                FUZZ_CHECK(subject.whole->load(written).ok());
                FUZZ_CHECK(subject.growing->load(bytes_of(*subject.growing, type)).ok());
                break;
            }
            case 2: {
                const std::uint8_t lowest =
                    std::min(subject.whole->lg_k(), subject.growing->lg_k());
                const auto lg_k = static_cast<std::uint8_t>(4 + input.below(8));
                if (lg_k > lowest) break;
                subject.whole->fold(lg_k);
                subject.growing->fold(lg_k);
                break;
            }
            case 3:
                if (input.below(4) != 0) break;
                subject.whole->reset();
                subject.growing->reset();
                subject.seen.clear();
                subject.lost = false;
                break;
            case 4: subject.growing.relocate(); break;
            case 5:
                check(subject);
                budget -= 500;
                break;
            case 6:
            case 7: {  // few items have so many leading zeros
                const std::uint64_t slot = input.number(3);
                subject.update({slot, input.number(8) >> input.below(64)});
                break;
            }
            case 8:
            case 9: {  // a column
                std::vector<Hash128> hashes(input.byte());
                for (auto item = static_cast<std::int64_t>(input.number(2));
                     Hash128 & hash : hashes)
                    hash = hash_integer(item++);
                subject.whole->update_column(hashes);
                subject.growing.update_column(std::span<const Hash128>(hashes));
                for (Hash128 hash : hashes) subject.seen.insert({hash.h1, hash.h2});
                budget -= static_cast<int>(hashes.size());
                break;
            }
            case 10: {
                auto item = static_cast<std::int64_t>(input.number(2) << 4);
                for (int count = 8 * input.byte(); count > 0; --count, --budget)
                    subject.update(hash_integer(item++));
                break;
            }
            default: subject.update(hash_integer(input.byte()));
        }
        subject.lost |= is_settled(*subject.growing);
    }
    for (auto& subject : subjects) check(*subject);
}

}  // namespace weir::fuzz
