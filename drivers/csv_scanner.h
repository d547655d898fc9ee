// The fields of CSV, one after another: of payloads, and of the files of tables.
// Memory: views into the text. Cost: one pass. Threads: plain values.
// Errors: nullopt for text behind a closing quote, or a quote that is never closed.
// Source: RFC 4180; a line may also end in "\n" alone.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

namespace weir {

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
    std::size_t position() const { return at_; }
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

// out: room for the field's bytes; it may be where they stand.
inline std::string_view unescaped(const CsvField& field, char* out) {
    if (!field.escaped) return field.raw;
    char* at = out;
    for (std::size_t i = 0; i < field.raw.size(); ++i) {
        *at++ = field.raw[i];
        if (field.raw[i] == '"') ++i;
    }
    return {out, static_cast<std::size_t>(at - out)};
}

}  // namespace weir
