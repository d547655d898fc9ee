#include <algorithm>
#include <charconv>
#include <cmath>

#include "windows/civil.h"
#include "windows/expression.h"
#include "windows/operations.h"
#include "windows/regex.h"

// One loop an operation. Rows that are null carry some value of their type, which is computed with and
// not looked at; only texts are read under their bit, because a null row's view may point anywhere.

namespace weir {
namespace {

RowBits all_rows() {
    RowBits bits;
    bits.words().fill(~std::uint64_t{0});
    return bits;
}
const RowBits every_row = all_rows();
const RowBits no_row;

template <typename T>
const T* values(const Column& column) {
    if constexpr (std::is_same_v<T, std::int64_t>) return column.integers;
    if constexpr (std::is_same_v<T, double>) return column.reals;
    if constexpr (std::is_same_v<T, std::uint8_t>) return column.booleans;
    if constexpr (std::is_same_v<T, std::string_view>) return column.texts;
}
template <typename T>
T* values(Column& column) {
    return const_cast<T*>(values<T>(static_cast<const Column&>(column)));
}
template <typename T>
T value(const Literal& literal) {
    if constexpr (std::is_same_v<T, std::int64_t>) return literal.integer;
    if constexpr (std::is_same_v<T, double>) return literal.real;
    if constexpr (std::is_same_v<T, std::uint8_t>) return literal.boolean;
    if constexpr (std::is_same_v<T, std::string_view>) return literal.text;
}

template <typename T>
struct Rows {
    const T* from;
    T operator[](std::size_t row) const { return from[row]; }
};
template <typename T>
struct Same {
    T value;
    T operator[](std::size_t) const { return value; }
};

constexpr std::size_t words_of(std::size_t rows) { return (rows + 63) / 64; }

bool fits_int64(double value) { return value >= -9223372036854775808.0 && value < 9223372036854775808.0; }

// Texts to values. All of the text counts; false where it is none.
template <typename Number>
bool parse_number(std::string_view text, Number& out) {
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() && out == out;
}
bool parse_truth(std::string_view text, std::uint8_t& out) {
    for (std::string_view yes : {"true", "True", "TRUE", "t", "1"}) {
        if (text == yes) {
            out = 1;
            return true;
        }
    }
    out = 0;
    for (std::string_view no : {"false", "False", "FALSE", "f", "0"})
        if (text == no) return true;
    return false;
}
bool parse_with(std::optional<std::int64_t> (*parse)(std::string_view), std::string_view text, std::int64_t& out) {
    const auto parsed = parse(text);
    out = parsed.value_or(0);
    return parsed.has_value();
}

// Characters, not bytes: what continues a character is not counted.
std::int64_t characters(std::string_view text) {
    std::int64_t count = 0;
    for (char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
}

// Beyond a few items halving wins over looking at each.
constexpr std::size_t looked_through = 8;
template <typename T, typename Item>
bool listed(const std::vector<Item>& items, T value) {
    if (items.size() > looked_through) {
        const auto at = std::lower_bound(items.begin(), items.end(), value);
        return at != items.end() && *at == value;  // asked this way not a number is in no list
    }
    bool found = false;
    for (const Item& item : items) found |= item == value;
    return found;
}

}  // namespace

class Evaluator::Run {
public:
    Run(Evaluator& evaluator, std::span<const Column* const> inputs, std::size_t rows, const RowTime* times)
        : expression_(evaluator.expression_), registers_(evaluator.registers_), inputs_(inputs), rows_(rows), times_(times) {}

