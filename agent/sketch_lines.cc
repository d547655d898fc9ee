#include "agent/sketch_lines.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace weir {
namespace {

constexpr std::size_t block_bytes = 256 * 1024;
constexpr std::size_t line_bytes_max = 64u << 20;
constexpr std::size_t shown_bytes_max = 40;

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    // from_chars knows no plus.
    if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
    return text;
}

template <typename T>
bool parse_whole(std::string_view text, T& value) {
    text = trimmed(text);
    const char* const end = text.data() + text.size();
    const std::from_chars_result read = std::from_chars(text.data(), end, value);
    return read.ec == std::errc() && read.ptr == end;
}

// What stood there, fit for a terminal.
std::string shown(std::string_view text) {
    std::string line(text.substr(0, shown_bytes_max));
    for (char& c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    return "'" + line + (text.size() > shown_bytes_max ? "...'" : "'");
}

}  // namespace

bool parse_integer(std::string_view text, std::int64_t& value) { return parse_whole(text, value); }
bool parse_natural(std::string_view text, std::uint64_t& value) { return parse_whole(text, value); }

bool parse_real(std::string_view text, double& value) {
    text = trimmed(text);
    const char* const end = text.data() + text.size();
    const std::from_chars_result read = std::from_chars(text.data(), end, value);
    if (read.ptr != end || read.ec == std::errc::invalid_argument) return false;
    if (read.ec == std::errc()) return true;
    // Out of range is both: too large, which is an error, and too small, which is 0.
    value = std::strtod(std::string(text).c_str(), nullptr);
    return std::isfinite(value);
}

void SketchColumn::clear() {
    integers.clear();
    reals.clear();
    texts.clear();
    weights.clear();
}

SketchLines::SketchLines(std::FILE* in, const SketchLineOptions& options)
    : in_(in), options_(options), block_(block_bytes) {}

// A whole line at least in the block, or all that is left.
Status SketchLines::fill(Problem& problem) {
    std::memmove(block_.data(), block_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    while (!at_end_) {
        if (end_ == block_.size()) {
            if (end_ >= line_bytes_max) {
                problem.what = "line " + std::to_string(line_ + 1) + " is longer than 64 MiB";
                return Error::out_of_range;
            }
            block_.resize(end_ * 2);
        }
        const std::size_t got = std::fread(block_.data() + end_, 1, block_.size() - end_, in_);
        if (got == 0) {
            if (std::ferror(in_)) {
                problem.what = std::string("standard input cannot be read: ") + std::strerror(errno);
                return Error::io;
            }
            at_end_ = true;
        }
        const bool line = std::memchr(block_.data() + end_, '\n', got) != nullptr;
        end_ += got;
        if (line) break;
    }
    return Status::success();
}

Status SketchLines::next(SketchColumn& column, Problem& problem) {
    column.clear();
    if (const Status filled = fill(problem); !filled) return filled;
    while (begin_ < end_) {
        const char* const from = block_.data() + begin_;
        const auto* const newline = static_cast<const char*>(std::memchr(from, '\n', end_ - begin_));
        if (newline == nullptr && !at_end_) break;
        const std::size_t length = newline ? static_cast<std::size_t>(newline - from) : end_ - begin_;
        begin_ += length + (newline ? 1 : 0);
        ++line_;
        std::string_view line(from, length);
        if (newline && line.ends_with('\r')) line.remove_suffix(1);
        if (!add(line, column, problem)) return Error::invalid;
    }
    return Status::success();
}

bool SketchLines::expected(const std::string& what, std::string_view found, Problem& problem) const {
    problem.what = "line " + std::to_string(line_) + ": expected " + what + ", found " +
                   (found.empty() ? "nothing" : shown(found));
    return false;
}

bool SketchLines::add(std::string_view line, SketchColumn& column, Problem& problem) {
    if (options_.weights) {
        const std::size_t tab = line.rfind('\t');
        if (tab == std::string_view::npos) return expected("an item, a tab and its weight", line, problem);
        std::uint64_t weight = 0;
        if (!parse_natural(line.substr(tab + 1), weight) || weight > INT64_MAX)
            return expected("a weight from 0 to 2^63 - 1 behind the last tab", line.substr(tab + 1), problem);
        column.weights.push_back(weight);
        line = line.substr(0, tab);
    }
    if (options_.items == ItemType::integer) {
        std::int64_t value = 0;
        if (!parse_integer(line, value)) return expected("an integer from -2^63 to 2^63 - 1", line, problem);
        column.integers.push_back(value);
    } else if (options_.items == ItemType::text) {
        if (line.size() > options_.text_bytes_max) {
            problem.what = "line " + std::to_string(line_) + ": a string of " + std::to_string(line.size()) +
                           " bytes; this sketch takes up to " + std::to_string(options_.text_bytes_max);
            return false;
        }
        column.texts.push_back(line);
    } else {
        const bool narrow = options_.items == ItemType::real32;
        double value = 0;
        const char* const what = narrow ? "a number that a float holds, nan or inf" : "a number, nan or inf";
        if (!parse_real(line, value)) return expected(what, line, problem);
        if (narrow) {
            if (std::isfinite(value) && std::fabs(value) > double{std::numeric_limits<float>::max()})
                return expected(what, line, problem);
            value = static_cast<double>(static_cast<float>(value));
        }
        column.reals.push_back(value);
    }
    return true;
}

}  // namespace weir
