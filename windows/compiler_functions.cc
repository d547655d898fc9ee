#include <algorithm>

#include "windows/civil.h"
#include "windows/compiler.h"
#include "windows/regex.h"

// The functions of expressions, each checked and turned into operations.

namespace weir {
namespace {

std::string counted(std::size_t count) {
    constexpr std::string_view words[] = {"nothing", "one value", "two values"};
    return count < std::size(words) ? std::string(words[count]) : std::to_string(count) + " values";
}

bool extreme(std::string_view name) { return name == "min" || name == "max"; }

struct TimePart {
    std::string_view name;
    bool of_durations;
};
constexpr TimePart time_parts[] = {
    {"getFullYear", false}, {"getMonth", false},     {"getDate", false},    {"getDayOfMonth", false}, {"getDayOfWeek", false},
    {"getDayOfYear", false}, {"getHours", true},     {"getMinutes", true},  {"getSeconds", true},     {"getMilliseconds", true},
};

}  // namespace

const ExpressionCompiler::Function* ExpressionCompiler::functions(std::size_t& count) {
    using C = ExpressionCompiler;
    constexpr std::size_t many = 64;
    static constexpr Function known[] = {
        {"has", 1, 1, &C::call_has},
        {"int", 1, 1, &C::call_to_integer},
        {"float", 1, 1, &C::call_to_real},
        {"double", 1, 1, &C::call_to_real},
        {"bool", 1, 1, &C::call_to_boolean},
        {"timestamp", 1, 1, &C::call_timestamp},
        {"duration", 1, 1, &C::call_duration},
        {"size", 1, 1, &C::call_size},
        {"startsWith", 2, 2, &C::call_text_test},
        {"endsWith", 2, 2, &C::call_text_test},
        {"contains", 2, 2, &C::call_text_test},
        {"matches", 2, 2, &C::call_matches},
        {"abs", 1, 1, &C::call_absolute},
        {"min", 2, 2, &C::call_extreme},
        {"max", 2, 2, &C::call_extreme},
        {"math.abs", 1, 1, &C::call_absolute},
        {"math.least", 1, many, &C::call_extreme},
        {"math.greatest", 1, many, &C::call_extreme},
        {"math.ceil", 1, 1, &C::call_rounding},
        {"math.floor", 1, 1, &C::call_rounding},
        {"math.round", 1, 1, &C::call_rounding},
        {"math.trunc", 1, 1, &C::call_rounding},
        {"math.sign", 1, 1, &C::call_rounding},
        {"math.isNaN", 1, 1, &C::call_rounding},
        {"math.isInf", 1, 1, &C::call_rounding},
        {"math.isFinite", 1, 1, &C::call_rounding},
        {"getFullYear", 1, 2, &C::call_time_part},
        {"getMonth", 1, 2, &C::call_time_part},
        {"getDate", 1, 2, &C::call_time_part},
        {"getDayOfMonth", 1, 2, &C::call_time_part},
        {"getDayOfWeek", 1, 2, &C::call_time_part},
        {"getDayOfYear", 1, 2, &C::call_time_part},
        {"getHours", 1, 2, &C::call_time_part},
        {"getMinutes", 1, 2, &C::call_time_part},
        {"getSeconds", 1, 2, &C::call_time_part},
        {"getMilliseconds", 1, 2, &C::call_time_part},
    };
    count = std::size(known);
    return known;
}

ExpressionCompiler::Maybe ExpressionCompiler::call(const Node& tree) {
    if (const auto input = inputs_.input(tree, problem_))
        return Typed{operand(OperandKind::input, input->index), input->type, input->meaning};
    if (!problem_.what.empty()) return std::nullopt;
    std::size_t count = 0;
    const Function* const known = functions(count);
    const Function* const found = std::find_if(known, known + count, [&](const Function& f) { return f.name == tree.text; });
    if (found == known + count) {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < count; ++i) names.emplace_back(known[i].name);
        return fail("no function is called " + tree.text + suggestion(tree.text, names), tree);
    }
    const std::size_t given = tree.args.size();
    if (given >= found->args_least && given <= found->args_most) return (this->*found->compile)(tree);
    std::string takes = counted(found->args_least);
    if (found->args_most != found->args_least) takes += found->args_most == 2 ? " or two" : " or more";
    return fail(tree.text + "() takes " + takes + ", not " + std::to_string(given) +
                    (extreme(tree.text) && given == 1 ? ": of one column it is an aggregate, which has no place here" : ""),
                tree);
}

