#include "agent/sketch_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "agent/any_sketch.h"
#include "agent/base/files.h"
#include "agent/commands.h"
#include "agent/sketch_request.h"

namespace weir {
namespace {

constexpr Bytes file_bytes_max = Bytes{1} << 30;

// A sketch as it lies in a file, and what is known of it: "bytes" told it, an "option", or it is the "default".
struct SketchFile {
    std::string name;
    std::string content;
    SketchShape shape;
    std::string_view items_from = "bytes";
    std::string_view counters_from = "bytes";

    // What the bytes do not tell, the command line does; or else it is the usual one.
    void complete(const SketchRequest& request);
    // Longs or doubles, of Count-Min those of the counters.
    ItemType held() const { return shape.kind == SketchKind::count_min ? shape.counters : shape.items; }
};

void SketchFile::complete(const SketchRequest& request) {
    if (request.items != ItemType::none) {
        shape.items = request.items;
        items_from = "option";
    } else if (shape.items == ItemType::none) {
        // Strings say so themselves in frequent items.
        shape.items = shape.kind == SketchKind::frequent ? ItemType::integer : item_types(shape.kind).front();
        items_from = "default";
    }
    if (request.counters != ItemType::none) {
        shape.counters = request.counters;
        counters_from = "option";
    } else if (shape.counters == ItemType::none) {
        shape.counters = ItemType::real;
        counters_from = "default";
    }
}

class SketchCommand {
public:
    explicit SketchCommand(const SketchStreams& streams) : streams_(streams) {}

    int run(const std::vector<std::string>& arguments);

private:
    bool build();
    bool merge();
    bool inspect();
    bool read(const std::string& name, SketchFile& file);
    bool read_content(SketchFile& file);
    bool read_all(std::vector<SketchFile>& files);
    bool same_kind(const std::vector<SketchFile>& files);
    bool merged_shape(const std::vector<SketchFile>& files, SketchShape& shape);
    std::unique_ptr<AnySketch> load(const SketchFile& file);
    bool print(const SketchFile& file, AnySketch& sketch, const SketchQuestions& questions);
    bool write(AnySketch& sketch);
    bool to_terminal();
    void tell_ignored(const AnySketch& sketch, std::uint64_t values);

    // Both say what is wrong, set the exit code, and are false, for `return`.
    bool usage(const std::string& what);
    bool fail(const std::string& what);

