// The slow, obvious twin of count windows: every window keeps its rows, and a place is a name in a list.
// Time, partitions and what is not for a window are the other twin's.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/model/windows/twin.h"

namespace weir::test {

struct CountResult {
    std::string key;
    std::int64_t start = 0;
    std::int64_t end = 0;
    bool other = false;
    bool partial = false;
    bool by_time = false;
    std::vector<TwinRow> rows;    // in journal order
    std::set<std::string> folded;
};

class CountTwin final : public Twin {
public:
    // Which keys share the end of who gave up the place last: by a hash, which is not for a twin to know.
    using Group = std::function<std::size_t(const std::optional<std::string>& site, const std::optional<std::int64_t>& lane)>;
    // Watermarks go in steps of so many ms.
    CountTwin(const TwinSpec& spec, std::int64_t step, Group group) : Twin(spec), step_(step), group_(std::move(group)) {}

    std::vector<CountResult> windows;
    std::uint64_t gave_up = 0;  // places

private:
    // Ordered as results are that end together: null is not among the keys, "(other)" comes last.
    struct Key {
        bool other = false;
        std::optional<std::string> site;
        std::optional<std::int64_t> lane;
        auto operator<=>(const Key&) const = default;
    };
    struct Place {
        std::string partition;  // whose watermark closes it, "" for the source's
        std::int64_t ended = never, closes_at = forever;
        std::vector<TwinRow> rows;
        std::set<std::string> folded;
    };
    void row(const TwinRow& row) override;
    void emit() override;
    std::int64_t watermark_of(const Place& place) const;
    std::int64_t end(const Place& place) const;
    std::string name(const Key& key) const;
    void say(const Key& key, Place& place, bool by_time);

    std::int64_t step_;
    std::map<Key, Place> places_;
    std::list<Key> waiting_;      // without rows, who has waited longest first
    Group group_;
    std::map<std::size_t, std::int64_t> ended_;  // of who gave up the place
};

}  // namespace weir::test