    void run(const Operation& op) {
        switch (op.type) {
            case ColumnType::integer: return integers(op);
            case ColumnType::real: return reals(op);
            case ColumnType::boolean: return booleans(op);
            case ColumnType::text: return texts(op);
        }
    }

private:
    const RowBits& present(std::uint32_t which) const {
        switch (operand_kind(which)) {
            case OperandKind::input: return inputs_[operand_index(which)]->present;
            case OperandKind::reg: return registers_[operand_index(which)].present;
            case OperandKind::literal: break;
        }
        return expression_.literals_[operand_index(which)].present ? every_row : no_row;
    }
    template <typename T>
    const T* rows_of(std::uint32_t which) const {
        const std::uint32_t index = operand_index(which);
        return values<T>(operand_kind(which) == OperandKind::input ? *inputs_[index] : registers_[index]);
    }
    // Calls use with Rows or Same.
    template <typename T, typename Use>
    void with(std::uint32_t which, Use use) const {
        if (operand_kind(which) == OperandKind::literal)
            use(Same<T>{value<T>(expression_.literals_[operand_index(which)])});
        else
            use(Rows<T>{rows_of<T>(which)});
    }
    Column& target(const Operation& op) { return registers_[op.to]; }

    void present_where(const Operation& op, const RowBits& a, const RowBits& b) {
        RowBits& out = target(op).present;
        for (std::size_t w = 0; w < words_of(rows_); ++w) out.words()[w] = a.words()[w] & b.words()[w];
    }

    template <typename T, typename Out, typename Function>
    void each(const Operation& op, Function function) {
        present_where(op, present(op.a), present(op.a));
        Out* const out = values<Out>(target(op));
        with<T>(op.a, [&](auto a) {
            for (std::size_t row = 0; row < rows_; ++row) out[row] = function(a[row]);
        });
    }
    template <typename T, typename Out, typename Function>
    void pair(const Operation& op, Function function) {
        present_where(op, present(op.a), present(op.b));
        Out* const out = values<Out>(target(op));
        with<T>(op.a, [&](auto a) {
            with<T>(op.b, [&](auto b) {
                for (std::size_t row = 0; row < rows_; ++row) out[row] = static_cast<Out>(function(a[row], b[row]));
            });
        });
    }
    // function(a, b, out) says whether there is an answer; where not, the row is null.
    template <typename A, typename B, typename Out, typename Function>
    void checked(const Operation& op, A a, B b, Out* out, Function function) {
        RowBits& bits = target(op).present;
        for (std::size_t first = 0; first < rows_; first += 64) {
            const std::size_t last = first + 64 < rows_ ? first + 64 : rows_;
            std::uint64_t bad = 0;
            for (std::size_t row = first; row < last; ++row)
                bad |= std::uint64_t{!function(a[row], b[row], out[row])} << (row - first);
            bits.words()[first / 64] &= ~bad;
        }
    }
    template <typename T, typename Function>
    void arithmetic(const Operation& op, Function function) {
        present_where(op, present(op.a), present(op.b));
        T* const out = values<T>(target(op));
        with<T>(op.a, [&](auto a) { with<T>(op.b, [&](auto b) { checked(op, a, b, out, function); }); });
    }
    template <typename T, typename Out, typename Function>
    void convert(const Operation& op, Function function) {
        present_where(op, present(op.a), present(op.a));
        Out* const out = values<Out>(target(op));
        with<T>(op.a, [&](auto a) {
            checked(op, a, a, out, [&](T from, T, Out& to) { return function(from, to); });
        });
    }

