// Takes typed, bounded values out of one table of a configuration, and knows afterwards which keys
// nobody asked for. What is wrong becomes a problem at its place, and reading goes on.
// Memory: start-up only. Cost: O(keys). Threads: one owner.
// Errors: problems; a value that is wrong leaves the field at its default.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config_tree.h"

namespace weir {

template <typename T>
struct Choice {
    std::string_view text;
    T value;
};

class ConfigReader {
public:
    // title is how problems name the section: "[agent]", "[[window]] \"site_minute\""; prefix is
    // what stands before a key of a table within it: "tls.".
    ConfigReader(const ConfigNode& table, std::string title, ConfigProblems& problems,
                 std::string prefix = {})
        : table_(table),
          title_(std::move(title)),
          prefix_(std::move(prefix)),
          problems_(problems) {}

    const std::string& title() const { return title_; }
    void set_title(std::string title) { title_ = std::move(title); }
    const ConfigPlace& at() const { return table_.at; }
    ConfigProblems& problems() { return problems_; }

    // The node under a key, which is known from now on; null if it is not there.
    const ConfigNode* find(std::string_view key);
    // The same if it is of the type; another type is a problem that quotes example.
    const ConfigNode* find(std::string_view key, ConfigType type, std::string_view example);

    // Each of these returns true if the key was there and out has been set.
    bool text(std::string_view key, std::string_view example, std::string& out);
    bool text(std::string_view key, std::string_view example, ConfigString& out);
    bool texts(std::string_view key, std::string_view example, std::vector<ConfigString>& out);
    bool boolean(std::string_view key, bool& out);
    bool natural(std::string_view key, std::uint64_t least, std::uint64_t most, std::uint64_t& out);
    // More than 0 and less than 1.
    bool share(std::string_view key, double& out);
    bool duration(std::string_view key, Duration least, Duration most, Duration& out);
    bool size(std::string_view key, std::uint64_t least, std::uint64_t most, std::uint64_t& out);
    bool rate(std::string_view key, std::string_view period, std::uint64_t least,
              std::uint64_t most, std::uint64_t& out);
    template <typename T>
    bool one_of(std::string_view key, const std::vector<Choice<T>>& choices, T& out) {
        std::vector<std::string> names;
        for (const auto& choice : choices) names.emplace_back(choice.text);
        const std::optional<std::size_t> index = choose(key, names);
        if (index) out = choices[*index].value;
        return index.has_value();
    }

    // A problem if the key is not there.
    void require(std::string_view key, std::string_view example);
    // A key that a later release will have.
    void unreleased(std::string_view key, std::string_view instead);
    // Everything that was not asked for is an unknown key.
    void finish();

    void problem(const ConfigPlace& at, std::string what);
    // About a key's value: "KEY in TITLE: what".
    void problem_of(std::string_view key, const ConfigPlace& at, std::string_view what);

private:
    void wrong_type(std::string_view key, const ConfigNode& found, std::string_view expected,
                    std::string_view example);
    std::optional<std::size_t> choose(std::string_view key,
                                      const std::vector<std::string>& choices);

    const ConfigNode& table_;
    std::string title_;
    std::string prefix_;
    ConfigProblems& problems_;
    std::vector<std::string> known_;
    std::vector<std::string> unreleased_;
};

std::string in_quotes(
    std::string_view text);  // "text", cut at 60 bytes, without control characters
ConfigString config_string(const ConfigNode& node);

}  // namespace weir
