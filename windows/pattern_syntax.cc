#include "windows/pattern_syntax.h"

#include <algorithm>

namespace weir {
namespace {

constexpr int depth_max = 32;
constexpr std::size_t text_max = 1024;
constexpr std::uint32_t unbounded = 0xffffffff;

struct Part {
    enum class Kind : std::uint8_t { variable, sequence, alternatives, repetition };
    Kind kind = Kind::variable;
    std::size_t offset = 0;
    std::size_t variable = 0;
    std::uint32_t least = 0;  // of a repetition
    std::uint32_t most = 0;
    bool reluctant = false;
    std::vector<Part> parts;
};

bool may_be_empty(const Part& part) {
    switch (part.kind) {
        case Part::Kind::variable: return false;
        case Part::Kind::sequence: return std::all_of(part.parts.begin(), part.parts.end(), may_be_empty);
        case Part::Kind::alternatives: return std::any_of(part.parts.begin(), part.parts.end(), may_be_empty);
        case Part::Kind::repetition: return part.least == 0 || may_be_empty(part.parts[0]);
    }
    return false;
}

class Parser {
public:
    Parser(std::string_view text, Problem& problem, std::vector<std::string>& variables)
        : text_(text), problem_(problem), variables_(variables) {}

    std::optional<Part> run() {
        if (text_.size() > text_max) {
            fail("a pattern may have at most " + std::to_string(text_max) + " bytes", 0);
            return std::nullopt;
        }
        Part part = alternatives();
        skip_space();
        if (ok_ && at_ < text_.size()) fail("expected the end, or a variable, found '" + std::string(text_.substr(at_, 8)) + "'", at_);
        if (!ok_) return std::nullopt;
        return part;
    }

private:
    void fail(std::string what, std::size_t offset) {
        if (ok_) problem_ = {std::move(what), offset};
        ok_ = false;
    }
    void skip_space() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
    }
    bool accept(char c) {
        skip_space();
        if (at_ == text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    static bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
    static bool digit(char c) { return c >= '0' && c <= '9'; }

    Part grouped(Part::Kind kind, std::size_t offset, std::vector<Part> parts) {
        if (parts.size() == 1) return std::move(parts[0]);
        Part out;
        out.kind = kind;
        out.offset = offset;
        out.parts = std::move(parts);
        return out;
    }
    Part alternatives() {
        skip_space();
        const std::size_t offset = at_;
        if (++depth_ > depth_max) fail("the pattern is nested too deeply", at_);
        std::vector<Part> parts;
        do parts.push_back(sequence());
        while (ok_ && accept('|'));
        --depth_;
        return grouped(Part::Kind::alternatives, offset, std::move(parts));
    }
    Part sequence() {
        skip_space();
        const std::size_t offset = at_;
        std::vector<Part> parts;
        while (ok_) {
            skip_space();
            if (at_ == text_.size() || text_[at_] == '|' || text_[at_] == ')') break;
            parts.push_back(repetition());
        }
        if (ok_ && parts.empty()) fail("a variable should stand here", at_);
        return grouped(Part::Kind::sequence, offset, std::move(parts));
    }
    Part repetition() {
        Part part = primary();
        std::uint32_t least = 0;
        std::uint32_t most = unbounded;
        if (accept('+')) {
            least = 1;
        } else if (accept('?')) {
            most = 1;
        } else if (accept('{')) {
            braces(least, most);
        } else if (!accept('*')) {
            return part;
        }
        Part out;
        out.kind = Part::Kind::repetition;
        out.offset = part.offset;
        out.least = least;
        out.most = most;
        out.reluctant = accept('?');
        skip_space();
        if (ok_ && at_ < text_.size() && (text_[at_] == '*' || text_[at_] == '+' || text_[at_] == '{'))
            fail("two repetitions stand behind each other: put brackets around the first", at_);
        if (ok_ && may_be_empty(part)) fail("what is repeated here may be empty: let the repetition alone allow that", part.offset);
        out.parts.push_back(std::move(part));
        return out;
    }
    // Behind the opening brace.
    void braces(std::uint32_t& least, std::uint32_t& most) {
        const std::size_t offset = at_ - 1;
        const auto first = number();
        if (accept(',')) {
            const auto second = number();
            if (!first && !second) fail("a number should stand in {}", offset);
            least = first.value_or(0);
            most = second.value_or(unbounded);
        } else {
            if (!first) fail("a number should stand in {}", offset);
            least = most = first.value_or(0);
        }
        if (ok_ && !accept('}')) fail("a { is not closed", offset);
        if (ok_ && (most == 0 || least > most)) fail("{} needs a most above 0 that is not below the least", offset);
    }
    std::optional<std::uint32_t> number() {
        skip_space();
        if (at_ == text_.size() || !digit(text_[at_])) return std::nullopt;
        std::uint32_t value = 0;
        while (at_ < text_.size() && digit(text_[at_])) {
            value = value * 10 + static_cast<std::uint32_t>(text_[at_++] - '0');
            if (value > pattern_states_max) {
                fail("a repetition in {} goes up to " + std::to_string(pattern_states_max), at_ - 1);
                return std::nullopt;
            }
        }
        return value;
    }
    Part primary() {
        skip_space();
        const std::size_t offset = at_;
        if (accept('(')) {
            Part part = alternatives();
            if (ok_ && !accept(')')) fail("a ( is not closed", offset);
            return part;
        }
        Part part;
        part.offset = offset;
        while (at_ < text_.size() && (letter(text_[at_]) || (at_ > offset && digit(text_[at_])))) ++at_;
        if (at_ == offset) {
            fail("expected a variable, found '" + std::string(text_.substr(at_, 8)) + "'", at_);
            return part;
        }
        const std::string name(text_.substr(offset, at_ - offset));
        const auto known = std::find(variables_.begin(), variables_.end(), name);
        part.variable = static_cast<std::size_t>(known - variables_.begin());
        if (known == variables_.end()) variables_.push_back(name);
        if (variables_.size() > pattern_variables_max)
            fail("a pattern may have at most " + std::to_string(pattern_variables_max) + " variables", offset);
        return part;
    }

    std::string_view text_;
    Problem& problem_;
    std::vector<std::string>& variables_;
    std::size_t at_ = 0;
    int depth_ = 0;
    bool ok_ = true;
};

// Instructions that try one way before another, from which the states are read off.
class Builder {
public:
    // Returns false when there are too many states.
    bool build(const Part& part, PatternProgram& out) {
        const std::size_t start = add(part, emit({Kind::done, 0, 0, 0}));
        if (overflow_) return false;
        states_of_.push_back(start);
        for (const Instruction& one : code_)
            if (one.kind == Kind::variable) states_of_.push_back(one.next);
        if (states_of_.size() > pattern_states_max) return false;
        for (std::size_t after : states_of_) {
            seen_.assign(code_.size(), false);
            out.states.emplace_back();
            follow(after, out.states.back());
        }
        return true;
    }

private:
    enum class Kind : std::uint8_t { variable, fork, done };
    struct Instruction {
        Kind kind = Kind::done;
        std::size_t variable = 0;
        std::size_t next = 0;
        std::size_t other = 0;   // of a fork: tried after next
        std::size_t state = 0;   // of a variable: where it leads
    };

    std::size_t emit(Instruction one) {
        // Forks are at most as many as places and repetitions together.
        overflow_ |= code_.size() > 16 * pattern_states_max;
        if (one.kind == Kind::variable) one.state = ++places_;
        overflow_ |= places_ >= pattern_states_max;
        code_.push_back(one);
        return code_.size() - 1;
    }
    // The entry of part, from which one comes out at next.
    std::size_t add(const Part& part, std::size_t next) {
        if (overflow_) return next;
        switch (part.kind) {
            case Part::Kind::variable: return emit({Kind::variable, part.variable, next, 0});
            case Part::Kind::sequence:
                for (std::size_t i = part.parts.size(); i-- > 0;) next = add(part.parts[i], next);
                return next;
            case Part::Kind::alternatives: {
                std::size_t entry = add(part.parts.back(), next);
                for (std::size_t i = part.parts.size() - 1; i-- > 0;) {
                    const std::size_t first = add(part.parts[i], next);
                    entry = emit({Kind::fork, 0, first, entry});
                }
                return entry;
            }
            case Part::Kind::repetition: return repeat(part, next);
        }
        return next;
    }
    std::size_t repeat(const Part& part, std::size_t next) {
        const Part& body = part.parts[0];
        const auto fork = [&](std::size_t again, std::size_t on) {
            return part.reluctant ? emit({Kind::fork, 0, on, again}) : emit({Kind::fork, 0, again, on});
        };
        std::size_t entry = next;
        if (part.most == unbounded) {
            // The loop's fork has to exist before its body, which comes back to it.
            const std::size_t loop = fork(0, next);
            const std::size_t again = add(body, loop);
            (part.reluctant ? code_[loop].other : code_[loop].next) = again;
            // The last of those that have to be there is the one that is repeated.
            entry = part.least > 0 ? again : loop;
            for (std::uint32_t i = 1; i < part.least; ++i) entry = add(body, entry);
            return entry;
        }
        for (std::uint32_t i = part.least; i < part.most; ++i) entry = fork(add(body, entry), next);
        for (std::uint32_t i = 0; i < part.least; ++i) entry = add(body, entry);
        return entry;
    }

    // Returns false once being done was reached: what comes after is worse.
    bool follow(std::size_t at, PatternState& state) {
        if (seen_[at]) return true;
        seen_[at] = true;
        const Instruction& one = code_[at];
        switch (one.kind) {
            case Kind::done: state.done = true; return false;
            case Kind::variable:
                state.edges.push_back({static_cast<std::uint8_t>(one.variable), static_cast<std::uint8_t>(one.state)});
                return true;
            case Kind::fork: return follow(one.next, state) && follow(one.other, state);
        }
        return true;
    }

    std::vector<Instruction> code_;
    std::vector<std::size_t> states_of_;  // where one goes on from each state
    std::vector<bool> seen_;
    std::size_t places_ = 0;
    bool overflow_ = false;
};

std::string canonical(const Part& part, const std::vector<std::string>& variables) {
    std::string out;
    switch (part.kind) {
        case Part::Kind::variable: return variables[part.variable];
        case Part::Kind::sequence:
        case Part::Kind::alternatives:
            for (const Part& one : part.parts) out += (out.empty() ? "" : part.kind == Part::Kind::sequence ? " " : " | ") + canonical(one, variables);
            return "(" + out + ")";
        case Part::Kind::repetition: break;
    }
    out = canonical(part.parts[0], variables) + "{" + std::to_string(part.least) + ",";
    if (part.most != unbounded) out += std::to_string(part.most);
    return out + (part.reluctant ? "}?" : "}");
}

}  // namespace

std::optional<PatternProgram> parse_pattern(std::string_view text, Problem& problem) {
    PatternProgram out;
    const auto tree = Parser(text, problem, out.variables).run();
    if (!tree) return std::nullopt;
    if (may_be_empty(*tree)) {
        problem = {"the pattern may be empty: at least one variable has to be there in every match", tree->offset};
        return std::nullopt;
    }
    if (!Builder().build(*tree, out)) {
        problem = {"the pattern has more than " + std::to_string(pattern_states_max) + " places, with its {} written out", 0};
        return std::nullopt;
    }
    out.canonical = canonical(*tree, out.variables);
    return out;
}

}  // namespace weir
