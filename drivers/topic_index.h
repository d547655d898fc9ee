// Which of many topic filters a topic fits: for those who have many sources, most of which a message is not for.
// Memory: need(filter), 400 bytes a level, on the heap, taken by add(). Cost: find() a look-up a level of the topic, twice
// as many below each '+' that shares its place with a name; how many filters there are does not matter.
// Threads: one owner. Errors: none. Source: MQTT 3.1.1 (OASIS), section 4.7.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/bytes.h"

namespace weir {

class TopicIndex {
public:
    // What a filter takes of the heap, at most.
    static Bytes need(std::string_view filter);
    TopicIndex() : nodes_(1) {}
    // What fits the filter is for target, which may have several filters. REQUIRES: valid_filter(filter).
    void add(std::string_view filter, std::uint32_t target);
    // The targets of a topic, in ascending order, each once; until the next find().
    std::span<const std::uint32_t> find(std::string_view topic);

private:
    struct Child {
        std::string level;
        std::size_t node;
    };
    struct Node {
        std::vector<Child> children;         // by name
        std::size_t any = 0;                 // below '+'; 0: there is none
        std::vector<std::uint32_t> ends;     // of filters that end here
        std::vector<std::uint32_t> rests;    // of filters that end in '#' here
    };
    std::size_t child_of(std::size_t node, std::string_view level) const;
    void walk(std::size_t node, std::string_view topic, bool ended);
    void take(const std::vector<std::uint32_t>& targets);

    std::vector<Node> nodes_;
    std::vector<std::uint32_t> found_;
    std::size_t filters_ = 0;
};

}  // namespace weir
