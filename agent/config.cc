#include "agent/config.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "agent/base/hash.h"
#include "agent/config_sections.h"
#include "agent/config_tree.h"

namespace weir {
namespace {

constexpr Bytes file_bytes_max = 1 << 20;

template <typename T>
const T* find_named(const std::vector<T>& all, std::string_view name) {
    for (const T& one : all)
        if (one.name == name) return &one;
    return nullptr;
}

// "DIR/weir.toml" -> "DIR/weir.d"
std::string drop_in_folder(const std::string& path) {
    return std::filesystem::path(path).replace_extension(".d").string();
}

class Loader {
public:
    explicit Loader(const ConfigContext& context) : context_(context) {}

    void add_file(const std::string& path) {
        const auto text = context_.files->read(path, file_bytes_max);
        if (text) {
            add_text(path, *text);
            return;
        }
        const auto file = static_cast<std::uint32_t>(load_.config.files.size());
        load_.config.files.push_back({path, {}});
        const bool large = text.error() == Error::out_of_range;
        load_.problems.push_back({{file, 0, 0},
                                  large
                                      ? "is larger than 1 MiB, which no configuration is"
                                      : "cannot read it (" + std::string(name(text.error())) + ")",
                                  false});
        broken_ = true;
    }

    void add_text(const std::string& path, std::string text) {
        std::vector<ConfigFile>& files = load_.config.files;
        const auto file = static_cast<std::uint32_t>(files.size());
        files.push_back({path, std::move(text)});
        ConfigNode layer;
        if (!read_toml(files, file, context_.environment, layer, load_.problems)) {
            broken_ = true;
        } else if (file == 0) {
            root_ = std::move(layer);
        } else {
            merge(root_, std::move(layer));
        }
    }

    ConfigLoad finish() {
        // With a file missing, nearly everything else would be a consequence.
        if (!broken_) {
            apply_environment(root_, load_.config.files, context_.environment, load_.problems);
            ConfigSections(load_.config, context_, load_.problems).read(root_);
            check_references(load_.config, context_, load_.problems);
        }
        std::stable_sort(load_.problems.begin(), load_.problems.end(),
                         [](const ConfigProblem& a, const ConfigProblem& b) {
                             return std::tie(a.at.file, a.at.line, a.at.column) <
                                    std::tie(b.at.file, b.at.line, b.at.column);
                         });
        return std::move(load_);
    }

private:
    const ConfigContext& context_;
    ConfigLoad load_;
    ConfigNode root_;
    bool broken_ = false;
};

}  // namespace

Schema SourceConfig::schema() const {
    std::vector<ColumnSpec> specs;
    for (const TopicCapture& capture : captures) specs.push_back({capture.name, capture.type});
    for (const ColumnConfig& column : columns) specs.push_back({column.name, column.type});
    return Schema(std::move(specs));
}

ColumnSpec TableConfig::key_column() const {
    for (const ColumnConfig& column : columns)
        if (column.name == key.text) return {key.text, column.type};
    return {key.text, ColumnType::text};
}

Schema TableConfig::schema() const {
    std::vector<ColumnSpec> specs;
    for (const ColumnConfig& column : columns)
        if (column.name != key.text) specs.push_back({column.name, column.type});
    return Schema(std::move(specs));
}

Schema AgentConfig::schema_of(const SourceConfig& source) const {
    std::vector<ColumnSpec> specs = source.schema().columns();
    for (const EnrichConfig& use : source.enrich)
        if (const TableConfig* table = find_table(use.table.text)) {
            const Schema columns = table->schema();
            for (const ColumnSpec& column : columns.columns())
                specs.push_back({table->name + "." + column.name, column.type});
        }
    return Schema(std::move(specs));
}

const MqttConfig* AgentConfig::find_mqtt(std::string_view name) const {
    return find_named(mqtt, name);
}
const SourceConfig* AgentConfig::find_source(std::string_view name) const {
    return find_named(sources, name);
}
const TableConfig* AgentConfig::find_table(std::string_view name) const { return find_named(tables, name); }
const JoinConfig* AgentConfig::find_join(std::string_view name) const { return find_named(joins, name); }
const WindowConfig* AgentConfig::find_window(std::string_view name) const {
    return find_named(windows, name);
}
const PatternConfig* AgentConfig::find_pattern(std::string_view name) const {
    return find_named(patterns, name);
}

bool AgentConfig::has_action(ActionKind kind) const {
    return std::any_of(alerts.begin(), alerts.end(), [&](const AlertConfig& alert) {
        return std::any_of(alert.actions.begin(), alert.actions.end(), [&](const ActionConfig& action) { return action.kind == kind; });
    });
}

bool ConfigLoad::ok() const {
    return std::all_of(problems.begin(), problems.end(),
                       [](const ConfigProblem& problem) { return problem.warning; });
}

std::map<std::string, std::string> process_environment() {
    std::map<std::string, std::string> all;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view text = *entry;
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        all.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return all;
}

std::string process_host_name() {
    char buffer[HOST_NAME_MAX + 1] = {};
    if (gethostname(buffer, HOST_NAME_MAX) != 0 || buffer[0] == '\0') return "localhost";
    return buffer;
}

ConfigLoad load_config(const std::string& path, const ConfigContext& context) {
    Loader loader(context);
    loader.add_file(path);
    const std::string folder = drop_in_folder(path);
    if (const auto names = context.files->list(folder)) {
        for (const std::string& name : *names) {
            if (name.ends_with(".toml") && !name.starts_with("."))
                loader.add_file(folder + "/" + name);
        }
    }
    return loader.finish();
}

ConfigLoad parse_config(std::string text, const std::string& path, const ConfigContext& context) {
    Loader loader(context);
    loader.add_text(path, std::move(text));
    return loader.finish();
}

std::uint64_t configuration_hash(const AgentConfig& config) {
    return hash64(as_byte_span(explain(config, false)));
}

}  // namespace weir
