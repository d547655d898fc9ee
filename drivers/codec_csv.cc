#include <algorithm>
#include <cstring>
#include <optional>

#include "drivers/codec_scratch.h"
#include "drivers/csv_scanner.h"
#include "drivers/row_codec.h"

namespace weir {

namespace {

constexpr std::size_t fields_max = 4096;

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
