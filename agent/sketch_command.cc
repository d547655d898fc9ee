#include "agent/sketch_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "agent/any_sketch.h"
#include "agent/base/files.h"
#include "agent/base/nearest.h"
#include "agent/commands.h"

namespace weir {
namespace {

constexpr const char* sketch_help = R"(usage: weir sketch build KIND [OPTIONS] < VALUES > FILE
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

constexpr Bytes file_bytes_max = Bytes{1} << 30;

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

// A command line, taken apart.
struct Request {
    std::vector<std::string> operands;
    std::map<std::string, std::vector<std::string>> options;
    ItemType items = ItemType::none;
    ItemType counters = ItemType::none;
    bool weights = false;

    const std::string* option(const std::string& name) const {
        const auto found = options.find(name);
        return found == options.end() ? nullptr : &found->second.back();
    }
};

class SketchCommand {
public:
    explicit SketchCommand(const SketchStreams& streams) : streams_(streams) {}

    int run(const std::vector<std::string>& arguments);

private:
    struct File {
        std::string name;
        std::string content;
        SketchShape shape;
        std::string_view items_from = "bytes";
        std::string_view counters_from = "bytes";
    };

    bool parse(const std::vector<std::string>& arguments, const std::set<std::string>& values);
    bool parse_flag(const std::string& flag);
    bool set_numbers(SketchShape& shape, bool merging);
    bool set_number(const NumberOption& option, const std::string& text, SketchShape& shape);
    bool set_build_items(SketchShape& shape);
    int build();
    int merge();
    int inspect();
    bool questions(SketchQuestions& questions);
    bool read(const std::string& name, File& file);
    bool read_all(std::vector<File>& files);
    bool same_kind(const std::vector<File>& files);
    bool merged_shape(const std::vector<File>& files, SketchShape& shape);
    std::unique_ptr<AnySketch> load(const File& file);
    bool print(const File& file, AnySketch& sketch, const SketchQuestions& questions);
    int write(AnySketch& sketch);
    bool terminal();
    void tell_ignored(const AnySketch& sketch, std::uint64_t values);

    bool usage(const std::string& what);
    bool fail(const std::string& what);

