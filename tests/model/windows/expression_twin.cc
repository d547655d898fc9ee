#include "tests/model/windows/expression_twin.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace weir::model {
namespace {

constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t second = 1000000;

MaybeValue integer(std::int64_t v) {
    TwinValue out;
    out.integer = v;
    return out;
}
MaybeValue real(double v) {
    TwinValue out;
    out.real = v;
    return out;
}
MaybeValue truth(bool v) {
    TwinValue out;
    out.boolean = v;
    return out;
}
MaybeValue words(std::string v) {
    TwinValue out;
    out.text = std::move(v);
    return out;
}

const std::int64_t integers[] = {0, 1, -1, 2, 3, 7, 60, -42, 1000, 86400, 1234567890, least, least + 1, greatest, greatest - 1, std::int64_t{1} << 53};
const double reals[] = {0.0, -0.0, 1.0, -1.0, 0.5, 2.5, 57.5, 1e-300, -1e300, 1e308, 9223372036854775808.0, 3.0, 7.0, 1e15};
const char* const texts[] = {"", "a", "b", "truck", "tram", "\xc3\xa9t\xc3\xa9", "12", "-7", "1.5", "true", "f", "1e400", "x1y22"};
const char* const patterns[] = {"^t", "[0-9]+", "^$", "ck$"};

bool pattern_found(const std::string& pattern, const std::string& text) {
    if (pattern == "^t") return !text.empty() && text[0] == 't';
    if (pattern == "^$") return text.empty();
    if (pattern == "ck$") return text.size() >= 2 && text.substr(text.size() - 2) == "ck";
    for (char c : text)
        if (c >= '0' && c <= '9') return true;
    return false;
}

TwinNode made(TwinType type, std::string what, std::vector<TwinNode> args, std::string name = "") {
    TwinNode node;
    node.type = type;
    node.what = std::move(what);
    node.name = std::move(name);
    node.args = std::move(args);
    return node;
}

TwinNode column(Dice& dice, TwinType type) {
    const char* const names[] = {"ij", "xy", "bc", "st"};
    return made(type, "column", {}, std::string(1, names[static_cast<int>(type)][dice.below(2)]));
}

TwinNode literal(Dice& dice, TwinType type) {
    TwinNode node = made(type, "literal", {});
    switch (type) {
        case TwinType::integer:
        case TwinType::instant:
        case TwinType::span: node.value = integer(integers[dice.below(std::size(integers))]); break;
        case TwinType::real: node.value = real(reals[dice.below(std::size(reals))]); break;
        case TwinType::boolean: node.value = truth(dice.one_in(2)); break;
        case TwinType::text: node.value = words(texts[dice.below(std::size(texts))]); break;
    }
    return node;
}

TwinType number_type(Dice& dice) { return dice.one_in(2) ? TwinType::integer : TwinType::real; }

template <std::size_t count>
const char* one_of(Dice& dice, const char* const (&names)[count]) {
    return names[dice.below(count)];
}

TwinNode leaf(Dice& dice, TwinType type) {
    if (type == TwinType::instant) return made(type, "time", {});
    if (type == TwinType::span) return made(type, "span", {}, one_of(dice, {"0s", "1s", "-90s", "1h30m", "250ms", "48h"}));
    return dice.one_in(3) ? literal(dice, type) : column(dice, type);
}

TwinNode random_integer(Dice& dice, int depth) {
    const auto sub = [&](TwinType type) { return random_tree(dice, type, depth - 1); };
    constexpr TwinType I = TwinType::integer;
    switch (dice.below(10)) {
        case 0: return made(I, one_of(dice, {"+", "-", "*", "%"}), {sub(I), sub(I)});
        case 1: return made(I, one_of(dice, {"neg", "abs", "math.sign"}), {sub(I)});
        case 2: return made(I, one_of(dice, {"min", "max", "math.least", "math.greatest"}), {sub(I), sub(I)});
        case 3: return made(I, "int", {sub(TwinType::real)});
        case 4: return made(I, "int", {sub(TwinType::text)});
        case 5: return made(I, "size", {sub(TwinType::text)});
        case 6: return made(I, "int", {sub(TwinType::instant)});
        case 7:
            return made(I, one_of(dice, {"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds"}),
                        {sub(TwinType::instant)}, one_of(dice, {"", "UTC", "+05:45", "-09:30"}));
        case 8: return made(I, one_of(dice, {"getHours", "getMinutes", "getSeconds", "getMilliseconds"}), {sub(TwinType::span)});
        default: return made(I, "?:", {sub(TwinType::boolean), sub(I), sub(I)});
    }
}

TwinNode random_real(Dice& dice, int depth) {
    const auto sub = [&](TwinType type) { return random_tree(dice, type, depth - 1); };
    constexpr TwinType R = TwinType::real;
    switch (dice.below(7)) {
        case 0: return made(R, one_of(dice, {"+", "-", "*"}), {sub(R), sub(number_type(dice))});
        case 1: return made(R, "/", {sub(number_type(dice)), sub(number_type(dice))});
        case 2: return made(R, one_of(dice, {"neg", "abs", "math.sign", "math.floor", "math.ceil", "math.round", "math.trunc"}), {sub(R)});
        case 3: return made(R, one_of(dice, {"min", "max", "math.least", "math.greatest"}), {sub(number_type(dice)), sub(R)});
        case 4: return made(R, "float", {sub(TwinType::integer)});
        case 5: return made(R, "float", {sub(TwinType::text)});
        default: return made(R, "?:", {sub(TwinType::boolean), sub(R), sub(number_type(dice))});
    }
}

TwinNode random_list(Dice& dice, int depth) {
    const TwinType type = static_cast<TwinType>(dice.below(4));
    const bool numbers = type == TwinType::integer || type == TwinType::real;
    TwinNode node = made(TwinType::boolean, "in", {random_tree(dice, type, depth - 1)});
    const std::size_t items = 1 + dice.below(12);
    for (std::size_t i = 0; i < items; ++i) {
        const TwinType item = numbers && dice.one_in(4) ? number_type(dice) : type;
        node.args.push_back(dice.one_in(12) ? random_tree(dice, item, 0) : literal(dice, item));
    }
    return node;
}

TwinNode random_boolean(Dice& dice, int depth) {
    const auto sub = [&](TwinType type) { return random_tree(dice, type, depth - 1); };
    constexpr TwinType B = TwinType::boolean;
    const auto comparison = [&] { return one_of(dice, {"==", "!=", "<", "<=", ">", ">="}); };
    switch (dice.below(11)) {
        case 0: return made(B, comparison(), {sub(number_type(dice)), sub(number_type(dice))});
        case 1: {
            const TwinType type = static_cast<TwinType>(dice.below(6));
            return made(B, comparison(), {sub(type), sub(type)});
        }
        case 2:
        case 3: return made(B, one_of(dice, {"&&", "||"}), {sub(B), sub(B)});
        case 4: return made(B, "!", {sub(B)});
        case 5: return random_list(dice, depth);
        case 6: return made(B, one_of(dice, {"startsWith", "endsWith", "contains"}), {sub(TwinType::text), sub(TwinType::text)});
        case 7: return made(B, "matches", {sub(TwinType::text)}, one_of(dice, patterns));
        case 8: return made(B, one_of(dice, {"has", "== null", "!= null"}), {sub(static_cast<TwinType>(dice.below(6)))});
        case 9: return made(B, one_of(dice, {"math.isNaN", "math.isInf", "math.isFinite"}), {sub(TwinType::real)});
        default: return made(B, "?:", {sub(B), sub(B), sub(B)});
    }
}

TwinNode random_instant(Dice& dice, int depth) {
    const auto sub = [&](TwinType type) { return random_tree(dice, type, depth - 1); };
    constexpr TwinType T = TwinType::instant;
    switch (dice.below(4)) {
        case 0: return made(T, one_of(dice, {"+", "-"}), {sub(T), sub(TwinType::span)});
        case 1: return made(T, "timestamp", {sub(TwinType::integer)});
        case 2: return made(T, one_of(dice, {"min", "max"}), {sub(T), sub(T)});
        default: return made(T, "?:", {sub(TwinType::boolean), sub(T), sub(T)});
    }
}

TwinNode random_span(Dice& dice, int depth) {
    const auto sub = [&](TwinType type) { return random_tree(dice, type, depth - 1); };
    constexpr TwinType S = TwinType::span;
    switch (dice.below(5)) {
        case 0: return made(S, one_of(dice, {"+", "-"}), {sub(S), sub(S)});
        case 1: return made(S, "-", {sub(TwinType::instant), sub(TwinType::instant)});
        case 2: return made(S, "duration", {sub(TwinType::integer)});
        case 3: return made(S, "duration", {sub(TwinType::real)});
        default: return made(S, "?:", {sub(TwinType::boolean), sub(S), sub(S)});
    }
}

std::string number_text(double v) {
    char digits[64];
    std::string out(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
    return out.find_first_of(".en") == std::string::npos ? out + ".0" : out;
}

std::string literal_text(const TwinNode& node, Dice& dice) {
    switch (node.type) {
        case TwinType::real: return number_text(node.value->real);
        case TwinType::boolean: return node.value->boolean ? "true" : "false";
        case TwinType::text: return dice.one_in(2) ? "'" + node.value->text + "'" : "\"" + node.value->text + "\"";
        default: return std::to_string(node.value->integer);
    }
}

double number(const TwinNode& node, const TwinValue& value) {
    return node.type == TwinType::integer ? static_cast<double>(value.integer) : value.real;
}

bool fits_sum(std::int64_t a, std::int64_t b) { return b >= 0 ? a <= greatest - b : a >= least - b; }
bool fits_difference(std::int64_t a, std::int64_t b) { return b >= 0 ? a >= least + b : a <= greatest + b; }
bool fits_product(std::int64_t a, std::int64_t b) {
    if (a == 0 || b == 0) return true;
    if (a == -1) return b != least;
    if (b == -1) return a != least;
    if ((a > 0) == (b > 0)) return a > 0 ? a <= greatest / b : a >= greatest / b;
    return a > 0 ? b >= least / a : a >= least / b;
}
MaybeValue in_range(TwinType type, std::int64_t us) {
    if (type == TwinType::instant && (us < -62135596800 * second || us >= 253402300800 * second)) return std::nullopt;
    if (type == TwinType::span && (us < -315576000000 * second || us > 315576000000 * second)) return std::nullopt;
    return integer(us);
}
MaybeValue a_number(double v) {
    if (std::isnan(v)) return std::nullopt;
    return real(v);
}

MaybeValue arithmetic(const TwinNode& node, const TwinValue& a, const TwinValue& b) {
    const char op = node.what[0];
    if (node.type == TwinType::real) {
        const double x = number(node.args[0], a);
        const double y = number(node.args[1], b);
        if (op == '+') return a_number(x + y);
        if (op == '-') return a_number(x - y);
        if (op == '*') return a_number(x * y);
        if (y == 0) return std::nullopt;
        return a_number(x / y);
    }
    const std::int64_t x = a.integer;
    const std::int64_t y = b.integer;
    if (op == '+') return fits_sum(x, y) ? in_range(node.type, x + y) : std::nullopt;
    if (op == '-') return fits_difference(x, y) ? in_range(node.type, x - y) : std::nullopt;
    if (op == '*') return fits_product(x, y) ? integer(x * y) : std::nullopt;
    if (y == 0) return std::nullopt;
    return integer(y == -1 ? 0 : x % y);
}

int order(const TwinNode& left, const TwinValue& a, const TwinNode& right, const TwinValue& b, bool& comparable) {
    comparable = true;
    if (left.type == TwinType::text) return a.text.compare(b.text) < 0 ? -1 : a.text == b.text ? 0 : 1;
    if (left.type == TwinType::boolean) return int{a.boolean} - int{b.boolean};
    if (left.type == TwinType::real || right.type == TwinType::real) {
        const double x = number(left, a);
        const double y = number(right, b);
        comparable = !std::isnan(x) && !std::isnan(y);
        return x < y ? -1 : x > y ? 1 : 0;
    }
    return a.integer < b.integer ? -1 : a.integer > b.integer ? 1 : 0;
}

bool compare(const std::string& how, const TwinNode& left, const TwinValue& a, const TwinNode& right, const TwinValue& b) {
    bool comparable = true;
    const int found = order(left, a, right, b, comparable);
    if (how == "!=") return !comparable || found != 0;
    if (!comparable) return false;
    if (how == "<") return found < 0;
    if (how == "<=") return found <= 0;
    if (how == ">") return found > 0;
    if (how == ">=") return found >= 0;
    return found == 0;
}

// Year by year from 1970, month by month.
struct Calendar {
    std::int64_t year = 1970;
    int month = 0;
    int day = 1;
    int yearday = 0;
    int weekday = 4;
};
bool leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
int month_days(std::int64_t year, int month) {
    const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 1 && leap(year) ? 1 : 0);
}
Calendar calendar(std::int64_t days) {
    Calendar out;
    out.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
    while (days < 0) days += leap(--out.year) ? 366 : 365;
    while (days >= (leap(out.year) ? 366 : 365)) days -= leap(out.year++) ? 366 : 365;
    out.yearday = static_cast<int>(days);
    int rest = out.yearday;
    while (rest >= month_days(out.year, out.month)) rest -= month_days(out.year, out.month++);
    out.day = rest + 1;
    return out;
}

MaybeValue time_part(const TwinNode& node, std::int64_t us) {
    const std::string& what = node.what;
    if (node.args[0].type == TwinType::span) {
        if (what == "getHours") return integer(us / (3600 * second));
        if (what == "getMinutes") return integer(us / (60 * second));
        if (what == "getSeconds") return integer(us / second);
        return integer(us / 1000 % 1000);
    }
    if (node.name == "+05:45") us += (5 * 3600 + 45 * 60) * second;
    if (node.name == "-09:30") us -= (9 * 3600 + 30 * 60) * second;
    std::int64_t days = us / (86400 * second);
    std::int64_t rest = us % (86400 * second);
    if (rest < 0) {
        rest += 86400 * second;
        --days;
    }
    if (what == "getHours") return integer(rest / (3600 * second));
    if (what == "getMinutes") return integer(rest / (60 * second) % 60);
    if (what == "getSeconds") return integer(rest / second % 60);
    if (what == "getMilliseconds") return integer(rest / 1000 % 1000);
    const Calendar date = calendar(days);
    if (what == "getFullYear") return integer(date.year);
    if (what == "getMonth") return integer(date.month);
    if (what == "getDate") return integer(date.day);
    if (what == "getDayOfMonth") return integer(date.day - 1);
    if (what == "getDayOfWeek") return integer(date.weekday);
    return integer(date.yearday);
}

MaybeValue converted(const TwinNode& node, const TwinNode& arg, const TwinValue& a) {
    if (node.what == "timestamp") return fits_product(a.integer, second) ? in_range(node.type, a.integer * second) : std::nullopt;
    if (node.what == "duration" && arg.type == TwinType::integer)
        return fits_product(a.integer, second) ? in_range(node.type, a.integer * second) : std::nullopt;
    if (node.what == "duration") {
        const double us = std::round(a.real * 1e6);
        if (!(us > -9e18 && us < 9e18)) return std::nullopt;
        return in_range(node.type, static_cast<std::int64_t>(us));
    }
    if (node.what == "float" && arg.type == TwinType::integer) return real(static_cast<double>(a.integer));
    if (node.what == "float") {
        if (a.text == "12") return real(12);
        if (a.text == "-7") return real(-7);
        if (a.text == "1.5") return real(1.5);
        return std::nullopt;
    }
    if (arg.type == TwinType::instant) return integer(a.integer / second - (a.integer % second < 0 ? 1 : 0));
    if (arg.type == TwinType::text) {
        if (a.text == "12") return integer(12);
        if (a.text == "-7") return integer(-7);
        return std::nullopt;
    }
    if (!(a.real >= -9223372036854775808.0 && a.real < 9223372036854775808.0)) return std::nullopt;
    return integer(static_cast<std::int64_t>(a.real));
}

MaybeValue of_one_integer(const std::string& what, std::int64_t a) {
    if (what == "math.sign") return integer(a > 0 ? 1 : a < 0 ? -1 : 0);
    if (what == "abs" && a >= 0) return integer(a);
    if (a == least) return std::nullopt;
    return integer(-a);
}

MaybeValue of_one(const TwinNode& node, const TwinNode& arg, const TwinValue& a) {
    const std::string& what = node.what;
    if (what == "int" || what == "float" || what == "timestamp" || what == "duration") return converted(node, arg, a);
    if (what.starts_with("get")) return time_part(node, a.integer);
    if (what == "size") {
        std::int64_t count = 0;
        for (char c : a.text) count += (static_cast<unsigned char>(c) & 0xc0) == 0x80 ? 0 : 1;
        return integer(count);
    }
    if (what == "matches") return truth(pattern_found(node.name, a.text));
    if (what == "!") return truth(!a.boolean);
    if (what == "math.isNaN") return truth(std::isnan(a.real));
    if (what == "math.isInf") return truth(std::isinf(a.real));
    if (what == "math.isFinite") return truth(std::isfinite(a.real));
    if (node.type == TwinType::integer) return of_one_integer(what, a.integer);
    if (what == "neg") return real(-a.real);
    if (what == "abs") return real(std::fabs(a.real));
    if (what == "math.sign") return real(a.real > 0 ? 1 : a.real < 0 ? -1 : a.real);
    if (what == "math.floor") return real(std::floor(a.real));
    if (what == "math.ceil") return real(std::ceil(a.real));
    if (what == "math.round") return real(std::round(a.real));
    return real(std::trunc(a.real));
}

MaybeValue of_two(const TwinNode& node, const TwinValue& a, const TwinValue& b) {
    const TwinNode& left = node.args[0];
    const TwinNode& right = node.args[1];
    const std::string& what = node.what;
    if (what == "startsWith") return truth(a.text.starts_with(b.text));
    if (what == "endsWith") return truth(a.text.ends_with(b.text));
    if (what == "contains") return truth(a.text.find(b.text) != std::string::npos);
    const bool min = what == "min" || what == "math.least";
    if (min || what == "max" || what == "math.greatest") {
        if (node.type != TwinType::real) return integer(min == (b.integer < a.integer) ? b.integer : a.integer);
        const double x = number(left, a);
        const double y = number(right, b);
        return real((min ? y < x : x < y) ? y : x);
    }
    if (node.type == TwinType::boolean) return truth(compare(what, left, a, right, b));
    return arithmetic(node, a, b);
}

// As a chain of a == item: one that is equal decides, one that is null leaves it open.
MaybeValue membership(const TwinNode& node, const TwinRow& row) {
    const MaybeValue a = meaning_of(node.args[0], row);
    bool unknown = !a;
    for (std::size_t i = 1; i < node.args.size(); ++i) {
        const MaybeValue b = meaning_of(node.args[i], row);
        if (!a || !b)
            unknown = true;
        else if (compare("==", node.args[0], *a, node.args[i], *b))
            return truth(true);
    }
    if (unknown) return std::nullopt;
    return truth(false);
}

MaybeValue logic(const TwinNode& node, const TwinRow& row) {
    const bool decisive = node.what == "||";
    const MaybeValue a = meaning_of(node.args[0], row);
    const MaybeValue b = meaning_of(node.args[1], row);
    if ((a && a->boolean == decisive) || (b && b->boolean == decisive)) return truth(decisive);
    if (!a || !b) return std::nullopt;
    return truth(!decisive);
}

}  // namespace

