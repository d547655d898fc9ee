#include "drivers/event_shape.h"

#include <algorithm>
#include <cstring>

#include "drivers/numbers.h"

namespace weir {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool ends_scalar(char c) { return is_blank(c) || c == ',' || c == '}' || c == ']'; }

// One pass over one event; members are looked up as the codec looks them up.
class Learner {
    static constexpr std::ptrdiff_t literal_max = 16;

public:
    Learner(EventShape& shape, std::string_view text, MemberTree& tree, std::span<const CodecTarget> targets)
        : shape_(shape), tree_(tree), targets_(targets), at_(text.data()), end_(text.data() + text.size()), literal_(at_) {}

    bool learn(bool time_wanted) {
        return object(MemberTree::root, 0) && close_event() && (timed_ || !time_wanted);
    }

private:
    bool take(char c) {
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }
    void skip_blanks() {
        while (at_ != end_ && is_blank(*at_)) ++at_;
    }

    bool object(int node, std::size_t depth) {
        if (depth == EventShape::depth_max || !take('{')) return false;
        skip_blanks();
        if (take('}')) return true;
        for (;;) {
            const char* const key = at_ + 1;
            if (!string(true)) return false;
            const int member = node == MemberTree::none ? MemberTree::none : tree_.find(node, key, end_, nullptr);
            skip_blanks();
            if (!take(':')) return false;
            skip_blanks();
            if (!value(member, depth + 1)) return false;
            skip_blanks();
            if (take('}')) return true;
            if (!take(',')) return false;
            skip_blanks();
        }
    }

    bool array(std::size_t depth) {
        if (depth == EventShape::depth_max || !take('[')) return false;
        skip_blanks();
        if (take(']')) return true;
        for (;;) {
            if (!value(MemberTree::none, depth + 1)) return false;
            skip_blanks();
            if (take(']')) return true;
            if (!take(',')) return false;
            skip_blanks();
        }
    }

    bool value(int node, std::size_t depth) {
        if (at_ == end_) return false;
        const int targets = node == MemberTree::none ? CodecTarget::none : tree_.targets(node);
        if (*at_ == '{' || *at_ == '[') {
            if (targets != CodecTarget::none) return false;  // a wrong type in each event
            return *at_ == '{' ? object(node, depth) : array(depth);
        }
        EventShape::Slot slot;
        slot.targets = static_cast<std::int16_t>(targets);
        slot.kind = node == MemberTree::none ? EventShape::Kind::skip : kind(targets);
        if (targets != CodecTarget::none && !claim(targets)) return false;
        if (!close_literal(slot)) return false;
        if (*at_ == '"' ? !string(false) : !scalar()) return false;
        literal_ = at_;
        return true;
    }

    const CodecTarget& target(int index) const { return targets_[static_cast<std::size_t>(index)]; }

    EventShape::Kind kind(int targets) const {
        using Kind = EventShape::Kind;
        if (targets == CodecTarget::none) return Kind::any;  // a value where a path goes on: must be one
        const CodecTarget& only = target(targets);
        if (only.next != CodecTarget::none) return Kind::any;
        if (only.column == CodecTarget::time_column) return Kind::time;
        switch (only.type) {
            case ColumnType::real: return Kind::real;
            case ColumnType::integer: return Kind::integer;
            case ColumnType::text: return Kind::text;
            case ColumnType::boolean: break;
        }
        return Kind::any;
    }

    // A second member of the same name would have to be weighed against the first: no shape.
    bool claim(int targets) {
        for (int i = targets; i != CodecTarget::none; i = target(i).next) {
            const int column = target(i).column;
            const bool taken = column == CodecTarget::time_column ? timed_ : shape_.filled.test(static_cast<std::size_t>(column));
            if (taken) return false;
            if (column == CodecTarget::time_column)
                timed_ = true;
            else
                shape_.filled.set(static_cast<std::size_t>(column));
        }
        return true;
    }

    // For a name: no escapes, since only their bytes are compared. The bytes were checked by the general path.
    bool string(bool is_name) {
        if (!take('"')) return false;
        for (; at_ != end_ && *at_ != '"'; ++at_) {
            if (static_cast<unsigned char>(*at_) < 0x20 || (is_name && *at_ == '\\')) return false;
            if (*at_ == '\\' && ++at_ == end_) return false;
        }
        return take('"');
    }

    bool scalar() {
        const char* const begin = at_;
        while (at_ != end_ && !ends_scalar(*at_)) ++at_;
        const std::string_view text(begin, static_cast<std::size_t>(at_ - begin));
        return text == "true" || text == "false" || text == "null" || scan_decimal(text).ok;
    }

    static void set_bytes(EventShape::Slot& slot, const char* bytes, std::size_t size) {
        constexpr std::array<std::uint64_t, 2> ones = {~std::uint64_t{0}, ~std::uint64_t{0}};
        slot.words = slot.masks = {};
        std::memcpy(slot.words.data(), bytes, size);
        std::memcpy(slot.masks.data(), ones.data(), size);
        slot.size = size;
        slot.mask = (1u << size) - 1;
    }

    bool add(EventShape::Slot slot, const char* bytes, std::size_t size) {
        if (shape_.count == EventShape::slots_max) return false;
        set_bytes(slot, bytes, size);
        shape_.slots[shape_.count++] = slot;
        return true;
    }

    // What was read since the last value stands before this one.
    bool close_literal(const EventShape::Slot& slot) {
        EventShape::Slot more;
        more.kind = EventShape::Kind::more;
        for (; at_ - literal_ > literal_max; literal_ += literal_max)
            if (!add(more, literal_, literal_max)) return false;
        return add(slot, literal_, static_cast<std::size_t>(at_ - literal_));
    }

    // Behind the last value: what ends the event, and what leads to the next one's first value. Both are at least a byte.
    bool close_event() {
        if (shape_.count == 0) return false;  // no value at all
        EventShape::Slot more;
        more.kind = EventShape::Kind::more;
        for (; at_ - literal_ > literal_max; literal_ += literal_max)
            if (!add(more, literal_, literal_max)) return false;
        const auto size = static_cast<std::size_t>(at_ - literal_);
        set_bytes(shape_.last, literal_, size);
        std::array<char, 2 * std::size_t{literal_max} + 1> joined{};
        const EventShape::Slot& first = shape_.slots[0];
        std::memcpy(joined.data(), literal_, size);
        joined[size] = ',';
        std::memcpy(joined.data() + size + 1, first.words.data(), first.size);
        const std::size_t both = size + 1 + first.size;
        EventShape::Slot next;
        if (both <= literal_max) return add(next, joined.data(), both);
        next.kind = EventShape::Kind::end;
        joined.fill('\x01');
        return add(next, joined.data(), literal_max);
    }

    EventShape& shape_;
    MemberTree& tree_;
    std::span<const CodecTarget> targets_;
    const char* at_;
    const char* end_;
    const char* literal_;  // where the bytes since the last value begin
    bool timed_ = false;
};

}  // namespace

bool EventShape::learn(std::string_view text, MemberTree& tree, std::span<const CodecTarget> targets, bool time_wanted) {
    count = 0;
    filled.reset();
    const bool learned = Learner(*this, text, tree, targets).learn(time_wanted);
    if (!learned) count = 0;
    return learned;
}

bool EventShape::operator==(const EventShape& other) const {
    return count == other.count &&
           std::equal(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(count), other.slots.begin(),
                      [](const Slot& a, const Slot& b) { return a.size == b.size && a.words == b.words && a.targets == b.targets; });
}

}  // namespace weir
