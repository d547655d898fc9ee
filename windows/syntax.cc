#include "windows/syntax.h"

#include <algorithm>
#include <charconv>

#include "agent/base/nearest.h"
#include "windows/expression.h"

namespace weir {
namespace {

bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool continues_name(char c) { return starts_name(c) || is_digit(c); }

struct Level {
    std::string_view operators[4];
};
// Binary operators from the loosest binding to the tightest; longer spellings first.
constexpr Level levels[] = {
    {{"||"}}, {{"&&"}}, {{"==", "!="}}, {{"<=", ">=", "<", ">"}}, {{"+", "-"}}, {{"*", "/", "%"}},
};
constexpr std::size_t comparison_level = 2;
constexpr std::size_t relation_level = 3;

class Parser {
public:
    Parser(std::string_view text, Problem& problem) : text_(text), problem_(problem) {}

    std::optional<Node> run() {
        if (text_.size() > expression_text_max) {
            fail("an expression may have at most " + std::to_string(expression_text_max) + " bytes", 0);
            return std::nullopt;
        }
        Node node = expression();
        skip_space();
        if (ok_ && position_ < text_.size()) unexpected("the end, or an operator");
        if (!ok_) return std::nullopt;
        return node;
    }

private:
    void fail(std::string what, std::size_t offset) {
        if (!ok_) return;
        ok_ = false;
        problem_.what = std::move(what);
        problem_.offset = offset;
    }
    void unexpected(std::string_view expected) {
        skip_space();
        const std::string_view rest = text_.substr(position_);
        if (rest.empty()) return fail("the expression ends where " + std::string(expected) + " should be", position_);
        for (auto [wrong, right] : {std::pair{"and", "&&"}, {"or", "||"}, {"not", "!"}, {"=", "=="}, {"&", "&&"}, {"|", "||"}})
            if (rest.starts_with(wrong) &&
                (!starts_name(wrong[0]) || rest.size() == std::string_view(wrong).size() ||
                 !continues_name(rest[std::string_view(wrong).size()])))
                return fail(std::string("'") + wrong + "' is written " + right, position_);
        fail("expected " + std::string(expected) + ", found '" + std::string(rest.substr(0, 12)) + "'", position_);
    }

    // White space, and comments from // to the end of the line.
    void skip_space() {
        while (position_ < text_.size()) {
            const char c = text_[position_];
            if (text_.substr(position_).starts_with("//"))
                position_ = std::min(text_.find('\n', position_), text_.size());
            else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f')
                ++position_;
            else
                return;
        }
    }
    bool accept(std::string_view token) {
        skip_space();
        if (!text_.substr(position_).starts_with(token)) return false;
        // "<" is not the start of "<=", nor "!" of "!=".
        const char next = position_ + token.size() < text_.size() ? text_[position_ + token.size()] : ' ';
        if ((token == "<" || token == ">" || token == "!") && next == '=') return false;
        position_ += token.size();
        return true;
    }
    bool accept_word(std::string_view word) {
        skip_space();
        const std::size_t end = position_ + word.size();
        if (!text_.substr(position_).starts_with(word)) return false;
        if (end < text_.size() && continues_name(text_[end])) return false;
        position_ = end;
        return true;
    }
    void expect(std::string_view token) {
        if (ok_ && !accept(token)) unexpected("'" + std::string(token) + "'");
    }

    static Node operation(std::string_view name, std::size_t offset, std::vector<Node> args) {
        Node node;
        node.kind = Node::Kind::operation;
        node.offset = offset;
        node.text = name;
        node.args = std::move(args);
        return node;
    }

    bool enter() {
        if (++depth_ <= expression_depth_max) return true;
        fail("the expression is nested too deeply", position_);
        return false;
    }

