// Which known word somebody probably meant: for messages about a name that is not there.
// Memory: three rows of the table on the heap; start-up only. Cost: O(letters x letters) a candidate.
// Threads: pure functions. Errors: none.
// Source: optimal string alignment, after Damerau, 1964.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weir {

// Insertions, deletions, replacements and swaps of neighbours that make one word the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate at most a third of the word's letters (but one at least) away; empty if none is.
std::string_view nearest_word(std::string_view word, std::span<const std::string> candidates);
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace weir