const Schema& twin_schema() {
    static const Schema schema({{"i", ColumnType::integer}, {"j", ColumnType::integer}, {"x", ColumnType::real}, {"y", ColumnType::real},
                                {"b", ColumnType::boolean}, {"c", ColumnType::boolean}, {"s", ColumnType::text}, {"t", ColumnType::text}});
    return schema;
}

std::uint64_t Dice::next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    const std::uint64_t x = state_ ^ state_ >> 32;
    return x * 0x9e3779b97f4a7c15u;
}

TwinNode random_tree(Dice& dice, TwinType type, int depth) {
    if (depth <= 0 || dice.one_in(5)) return leaf(dice, type);
    switch (type) {
        case TwinType::integer: return random_integer(dice, depth);
        case TwinType::real: return random_real(dice, depth);
        case TwinType::boolean: return random_boolean(dice, depth);
        case TwinType::instant: return random_instant(dice, depth);
        case TwinType::span: return random_span(dice, depth);
        case TwinType::text: break;
    }
    return made(type, "?:", {random_tree(dice, TwinType::boolean, depth - 1), random_tree(dice, type, depth - 1), random_tree(dice, type, depth - 1)});
}

TwinRow random_row(Dice& dice) {
    TwinRow row;
    const auto maybe = [&](MaybeValue value) { return dice.one_in(4) ? MaybeValue() : value; };
    const auto a_real = [&] {
        if (dice.one_in(10)) return std::numeric_limits<double>::quiet_NaN();
        if (dice.one_in(8)) return dice.one_in(2) ? HUGE_VAL : -HUGE_VAL;
        return reals[dice.below(std::size(reals))];
    };
    row.i = maybe(integer(integers[dice.below(std::size(integers))]));
    row.j = maybe(integer(static_cast<std::int64_t>(dice.below(100)) - 50));
    row.x = maybe(real(a_real()));
    row.y = maybe(real(static_cast<double>(dice.below(1000)) / 8));
    row.b = maybe(truth(dice.one_in(2)));
    row.c = maybe(truth(dice.one_in(2)));
    row.s = maybe(words(texts[dice.below(std::size(texts))]));
    row.t = maybe(words(texts[dice.below(std::size(texts))]));
    const std::int64_t times[] = {0, -1, 1234567890123456, 253402300799999999, -62135596800000000, 1763712000123000, least, greatest};
    row.at = dice.one_in(3) ? times[dice.below(std::size(times))] : static_cast<std::int64_t>(dice.next() >> 14);
    return row;
}