ExpressionCompiler::Maybe ExpressionCompiler::wrong_argument(const Node& tree, std::string_view takes, const Node& arg,
                                                             const Typed& typed) {
    return fail(tree.text + "() takes " + std::string(takes) + ", and " + described(arg, typed), arg);
}

ExpressionCompiler::Maybe ExpressionCompiler::call_has(const Node& tree) { return null_test(tree.args[0], true); }

ExpressionCompiler::Maybe ExpressionCompiler::call_absolute(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (!value->numeric()) return wrong_argument(tree, "a number", tree.args[0], *value);
    return then(*value, OperationCode::absolute, value->type);
}

ExpressionCompiler::Maybe ExpressionCompiler::call_extreme(const Node& tree) {
    const OperationCode code = tree.text == "min" || tree.text == "math.least" ? OperationCode::least : OperationCode::greatest;
    Maybe so_far = node(tree.args[0]);
    if (!so_far) return so_far;
    if (tree.args.size() == 1 && !so_far->numeric()) return wrong_argument(tree, "numbers", tree.args[0], *so_far);
    for (std::size_t i = 1; so_far && i < tree.args.size(); ++i) {
        const Maybe next = node(tree.args[i]);
        if (!next) return next;
        const bool times = so_far->meaning != Meaning::plain && !next->untyped_null && so_far->same_type(*next);
        if (times) {
            Typed result = emit(code, ColumnType::integer, ColumnType::integer, so_far->operand, next->operand);
            result.meaning = so_far->meaning;
            release(so_far->operand);
            release(next->operand);
            so_far = result;
        } else {
            so_far = numeric_pair(tree, *so_far, tree.args[i - 1], *next, tree.args[i], code, false);
        }
    }
    return so_far;
}

ExpressionCompiler::Maybe ExpressionCompiler::call_rounding(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (!value->numeric()) return wrong_argument(tree, "a number", tree.args[0], *value);
    if (tree.text == "math.sign") return then(*value, OperationCode::sign, value->type);
    const Typed real = to_real(*value);
    if (tree.text == "math.ceil") return then(real, OperationCode::round_up, ColumnType::real);
    if (tree.text == "math.floor") return then(real, OperationCode::round_down, ColumnType::real);
    if (tree.text == "math.round") return then(real, OperationCode::round_nearest, ColumnType::real);
    if (tree.text == "math.trunc") return then(real, OperationCode::round_to_zero, ColumnType::real);
    if (tree.text == "math.isNaN") return then(real, OperationCode::is_nan, ColumnType::boolean);
    if (tree.text == "math.isInf") return then(real, OperationCode::is_infinite, ColumnType::boolean);
    return then(real, OperationCode::is_finite, ColumnType::boolean);
}

ExpressionCompiler::Maybe ExpressionCompiler::call_to_integer(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (value->is(ColumnType::integer)) return value;
    if (value->is(ColumnType::real)) return then(*value, OperationCode::to_integer, ColumnType::integer);
    if (value->is(ColumnType::text)) return then(*value, OperationCode::parse_integer, ColumnType::integer);
    if (value->is(Meaning::timestamp)) return with_integer(*value, OperationCode::floor_divide, second_us);
    return wrong_argument(tree, "a number, a string or a timestamp", tree.args[0], *value);
}

ExpressionCompiler::Maybe ExpressionCompiler::call_to_real(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (value->numeric()) return to_real(*value);
    if (value->is(ColumnType::text)) return then(*value, OperationCode::parse_real, ColumnType::real);
    return wrong_argument(tree, "a number or a string", tree.args[0], *value);
}

