#include "agent/table_file.h"

#include <algorithm>

#include "agent/base/nearest.h"
#include "agent/config_reader.h"
#include "agent/config_units.h"
#include "drivers/csv_scanner.h"
#include "drivers/numbers.h"

namespace weir {
namespace {

constexpr std::size_t no_column = ~std::size_t{0};
constexpr std::size_t fields_max = 4096;

// What a file's field is for.
struct Target {
    bool key = false;
    std::size_t column = no_column;  // of the table
};

class TableReader {
public:
    TableReader(const TableConfig& config, std::string text, std::string& why)
        : config_(config), spec_(table_spec(config)), text_(std::move(text)), why_(why), image_(spec_) {}

    Result<std::string> run() {
        const std::size_t mark = text_.starts_with("\xEF\xBB\xBF") ? 3 : 0;
        scanner_ = CsvScanner(std::string_view(text_).substr(mark));
        skipped_ = mark;
        if (!header()) return Error::invalid;
        keys_.reserve(spec_.max_rows);
        while (!scanner_.done()) {
            if (scanner_.skip_empty_line()) continue;
            if (!row()) return Error::invalid;
        }
        if (!keys_differ()) return Error::invalid;
        return image_.bytes();
    }

private:
    struct Key {
        std::string_view text;
        std::int64_t integer = 0;
        std::size_t line = 0;
    };

    // Of the byte at which the scanner stands.
    std::size_t line_here() {
        const std::size_t here = skipped_ + scanner_.position();
        line_ += static_cast<std::size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                                     text_.begin() + static_cast<std::ptrdiff_t>(here), '\n'));
        counted_ = here;
        return line_;
    }
    bool fail(std::size_t line, const std::string& what) {
        why_ = config_.file + ":" + std::to_string(line) + ": " + what;
        return false;
    }

    std::optional<std::string_view> field(CsvField& raw) {
        const std::optional<CsvField> found = scanner_.field();
        if (!found) return std::nullopt;
        raw = *found;
        (void)line_here();  // before the bytes move
        // In its own place: what is unescaped is shorter.
        return unescaped(raw, text_.data() + (raw.raw.data() - text_.data()));
    }

    bool header() {
        while (!scanner_.done() && scanner_.skip_empty_line()) {
        }
        const std::size_t line = line_here();
        if (scanner_.done()) return fail(line, "is empty, expected a first line with the names of the fields");
        std::vector<std::string> names;
        do {
            CsvField raw;
            const auto name = field(raw);
            if (!name || names.size() == fields_max) return fail(line, "the line of names is no CSV");
            names.emplace_back(*name);
        } while (scanner_.more_fields());
        targets_.resize(names.size());
        if (!want(names, config_.key.text, {true, no_column}, line)) return false;
        for (const ColumnConfig& column : config_.columns) {
            if (column.name == config_.key.text) continue;
            if (!want(names, column.path, {false, *spec_.columns.find(column.name)}, line)) return false;
        }
        return true;
    }
    bool want(const std::vector<std::string>& names, const std::string& wanted, const Target& target, std::size_t line) {
        const auto found = std::find(names.begin(), names.end(), wanted);
        if (found == names.end()) {
            const std::string_view near = nearest_word(wanted, names);
            return fail(line, "has no field " + in_quotes(wanted) +
                                  (near.empty() ? "" : "; did you mean " + in_quotes(near) + "?"));
        }
        if (std::find(found + 1, names.end(), wanted) != names.end())
            return fail(line, "two fields are called " + in_quotes(wanted));
        Target& place = targets_[static_cast<std::size_t>(found - names.begin())];
        if (place.key || place.column != no_column) return fail(line, "the field " + in_quotes(wanted) + " is wanted twice");
        place = target;
        return true;
    }

    bool row() {
        const std::size_t line = line_here();
        if (image_.full())
            return fail(line, "has more than max_rows = " + std::to_string(config_.max_rows) +
                                  " rows; raise it in the configuration, or shorten the file");
        fields_.clear();
        do {
            CsvField raw;
            const auto value = field(raw);
            if (!value) return fail(line, "text behind a closing quote, or a quote that is never closed");
            const bool null = value->empty() && !raw.quoted;
            fields_.push_back(null ? std::nullopt : value);
        } while (scanner_.more_fields() && fields_.size() <= targets_.size());
        if (fields_.size() != targets_.size())
            return fail(line, "has " + std::string(fields_.size() < targets_.size() ? "fewer" : "more") + " fields than the line of names");
        for (std::size_t i = 0; i < targets_.size(); ++i)
            if (targets_[i].key && !key(fields_[i], line)) return false;
        for (std::size_t i = 0; i < targets_.size(); ++i)
            if (targets_[i].column != no_column && fields_[i] && !cell(targets_[i].column, *fields_[i], line)) return false;
        return true;
    }