std::string text_of(const TwinNode& node, Dice& dice) {
    const auto arg = [&](std::size_t i) { return text_of(node.args[i], dice); };
    const std::string& what = node.what;
    const std::string space = dice.one_in(3) ? "" : " ";
    if (what == "column") return node.name;
    if (what == "literal") return literal_text(node, dice);
    if (what == "time") return "time";
    if (what == "span") return "duration('" + node.name + "')";
    if (what == "?:") return "(" + arg(0) + " ? " + arg(1) + space + ":" + space + arg(2) + ")";
    if (what == "neg") return "-(" + arg(0) + ")";
    if (what == "!") return "!(" + arg(0) + ")";
    if (what == "== null" || what == "!= null") return "(" + arg(0) + " " + what + ")";
    if (what == "matches") return dice.one_in(2) ? arg(0) + ".matches(r'" + node.name + "')" : "matches(" + arg(0) + ", '" + node.name + "')";
    if (what.starts_with("get")) return arg(0) + "." + what + "(" + (node.name.empty() ? "" : "'" + node.name + "'") + ")";
    if (what == "in") {
        std::string list = arg(1);
        for (std::size_t i = 2; i < node.args.size(); ++i) list += ", " + arg(i);
        return "(" + arg(0) + " in [" + list + "])";
    }
    const bool letters = what[0] >= 'a' && what[0] <= 'z';
    if (!letters) return "(" + arg(0) + space + what + space + arg(1) + ")";
    const bool method = !what.starts_with("math") && node.args[0].type == TwinType::text && dice.one_in(2);
    std::string out = method ? arg(0) + "." + what + "(" : what + "(" + arg(0);
    for (std::size_t i = 1; i < node.args.size(); ++i) out += (method && i == 1 ? "" : ", ") + arg(i);
    return out + ")";
}

