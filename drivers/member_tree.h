// The members of a JSON object that columns want, as a tree: one pass over an object finds them all, in any order.
// Internal to drivers. Memory: a node a member, made at start-up. Cost: find() compares with the member expected
// next, then with its siblings: senders keep their order. Threads: one owner (find() remembers). Errors: none.
// Source: RFC 6901 (paths).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

class MemberTree {
public:
    static constexpr int none = -1;
    static constexpr int root = 0;

    MemberTree() { nodes_.push_back({"", none, {}}); }

    // The node of a path as split_path() gives it; made if it is not there.
    int add(const std::vector<std::string>& path);
    // What hangs on a node, as its owner numbers it; none at first.
    int targets(int node) const { return nodes_[static_cast<std::size_t>(node)].targets; }
    void set_targets(int node, int targets) { nodes_[static_cast<std::size_t>(node)].targets = targets; }

    // The member of `node` whose name begins at key, behind the opening quote, in a text that ends at `end`; or none.
    // scratch: room for the unescaped name.
    int find(int node, const char* key, const char* end, char* scratch);

private:
    struct Node {
        std::string key;
        int targets;
        std::vector<int> children;
        std::size_t expected = 0;  // the child that probably comes next
    };
    int find_escaped(const Node& node, std::string_view text, char* scratch) const;

    std::vector<Node> nodes_;
};

}  // namespace weir
