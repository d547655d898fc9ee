// The slow, obvious twin of hopping windows: every row is put into every window that holds it, and each window of a
// key keeps its rows. Time, partitions and what is not for a window are the other twin's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/windows/twin.h"

namespace weir::test {

struct HoppingResult {
    std::string key;
    std::int64_t start = 0, end = 0;
    std::uint32_t revision = 0;
    bool other = false, partial = false;
    std::vector<TwinRow> rows;  // in journal order
    std::set<std::string> folded;
};

class HoppingTwin final : public Twin {
public:
    HoppingTwin(const TwinSpec& spec, std::int64_t every) : Twin(spec), every_(every) {}

    std::vector<HoppingResult> hops;
    std::uint64_t late_in_part = 0;

private:
    using Key = std::pair<std::optional<std::string>, std::optional<std::int64_t>>;
    struct Id {
        std::int64_t end;
        bool other;
        Key key;
        auto operator<=>(const Id&) const = default;
    };
    // A key that has a place, as long as it has windows.
    struct Member {
        std::int64_t own_from = never;
    };
    void row(const TwinRow& row) override;
    void emit() override;
    void put(const TwinRow& row, const Id& like, const std::string& partition, std::int64_t watermark, const std::string& folded);
    bool has_windows(const Key& key, bool other) const;

    std::int64_t every_;
    std::map<Id, Group> windows_;
    std::map<Key, Member> members_;
    std::int64_t folded_until_ = never;
};

}  // namespace weir::test