    bool key(const std::optional<std::string_view>& text, std::size_t line) {
        if (!text) return fail(line, "has no " + spec_.key.name + ", which is the key");
        if (spec_.key.type == ColumnType::text) {
            if (!keepable(*text, line)) return false;
            image_.begin_row(*text);
            keys_.push_back({*text, 0, line});
            return true;
        }
        const std::optional<std::int64_t> value = integer(spec_.key.type, *text);
        if (!value) return wrong(spec_.key, *text, line);
        image_.begin_row(*value);
        keys_.push_back({{}, *value, line});
        return true;
    }

    bool cell(std::size_t column, std::string_view text, std::size_t line) {
        const ColumnSpec& spec = spec_.columns[column];
        switch (spec.type) {
            case ColumnType::text:
                if (!keepable(text, line)) return false;
                image_.set(column, text);
                return true;
            case ColumnType::real: {
                const Number number = parse_number(text);
                if (number.kind != Number::Kind::integer && number.kind != Number::Kind::real) return wrong(spec, text, line);
                image_.set(column, number.real);
                return true;
            }
            case ColumnType::integer:
            case ColumnType::boolean: break;
        }
        const std::optional<std::int64_t> value = integer(spec.type, text);
        if (!value) return wrong(spec, text, line);
        image_.set(column, *value);
        return true;
    }

    static std::optional<std::int64_t> integer(ColumnType type, std::string_view text) {
        if (type == ColumnType::boolean) {
            if (text == "true" || text == "false") return text == "true" ? 1 : 0;
            return std::nullopt;
        }
        const Result<std::int64_t> value = integer_of(parse_number(text));
        return value.ok() ? std::optional<std::int64_t>(*value) : std::nullopt;
    }

    bool wrong(const ColumnSpec& spec, std::string_view text, std::size_t line) {
        return fail(line, spec.name + ": found " + in_quotes(text) + ", expected " +
                              (spec.type == ColumnType::boolean ? "true or false" : "a number (" + std::string(name(spec.type)) + ")"));
    }
    bool keepable(std::string_view text, std::size_t line) {
        if (text.size() > table_text_max) return fail(line, "has a text of more than " + std::to_string(table_text_max) + " bytes");
        return image_.fits(text) || fail(line, "has more text than max_bytes");
    }

    // Names the later of two lines with one key.
    bool keys_differ() {
        std::sort(keys_.begin(), keys_.end(), [](const Key& a, const Key& b) {
            if (a.integer != b.integer) return a.integer < b.integer;
            return a.text != b.text ? a.text < b.text : a.line < b.line;
        });
        for (std::size_t i = 1; i < keys_.size(); ++i) {
            const Key& a = keys_[i - 1];
            const Key& b = keys_[i];
            if (a.integer != b.integer || a.text != b.text) continue;
            const std::string key = spec_.key.type == ColumnType::text ? std::string(b.text) : std::to_string(b.integer);
            return fail(b.line, spec_.key.name + " " + in_quotes(key) + " stands in line " + std::to_string(a.line) + " already");
        }
        return true;
    }

    const TableConfig& config_;
    const TableSpec spec_;
    std::string text_;
    std::string& why_;
    CsvScanner scanner_{{}};
    std::size_t skipped_ = 0;
    std::size_t counted_ = 0;
    std::size_t line_ = 1;
    std::vector<Target> targets_;
    std::vector<std::optional<std::string_view>> fields_;
    std::vector<Key> keys_;
    TableImage image_;
};

constexpr Bytes key_bytes = 4 * sizeof(std::size_t) + 8;

}  // namespace

TableSpec table_spec(const TableConfig& config) {
    TableSpec spec;
    spec.name = config.name;
    spec.key = config.key_column();
    spec.columns = config.schema();
    spec.max_rows = config.max_rows;
    const std::vector<ColumnSpec>& columns = spec.columns.columns();
    const bool texts = spec.key.type == ColumnType::text ||
                       std::any_of(columns.begin(), columns.end(), [](const ColumnSpec& c) { return c.type == ColumnType::text; });
    spec.max_text = texts ? config.max_bytes : 0;
    return spec;
}

Result<std::string> read_table(Files& files, const TableConfig& config, std::string& why) {
    Result<std::string> text = files.read(config.file, config.max_bytes);
    if (!text.ok()) {
        why = config.file + (text.error() == Error::out_of_range
                                 ? ": is larger than max_bytes = " + format_size(config.max_bytes)
                                 : ": cannot be read (" + std::string(name(text.error())) + ")");
        return text.error() == Error::out_of_range ? Error::invalid : text.error();
    }
    return TableReader(config, std::move(*text), why).run();
}

// The text (twice, while it is read), the image in its making and as a whole, the keys.
Bytes read_table_need(const TableConfig& config) {
    const TableSpec spec = table_spec(config);
    return 2 * config.max_bytes + 2 * TableLayout(spec).image_max() + spec.max_rows * key_bytes;
}

void check_tables(const AgentConfig& config, Files& files, std::vector<ConfigProblem>& problems) {
    for (const TableConfig& table : config.tables) {
        std::string why;
        if (!read_table(files, table, why).ok())
            problems.push_back({table.file_at, "file in [[table]] \"" + table.name + "\": " + why, false});
    }
}

}  // namespace weir
