#include "uplink/bridge/mark.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "agent/base/hash.h"

namespace weir {
namespace {

constexpr char digits[] = "0123456789abcdef";

std::optional<unsigned> nibble(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    return std::nullopt;
}

std::optional<Incarnation> parse_hex(std::string_view text) {
    Incarnation out{};
    if (text.size() != 2 * out.size()) return std::nullopt;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto high = nibble(text[2 * i]);
        const auto low = nibble(text[2 * i + 1]);
        if (!high || !low) return std::nullopt;
        out[i] = static_cast<std::byte>(*high << 4 | *low);
    }
    return out;
}

// Takes "name=value" off the front of text, up to a space or the end.
class Line {
public:
    explicit Line(std::string_view text) : rest_(text) {}

    Status begin(std::string_view kind) {
        const std::string_view word = take();
        if (word == std::string(kind) + "/1") return Status::success();
        const bool later = word.size() > kind.size() && word.starts_with(kind) && word[kind.size()] == '/';
        return later ? Error::unsupported : Error::invalid;
    }
    std::string_view value(std::string_view name) {
        const std::string_view word = take();
        if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=')
            return word.substr(name.size() + 1);
        ok_ = false;
        return {};
    }
    template <typename T>
    T number(std::string_view name) {
        const std::string_view text = value(name);
        T out = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (text.empty() || error != std::errc() || end != text.data() + text.size()) ok_ = false;
        return out;
    }
    Incarnation incarnation(std::string_view name) {
        const auto parsed = parse_hex(value(name));
        if (!parsed) ok_ = false;
        return parsed.value_or(Incarnation{});
    }
    std::string_view rest() const { return rest_; }
    void fail() { ok_ = false; }
    bool ok() const { return ok_; }

private:
    std::string_view take() {
        const auto space = rest_.find(' ');
        const std::string_view word = rest_.substr(0, space);
        rest_.remove_prefix(space == std::string_view::npos ? rest_.size() : space + 1);
        return word;
    }
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace

std::string hex(const Incarnation& incarnation) {
    std::string out;
    for (const std::byte b : incarnation) {
        out.push_back(digits[std::to_integer<unsigned>(b) >> 4]);
        out.push_back(digits[std::to_integer<unsigned>(b) & 15]);
    }
    return out;
}

std::string hex(std::uint64_t value) {
    std::string out(16, '0');
    for (std::size_t i = 0; i < 16; ++i) out[15 - i] = digits[value >> (4 * i) & 15];
    return out;
}

std::string format_mark(const Mark& mark) {
    std::string out = "weir-mark/1 incarnation=" + hex(mark.incarnation) + " epoch=" + std::to_string(mark.epoch) +
                      " ship=" + std::to_string(mark.ship) + " replaced=";
    for (std::size_t i = 0; i < mark.replaced.size(); ++i) out += (i == 0 ? "" : ",") + hex(mark.replaced[i]);
    return out;
}

Result<Mark> parse_mark(std::string_view text) {
    Line line(text);
    if (const Status kind = line.begin("weir-mark"); !kind) return kind.error();
    Mark mark;
    mark.incarnation = line.incarnation("incarnation");
    mark.epoch = line.number<std::uint64_t>("epoch");
    mark.ship = line.number<std::uint64_t>("ship");
    // value() refuses an empty one, and here it may be.
    std::string_view list = line.rest();
    if (!list.starts_with("replaced=")) return Error::invalid;
    list.remove_prefix(std::string_view("replaced=").size());
    while (!list.empty() && line.ok()) {
        const auto comma = list.find(',');
        const auto parsed = parse_hex(list.substr(0, comma));
        if (!parsed || mark.replaced.size() == replaced_incarnations_max) line.fail();
        mark.replaced.push_back(parsed.value_or(Incarnation{}));
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    if (!line.ok()) return Error::invalid;
    return mark;
}

std::string format_owner(const Owner& owner) {
    return "weir-owner/1 instance=" + hex(owner.instance) + " partitions=" + std::to_string(owner.partitions) +
           " bridge=" + owner.bridge;
}

Result<Owner> parse_owner(std::string_view text) {
    Line line(text);
    if (const Status kind = line.begin("weir-owner"); !kind) return kind.error();
    Owner owner;
    owner.instance = line.incarnation("instance");
    owner.partitions = line.number<std::uint32_t>("partitions");
    if (!line.ok() || !line.rest().starts_with("bridge=")) return Error::invalid;
    owner.bridge = line.rest().substr(std::string_view("bridge=").size());
    return owner;
}

std::uint32_t mark_partition(std::string_view agent, std::uint32_t partitions) {
    return static_cast<std::uint32_t>(hash64(as_byte_span(agent)) % partitions);
}

Greeting greet(Mark& mark, bool known, const Incarnation& incarnation, std::uint64_t epoch) {
    if (!known) {
        mark = Mark{incarnation, epoch, 0, {}};
        return Greeting::first;
    }
    if (mark.incarnation == incarnation) {
        mark.epoch = std::max(mark.epoch, epoch);
        return Greeting::resumed;
    }
    if (std::find(mark.replaced.begin(), mark.replaced.end(), incarnation) != mark.replaced.end())
        return Greeting::stale;
    mark.replaced.push_back(mark.incarnation);
    if (mark.replaced.size() > replaced_incarnations_max) mark.replaced.erase(mark.replaced.begin());
    mark = Mark{incarnation, epoch, 0, std::move(mark.replaced)};
    return Greeting::replaced;
}

}  // namespace weir
