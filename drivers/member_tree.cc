#include "drivers/member_tree.h"

#include <cstring>
#include <optional>

#include "drivers/json_text.h"

namespace weir {

int MemberTree::add(const std::vector<std::string>& path) {
    std::size_t at = root;
    for (const std::string& key : path) {
        int next = none;
        for (const int child : nodes_[at].children)
            if (nodes_[static_cast<std::size_t>(child)].key == key) next = child;
        if (next == none) {
            next = static_cast<int>(nodes_.size());
            nodes_[at].children.push_back(next);
            nodes_.push_back({key, none, {}});
        }
        at = static_cast<std::size_t>(next);
    }
    return static_cast<int>(at);
}

int MemberTree::find(int in, const char* key, const char* end, char* scratch) {
    Node& node = nodes_[static_cast<std::size_t>(in)];
    const std::size_t count = node.children.size();
    const auto readable = static_cast<std::size_t>(end - key);
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t place = node.expected + i < count ? node.expected + i : node.expected + i - count;
        const int index = node.children[place];
        const std::string& wanted = nodes_[static_cast<std::size_t>(index)].key;
        if (readable <= wanted.size() || key[wanted.size()] != '"' ||
            std::memcmp(key, wanted.data(), wanted.size()) != 0 || wanted.find_first_of("\"\\") != std::string::npos)
            continue;
        node.expected = place + 1 < count ? place + 1 : 0;
        return index;
    }
    return count == 0 ? none : find_escaped(node, {key, readable}, scratch);
}

int MemberTree::find_escaped(const Node& node, std::string_view text, char* scratch) const {
    const JsonString key = scan_json_string(text);
    if (!key.escaped) return none;
    const std::optional<std::size_t> size = unescape_json(key.raw, scratch);
    if (!size) return none;
    for (const int index : node.children)
        if (nodes_[static_cast<std::size_t>(index)].key == std::string_view(scratch, *size)) return index;
    return none;
}

}  // namespace weir
