#include "agent/sketch_request.h"

#include <algorithm>
#include <set>
#include <type_traits>

#include "agent/base/nearest.h"

namespace weir {
namespace {

constexpr std::string_view help = R"(usage: weir sketch build KIND [OPTIONS] < VALUES > FILE
       weir sketch merge FILE... > FILE
       weir sketch inspect FILE... [--items N] [--quantile RANK] [--rank VALUE] [--estimate ITEM]

Sketches in Apache DataSketches' formats, which its libraries for Java, C++ and Python read, and the other way round.
`build` reads one value a line from standard input and writes the sketch, in binary, to standard output. `merge` makes
one of several of the same kind. `inspect` prints what a sketch says, one JSON object a file; "-" is standard input.

    cut -d, -f2 visits.csv | weir sketch build hll --strings > monday.hll
    weir sketch merge monday.hll tuesday.hll | weir sketch inspect - | jq .estimate

 KIND        answers                     options, with their defaults
  hll        how many different items    --lgk 12 (4 to 21)  --type 8 (4, 6, 8: bits a register in the file)
  theta      the same, with set algebra  --lgk 12 (5 to 26)  --serial 3 (4: compressed; older readers want 3)
  kll        quantiles and ranks         --k 200 (8 to 65535)  --seed 0 (of its coins: give sketches to be merged
                                         different ones)
  frequent   the heaviest items          --lgmap 10 (3 to 20)  --weights
  countmin   how heavy is this item      --hashes 4  --buckets 2048  --seed 9001  --counters doubles (as in Python;
                                         or longs, as in C++ and Java)  --weights
  tdigest    quantiles, best at the ends --k 100 (10 to 65535)

