// Theta: any operations, against the set of all hashes that came: whatever is below the threshold
// is held.
#include <cmath>
#include <set>

#include "sketches/theta.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

constexpr std::size_t many = std::size_t{1} << 20;

struct Subject {
    explicit Subject(const ThetaSketch::Params& given, Input& input)
        : params(given), whole(given), growing(given, input.below(2048), input.below(8192)) {}

    void update(Hash128 hash) {
        whole->update(hash);
        growing.update(hash);
        see(hash);
    }
    void see(Hash128 hash) {
        if (hash.h1 >> 1 != 0) seen.insert(hash.h1 >> 1);  // 0 is no hash in the format
        distinct_max = std::max(distinct_max, seen.size());
    }

    ThetaSketch::Params params;
    Owned<ThetaSketch> whole;
    Growing<ThetaSketch> growing;
    std::set<std::uint64_t> seen;
    bool lost = false;             // the growing one is not what it would be with all its room
    std::size_t distinct_max = 0;  // since the last reset, of this and of what went into it
};

void check(ThetaSketch& sketch, const Subject& subject, bool full_size) {
    const auto bytes = check_round_trip(sketch, subject.params);
    std::set<std::uint64_t> held;
    if (bytes.size() > 8)
        for (std::size_t at = std::to_integer<std::size_t>(bytes[0]) * 8; at < bytes.size();
             at += 8)
            held.insert(load_le<std::uint64_t>(&bytes[at]));
    FUZZ_CHECK(held == std::set<std::uint64_t>(subject.seen.begin(),
                                               subject.seen.lower_bound(sketch.theta())));
    FUZZ_CHECK(held.size() == sketch.retained());
    const std::size_t k = std::size_t{1} << sketch.lg_k();
    FUZZ_CHECK(sketch.retained() <= 2 * k);
    if (full_size && subject.distinct_max <= k) FUZZ_CHECK(sketch.is_exact());
    if (sketch.is_exact()) FUZZ_CHECK(sketch.estimate() == static_cast<double>(held.size()));
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        FUZZ_CHECK(sketch.lower_bound(sigmas) <= sketch.estimate());
        FUZZ_CHECK(sketch.upper_bound(sigmas) >= sketch.estimate());
    }
    auto packed = bytes;
    packed.resize(*ThetaSketch::compress(packed));
    Owned<ThetaSketch> again(subject.params);
    FUZZ_CHECK(again->load(packed).ok());
    FUZZ_CHECK(bytes_of(*again) == bytes);
}

void check(Subject& subject) {
    check(*subject.whole, subject, true);
    check(*subject.growing, subject, !subject.lost);
    if (!subject.lost) FUZZ_CHECK(bytes_of(*subject.growing) == bytes_of(*subject.whole));
}

}  // namespace

void operate_theta(ByteSpan bytes) {
    Input input(bytes);
    std::vector<std::unique_ptr<Subject>> subjects;
    for (int i = 0; i < 2; ++i)
        subjects.push_back(std::make_unique<Subject>(
            ThetaSketch::Params{static_cast<std::uint8_t>(5 + input.below(4))}, input));
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
                other.distinct_max += subject.distinct_max;
                if (!subject.whole->is_exact()) other.distinct_max = many;
                budget -= 200;
                break;
            case 1: {
                auto written = bytes_of(*subject.whole);
                auto grown = bytes_of(*subject.growing);
                if (input.below(2)) {
                    written.resize(*ThetaSketch::compress(written));
                    grown.resize(*ThetaSketch::compress(grown));
                }
                FUZZ_CHECK(subject.whole->load(written).ok());
                FUZZ_CHECK(subject.growing->load(grown).ok());
                break;
            }
            case 2:
                subject.whole->trim();
                subject.growing->trim();
                FUZZ_CHECK(subject.whole->retained() <= std::uint32_t{1} << subject.params.lg_k);
                break;
            case 3:
                if (input.below(4) != 0) break;
                subject.whole->reset();
                subject.growing->reset();
                subject.seen.clear();
                subject.lost = false;
                subject.distinct_max = 0;
                break;
            case 4: subject.growing.relocate(); break;
            case 5:
                check(subject);
                budget -= 500;
                break;
            case 6:
                other.whole->intersect(*subject.whole);
                other.growing->intersect(*subject.growing);
                other.lost |= subject.lost;
                std::erase_if(other.seen,
                              [&](std::uint64_t hash) { return !subject.seen.contains(hash); });
                other.distinct_max = std::max(other.distinct_max, subject.distinct_max);
                if (!subject.whole->is_exact()) other.distinct_max = many;
                budget -= 200;
                break;
            case 7: subject.update({input.number(8), 0}); break;
            case 8:
            case 9: {  // a column
                std::vector<Hash128> hashes(input.byte());
                for (auto item = static_cast<std::int64_t>(input.number(2));
                     Hash128 & hash : hashes)
                    hash = hash_integer(item++);
                subject.whole->update_column(hashes);
                subject.growing.update_column(std::span<const Hash128>(hashes));
                for (Hash128 hash : hashes) subject.see(hash);
                budget -= static_cast<int>(hashes.size());
                break;
            }
            case 10: {
                auto item = static_cast<std::int64_t>(input.number(2) << 4);
                for (int count = 4 * input.byte(); count > 0; --count, --budget)
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