    void integers(const Operation& op) {
        using I = std::int64_t;
        switch (op.code) {
            case OperationCode::to_real: return each<I, double>(op, [](I a) { return static_cast<double>(a); });
            case OperationCode::add: return arithmetic<I>(op, [](I a, I b, I& out) { return !__builtin_add_overflow(a, b, &out); });
            case OperationCode::subtract: return arithmetic<I>(op, [](I a, I b, I& out) { return !__builtin_sub_overflow(a, b, &out); });
            case OperationCode::multiply: return arithmetic<I>(op, [](I a, I b, I& out) { return !__builtin_mul_overflow(a, b, &out); });
            case OperationCode::modulo:
                return arithmetic<I>(op, [](I a, I b, I& out) {
                    out = b == 0 || b == -1 ? 0 : a % b;
                    return b != 0;
                });
            case OperationCode::negate: return convert<I, I>(op, [](I a, I& out) { return !__builtin_sub_overflow(I{0}, a, &out); });
            case OperationCode::absolute:
                return convert<I, I>(op, [](I a, I& out) {
                    out = a;
                    return a >= 0 || !__builtin_sub_overflow(I{0}, a, &out);
                });
            case OperationCode::least: return pair<I, I>(op, [](I a, I b) { return b < a ? b : a; });
            case OperationCode::greatest: return pair<I, I>(op, [](I a, I b) { return a < b ? b : a; });
            case OperationCode::sign: return each<I, I>(op, [](I a) { return I{a > 0} - I{a < 0}; });
            case OperationCode::in_list: return in_list<I>(op, expression_.lists_[op.b].integers);
            case OperationCode::floor_divide: return pair<I, I>(op, floor_divide);
            case OperationCode::floor_modulo: return pair<I, I>(op, floor_modulo);
            case OperationCode::cut_divide: return pair<I, I>(op, [](I a, I b) { return a / b; });
            default: return instants(op);
        }
    }
    void instants(const Operation& op) {
        using I = std::int64_t;
        switch (op.code) {
            case OperationCode::event_time: return event_time(op);
            case OperationCode::limit_timestamp:
                return convert<I, I>(op, [](I a, I& out) {
                    out = a;
                    return is_timestamp(a);
                });
            case OperationCode::limit_duration:
                return convert<I, I>(op, [](I a, I& out) {
                    out = a;
                    return is_duration(a);
                });
            case OperationCode::zone_local:
                return each_known<I, I>(op, [&zone = expression_.zones_[op.b]](I a) { return zone.local(Timestamp::micros(a)).us(); });
            case OperationCode::date_year: return each<I, I>(op, [](I a) { return date(a).year; });
            case OperationCode::date_month: return each<I, I>(op, [](I a) { return I{date(a).month - 1}; });
            case OperationCode::date_day: return each<I, I>(op, [](I a) { return I{date(a).day}; });
            case OperationCode::date_weekday: return each<I, I>(op, [](I a) { return I{weekday(floor_divide(a, day_us))}; });
            case OperationCode::date_yearday:
                return each<I, I>(op, [](I a) { return floor_divide(a, day_us) - days_of({date(a).year, 1, 1}); });
            default: return common<I>(op);
        }
    }
    static CivilDate date(std::int64_t local) { return civil_date(floor_divide(local, day_us)); }
    void event_time(const Operation& op) {
        WEIR_ASSERT(times_ != nullptr);
        Column& to = target(op);
        for (std::size_t row = 0; row < rows_; ++row) {
            const std::int64_t at = times_[row].event.us();
            to.integers[row] = at;
            if (is_timestamp(at))
                to.present.set(row);
            else
                to.present.reset(row);
        }
    }
    void reals(const Operation& op) {
        // Not a number is no answer.
        const auto number = [](double value, double& out) {
            out = value;
            return value == value;
        };
        switch (op.code) {
            case OperationCode::to_integer:
                return convert<double, std::int64_t>(op, [](double a, std::int64_t& out) {
                    const bool fits = fits_int64(a);
                    out = static_cast<std::int64_t>(fits ? a : 0.0);
                    return fits;
                });
            case OperationCode::add: return arithmetic<double>(op, [=](double a, double b, double& out) { return number(a + b, out); });
            case OperationCode::subtract: return arithmetic<double>(op, [=](double a, double b, double& out) { return number(a - b, out); });
            case OperationCode::multiply: return arithmetic<double>(op, [=](double a, double b, double& out) { return number(a * b, out); });
            case OperationCode::divide:
                return arithmetic<double>(op, [=](double a, double b, double& out) { return number(b == 0 ? std::nan("") : a / b, out); });
            case OperationCode::negate: return each<double, double>(op, [](double a) { return -a; });
            case OperationCode::absolute: return each<double, double>(op, [](double a) { return std::fabs(a); });
            case OperationCode::least: return pair<double, double>(op, [](double a, double b) { return b < a ? b : a; });
            case OperationCode::greatest: return pair<double, double>(op, [](double a, double b) { return a < b ? b : a; });
            case OperationCode::in_list: return in_list<double>(op, expression_.lists_[op.b].reals);
            default: return rounded(op);
        }
    }
    void rounded(const Operation& op) {
        using B = std::uint8_t;
        switch (op.code) {
            case OperationCode::round_down: return each<double, double>(op, [](double a) { return std::floor(a); });
            case OperationCode::round_up: return each<double, double>(op, [](double a) { return std::ceil(a); });
            case OperationCode::round_nearest: return each<double, double>(op, [](double a) { return std::round(a); });
            case OperationCode::round_to_zero: return each<double, double>(op, [](double a) { return std::trunc(a); });
            case OperationCode::sign:
                return each<double, double>(op, [](double a) { return a > 0 ? 1.0 : a < 0 ? -1.0 : a; });
            case OperationCode::is_nan: return each<double, B>(op, [](double a) { return static_cast<B>(a != a); });
            case OperationCode::is_infinite: return each<double, B>(op, [](double a) { return static_cast<B>(std::fabs(a) == HUGE_VAL); });
            case OperationCode::is_finite: return each<double, B>(op, [](double a) { return static_cast<B>(std::fabs(a) < HUGE_VAL); });
            default: return common<double>(op);
        }
    }
    template <typename T>
    void common(const Operation& op) {
        using B = std::uint8_t;
        switch (op.code) {
            case OperationCode::equal: return pair<T, B>(op, [](T a, T b) { return a == b; });
            case OperationCode::unequal: return pair<T, B>(op, [](T a, T b) { return a != b; });
            case OperationCode::less: return pair<T, B>(op, [](T a, T b) { return a < b; });
            case OperationCode::less_equal: return pair<T, B>(op, [](T a, T b) { return a <= b; });
            case OperationCode::select: return select<T>(op);
            case OperationCode::is_null:
            case OperationCode::is_present: return null_test(op);
            default: WEIR_ASSERT(false);  // the compiler makes no others
        }
    }
    template <typename T, typename Item>
    void in_list(const Operation& op, const std::vector<Item>& items) {
        each<T, std::uint8_t>(op, [&items](T a) { return static_cast<std::uint8_t>(listed(items, a)); });
    }
    void null_test(const Operation& op) {
        const RowBits& of = present(op.a);
        const bool wanted = op.code == OperationCode::is_present;
        std::uint8_t* const out = target(op).booleans;
        for (std::size_t row = 0; row < rows_; ++row) out[row] = of.test(row) == wanted ? 1 : 0;
        present_where(op, every_row, every_row);
    }
    template <typename T>
    void select(const Operation& op) {
        const RowBits& known = present(op.a);
        const RowBits& yes = present(op.b);
        const RowBits& no = present(op.c);
        Column& to = target(op);
        T* const out = values<T>(to);
        with<std::uint8_t>(op.a, [&](auto condition) {
            with<T>(op.b, [&](auto b) {
                with<T>(op.c, [&](auto c) {
                    for (std::size_t row = 0; row < rows_; ++row) {
                        const bool is = condition[row] != 0;
                        out[row] = is ? b[row] : c[row];
                        if (known.test(row) && (is ? yes : no).test(row))
                            to.present.set(row);
                        else
                            to.present.reset(row);
                    }
                });
            });
        });
    }