MaybeValue meaning_of(const TwinNode& node, const TwinRow& row) {
    const std::string& what = node.what;
    if (what == "literal") return node.value;
    if (what == "time") return in_range(TwinType::instant, row.at);
    if (what == "span") {
        const std::pair<const char*, std::int64_t> spans[] = {{"0s", 0}, {"1s", second}, {"-90s", -90 * second}, {"1h30m", 5400 * second}, {"250ms", 250000}};
        for (const auto& [name, us] : spans)
            if (node.name == name) return integer(us);
        return integer(172800 * second);
    }
    if (what == "column") {
        const MaybeValue* const columns[] = {&row.i, &row.j, &row.x, &row.y, &row.b, &row.c, &row.s, &row.t};
        return *columns[std::string("ijxybcst").find(node.name)];
    }
    if (what == "in") return membership(node, row);
    if (what == "&&" || what == "||") return logic(node, row);
    const MaybeValue a = meaning_of(node.args[0], row);
    if (what == "has" || what == "!= null") return truth(a.has_value());
    if (what == "== null") return truth(!a.has_value());
    if (!a) return std::nullopt;
    if (what == "?:") {
        const TwinNode& taken = node.args[a->boolean ? 1 : 2];
        MaybeValue value = meaning_of(taken, row);
        if (value && node.type == TwinType::real) value = real(number(taken, *value));
        return value;
    }
    if (node.args.size() == 1) return of_one(node, node.args[0], *a);
    const MaybeValue b = meaning_of(node.args[1], row);
    if (!b) return std::nullopt;
    return of_two(node, *a, *b);
}

}  // namespace weir::model
