#include <algorithm>
#include <cstring>
#include <optional>

#include "drivers/codec_scratch.h"
#include "drivers/row_codec.h"

namespace weir {

namespace {

constexpr std::size_t fields_max = 4096;

struct CsvField {
    std::string_view raw;  // without the outer quotes
    bool quoted = false;
    bool escaped = false;  // holds doubled quotes
};

// Fields and records of RFC 4180, one after another.
class CsvScanner {
public:
    explicit CsvScanner(std::string_view text) : text_(text) {}

    bool done() const { return at_ == text_.size(); }
    // The next field of the record; nullopt: text after a closing quote, or a quote never closed.
    std::optional<CsvField> field() {
        CsvField result;
        const std::size_t from = at_;
        if (!done() && text_[at_] == '"') {
            if (!quoted(result)) return std::nullopt;
        } else {
            at_ = std::min(text_.find_first_of(",\n", at_), text_.size());
            result.raw = text_.substr(from, at_ - from);
            const bool before_newline = done() || text_[at_] == '\n';
            if (before_newline && result.raw.ends_with('\r')) result.raw.remove_suffix(1);
        }
        more_ = !done() && text_[at_] == ',';
        if (!done()) ++at_;
        return result;
    }
    bool more_fields() const { return more_; }
    // After a malformed field: on to the next line.
    void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1; }
    bool skip_empty_line() {
        const std::size_t length = text_.substr(at_).starts_with("\r\n") ? 2 : text_[at_] == '\n' ? 1 : 0;
        at_ += length;
        return length > 0;
    }

private:
    bool quoted(CsvField& result) {
        const std::size_t from = at_ + 1;
        std::size_t end = from;
        for (;; end += 2) {
            end = text_.find('"', end);
            if (end == std::string_view::npos) return false;
            if (end + 1 == text_.size() || text_[end + 1] != '"') break;
            result.escaped = true;
        }
        result.quoted = true;
        result.raw = text_.substr(from, end - from);
        at_ = end + 1;
        if (text_.substr(at_).starts_with("\r\n") || text_.substr(at_) == "\r") ++at_;
        return done() || text_[at_] == ',' || text_[at_] == '\n';
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool more_ = false;
};

std::string_view unescaped(const CsvField& field, char* out) {
    if (!field.escaped) return field.raw;
    char* at = out;
    for (std::size_t i = 0; i < field.raw.size(); ++i) {
        *at++ = field.raw[i];
        if (field.raw[i] == '"') ++i;
    }
    return {out, static_cast<std::size_t>(at - out)};
}

class CsvCodec final : public RowCodec {
public:
    CsvCodec(const CodecSpec& spec, DecodeScratch& scratch) : RowCodec(spec), parts_(scratch.parts()) {
        for (std::size_t i = 0; i < spec.columns.size(); ++i) {
            const CodecColumn& column = spec.columns[i];
            if (from_topic(i)) continue;
            want(column.path.empty() ? column.name : column.path, {static_cast<int>(i), column.type, true});
        }
        if (!spec.time.path.empty()) want(spec.time.path, {time_column, ColumnType::integer, true});
        fields_.resize(spec.csv_header.empty() ? fields_max : spec.csv_header.size());
        for (const std::string& field : spec.csv_header) fields_[field_count_++] = targets_of(field);
    }

protected:
    void decode_payload(const Message& message) override {
        std::string_view text = as_text(message.payload);
        if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
        CsvScanner scanner(text);
        if (spec().csv_header.empty() && !read_header(scanner)) return fail(DecodeReason::malformed);
        while (!scanner.done()) {
            if (scanner.skip_empty_line()) continue;
            begin_row();
            const CsvScanner start = scanner;
            Put put = read_record(scanner);
            if (put == Put::done) continue;
            row_again();
            scanner = start;
            read_record(scanner);
        }
    }

private:
    struct Wanted {
        std::string field;
        int targets;
    };

    void want(std::string_view path, const Target& target) {
        std::string field(path.starts_with('/') ? path.substr(1) : path);
        for (Wanted& wanted : wanted_)
            if (wanted.field == field) {
                wanted.targets = add_target(target, wanted.targets);
                return;
            }
        const int targets = add_target(target, no_target);
        wanted_.push_back({std::move(field), targets});
    }
    int targets_of(std::string_view field) const {
        for (const Wanted& wanted : wanted_)
            if (wanted.field == field) return wanted.targets;
        return no_target;
    }

    bool read_header(CsvScanner& scanner) {
        field_count_ = 0;
        while (!scanner.done() && scanner.skip_empty_line()) {
        }
        if (scanner.done()) return false;
        do {
            const std::optional<CsvField> field = scanner.field();
            if (!field || field_count_ == fields_max) return false;
            fields_[field_count_++] = targets_of(unescaped(*field, parts_.text.get()));
        } while (scanner.more_fields());
        return true;
    }

    // A record with more or fewer fields than the header is malformed: which is which cannot be known.
    Put read_record(CsvScanner& scanner) {
        std::size_t count = 0;
        do {
            const std::optional<CsvField> field = scanner.field();
            if (!field) {
                fail(DecodeReason::malformed);
                scanner.skip_line();
                return Put::done;
            }
            if (count < field_count_ && put_field(fields_[count], *field) == Put::again) return Put::again;
            ++count;
        } while (scanner.more_fields());
        if (count == field_count_)
            commit_row();
        else
            fail(DecodeReason::malformed);
        return Put::done;
    }
    Put put_field(int targets, const CsvField& field) {
        if (targets == no_target || (field.raw.empty() && !field.quoted)) return Put::done;
        return put_untyped(targets, unescaped(field, parts_.text.get()), !field.escaped);
    }

    DecodeScratch::Parts& parts_;
    std::vector<Wanted> wanted_;
    std::vector<int> fields_;  // the targets of each field of the header
    std::size_t field_count_ = 0;
};

}  // namespace

std::unique_ptr<Codec> make_csv_codec(const CodecSpec& spec, DecodeScratch& scratch) {
    return std::make_unique<CsvCodec>(spec, scratch);
}

std::optional<std::vector<std::string>> split_csv_header(std::string_view line) {
    CsvScanner scanner(line);
    std::vector<std::string> fields;
    std::string scratch(line.size(), '\0');
    do {
        const std::optional<CsvField> field = scanner.field();
        if (!field) return std::nullopt;
        fields.emplace_back(unescaped(*field, scratch.data()));
    } while (scanner.more_fields());
    return fields;
}

}  // namespace weir
