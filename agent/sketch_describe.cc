#include "agent/sketch_describe.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "sketches/portable_math.h"

namespace weir {
namespace {

// The ranks that everybody gets.
constexpr double usual_ranks[] = {0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1};

void member(JsonWriter& out, std::string_view key, std::uint64_t value) {
    out.key(key);
    out.natural(value);
}

// JSON has no infinities: they are text.
void real(JsonWriter& out, double value) {
    if (std::isinf(value))
        out.text(value > 0 ? "inf" : "-inf");
    else
        out.real(value);
}

void member(JsonWriter& out, std::string_view key, double value) {
    out.key(key);
    real(out, value);
}

void item(JsonWriter& out, std::string_view text) {
    constexpr std::string_view replacement = "\xEF\xBF\xBD";
    out.key("item");
    const std::size_t from = out.text().size();
    out.text(text);
    // Not all of it was UTF-8: the bytes, too.
    if (out.text().substr(from).find(replacement) == std::string_view::npos) return;
    out.key("base64");
    out.base64(as_byte_span(text));
}
void item(JsonWriter& out, std::int64_t value) {
    out.key("item");
    out.integer(value);
}
void item(JsonWriter& out, double value) { member(out, "item", value); }

// An item as somebody wrote it on the command line.
bool parse(const std::string& text, std::int64_t& value) { return parse_integer(text, value); }
bool parse(const std::string& text, double& value) { return parse_real(text, value); }
bool parse(const std::string& text, std::string_view& value) {
    value = text;
    return true;
}

// {"item":..} and what answer adds, for each item that was asked for.
template <typename Item, typename Answer>
Status estimates(JsonWriter& out, const SketchQuestions& questions, std::string_view type, Problem& problem, Answer answer) {
    if (questions.items.empty()) return Status::success();
    out.key("estimates");
    out.begin_array();
    for (const std::string& text : questions.items) {
        Item value{};
        if (!parse(text, value)) {
            problem.what = "--estimate: '" + text + "' is none of the sketch's items, which are " + std::string(type);
            return Error::invalid;
        }
        out.begin_object();
        item(out, value);
        answer(value);
        out.end_object();
    }
    out.end_array();
    return Status::success();
}

template <typename Sketch>
void count_and_bounds(JsonWriter& out, const Sketch& sketch) {
    member(out, "estimate", sketch.estimate());
    out.key("bounds");
    out.begin_array();
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        out.begin_object();
        member(out, "sigmas", std::uint64_t(sigmas));
        member(out, "lower", sketch.lower_bound(sigmas));
        member(out, "upper", sketch.upper_bound(sigmas));
        out.end_object();
    }
    out.end_array();
}

// error(rank): how far off the rank may be; NaN: unknown, and not said.
template <typename Quantile, typename Rank, typename Error>
void quantiles_and_ranks(JsonWriter& out, const SketchQuestions& questions, Quantile quantile, Rank rank_of, Error error) {
    std::vector<double> ranks(std::begin(usual_ranks), std::end(usual_ranks));
    ranks.insert(ranks.end(), questions.quantiles.begin(), questions.quantiles.end());
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    out.key("quantiles");
    out.begin_array();
    for (const double rank : ranks) {
        out.begin_object();
        member(out, "rank", rank);
        member(out, "value", quantile(rank));
        // The ends are exact.
        const double off = rank > 0 && rank < 1 ? error(rank) : 0;
        member(out, "rank_error", off);
        member(out, "lower", quantile(std::max(0.0, rank - off)));
        member(out, "upper", quantile(std::min(1.0, rank + off)));
        out.end_object();
    }
    out.end_array();
    if (questions.values.empty()) return;
    out.key("ranks");
    out.begin_array();
    for (const double value : questions.values) {
        const double rank = rank_of(value);
        out.begin_object();
        member(out, "value", value);
        member(out, "rank", rank);
        member(out, "rank_error", error(rank));
        out.end_object();
    }
    out.end_array();
}

}  // namespace

Status describe(JsonWriter& out, HllSketch& sketch, const SketchShape& shape, const SketchQuestions&, Problem&) {
    member(out, "lg_k", std::uint64_t{sketch.lg_k()});
    out.key("type");
    out.text("HLL_" + std::to_string(shape.hll_bits));
    out.key("mode");
    out.text(!sketch.is_exact() ? "registers" : sketch.coupons() < 8 ? "list" : "set");
    out.key("merged");  // out of order, as the reference calls it
    out.boolean(sketch.merged());
    member(out, "relative_error", sketch.relative_error());
    count_and_bounds(out, sketch);
    return Status::success();
}

Status describe(JsonWriter& out, ThetaSketch& sketch, const SketchShape& shape, const SketchQuestions&, Problem&) {
    member(out, "serial", std::uint64_t{shape.theta_version});
    out.key("exact");
    out.boolean(sketch.is_exact());
    member(out, "retained", std::uint64_t{sketch.retained()});
    member(out, "theta", static_cast<double>(sketch.theta()) / static_cast<double>(ThetaSketch::theta_max));
    member(out, "theta_long", sketch.theta());
    count_and_bounds(out, sketch);
    return Status::success();
}

