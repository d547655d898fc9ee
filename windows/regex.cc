#include "windows/regex.h"

#include <re2/re2.h>

namespace weir {
namespace {

// Two thirds are for the program, of which RE2 uses a quarter: 2,048 instructions, and the rest is the
// automaton's cache. Where that is too small RE2 follows the program itself, whose threads (64 bytes an
// instruction) are the other share of regex_memory.
constexpr std::int64_t matcher_memory = 192 * 1024;

RE2::Options options() {
    RE2::Options options;
    options.set_max_mem(matcher_memory);
    options.set_log_errors(false);
    options.set_never_capture(true);
    return options;
}

class Compiled final : public Regex {
public:
    explicit Compiled(std::string_view pattern) : re_(re2::StringPiece(pattern.data(), pattern.size()), options()) {}
    bool found_in(std::string_view text) const override {
        return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), re_);
    }
    const RE2& re() const { return re_; }

private:
    RE2 re_;
};

}  // namespace

std::unique_ptr<Regex> Regex::make(std::string_view pattern, Problem& problem) {
    auto made = std::make_unique<Compiled>(pattern);
    if (made->re().ok()) return made;
    const bool large = made->re().error_code() == RE2::ErrorPatternTooLarge;
    const std::size_t at = pattern.find(made->re().error_arg());
    problem.what = large ? "the pattern is too large: repetitions and classes multiply"
                         : "the pattern is wrong: " + made->re().error();
    problem.offset = large || at == std::string_view::npos ? 0 : at;
    return nullptr;
}

}  // namespace weir