    Node expression() {
        if (!enter()) return {};
        Node condition = binary(0);
        skip_space();
        const std::size_t at = position_;
        if (ok_ && accept("?")) {
            Node yes = expression();
            expect(":");
            Node no = expression();
            std::vector<Node> args;
            args.push_back(std::move(condition));
            args.push_back(std::move(yes));
            args.push_back(std::move(no));
            condition = operation("?:", at, std::move(args));
        }
        --depth_;
        return condition;
    }

    Node binary(std::size_t level) {
        if (level == std::size(levels)) return unary();
        Node left = binary(level + 1);
        for (int chained = 0; ok_; ++chained) {
            skip_space();
            const std::size_t at = position_;
            const std::string_view found = binary_operator(level);
            if (found.empty()) break;
            // A long chain makes a deep tree, which later stages walk by recursion.
            if (chained >= expression_depth_max) fail("the expression has too many operators in a row", at);
            std::vector<Node> args;
            args.push_back(std::move(left));
            args.push_back(binary(level + 1));
            left = operation(found, at, std::move(args));
            if (level == comparison_level || level == relation_level) {
                skip_space();
                const std::size_t again = position_;
                if (ok_ && !binary_operator(level).empty())
                    fail("comparisons do not chain: write a < b && b < c", again);
            }
        }
        return left;
    }
    std::string_view binary_operator(std::size_t level) {
        if (level == relation_level && accept_word("in")) return "in";
        for (std::string_view token : levels[level].operators)
            if (!token.empty() && accept(token)) return token;
        return {};
    }

    Node unary() {
        skip_space();
        const std::size_t at = position_;
        if (accept("!")) return prefixed("!", at);
        if (!accept("-")) return postfix(primary());
        skip_space();
        if (position_ == text_.size() || !(is_digit(text_[position_]) || text_[position_] == '.')) return prefixed("neg", at);
        Node node = postfix(number(true));
        node.offset = at;
        return node;
    }
    Node prefixed(std::string_view name, std::size_t at) {
        if (!enter()) return {};
        std::vector<Node> args;
        args.push_back(unary());
        --depth_;
        return operation(name, at, std::move(args));
    }

    // value.method(args), and names with dots.
    Node postfix(Node value) {
        for (int chained = 0; ok_; ++chained) {
            skip_space();
            const std::size_t at = position_;
            if (!accept(".")) break;
            if (chained >= expression_depth_max) fail("too many dots in a row", at);
            skip_space();
            if (position_ == text_.size() || !starts_name(text_[position_])) {
                unexpected("a name after '.'");
                break;
            }
            std::string word = identifier();
            if (accept("(")) {
                Node call;
                call.kind = Node::Kind::call;
                call.offset = at + 1;
                call.text = std::move(word);
                // CEL's mathematical functions stand in a name space, not behind a value.
                if (value.kind == Node::Kind::name && value.text == "math")
                    call.text.insert(0, "math.");
                else
                    call.args.push_back(std::move(value));
                arguments(call.args, ")");
                value = std::move(call);
            } else if (value.kind == Node::Kind::name) {
                value.text += "." + word;
            } else {
                fail("'." + word + "' stands after something that has no fields", at);
            }
        }
        return value;
    }

    Node primary() {
        skip_space();
        Node node;
        node.offset = position_;
        if (position_ == text_.size()) {
            unexpected("a value");
            return node;
        }
        const char c = text_[position_];
        if (accept("(")) {
            node = expression();
            expect(")");
        } else if (accept("[")) {
            node.kind = Node::Kind::list;
            arguments(node.args, "]");
        } else if (c == '\'' || c == '"') {
            node.kind = Node::Kind::text;
            node.text = quoted(c, false);
        } else if ((c | 0x20) == 'r' && position_ + 1 < text_.size() && (text_[position_ + 1] == '\'' || text_[position_ + 1] == '"')) {
            node.kind = Node::Kind::text;
            ++position_;
            node.text = quoted(text_[position_], true);
        } else if (c == '`') {
            node.kind = Node::Kind::name;
            node.text = back_quoted();
        } else if (is_digit(c) || c == '.') {
            node = number(false);
        } else if (accept_word("true") || accept_word("false")) {
            node.kind = Node::Kind::boolean;
            node.boolean = c == 't';
        } else if (accept_word("null")) {
            node.kind = Node::Kind::null;
        } else if (starts_name(c) && !next_is_word_operator()) {
            node.kind = Node::Kind::name;
            node.text = identifier();
            if (accept("(")) {
                node.kind = Node::Kind::call;
                arguments(node.args, ")");
            }
        } else {
            unexpected("a value");
        }
        return node;
    }
    bool next_is_word_operator() {
        const std::size_t before = position_;
        for (std::string_view word : {"and", "or", "not", "in"}) {
            const bool found = accept_word(word);
            position_ = before;
            if (found) return true;
        }
        return false;
    }