template <typename T>
Status describe(JsonWriter& out, KllSketch<T>& sketch, const SketchShape&, const SketchQuestions& questions, Problem&) {
    member(out, "k", std::uint64_t{sketch.k()});
    member(out, "n", sketch.n());
    member(out, "retained", std::uint64_t{sketch.retained()});
    out.key("exact");
    out.boolean(sketch.is_exact());
    const double error = sketch.rank_error();
    member(out, "rank_error", error);
    member(out, "rank_confidence", 0.99);
    if (sketch.empty()) return Status::success();
    member(out, "min", double{sketch.min()});
    member(out, "max", double{sketch.max()});
    quantiles_and_ranks(
        out, questions, [&](double rank) { return double{sketch.quantile(rank)}; },
        [&](double value) { return sketch.rank(static_cast<T>(value)); }, [&](double) { return error; });
    return Status::success();
}

Status describe(JsonWriter& out, TDigest& sketch, const SketchShape&, const SketchQuestions& questions, Problem&) {
    member(out, "k", std::uint64_t{sketch.k()});
    member(out, "n", sketch.n());
    member(out, "centroids", std::uint64_t{sketch.centroids()});
    if (sketch.empty()) return Status::success();
    member(out, "min", sketch.min());
    member(out, "max", sketch.max());
    // No bound is certain: the share of the largest centroid that there can be (see tdigest.h).
    out.key("rank_error_is");
    out.text("typical, not guaranteed");
    const double n_by_2k = static_cast<double>(sketch.n()) / (2.0 * sketch.k());
    const double step = 4 * (portable_log(std::max(n_by_2k, 1.0)) + 6) / (2.0 * sketch.k());
    quantiles_and_ranks(
        out, questions, [&](double rank) { return sketch.quantile(rank); }, [&](double value) { return sketch.rank(value); },
        [&](double rank) { return rank * (1 - rank) * step; });
    return Status::success();
}

template <typename Item>
Status describe(JsonWriter& out, FrequentItems<Item>& sketch, const SketchShape& shape, const SketchQuestions& questions,
                Problem& problem) {
    member(out, "lg_map", std::uint64_t{sketch.lg_max()});
    member(out, "total_weight", sketch.total_weight());
    member(out, "retained", std::uint64_t{sketch.size()});
    member(out, "maximum_error", sketch.maximum_error());
    std::vector<typename FrequentItems<Item>::Row> rows(std::min<std::size_t>(questions.top, sketch.size()));
    rows.resize(sketch.top(rows));
    out.key("top");
    out.begin_array();
    for (const auto& row : rows) {
        out.begin_object();
        item(out, row.item);
        member(out, "estimate", row.estimate);
        member(out, "lower", row.lower);
        member(out, "upper", row.upper);
        out.end_object();
    }
    out.end_array();
    return estimates<Item>(out, questions, plural(shape.items), problem, [&](Item value) {
        member(out, "estimate", sketch.estimate(value));
        member(out, "lower", sketch.lower_bound(value));
        member(out, "upper", sketch.upper_bound(value));
    });
}

template <typename Weight>
Status describe(JsonWriter& out, CountMin<Weight>& sketch, const SketchShape& shape, const SketchQuestions& questions,
                Problem& problem) {
    member(out, "hashes", std::uint64_t{sketch.hashes()});
    member(out, "buckets", std::uint64_t{sketch.buckets()});
    member(out, "total_weight", sketch.total_weight());
    const double off = sketch.error_bound();
    member(out, "error_bound", off);
    member(out, "confidence", 1 - portable_exp(-std::min<double>(sketch.hashes(), 40)));
    // The weight is never above the estimate, nor, with that confidence, further below it than the bound.
    const auto answer = [&](auto value) {
        const Weight estimate = sketch.estimate(value);
        member(out, "estimate", estimate);
        member(out, "lower", std::max(0.0, static_cast<double>(estimate) - off));
        member(out, "upper", estimate);
    };
    switch (shape.items) {
        case ItemType::integer: return estimates<std::int64_t>(out, questions, "longs", problem, answer);
        case ItemType::real: return estimates<double>(out, questions, "doubles", problem, answer);
        case ItemType::real32:
            return estimates<double>(out, questions, "floats", problem,
                                     [&](double value) { answer(static_cast<double>(static_cast<float>(value))); });
        case ItemType::none:
        case ItemType::text: break;
    }
    return estimates<std::string_view>(out, questions, "strings", problem, answer);
}

template Status describe(JsonWriter&, KllSketch<double>&, const SketchShape&, const SketchQuestions&, Problem&);
template Status describe(JsonWriter&, KllSketch<float>&, const SketchShape&, const SketchQuestions&, Problem&);
template Status describe(JsonWriter&, FrequentStrings&, const SketchShape&, const SketchQuestions&, Problem&);
template Status describe(JsonWriter&, FrequentIntegers&, const SketchShape&, const SketchQuestions&, Problem&);
template Status describe(JsonWriter&, FrequentReals&, const SketchShape&, const SketchQuestions&, Problem&);
template Status describe(JsonWriter&, CountMinIntegers&, const SketchShape&, const SketchQuestions&, Problem&);
template Status describe(JsonWriter&, CountMinReals&, const SketchShape&, const SketchQuestions&, Problem&);

}  // namespace weir
