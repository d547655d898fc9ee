// `weir sketch build|merge|inspect`: DataSketches' sketches made, merged and looked at on the command line.
// Memory: the sketches, their files and a block of the input, on the heap. Cost: O(bytes read).
// Threads: one. Errors: on streams.err, what was expected and where; exit codes as in commands.h.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace weir {

struct SketchStreams {
    std::FILE* in = stdin;
    std::FILE* out = stdout;
    std::FILE* err = stderr;
};

// arguments: what follows `weir sketch`.
int run_sketch_command(const std::vector<std::string>& arguments, const SketchStreams& streams = {});

}  // namespace weir