ExpressionCompiler::Maybe ExpressionCompiler::call_to_boolean(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value || value->is(ColumnType::boolean)) return value;
    if (value->is(ColumnType::text)) return then(*value, OperationCode::parse_boolean, ColumnType::boolean);
    return wrong_argument(tree, "a string", tree.args[0], *value);
}

ExpressionCompiler::Maybe ExpressionCompiler::call_timestamp(const Node& tree) {
    const Node& arg = tree.args[0];
    const Maybe value = node(arg);
    if (!value || value->is(Meaning::timestamp)) return value;
    if (value->is(ColumnType::integer)) return limited(with_integer(*value, OperationCode::multiply, second_us), Meaning::timestamp);
    if (!value->is(ColumnType::text)) return wrong_argument(tree, "a string or seconds since 1970", arg, *value);
    Typed made;
    if (arg.kind == Node::Kind::text) {
        const auto at = parse_timestamp(arg.text);
        if (!at) return fail("'" + arg.text + "' is not a timestamp of the years 1 to 9999, such as 2026-11-22T06:30:00Z", arg);
        made = integer(*at);
    } else {
        made = then(*value, OperationCode::parse_timestamp, ColumnType::integer);
    }
    made.meaning = Meaning::timestamp;
    return made;
}

ExpressionCompiler::Maybe ExpressionCompiler::call_duration(const Node& tree) {
    const Node& arg = tree.args[0];
    const Maybe value = node(arg);
    if (!value || value->is(Meaning::duration)) return value;
    if (value->is(ColumnType::integer)) return limited(with_integer(*value, OperationCode::multiply, second_us), Meaning::duration);
    if (value->is(ColumnType::real)) {
        Literal scale;
        scale.real = static_cast<double>(second_us);
        Typed us = then(*value, OperationCode::multiply, ColumnType::real, literal(scale).operand);
        us = then(us, OperationCode::round_nearest, ColumnType::real);
        return limited(then(us, OperationCode::to_integer, ColumnType::integer), Meaning::duration);
    }
    if (!value->is(ColumnType::text)) return wrong_argument(tree, "a string or seconds", arg, *value);
    Typed made;
    if (arg.kind == Node::Kind::text) {
        const auto span = parse_span(arg.text);
        if (!span) return fail("'" + arg.text + "' is not a duration up to 10,000 years, such as 90s, 1h30m or 250ms", arg);
        made = integer(*span);
    } else {
        made = then(*value, OperationCode::parse_duration, ColumnType::integer);
    }
    made.meaning = Meaning::duration;
    return made;
}

ExpressionCompiler::Maybe ExpressionCompiler::call_size(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (!value->is(ColumnType::text)) return wrong_argument(tree, "a string", tree.args[0], *value);
    return then(*value, OperationCode::text_size, ColumnType::integer);
}

