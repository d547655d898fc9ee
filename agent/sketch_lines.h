// Lines of standard input as values of one type, a block at a time: what `weir sketch build` reads.
// Memory: a block of 256 KiB and its columns, on the heap; a longer line makes it grow, to 64 MiB at most.
// Cost: O(bytes). Threads: one owner. Errors: a line that is no such value is named, with what was expected.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/problem.h"
#include "agent/base/record.h"
#include "agent/base/result.h"

namespace weir {

// Values of one type: one of the first three is filled. weights has one each, or is empty: all 1.
struct SketchColumn {
    std::vector<std::int64_t> integers;
    std::vector<double> reals;
    std::vector<std::string_view> texts;  // into the reader's block
    std::vector<std::uint64_t> weights;

    std::size_t size() const { return integers.size() + reals.size() + texts.size(); }
    void clear();
};

struct SketchLineOptions {
    ItemType items = ItemType::text;
    bool weights = false;                    // item, tab, weight
    std::size_t text_bytes_max = 64u << 20;  // of an item
};

class SketchLines {
public:
    SketchLines(std::FILE* in, const SketchLineOptions& options);

    // The values of the next lines, valid until the next call; an empty column is the end. A line ends with
    // LF or CR LF, the last one may end without. On an error problem names the line.
    Status next(SketchColumn& column, Problem& problem);

private:
    Status fill(Problem& problem);
    bool add(std::string_view line, SketchColumn& column, Problem& problem);
    bool expected(const std::string& what, std::string_view found, Problem& problem) const;

    std::FILE* in_;
    SketchLineOptions options_;
    std::vector<char> block_;
    std::size_t begin_ = 0;  // of what was not given out yet
    std::size_t end_ = 0;
    bool at_end_ = false;
    std::uint64_t line_ = 0;
};

// Numbers as people and programs write them: decimal, blanks around them, a sign. Reals may have an
// exponent, and be nan or inf. False for anything else, and for what the type cannot hold.
bool parse_integer(std::string_view text, std::int64_t& value);
bool parse_natural(std::string_view text, std::uint64_t& value);
bool parse_real(std::string_view text, double& value);

}  // namespace weir
