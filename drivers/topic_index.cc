#include "drivers/topic_index.h"

#include <algorithm>

namespace weir {
namespace {

// Takes the first level off; more: whether another one follows.
std::string_view first_level(std::string_view& rest, bool& more) {
    const std::size_t slash = rest.find('/');
    more = slash != std::string_view::npos;
    const std::string_view level = rest.substr(0, slash);
    rest.remove_prefix(more ? slash + 1 : rest.size());
    return level;
}

}  // namespace

// Vectors may have twice the room that they need; an allocation has a head.
Bytes TopicIndex::need(std::string_view filter) {
    const auto levels = static_cast<Bytes>(std::count(filter.begin(), filter.end(), '/')) + 1;
    return levels * (2 * (sizeof(Node) + sizeof(Child)) + 3 * 16) + filter.size() + 4 * sizeof(std::uint32_t);
}

void TopicIndex::add(std::string_view filter, std::uint32_t target) {
    // A topic finds a filter at most once.
    found_.reserve(++filters_);
    std::size_t at = 0;
    for (bool more = true; more;) {
        const std::string_view level = first_level(filter, more);
        if (level == "#") {
            nodes_[at].rests.push_back(target);
            return;
        }
        std::size_t next = level == "+" ? nodes_[at].any : child_of(at, level);
        if (next == 0) {
            next = nodes_.size();
            nodes_.emplace_back();
            if (level == "+") {
                nodes_[at].any = next;
            } else {
                std::vector<Child>& children = nodes_[at].children;
                const auto place = std::find_if(children.begin(), children.end(), [&](const Child& child) { return child.level > level; });
                children.insert(place, {std::string(level), next});
            }
        }
        at = next;
    }
    nodes_[at].ends.push_back(target);
}

// 0: none, for the root is nobody's child.
std::size_t TopicIndex::child_of(std::size_t node, std::string_view level) const {
    const std::vector<Child>& children = nodes_[node].children;
    const auto at = std::lower_bound(children.begin(), children.end(), level, [](const Child& child, std::string_view name) { return child.level < name; });
    return at != children.end() && at->level == level ? at->node : 0;
}

std::span<const std::uint32_t> TopicIndex::find(std::string_view topic) {
    found_.clear();
    walk(0, topic, false);
    std::sort(found_.begin(), found_.end());
    found_.erase(std::unique(found_.begin(), found_.end()), found_.end());
    return found_;
}

// topic: what is left below the node; ended: nothing, not even an empty level.
void TopicIndex::walk(std::size_t node, std::string_view topic, bool ended) {
    // A wildcard in the first place does not match topics that begin with '$'.
    const bool hidden = node == 0 && topic.starts_with('$');
    if (!hidden) take(nodes_[node].rests);
    if (ended) return take(nodes_[node].ends);
    bool more = false;
    const std::string_view level = first_level(topic, more);
    if (const std::size_t child = child_of(node, level); child != 0) walk(child, topic, !more);
    if (nodes_[node].any != 0 && !hidden) walk(nodes_[node].any, topic, !more);
}

void TopicIndex::take(const std::vector<std::uint32_t>& targets) { found_.insert(found_.end(), targets.begin(), targets.end()); }

}  // namespace weir
