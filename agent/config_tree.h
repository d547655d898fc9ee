// The configuration's text as a tree whose every part knows where it stands: TOML files laid over
// each other, variables expanded. What the keys mean is config.cc's matter. Memory: start-up only;
// O(bytes of the files). Cost: O(bytes). Threads: one owner. Errors: problems with their place, as
// ConfigProblem. Hostile text gives problems, never a crash. Source: TOML 1.0.0 (toml.io), parsed
// by toml++.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config.h"

namespace weir {

enum class ConfigType : std::uint8_t { table, array, text, integer, real, boolean, date };
std::string_view name(ConfigType type);  // "a string", "a whole number", ...

struct ConfigMember;

struct ConfigNode {
    ConfigType type = ConfigType::table;
    ConfigPlace at;
    std::string text;
    bool verbatim = false;          // text stands in the file as it is, from at on
    bool from_environment = false;  // a variable's text may stand for a number or a boolean
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::vector<ConfigNode> items;      // of an array
    std::vector<ConfigMember> members;  // of a table, in the order of the text

    const ConfigNode* find(std::string_view key) const;
};

struct ConfigMember {
    std::string key;
    ConfigPlace at;
    ConfigNode value;
};

using ConfigProblems = std::vector<ConfigProblem>;

// Parses files[file] and expands ${VAR}, ${VAR:-default} and $$ in its strings.
// False if the text is not TOML.
bool read_toml(const std::vector<ConfigFile>& files, std::uint32_t file,
               const std::map<std::string, std::string>& environment, ConfigNode& root,
               ConfigProblems& problems);

// Tables merge, arrays of tables are joined, anything else is replaced.
void merge(ConfigNode& into, ConfigNode&& from);

// WEIR_SECTION__KEY=text, for [agent], [mqtt] and [uplink]. Each variable becomes a file of its
// own, named "$WEIR_SECTION__KEY", so that problems can name it.
void apply_environment(ConfigNode& root, std::vector<ConfigFile>& files,
                       const std::map<std::string, std::string>& environment,
                       ConfigProblems& problems);

}  // namespace weir