    void arguments(std::vector<Node>& args, std::string_view closing) {
        if (accept(closing)) return;
        while (ok_) {
            args.push_back(expression());
            if (accept(closing)) return;
            if (!accept(",")) return unexpected("',' or '" + std::string(closing) + "'");
        }
    }

    std::string identifier() {
        const std::size_t begin = position_;
        while (position_ < text_.size() && continues_name(text_[position_])) ++position_;
        return std::string(text_.substr(begin, position_ - begin));
    }
    std::string back_quoted() {
        const std::size_t begin = ++position_;
        while (position_ < text_.size() && text_[position_] != '`') ++position_;
        if (position_ == text_.size()) {
            fail("a ` is not closed", begin - 1);
            return {};
        }
        return std::string(text_.substr(begin, position_++ - begin));
    }

    Node number(bool negative) {
        Node node;
        node.offset = position_;
        const std::size_t begin = position_;
        if (text_.substr(position_).starts_with("0x")) {
            position_ += 2;
            while (position_ < text_.size() && continues_name(text_[position_])) ++position_;
            return whole(node, text_.substr(begin + 2, position_ - begin - 2), 16, negative);
        }
        bool real = false;
        while (position_ < text_.size()) {
            const char c = text_[position_];
            const bool sign_of_exponent = (c == '+' || c == '-') && (text_[position_ - 1] | 0x20) == 'e' && position_ > begin;
            if (c == '.' && position_ + 1 < text_.size() && starts_name(text_[position_ + 1])) break;
            if (c == '.' || (c | 0x20) == 'e' || sign_of_exponent)
                real = true;
            else if (!is_digit(c))
                break;
            ++position_;
        }
        const std::string_view digits = text_.substr(begin, position_ - begin);
        if (position_ < text_.size() && starts_name(text_[position_]))
            fail("a number is followed by '" + std::string(text_.substr(position_, 8)) + "'", position_);
        if (!real) return whole(node, digits, 10, negative);
        node.kind = Node::Kind::real;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), node.real);
        if (error != std::errc() || end != digits.data() + digits.size())
            fail("'" + std::string(digits) + "' is not a number that a float can hold", begin);
        if (negative) node.real = -node.real;
        return node;
    }
    Node whole(Node node, std::string_view digits, int base, bool negative) {
        node.kind = Node::Kind::integer;
        std::uint64_t magnitude = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
        const std::uint64_t limit = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
        if (error != std::errc() || end != digits.data() + digits.size() || magnitude > limit)
            fail("'" + std::string(digits) + "' is not a number that an int can hold", node.offset);
        else
            node.integer = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
        return node;
    }