    SketchStreams streams_;
    std::string verb_;
    Request request_;
    int code_ = exit_failed;
};

// Both are false, for `return`.
bool SketchCommand::usage(const std::string& what) {
    std::fprintf(streams_.err, "weir: sketch: %s\n\nusage: weir sketch build|merge|inspect ...; `weir sketch --help` tells more\n",
                 what.c_str());
    code_ = exit_usage;
    return false;
}

bool SketchCommand::fail(const std::string& what) {
    std::fprintf(streams_.err, "weir: sketch: %s\n", what.c_str());
    code_ = exit_failed;
    return false;
}

bool SketchCommand::parse_flag(const std::string& flag) {
    if (flag == "weights" && verb_ == "build") return request_.weights = true;
    for (const ItemType type : all_item_types) {
        if (flag != plural(type)) continue;
        if (request_.items != ItemType::none && request_.items != type) {
            usage("--" + std::string(plural(request_.items)) + " and --" + flag + " exclude each other");
            return false;
        }
        request_.items = type;
        return true;
    }
    usage(verb_ + ": unknown option '--" + flag + "'");
    return false;
}

// values: the options that take one.
bool SketchCommand::parse(const std::vector<std::string>& arguments, const std::set<std::string>& values) {
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (!argument.starts_with("--")) {
            request_.operands.push_back(argument);
            continue;
        }
        const std::size_t equals = argument.find('=');
        const std::string option = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
        if (values.count(option) == 0) {
            if (!parse_flag(argument.substr(2))) return false;
        } else if (equals != std::string::npos) {
            request_.options[option].push_back(argument.substr(equals + 1));
        } else if (i + 1 < arguments.size()) {
            request_.options[option].push_back(arguments[++i]);
        } else {
            return usage("--" + option + " needs a value");
        }
    }
    if (const std::string* counters = request_.option("counters")) {
        if (*counters != "doubles" && *counters != "longs")
            return usage("--counters takes doubles or longs, not '" + *counters + "'");
        request_.counters = *counters == "longs" ? ItemType::integer : ItemType::real;
    }
    return true;
}

bool SketchCommand::set_number(const NumberOption& option, const std::string& text, SketchShape& shape) {
    std::uint64_t value = 0;
    const bool even = option.name == std::string_view("type");  // bits of a register: 4, 6 or 8
    if (!parse_natural(text, value) || value < option.least || value > option.most || (even && value % 2 != 0)) {
        const std::string range = even ? "4, 6 or 8" : std::to_string(option.least) + " to " + std::to_string(option.most);
        return usage(std::string(name(option.kind)) + ": --" + option.name + " takes " + range + ", not '" + text + "'");
    }
    option.set(shape, value);
    return true;
}

// The options of shape's kind, and no others.
bool SketchCommand::set_numbers(SketchShape& shape, bool merging) {
    for (const auto& [given, texts] : request_.options) {
        if (given == "counters") {
            if (shape.kind != SketchKind::count_min) return usage("--counters is for countmin only");
            continue;
        }
        const auto* const option = std::find_if(std::begin(number_options), std::end(number_options), [&](const NumberOption& o) {
            return o.kind == shape.kind && o.name == given && (o.merge || !merging);
        });
        if (option == std::end(number_options))
            return usage(std::string(name(shape.kind)) + " has no --" + given + (merging ? " to merge with" : ""));
        if (!set_number(*option, texts.back(), shape)) return false;
    }
    return true;
}

bool SketchCommand::set_build_items(SketchShape& shape) {
    const std::vector<ItemType> types = item_types(shape.kind);
    shape.items = request_.items == ItemType::none ? types.front() : request_.items;
    shape.counters = request_.counters == ItemType::none ? ItemType::real : request_.counters;
    if (std::find(types.begin(), types.end(), shape.items) == types.end()) {
        std::string known;
        for (const ItemType type : types) known += (known.empty() ? "--" : ", --") + std::string(plural(type));
        return usage(std::string(name(shape.kind)) + " takes " + known + "; not --" + std::string(plural(shape.items)));
    }
    if (request_.weights && !weighs(shape.kind)) return usage("--weights is for frequent and countmin only");
    return true;
}

bool SketchCommand::terminal() {
    if (::isatty(::fileno(streams_.out)) != 1) return false;
    usage("a sketch is binary, and standard output is a terminal: write to a file (> FILE) or to `weir sketch inspect -`");
    return true;
}

int SketchCommand::write(AnySketch& sketch) {
    const Result<std::vector<std::byte>> bytes = sketch.bytes();
    if (!bytes.ok()) {
        fail(bytes.error() == Error::out_of_range ? "a weight is beyond what the form for floats holds: use --doubles"
                                                  : "the sketch cannot be written: " + std::string(name(bytes.error())));
        return code_;
    }
    if (std::fwrite(bytes->data(), 1, bytes->size(), streams_.out) != bytes->size() || std::fflush(streams_.out) != 0) {
        fail(std::string("standard output cannot be written: ") + std::strerror(errno));
        return code_;
    }
    return exit_done;
}

void SketchCommand::tell_ignored(const AnySketch& sketch, std::uint64_t values) {
    if (sketch.ignored() == 0) return;
    const char* const what = sketch.shape().kind == SketchKind::kll       ? "NaN"
                             : sketch.shape().kind == SketchKind::tdigest ? "NaN and infinities"
                                                                          : "empty strings";
    std::fprintf(streams_.err, "weir: sketch: %llu of %llu values left out: %s\n",
                 static_cast<unsigned long long>(sketch.ignored()), static_cast<unsigned long long>(values), what);
}

int SketchCommand::build() {
    constexpr std::array kinds = {SketchKind::hll,      SketchKind::theta,     SketchKind::kll,
                                  SketchKind::frequent, SketchKind::count_min, SketchKind::tdigest};
    std::vector<std::string> names;
    for (const SketchKind kind : kinds) names.emplace_back(name(kind));
    if (request_.operands.size() != 1) {
        usage("build takes one KIND (hll, theta, kll, frequent, countmin or tdigest) and reads standard input");
        return code_;
    }
    SketchShape shape;
    shape.kind = sketch_kind(request_.operands[0]);
    if (shape.kind == SketchKind::none) {
        const std::string_view near = nearest_word(request_.operands[0], names);
        usage("unknown kind '" + request_.operands[0] + "'" + (near.empty() ? "" : ": did you mean '" + std::string(near) + "'?"));
        return code_;
    }
    if (shape.kind == SketchKind::tdigest) shape.k = 100;
    if (!set_numbers(shape, false) || !set_build_items(shape) || terminal()) return code_;

    Problem problem;
    const Result<std::unique_ptr<AnySketch>> sketch = AnySketch::make(shape, problem);
    if (!sketch.ok()) {
        sketch.error() == Error::out_of_range ? usage(problem.what) : fail(problem.what);
        return code_;
    }
    SketchLines lines(streams_.in, {shape.items, request_.weights, (*sketch)->text_bytes_max()});
    SketchColumn column;
    std::uint64_t values = 0;
    do {
        if (!lines.next(column, problem)) {
            fail(problem.what);
            return code_;
        }
        (*sketch)->update(column);
        values += column.size();
    } while (column.size() > 0);
    const int code = write(**sketch);
    if (code == exit_done) tell_ignored(**sketch, values);
    return code;
}

// ---- files ------------------------------------------------------------------------------------------

bool SketchCommand::read(const std::string& file_name, File& file) {
    file.name = file_name;
    if (file_name == "-") {
        std::array<char, 64 * 1024> block;
        while (const std::size_t got = std::fread(block.data(), 1, block.size(), streams_.in)) {
            file.content.append(block.data(), got);
            if (file.content.size() > file_bytes_max) return fail("-: longer than 1 GiB: that is no sketch");
        }
        if (std::ferror(streams_.in)) return fail(std::string("-: cannot be read: ") + std::strerror(errno));
    } else {
        SystemFiles files;
        Result<std::string> content = files.read(file_name, file_bytes_max);
        if (!content.ok()) return fail(file_name + ": cannot be read: " + std::string(name(content.error())));
        file.content = std::move(content).value();
    }
    std::optional<std::uint64_t> seed;
    if (const std::string* text = request_.option("seed")) {
        std::uint64_t value = 0;
        if (!parse_natural(*text, value)) return usage("--seed takes a number from 0 to 2^64 - 1, not '" + *text + "'");
        seed = value;
    }
    Problem problem;
    const Result<SketchShape> shape = shape_of(as_byte_span(file.content), seed, problem);
    if (!shape.ok()) return fail(file_name + ": " + problem.what);
    file.shape = *shape;
    return true;
}

bool SketchCommand::read_all(std::vector<File>& files) {
    if (request_.operands.empty()) return usage(verb_ + " takes the files of the sketches; \"-\" is standard input");
    if (std::count(request_.operands.begin(), request_.operands.end(), "-") > 1) return usage("\"-\" can be read once only");
    for (const std::string& operand : request_.operands) {
        File file;
        if (!read(operand, file)) return false;
        files.push_back(std::move(file));
    }
    return true;
}

// What the bytes do not tell, the command line does; or else it is the usual one.
template <typename File>
void complete(File& file, const Request& request, ItemType items_else) {
    SketchShape& shape = file.shape;
    if (request.items != ItemType::none) {
        shape.items = request.items;
        file.items_from = "option";
    } else if (shape.items == ItemType::none) {
        shape.items = items_else;
        file.items_from = "default";
    }
    if (request.counters != ItemType::none) {
        shape.counters = request.counters;
        file.counters_from = "option";
    } else if (shape.counters == ItemType::none) {
        shape.counters = ItemType::real;
        file.counters_from = "default";
    }
}

ItemType usual_items(SketchKind kind) {
    return kind == SketchKind::frequent ? ItemType::integer : item_types(kind).front();
}

std::unique_ptr<AnySketch> SketchCommand::load(const File& file) {
    const std::vector<ItemType> types = item_types(file.shape.kind);
    if (std::find(types.begin(), types.end(), file.shape.items) == types.end()) {
        usage(std::string(name(file.shape.kind)) + " holds no " + std::string(plural(file.shape.items)));
        return nullptr;
    }
    Problem problem;
    Result<std::unique_ptr<AnySketch>> sketch = AnySketch::make(file.shape, problem);
    if (!sketch.ok()) {
        fail(file.name + ": " + problem.what);
        return nullptr;
    }
    if (const Status loaded = (*sketch)->load(as_byte_span(file.content)); !loaded) {
        const std::string type = file.shape.kind == SketchKind::count_min
                                     ? "counters as " + std::string(plural(file.shape.counters))
                                     : std::string(plural(file.shape.items));
        const bool typed = file.shape.kind != SketchKind::hll && file.shape.kind != SketchKind::theta;
        fail(file.name + ": is no " + std::string(name(file.shape.kind)) + " sketch that can be read" +
             (typed ? ", with " + type : "") + ": " + std::string(name(loaded.error())));
        return nullptr;
    }
    return std::move(sketch).value();
}

// ---- merge ------------------------------------------------------------------------------------------

bool SketchCommand::same_kind(const std::vector<File>& files) {
    const File& first = files.front();
    for (const File& file : files) {
        if (file.shape.kind != first.shape.kind)
            return fail("only sketches of one kind can be merged: " + first.name + " is " + std::string(name(first.shape.kind)) +
                        ", " + file.name + " is " + std::string(name(file.shape.kind)));
        if (file.shape.kind == SketchKind::count_min &&
            (file.shape.hashes != first.shape.hashes || file.shape.buckets != first.shape.buckets))
            return fail("only Count-Min sketches of one size can be merged: " + first.name + " has " +
                        std::to_string(first.shape.hashes) + " x " + std::to_string(first.shape.buckets) + " counters, " +
                        file.name + " " + std::to_string(file.shape.hashes) + " x " + std::to_string(file.shape.buckets));
    }
    return true;
}

// Large enough for all that is in the files, unless the command line wants less.
bool SketchCommand::merged_shape(const std::vector<File>& files, SketchShape& shape) {
    constexpr std::uint8_t theta_lg_k_least = 12;  // the reference's union
    shape = files.front().shape;
    shape.items = shape.counters = ItemType::none;
    if (shape.kind == SketchKind::theta) {
        shape.lg_k = std::max(shape.lg_k, theta_lg_k_least);
        shape.theta_version = 3;
    }
    const File* first = nullptr;  // that tells what it holds
    for (const File& file : files) {
        shape.lg_k = std::max(shape.lg_k, file.shape.lg_k);
        shape.k = std::max(shape.k, file.shape.k);
        shape.lg_map = std::max(shape.lg_map, file.shape.lg_map);
        shape.item_bytes = std::max(shape.item_bytes, file.shape.item_bytes);
        const ItemType held = shape.kind == SketchKind::count_min ? file.shape.counters : file.shape.items;
        if (held == ItemType::none) continue;
        if (first == nullptr) {
            first = &file;
            shape.items = file.shape.items;
            shape.counters = file.shape.counters;
        } else if (shape.kind == SketchKind::tdigest) {
            if (held == ItemType::real) shape.items = held;  // floats can become doubles
        } else if (request_.items == ItemType::none && request_.counters == ItemType::none &&
                   held != (shape.kind == SketchKind::count_min ? shape.counters : shape.items)) {
            return fail(file.name + " seems to hold other things than " + first->name + " (" + std::string(plural(held)) +
                        "): say what both hold with --strings, --longs, --doubles or --floats, of Count-Min with --counters");
        }
    }
    return set_numbers(shape, true);
}

int SketchCommand::merge() {
    std::vector<File> files;
    if (!terminal() && read_all(files) && same_kind(files)) {
        File result;
        if (!merged_shape(files, result.shape)) return code_;
        complete(result, request_, usual_items(result.shape.kind));
        if (const std::vector<ItemType> types = item_types(result.shape.kind);
            std::find(types.begin(), types.end(), result.shape.items) == types.end()) {
            usage(std::string(name(result.shape.kind)) + " holds no " + std::string(plural(result.shape.items)));
            return code_;
        }
        Problem problem;
        const Result<std::unique_ptr<AnySketch>> sketch = AnySketch::make(result.shape, problem);
        if (!sketch.ok()) {
            fail(problem.what);
            return code_;
        }
        for (File& file : files) {
            file.shape.items = result.shape.items;
            file.shape.counters = result.shape.counters;
            const std::unique_ptr<AnySketch> part = load(file);
            if (!part) return code_;
            if (const Status merged = (*sketch)->merge(*part); !merged) {
                fail(file.name + ": cannot be merged: " + std::string(name(merged.error())));
                return code_;
            }
        }
        return write(**sketch);
    }
    return code_;
}

// ---- inspect ----------------------------------------------------------------------------------------

bool SketchCommand::questions(SketchQuestions& questions) {
    for (const auto& [given, texts] : request_.options)
        for (const std::string& text : texts) {
            double value = 0;
            std::uint64_t count = 0;
            if (given == "quantile") {
                if (!parse_real(text, value) || !(value >= 0 && value <= 1))
                    return usage("--quantile takes a rank from 0 to 1, not '" + text + "'");
                questions.quantiles.push_back(value);
            } else if (given == "rank") {
                if (!parse_real(text, value) || value != value) return usage("--rank takes a number, not '" + text + "'");
                questions.values.push_back(value);
            } else if (given == "items") {
                if (!parse_natural(text, count)) return usage("--items takes a number of items, not '" + text + "'");
                questions.top = static_cast<std::size_t>(std::min<std::uint64_t>(count, 1u << 20));
            } else if (given == "estimate") {
                questions.items.push_back(text);
            }
        }
    return true;
}

bool SketchCommand::print(const File& file, AnySketch& sketch, const SketchQuestions& questions) {
    const SketchKind kind = file.shape.kind;
    for (std::vector<char> buffer(16 * 1024);; buffer.resize(buffer.size() * 4)) {
        JsonWriter out(buffer);
        out.begin_object();
        out.key("file");
        out.text(file.name);
        out.key("kind");
        out.text(name(kind));
        out.key("bytes");
        out.natural(file.content.size());
        if (kind != SketchKind::hll && kind != SketchKind::theta) {
            const bool counters = kind == SketchKind::count_min;
            out.key(counters ? "counters" : "items");
            out.text(plural(counters ? file.shape.counters : file.shape.items));
            out.key(counters ? "counters_from" : "items_from");
            out.text(counters ? file.counters_from : file.items_from);
        }
        Problem problem;
        if (!sketch.describe(out, questions, problem)) return usage(file.name + ": " + problem.what);
        out.end_object();
        if (!out.ok()) continue;
        std::fwrite(out.text().data(), 1, out.text().size(), streams_.out);
        std::fputc('\n', streams_.out);
        return std::fflush(streams_.out) == 0 ||
               fail(std::string("standard output cannot be written: ") + std::strerror(errno));
    }
}

int SketchCommand::inspect() {
    SketchQuestions asked;
    std::vector<File> files;
    if (!questions(asked) || !read_all(files)) return code_;
    for (File& file : files) {
        complete(file, request_, usual_items(file.shape.kind));
        const std::unique_ptr<AnySketch> sketch = load(file);
        if (!sketch || !print(file, *sketch, asked)) return code_;
    }
    return exit_done;
}

int SketchCommand::run(const std::vector<std::string>& arguments) {
    const auto asks = [](const std::string& argument) { return argument == "--help" || argument == "-h"; };
    if (std::any_of(arguments.begin(), arguments.end(), asks)) {
        std::fputs(sketch_help, streams_.out);
        return exit_done;
    }
    if (arguments.empty()) {
        std::fprintf(streams_.err, "weir: sketch: what? build, merge or inspect\n\n%s", sketch_help);
        return exit_usage;
    }
    verb_ = arguments[0];
    std::set<std::string> values = {"seed", "counters"};
    if (verb_ == "build" || verb_ == "merge") {
        for (const NumberOption& option : number_options)
            if (verb_ == "build" || option.merge) values.insert(option.name);
    } else if (verb_ == "inspect") {
        values.insert({"items", "quantile", "rank", "estimate"});
    } else {
        const std::vector<std::string> verbs = {"build", "merge", "inspect"};
        const std::string_view near = nearest_word(verb_, verbs);
        usage("unknown command '" + verb_ + "'" +
              (near.empty() ? ": build, merge or inspect?" : ": did you mean '" + std::string(near) + "'?"));
        return code_;
    }
    if (!parse(arguments, values)) return code_;
    return verb_ == "build" ? build() : verb_ == "merge" ? merge() : inspect();
}

}  // namespace

int run_sketch_command(const std::vector<std::string>& arguments, const SketchStreams& streams) {
    return SketchCommand(streams).run(arguments);
}

}  // namespace weir