    void booleans(const Operation& op) {
        using B = std::uint8_t;
        switch (op.code) {
            case OperationCode::logical_not: return each<B, B>(op, [](B a) { return static_cast<B>(a ^ 1); });
            case OperationCode::logical_and: return absorbing(op, false);
            case OperationCode::logical_or: return absorbing(op, true);
            default: return common<B>(op);
        }
    }
    // One side alone decides when it is `decisive`; otherwise null on either side is null.
    void absorbing(const Operation& op, bool decisive) {
        using B = std::uint8_t;
        const auto flip = static_cast<B>(decisive ? 1 : 0);
        pair<B, B>(op, [flip](B a, B b) { return static_cast<B>(((a ^ flip) & (b ^ flip)) ^ flip); });
        Column& to = target(op);
        const RowBits& left = present(op.a);
        const RowBits& right = present(op.b);
        with<B>(op.a, [&](auto a) {
            with<B>(op.b, [&](auto b) {
                for (std::size_t w = 0; w < words_of(rows_); ++w) {
                    if ((left.words()[w] & right.words()[w]) == ~std::uint64_t{0}) continue;
                    const std::size_t last = w * 64 + 64 < rows_ ? w * 64 + 64 : rows_;
                    for (std::size_t row = w * 64; row < last; ++row) {
                        const bool decided = (left.test(row) && a[row] == flip) || (right.test(row) && b[row] == flip);
                        if (!decided) continue;
                        to.booleans[row] = flip;
                        to.present.set(row);
                    }
                }
            });
        });
    }