    SketchStreams streams_;
    SketchRequest request_;
    Problem problem_;
    int code_ = exit_done;
};

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

bool SketchCommand::to_terminal() {
    if (::isatty(::fileno(streams_.out)) != 1) return false;
    usage("a sketch is binary, and standard output is a terminal: write to a file (> FILE) or to `weir sketch inspect -`");
    return true;
}

bool SketchCommand::write(AnySketch& sketch) {
    const Result<std::vector<std::byte>> bytes = sketch.bytes();
    if (!bytes.ok())
        return fail(bytes.error() == Error::out_of_range ? "a weight is beyond what the form for floats holds: use --doubles"
                                                         : "the sketch cannot be written: " + std::string(name(bytes.error())));
    if (std::fwrite(bytes->data(), 1, bytes->size(), streams_.out) != bytes->size() || std::fflush(streams_.out) != 0)
        return fail(std::string("standard output cannot be written: ") + std::strerror(errno));
    return true;
}

void SketchCommand::tell_ignored(const AnySketch& sketch, std::uint64_t values) {
    if (sketch.ignored() == 0) return;
    const char* const what = sketch.shape().kind == SketchKind::kll       ? "NaN"
                             : sketch.shape().kind == SketchKind::tdigest ? "NaN and infinities"
                                                                          : "empty strings";
    std::fprintf(streams_.err, "weir: sketch: %llu of %llu values left out: %s\n",
                 static_cast<unsigned long long>(sketch.ignored()), static_cast<unsigned long long>(values), what);
}

bool SketchCommand::build() {
    SketchShape shape;
    if (!build_shape(request_, shape, problem_)) return usage(problem_.what);
    if (to_terminal()) return false;
    const Result<std::unique_ptr<AnySketch>> sketch = AnySketch::make(shape, problem_);
    if (!sketch.ok()) return sketch.error() == Error::out_of_range ? usage(problem_.what) : fail(problem_.what);
    SketchLines lines(streams_.in, {shape.items, request_.weights, (*sketch)->text_bytes_max()});
    SketchColumn column;
    std::uint64_t values = 0;
    do {
        if (!lines.next(column, problem_)) return fail(problem_.what);
        (*sketch)->update(column);
        values += column.size();
    } while (column.size() > 0);
    if (!write(**sketch)) return false;
    tell_ignored(**sketch, values);
    return true;
}

// ---- files ------------------------------------------------------------------------------------------

bool SketchCommand::read_content(SketchFile& file) {
    if (file.name != "-") {
        SystemFiles files;
        Result<std::string> content = files.read(file.name, file_bytes_max);
        if (!content.ok()) return fail(file.name + ": cannot be read: " + std::string(name(content.error())));
        file.content = std::move(content).value();
        return true;
    }
    std::array<char, 64 * 1024> block;
    while (const std::size_t got = std::fread(block.data(), 1, block.size(), streams_.in)) {
        file.content.append(block.data(), got);
        if (file.content.size() > file_bytes_max) return fail("-: longer than 1 GiB: that is no sketch");
    }
    return !std::ferror(streams_.in) || fail(std::string("-: cannot be read: ") + std::strerror(errno));
}

bool SketchCommand::read(const std::string& file_name, SketchFile& file) {
    file.name = file_name;
    std::optional<std::uint64_t> seed;
    if (!seed_option(request_, seed, problem_)) return usage(problem_.what);
    if (!read_content(file)) return false;
    const Result<SketchShape> shape = shape_of(as_byte_span(file.content), seed, problem_);
    if (!shape.ok()) return fail(file_name + ": " + problem_.what);
    file.shape = *shape;
    return true;
}

bool SketchCommand::read_all(std::vector<SketchFile>& files) {
    if (request_.operands.empty()) return usage(request_.verb + " takes the files of the sketches; \"-\" is standard input");
    if (std::count(request_.operands.begin(), request_.operands.end(), "-") > 1) return usage("\"-\" can be read once only");
    for (const std::string& operand : request_.operands) {
        SketchFile file;
        if (!read(operand, file)) return false;
        files.push_back(std::move(file));
    }
    return true;
}

// REQUIRES: file is complete.
std::unique_ptr<AnySketch> SketchCommand::load(const SketchFile& file) {
    if (!holds(file.shape, problem_)) {
        usage(file.name + ": " + problem_.what);
        return nullptr;
    }
    Result<std::unique_ptr<AnySketch>> sketch = AnySketch::make(file.shape, problem_);
    if (!sketch.ok()) {
        fail(file.name + ": " + problem_.what);
        return nullptr;
    }
    if (const Status loaded = (*sketch)->load(as_byte_span(file.content)); !loaded) {
        const bool hashes = file.shape.kind == SketchKind::hll || file.shape.kind == SketchKind::theta;
        fail(file.name + ": is no " + std::string(name(file.shape.kind)) + " sketch that can be read" +
             (hashes ? "" : ", of " + std::string(plural(file.held()))) + ": " + std::string(name(loaded.error())));
        return nullptr;
    }
    return std::move(sketch).value();
}

// ---- merge ------------------------------------------------------------------------------------------

bool SketchCommand::same_kind(const std::vector<SketchFile>& files) {
    const SketchFile& first = files.front();
    for (const SketchFile& file : files) {
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
bool SketchCommand::merged_shape(const std::vector<SketchFile>& files, SketchShape& shape) {
    constexpr std::uint8_t theta_lg_k_least = 12;  // the reference's union
    shape = files.front().shape;
    if (shape.kind == SketchKind::theta) {
        shape.lg_k = std::max(shape.lg_k, theta_lg_k_least);
        shape.theta_version = 3;
    }
    const bool told = request_.items != ItemType::none || request_.counters != ItemType::none;
    const SketchFile* first = nullptr;  // that says what it holds; an empty one does not
    for (const SketchFile& file : files) {
        shape.lg_k = std::max(shape.lg_k, file.shape.lg_k);
        shape.k = std::max(shape.k, file.shape.k);
        shape.lg_map = std::max(shape.lg_map, file.shape.lg_map);
        shape.item_bytes = std::max(shape.item_bytes, file.shape.item_bytes);
        if (file.held() == ItemType::none) continue;
        if (first == nullptr) {
            first = &file;
            shape.items = file.shape.items;
            shape.counters = file.shape.counters;
        } else if (file.shape.kind == SketchKind::tdigest) {
            if (file.held() == ItemType::real) shape.items = ItemType::real;  // floats can become doubles
        } else if (!told && file.held() != first->held()) {
            return fail(file.name + " seems to hold other things (" + std::string(plural(file.held())) + ") than " + first->name +
                        ": say what both hold with --strings, --longs, --doubles or --floats, of Count-Min with --counters");
        }
    }
    return merge_options(request_, shape, problem_) || usage(problem_.what);
}

bool SketchCommand::merge() {
    std::vector<SketchFile> files;
    SketchFile result;
    if (to_terminal() || !read_all(files) || !same_kind(files) || !merged_shape(files, result.shape)) return false;
    result.complete(request_);
    if (!holds(result.shape, problem_)) return usage(problem_.what);
    const Result<std::unique_ptr<AnySketch>> sketch = AnySketch::make(result.shape, problem_);
    if (!sketch.ok()) return fail(problem_.what);
    for (SketchFile& file : files) {
        file.shape.items = result.shape.items;
        file.shape.counters = result.shape.counters;
        const std::unique_ptr<AnySketch> part = load(file);
        if (!part) return false;
        if (const Status merged = (*sketch)->merge(*part); !merged)
            return fail(file.name + ": cannot be merged: " + std::string(name(merged.error())));
    }
    return write(**sketch);
}

// ---- inspect ----------------------------------------------------------------------------------------

bool SketchCommand::print(const SketchFile& file, AnySketch& sketch, const SketchQuestions& questions) {
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
            out.text(plural(file.held()));
            out.key(counters ? "counters_from" : "items_from");
            out.text(counters ? file.counters_from : file.items_from);
        }
        if (!sketch.describe(out, questions, problem_)) return usage(file.name + ": " + problem_.what);
        out.end_object();
        if (!out.ok()) continue;  // not room enough
        std::fwrite(out.text().data(), 1, out.text().size(), streams_.out);
        std::fputc('\n', streams_.out);
        return std::fflush(streams_.out) == 0 || fail(std::string("standard output cannot be written: ") + std::strerror(errno));
    }
}

bool SketchCommand::inspect() {
    SketchQuestions asked;
    std::vector<SketchFile> files;
    if (!questions_asked(request_, asked, problem_)) return usage(problem_.what);
    if (!read_all(files)) return false;
    for (SketchFile& file : files) {
        file.complete(request_);
        const std::unique_ptr<AnySketch> sketch = load(file);
        if (!sketch || !print(file, *sketch, asked)) return false;
    }
    return true;
}

int SketchCommand::run(const std::vector<std::string>& arguments) {
    const auto asks = [](const std::string& argument) { return argument == "--help" || argument == "-h"; };
    if (std::any_of(arguments.begin(), arguments.end(), asks)) {
        std::fwrite(sketch_help().data(), 1, sketch_help().size(), streams_.out);
        return exit_done;
    }
    if (arguments.empty())
        usage("what? build, merge or inspect");
    else if (!parse_request(arguments, request_, problem_))
        usage(problem_.what);
    else if (request_.verb == "build")
        build();
    else if (request_.verb == "merge")
        merge();
    else
        inspect();
    return code_;
}

}  // namespace

int run_sketch_command(const std::vector<std::string>& arguments, const SketchStreams& streams) {
    return SketchCommand(streams).run(arguments);
}

}  // namespace weir