    // One quote or three; in raw text a backslash is a backslash.
    std::string quoted(char quote, bool raw) {
        const std::size_t begin = position_;
        const std::string three(3, quote);
        const std::string_view closing = text_.substr(position_).starts_with(three) ? std::string_view(three) : std::string_view(&quote, 1);
        position_ += closing.size();
        std::string value;
        while (ok_ && position_ < text_.size() && !text_.substr(position_).starts_with(closing)) {
            if (text_[position_] == '\\' && !raw)
                escape(value);
            else
                value += text_[position_++];
        }
        if (position_ >= text_.size())
            fail("a string is not closed", begin);
        else
            position_ += closing.size();
        return value;
    }
    void escape(std::string& value) {
        constexpr std::string_view letters = "abfnrtv\\'\"`?";
        constexpr std::string_view meant = "\a\b\f\n\r\t\v\\'\"`?";
        const std::size_t at = position_++;
        const char c = position_ < text_.size() ? text_[position_++] : '\0';
        if (const std::size_t known = letters.find(c); known != std::string_view::npos) {
            value += meant[known];
            return;
        }
        switch (c) {
            case 'x':
            case 'X': return code_point(value, at, 2, 16);
            case 'u': return code_point(value, at, 4, 16);
            case 'U': return code_point(value, at, 8, 16);
            case '0':
            case '1':
            case '2':
            case '3': --position_; return code_point(value, at, 3, 8);
            default: fail("an unknown escape in a string: use \\\\ for a backslash, or r'...' for a string without escapes", at);
        }
    }
    // All as UTF-8, which they become however many digits name them.
    void code_point(std::string& value, std::size_t at, std::size_t digits, int base) {
        std::uint32_t code = 0;
        const std::string_view number = text_.substr(position_, digits);
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), code, base);
        if (number.size() != digits || error != std::errc() || end != number.data() + digits ||
            (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
            return fail("an escape in a string does not name a character", at);
        position_ += digits;
        const auto put = [&value](std::uint32_t byte) { value += static_cast<char>(static_cast<unsigned char>(byte)); };
        if (code < 0x80) return put(code);
        if (code < 0x800) {
            put(0xc0 | code >> 6);
        } else {
            if (code < 0x10000) {
                put(0xe0 | code >> 12);
            } else {
                put(0xf0 | code >> 18);
                put(0x80 | (code >> 12 & 0x3f));
            }
            put(0x80 | (code >> 6 & 0x3f));
        }
        put(0x80 | (code & 0x3f));
    }

    std::string_view text_;
    Problem& problem_;
    std::size_t position_ = 0;
    int depth_ = 0;
    bool ok_ = true;
};

std::string quoted_canonical(const std::string& text) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

std::string listed(const std::vector<Node>& args) {
    std::string out;
    for (std::size_t i = 0; i < args.size(); ++i) out += (i ? ", " : "") + canonical(args[i]);
    return out;
}

}  // namespace

std::optional<Node> parse(std::string_view text, Problem& problem) { return Parser(text, problem).run(); }

std::string canonical(const Node& node) {
    switch (node.kind) {
        case Node::Kind::null: return "null";
        case Node::Kind::boolean: return node.boolean ? "true" : "false";
        case Node::Kind::integer: return std::to_string(node.integer);
        case Node::Kind::real: {
            char digits[32];
            const auto end = std::to_chars(digits, digits + sizeof digits, node.real).ptr;
            const std::string out(digits, end);
            return out.find_first_of(".ein") == std::string::npos ? out + ".0" : out;
        }
        case Node::Kind::text: return quoted_canonical(node.text);
        case Node::Kind::name: return node.text;
        case Node::Kind::list: return "[" + listed(node.args) + "]";
        case Node::Kind::call: return node.text + "(" + listed(node.args) + ")";
        case Node::Kind::operation: break;
    }
    if (node.args.size() == 1) return (node.text == "neg" ? "-(" : "!(") + canonical(node.args[0]) + ")";
    if (node.args.size() == 3)
        return "(" + canonical(node.args[0]) + " ? " + canonical(node.args[1]) + " : " + canonical(node.args[2]) + ")";
    return "(" + canonical(node.args[0]) + " " + node.text + " " + canonical(node.args[1]) + ")";
}

std::string suggestion(std::string_view name, std::span<const std::string> known) {
    const std::string_view near = nearest_word(name, known);
    return near.empty() ? std::string() : "; did you mean " + std::string(near) + "?";
}

}  // namespace weir