    void texts(const Operation& op) {
        using T = std::string_view;
        switch (op.code) {
            case OperationCode::equal: return text_pair(op, [](T a, T b) { return a == b; });
            case OperationCode::unequal: return text_pair(op, [](T a, T b) { return a != b; });
            case OperationCode::less: return text_pair(op, [](T a, T b) { return a < b; });
            case OperationCode::less_equal: return text_pair(op, [](T a, T b) { return a <= b; });
            case OperationCode::starts_with: return text_pair(op, [](T a, T b) { return a.starts_with(b); });
            case OperationCode::ends_with: return text_pair(op, [](T a, T b) { return a.ends_with(b); });
            case OperationCode::contains: return text_pair(op, [](T a, T b) { return a.find(b) != T::npos; });
            case OperationCode::select: return select<T>(op);
            case OperationCode::is_null:
            case OperationCode::is_present: return null_test(op);
            case OperationCode::text_size: return each_known<T, std::int64_t>(op, characters);
            case OperationCode::matches:
                return each_known<T, std::uint8_t>(op, [&regex = *expression_.regexes_[op.b]](T a) { return regex.found_in(a) ? std::uint8_t{1} : std::uint8_t{0}; });
            case OperationCode::in_list:
                return each_known<T, std::uint8_t>(op, [&items = expression_.lists_[op.b].texts](T a) { return static_cast<std::uint8_t>(listed(items, a)); });
            case OperationCode::parse_integer: return parsed<std::int64_t>(op, parse_number<std::int64_t>);
            case OperationCode::parse_real: return parsed<double>(op, parse_number<double>);
            case OperationCode::parse_boolean: return parsed<std::uint8_t>(op, parse_truth);
            case OperationCode::parse_timestamp:
                return parsed<std::int64_t>(op, [](T a, std::int64_t& out) { return parse_with(weir::parse_timestamp, a, out); });
            case OperationCode::parse_duration:
                return parsed<std::int64_t>(op, [](T a, std::int64_t& out) { return parse_with(parse_span, a, out); });
            default: WEIR_ASSERT(false);  // the compiler makes no others
        }
    }
    // As each(), but without looking at rows that are null.
    template <typename T, typename Out, typename Function>
    void each_known(const Operation& op, Function function) {
        present_where(op, present(op.a), present(op.a));
        const Column& to = target(op);
        Out* const out = values<Out>(target(op));
        with<T>(op.a, [&](auto a) {
            for (std::size_t row = 0; row < rows_; ++row) out[row] = to.present.test(row) ? function(a[row]) : Out{};
        });
    }
    // function(text, out) says whether there is an answer; where not, the row is null.
    template <typename Out, typename Function>
    void parsed(const Operation& op, Function function) {
        present_where(op, present(op.a), present(op.a));
        Column& to = target(op);
        Out* const out = values<Out>(to);
        with<std::string_view>(op.a, [&](auto a) {
            for (std::size_t row = 0; row < rows_; ++row)
                if (!to.present.test(row) || !function(a[row], out[row])) {
                    out[row] = Out{};
                    to.present.reset(row);
                }
        });
    }
    template <typename Function>
    void text_pair(const Operation& op, Function function) {
        present_where(op, present(op.a), present(op.b));
        const Column& to = target(op);
        with<std::string_view>(op.a, [&](auto a) {
            with<std::string_view>(op.b, [&](auto b) {
                for (std::size_t row = 0; row < rows_; ++row)
                    to.booleans[row] = to.present.test(row) && function(a[row], b[row]) ? 1 : 0;
            });
        });
    }