ExpressionCompiler::Maybe ExpressionCompiler::call_text_test(const Node& tree) {
    OperationCode code = OperationCode::contains;
    if (tree.text == "startsWith") code = OperationCode::starts_with;
    if (tree.text == "endsWith") code = OperationCode::ends_with;
    std::uint32_t operands[2] = {};
    for (std::size_t i = 0; i < 2; ++i) {
        const Maybe value = node(tree.args[i]);
        if (!value) return value;
        if (!value->is(ColumnType::text)) return wrong_argument(tree, "strings", tree.args[i], *value);
        operands[i] = value->operand;
    }
    const Typed result = emit(code, ColumnType::text, ColumnType::boolean, operands[0], operands[1]);
    release(operands[0]);
    release(operands[1]);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::call_matches(const Node& tree) {
    const Node& pattern = tree.args[1];
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (!value->is(ColumnType::text)) return wrong_argument(tree, "strings", tree.args[0], *value);
    if (pattern.kind != Node::Kind::text)
        return fail("matches() takes a pattern in quotes, so that it can be compiled before anything runs", pattern);
    Problem wrong;
    auto regex = Regex::make(pattern.text, wrong);
    // Behind the quote; with escapes before it the place is only near.
    if (!regex) return fail("matches(): " + wrong.what, pattern.offset + 1 + wrong.offset);
    out_.regexes_.push_back(std::move(regex));
    return then(*value, OperationCode::matches, ColumnType::boolean, static_cast<std::uint32_t>(out_.regexes_.size() - 1));
}

ExpressionCompiler::Maybe ExpressionCompiler::call_time_part(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    const TimePart* const part = std::find_if(std::begin(time_parts), std::end(time_parts), [&](const TimePart& p) { return p.name == tree.text; });
    if (value->is(Meaning::duration) && part->of_durations && tree.args.size() == 1) return duration_part(tree, *value);
    if (!value->is(Meaning::timestamp))
        return wrong_argument(tree, part->of_durations ? "a timestamp, or a duration alone" : "a timestamp", tree.args[0], *value);
    const Maybe local = local_time(tree, *value);
    if (!local) return local;
    const auto clock = [&](std::int64_t unit, std::int64_t cycle) {
        return with_integer(with_integer(*local, OperationCode::floor_divide, unit), OperationCode::floor_modulo, cycle);
    };
    if (tree.text == "getHours") return clock(hour_us, 24);
    if (tree.text == "getMinutes") return clock(minute_us, 60);
    if (tree.text == "getSeconds") return clock(second_us, 60);
    if (tree.text == "getMilliseconds") return clock(1000, 1000);
    if (tree.text == "getFullYear") return then(*local, OperationCode::date_year, ColumnType::integer);
    if (tree.text == "getMonth") return then(*local, OperationCode::date_month, ColumnType::integer);
    if (tree.text == "getDayOfWeek") return then(*local, OperationCode::date_weekday, ColumnType::integer);
    if (tree.text == "getDayOfYear") return then(*local, OperationCode::date_yearday, ColumnType::integer);
    const Typed day = then(*local, OperationCode::date_day, ColumnType::integer);
    return tree.text == "getDate" ? day : with_integer(day, OperationCode::subtract, 1);
}

// Of a duration these are the whole of it in that unit, but for milliseconds, which are what is left of the second.
ExpressionCompiler::Maybe ExpressionCompiler::duration_part(const Node& tree, Typed span) {
    if (tree.text == "getHours") return with_integer(span, OperationCode::cut_divide, hour_us);
    if (tree.text == "getMinutes") return with_integer(span, OperationCode::cut_divide, minute_us);
    if (tree.text == "getSeconds") return with_integer(span, OperationCode::cut_divide, second_us);
    return with_integer(with_integer(span, OperationCode::cut_divide, 1000), OperationCode::modulo, 1000);
}

std::string unknown_zone(std::string_view name, const Zones* zones) {
    const std::string near = zones ? suggestion(name, zones->names()) : std::string();
    return "no time zone is called " + std::string(name) +
           (near.empty() ? ": write a name of the IANA data base, such as Europe/Amsterdam, or an offset, such as +02:00" : near);
}

ExpressionCompiler::Maybe ExpressionCompiler::local_time(const Node& tree, Typed at) {
    if (tree.args.size() == 1) return at;
    const Node& zone = tree.args[1];
    if (zone.kind != Node::Kind::text) return fail(tree.text + "() takes a time zone in quotes, such as 'Europe/Amsterdam' or '+02:00'", zone);
    if (const auto offset = parse_offset(zone.text)) return *offset == 0 ? at : with_integer(at, OperationCode::add, *offset);
    auto table = inputs_.zones() ? inputs_.zones()->find(zone.text) : std::nullopt;
    if (!table) return fail(unknown_zone(zone.text, inputs_.zones()), zone);
    std::size_t known = 0;
    while (known < out_.zones_.size() && out_.zones_[known].name() != table->name()) ++known;
    if (known == out_.zones_.size()) out_.zones_.push_back(std::move(*table));
    return then(at, OperationCode::zone_local, ColumnType::integer, static_cast<std::uint32_t>(known));
}

}  // namespace weir