  --strings, --longs, --doubles, --floats   what the lines are. hll, theta, countmin: any of them, strings if none is
             given; frequent: strings, longs or doubles; kll, tdigest: doubles, or floats. 1 as a long, 1 as a double
             and "1" are different items. Longs are from -2^63 to 2^63 - 1; doubles may be nan or inf.
  --weights  a line is ITEM<TAB>WEIGHT; the last tab divides

A line ends with LF or CR LF. An empty line is an empty string, which all but frequent leave out, as the reference does;
of numbers it is an error. KLL leaves out NaN, t-digest NaN and infinities; how many is told on standard error.

merge: --lgk, --type, --serial, --k and --lgmap say what the result shall be. Without them it has the greatest of the
files (theta: at least 12, since a file does not say its own; hll: the smallest of those that have registers), and HLL the
type of the first one.

inspect and merge: whether KLL and t-digest hold doubles or floats follows from the size. Whether frequent holds strings
or numbers, and Count-Min doubles or longs, is guessed well, though not longs against doubles: then say --doubles
("items_from" and "counters_from" tell what was done). Count-Min with another seed needs its --seed.
  --items N        how many of the top items; 10 if not given
  --quantile RANK  also the value of this rank, 0 to 1     (kll, tdigest; can be repeated)
  --rank VALUE     also the rank of this value             (kll, tdigest; can be repeated)
  --estimate ITEM  the weight of this item, with bounds    (frequent, countmin; can be repeated)

Exit codes: 0 done, 1 a line or a file is wrong (nothing is written), 2 usage.
)";

struct NumberOption {
    SketchKind kind;
    const char* name;
    std::uint64_t least;
    std::uint64_t most;
    void (*set)(SketchShape& shape, std::uint64_t value);
    bool merge;  // merge takes it, too
};

template <auto member>
void set(SketchShape& shape, std::uint64_t value) {
    using Field = std::remove_reference_t<decltype(shape.*member)>;
    shape.*member = static_cast<Field>(value);
}
void set_seed(SketchShape& shape, std::uint64_t value) { shape.seed = value; }

constexpr NumberOption number_options[] = {
    {SketchKind::hll, "lgk", 4, 21, set<&SketchShape::lg_k>, true},
    {SketchKind::hll, "type", 4, 8, set<&SketchShape::hll_bits>, true},
    {SketchKind::theta, "lgk", 5, 26, set<&SketchShape::lg_k>, true},
    {SketchKind::theta, "serial", 3, 4, set<&SketchShape::theta_version>, true},
    {SketchKind::kll, "k", 8, 65'535, set<&SketchShape::k>, true},
    {SketchKind::kll, "seed", 0, UINT64_MAX, set_seed, true},
    {SketchKind::tdigest, "k", 10, 65'535, set<&SketchShape::k>, true},
    {SketchKind::frequent, "lgmap", 3, 20, set<&SketchShape::lg_map>, true},
    {SketchKind::count_min, "hashes", 1, 255, set<&SketchShape::hashes>, false},
    {SketchKind::count_min, "buckets", 3, 1u << 26, set<&SketchShape::buckets>, false},
    {SketchKind::count_min, "seed", 0, UINT64_MAX, set_seed, true},
};

constexpr ItemType all_item_types[] = {ItemType::text, ItemType::integer, ItemType::real, ItemType::real32};

// False, for `return`.
bool wrong(const std::string& what, Problem& problem) {
    problem.what = what;
    return false;
}

bool known_verb(const std::string& verb, Problem& problem) {
    const std::vector<std::string> verbs = {"build", "merge", "inspect"};
    if (std::find(verbs.begin(), verbs.end(), verb) != verbs.end()) return true;
    const std::string_view near = nearest_word(verb, verbs);
    return wrong("unknown command '" + verb + "'" +
                     (near.empty() ? ": build, merge or inspect?" : ": did you mean '" + std::string(near) + "'?"),
                 problem);
}

// The options that take a value.
std::set<std::string> valued_options(const std::string& verb) {
    std::set<std::string> names = {"seed", "counters"};
    if (verb == "inspect") names.insert({"items", "quantile", "rank", "estimate"});
    for (const NumberOption& option : number_options)
        if (verb == "build" || (verb == "merge" && option.merge)) names.insert(option.name);
    return names;
}

bool parse_flag(const std::string& flag, SketchRequest& request, Problem& problem) {
    if (flag == "weights" && request.verb == "build") return request.weights = true;
    for (const ItemType type : all_item_types) {
        if (flag != plural(type)) continue;
        if (request.items != ItemType::none && request.items != type)
            return wrong("--" + std::string(plural(request.items)) + " and --" + flag + " exclude each other", problem);
        request.items = type;
        return true;
    }
    return wrong(request.verb + ": unknown option '--" + flag + "'", problem);
}

bool set_number(const NumberOption& option, const std::string& text, SketchShape& shape, Problem& problem) {
    std::uint64_t value = 0;
    const bool even = option.name == std::string_view("type");  // bits of a register: 4, 6 or 8
    if (parse_natural(text, value) && value >= option.least && value <= option.most && (!even || value % 2 == 0)) {
        option.set(shape, value);
        return true;
    }
    const std::string range = even ? "4, 6 or 8" : std::to_string(option.least) + " to " + std::to_string(option.most);
    return wrong(std::string(name(option.kind)) + ": --" + option.name + " takes " + range + ", not '" + text + "'", problem);
}

// The options of shape's kind, and no others.
bool set_numbers(const SketchRequest& request, bool merging, SketchShape& shape, Problem& problem) {
    for (const auto& [given, texts] : request.options) {
        if (given == "counters") {
            if (shape.kind != SketchKind::count_min) return wrong("--counters is for countmin only", problem);
            continue;
        }
        const auto* const option = std::find_if(
            std::begin(number_options), std::end(number_options),
            [&](const NumberOption& o) { return o.kind == shape.kind && o.name == given && (o.merge || !merging); });
        if (option == std::end(number_options))
            return wrong(std::string(name(shape.kind)) + " has no --" + given + (merging ? " to merge with" : ""), problem);
        if (!set_number(*option, texts.back(), shape, problem)) return false;
    }
    return true;
}

bool takes(const SketchShape& shape) {
    const std::vector<ItemType> types = item_types(shape.kind);
    return std::find(types.begin(), types.end(), shape.items) != types.end();
}

}  // namespace

std::string_view sketch_help() { return help; }

bool parse_request(const std::vector<std::string>& arguments, SketchRequest& request, Problem& problem) {
    request.verb = arguments.at(0);
    if (!known_verb(request.verb, problem)) return false;
    const std::set<std::string> valued = valued_options(request.verb);
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (!argument.starts_with("--")) {
            request.operands.push_back(argument);
            continue;
        }
        const std::size_t equals = argument.find('=');
        const std::string option = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
        if (valued.count(option) == 0) {
            if (!parse_flag(argument.substr(2), request, problem)) return false;
        } else if (equals != std::string::npos) {
            request.options[option].push_back(argument.substr(equals + 1));
        } else if (i + 1 < arguments.size()) {
            request.options[option].push_back(arguments[++i]);
        } else {
            return wrong("--" + option + " needs a value", problem);
        }
    }
    if (const std::string* counters = request.option("counters")) {
        if (*counters != "doubles" && *counters != "longs")
            return wrong("--counters takes doubles or longs, not '" + *counters + "'", problem);
        request.counters = *counters == "longs" ? ItemType::integer : ItemType::real;
    }
    return true;
}

bool build_shape(const SketchRequest& request, SketchShape& shape, Problem& problem) {
    if (request.operands.size() != 1)
        return wrong("build takes one KIND (hll, theta, kll, frequent, countmin or tdigest) and reads standard input", problem);
    const std::string& kind = request.operands[0];
    shape.kind = sketch_kind(kind);
    if (shape.kind == SketchKind::none) {
        const std::vector<std::string> kinds = {"hll", "theta", "kll", "frequent", "countmin", "tdigest"};
        const std::string_view near = nearest_word(kind, kinds);
        return wrong("unknown kind '" + kind + "'" + (near.empty() ? "" : ": did you mean '" + std::string(near) + "'?"), problem);
    }
    if (shape.kind == SketchKind::tdigest) shape.k = 100;
    if (!set_numbers(request, false, shape, problem)) return false;
    const std::vector<ItemType> types = item_types(shape.kind);
    shape.items = request.items == ItemType::none ? types.front() : request.items;
    shape.counters = request.counters == ItemType::none ? ItemType::real : request.counters;
    if (!takes(shape)) {
        std::string known;
        for (const ItemType type : types) known += (known.empty() ? "--" : ", --") + std::string(plural(type));
        return wrong(kind + " takes " + known + "; not --" + std::string(plural(shape.items)), problem);
    }
    if (request.weights && !weighs(shape.kind)) return wrong("--weights is for frequent and countmin only", problem);
    return true;
}

bool merge_options(const SketchRequest& request, SketchShape& shape, Problem& problem) {
    return set_numbers(request, true, shape, problem);
}

bool seed_option(const SketchRequest& request, std::optional<std::uint64_t>& seed, Problem& problem) {
    const std::string* const text = request.option("seed");
    std::uint64_t value = 0;
    if (text == nullptr) return true;
    if (!parse_natural(*text, value)) return wrong("--seed takes 0 to 18446744073709551615, not '" + *text + "'", problem);
    seed = value;
    return true;
}

bool holds(const SketchShape& shape, Problem& problem) {
    return takes(shape) || wrong(std::string(name(shape.kind)) + " holds no " + std::string(plural(shape.items)), problem);
}

bool questions_asked(const SketchRequest& request, SketchQuestions& questions, Problem& problem) {
    constexpr std::uint64_t items_max = 1u << 20;
    for (const auto& [given, texts] : request.options)
        for (const std::string& text : texts) {
            double value = 0;
            std::uint64_t count = 0;
            if (given == "quantile") {
                if (!parse_real(text, value) || !(value >= 0 && value <= 1))
                    return wrong("--quantile takes a rank from 0 to 1, not '" + text + "'", problem);
                questions.quantiles.push_back(value);
            } else if (given == "rank") {
                if (!parse_real(text, value) || value != value) return wrong("--rank takes a number, not '" + text + "'", problem);
                questions.values.push_back(value);
            } else if (given == "items") {
                if (!parse_natural(text, count)) return wrong("--items takes a number of items, not '" + text + "'", problem);
                questions.top = static_cast<std::size_t>(std::min(count, items_max));
            } else if (given == "estimate") {
                questions.items.push_back(text);
            }
        }
    return true;
}

}  // namespace weir