    const Expression& expression_;
    std::span<Column> registers_;
    std::span<const Column* const> inputs_;
    std::size_t rows_;
    const RowTime* times_;
};

namespace {

Bytes register_need(ColumnType type, std::size_t rows) {
    switch (type) {
        case ColumnType::integer: return Arena::need<std::int64_t>(rows);
        case ColumnType::real: return Arena::need<double>(rows);
        case ColumnType::boolean: return Arena::need<std::uint8_t>(rows);
        case ColumnType::text: return Arena::need<std::string_view>(rows);
    }
    return 0;
}

void make_register(Arena& arena, Column& column, ColumnType type, std::size_t rows) {
    column.type = type;
    switch (type) {
        case ColumnType::integer: column.integers = arena.take<std::int64_t>(rows).data(); break;
        case ColumnType::real: column.reals = arena.take<double>(rows).data(); break;
        case ColumnType::boolean: column.booleans = arena.take<std::uint8_t>(rows).data(); break;
        case ColumnType::text: column.texts = arena.take<std::string_view>(rows).data(); break;
    }
}

void fill(Column& column, const Literal& literal, std::size_t rows) {
    column.present = literal.present ? every_row : no_row;
    for (std::size_t row = 0; row < rows; ++row) switch (literal.type) {
            case ColumnType::integer: column.integers[row] = literal.integer; break;
            case ColumnType::real: column.reals[row] = literal.real; break;
            case ColumnType::boolean: column.booleans[row] = literal.boolean; break;
            case ColumnType::text: column.texts[row] = literal.text; break;
        }
}

}  // namespace

// An expression that is nothing but a literal has a register for it behind the others.
Bytes Evaluator::need(const Expression& expression, std::size_t rows_max) {
    const bool constant = operand_kind(expression.result_) == OperandKind::literal;
    Bytes total = Arena::need<Column>(expression.registers_.size() + (constant ? 1 : 0));
    for (ColumnType type : expression.registers_) total += register_need(type, rows_max);
    return total + (constant ? register_need(expression.type_, rows_max) : 0);
}

Evaluator::Evaluator(Arena& arena, const Expression& expression, std::size_t rows_max) : expression_(expression) {
    const bool constant = operand_kind(expression.result_) == OperandKind::literal;
    registers_ = arena.take<Column>(expression.registers_.size() + (constant ? 1 : 0));
    for (std::size_t i = 0; i < expression.registers_.size(); ++i)
        make_register(arena, registers_[i], expression.registers_[i], rows_max);
    if (!constant) return;
    make_register(arena, registers_.back(), expression.type_, rows_max);
    fill(registers_.back(), expression.literals_[operand_index(expression.result_)], rows_max);
}

const Column& Evaluator::evaluate(std::span<const Column* const> inputs, std::size_t rows, const RowTime* times) {
    Run run(*this, inputs, rows, times);
    for (const Operation& op : expression_.operations_) run.run(op);
    const std::uint32_t index = operand_index(expression_.result_);
    switch (operand_kind(expression_.result_)) {
        case OperandKind::input: return *inputs[index];
        case OperandKind::reg: return registers_[index];
        case OperandKind::literal: break;
    }
    return registers_.back();
}

}  // namespace weir
