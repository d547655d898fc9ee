#include <algorithm>
#include <cstring>
#include <utility>

#include "drivers/codec_scratch.h"
#include "drivers/event_predictor.h"
#include "drivers/json_text.h"
#include "drivers/member_tree.h"
#include "drivers/row_codec.h"

namespace weir {

namespace {

namespace ondemand = simdjson::ondemand;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trim_end(std::string_view text) {
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}
std::string_view trim(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    return trim_end(text);
}

// Whether a payload is documents a line: its first line is closed, and another document begins after it.
bool is_lines(std::string_view payload) {
    const std::size_t end = payload.find('\n');
    if (end == std::string_view::npos) return false;
    const std::string_view first = trim_end(payload.substr(0, end));
    const std::string_view rest = trim(payload.substr(end + 1));
    return !first.empty() && (first.back() == '}' || first.back() == ']') && !rest.empty() &&
           (rest.front() == '{' || rest.front() == '[');
}

class JsonCodec final : public RowCodec {
public:
    JsonCodec(const CodecSpec& spec, DecodeScratch& scratch, bool predict) : RowCodec(spec), parts_(scratch.parts()) {
        for (std::size_t i = 0; i < spec.columns.size(); ++i) {
            const CodecColumn& column = spec.columns[i];
            if (from_topic(i)) continue;
            add_path(column.path.empty() ? column.name : column.path,
                     {static_cast<int>(i), column.type, column.numbers_in_strings});
        }
        if (!spec.time.path.empty())
            add_path(spec.time.path, {time_column, ColumnType::integer, spec.time.numbers_in_strings});
        if (predict)
            predictor_ = std::make_unique<EventPredictor>(
                EventTargets{tree_, targets(), from_topic(), !spec.time.path.empty(), spec.time.unit});
    }

protected:
    void decode_payload(const Message& message) override {
        std::string_view payload = as_text(message.payload);
        end_ = payload.data() + payload.size();
        predicted_ = 0;
        if (payload.starts_with("\xEF\xBB\xBF")) payload.remove_prefix(3);
        payload = trim(payload);
        // What is read to its end as one document cannot be lines: none begins behind another without a comma.
        if (!lines_before_ && decode_predicted(payload)) return;
        lines_before_ = is_lines(payload);
        if (!lines_before_) return decode_generally(payload);
        while (!payload.empty()) {
            const std::size_t end = std::min(payload.find('\n'), payload.size());
            const std::string_view line = trim(payload.substr(0, end));
            if (!line.empty() && !decode_predicted(line)) decode_generally(line);
            payload.remove_prefix(std::min(end + 1, payload.size()));
        }
    }

private:
    enum class Walk : std::uint8_t { done, malformed, again };

    void add_path(std::string_view path, const Target& target) {
        const int node = tree_.add(split_path(path));
        tree_.set_targets(node, add_target(target, tree_.targets(node)));
    }

    // Whether all of the document was as predicted. If not, predicted_ of an array's first elements are in the batch,
    // uncommitted. They count only if the document as a whole is one as far as can be said without reading its values:
    // UTF-8, quotes, the last bracket.
    bool decode_predicted(std::string_view text) {
        predicted_ = 0;
        const bool array = text.starts_with('[');
        if (!predictor_ || !topic_is_clean() || !(array || text.starts_with('{'))) return false;
        // A batch that is not quite full costs less than the general path for the row that would find it full.
        const std::size_t room = batch().room();
        if (array && room < rows_before_ && rows_before_ <= (room + batch().rows()) / 8) push_batch();
        const EventPredictor::Run run = predict(text);
        if (run.complete) {
            commit_rows(run.rows);
            rows_before_ = run.rows;
        } else if (array) {
            predicted_ = run.rows;
        }
        return run.complete;
    }

    EventPredictor::Run predict(std::string_view text) {
        return predictor_->read(text, batch(), message().arrival, message().arrival_trusted);
    }

    enum class Outcome : std::uint8_t {
        done,
        malformed,
        misled,  // a bracket behind the text was looked at; nothing has been put or counted yet
    };

    void decode_generally(std::string_view text) {
        Outcome outcome = decode_document(text, static_cast<Bytes>(end_ - text.data()) + payload_padding);
        if (outcome == Outcome::misled) outcome = decode_copy(text);
        if (outcome != Outcome::done) fail(DecodeReason::malformed);
    }

    // What stands behind a payload must not matter. Where brackets do not match, simdjson refuses the document at once
    // if a closing one stands there: then once more, a copy with blanks behind it.
    Outcome decode_copy(std::string_view text) {
        char* const copy = parts_.copy.get();
        std::memcpy(copy, text.data(), text.size());
        std::memset(copy + text.size(), ' ', payload_padding);
        const char* const end = std::exchange(end_, copy + text.size());
        copied_from_ = text.data();
        const Outcome outcome = decode_document({copy, text.size()}, text.size() + payload_padding);
        copied_from_ = nullptr;
        end_ = end;
        return outcome;
    }

    Outcome decode_document(std::string_view text, Bytes readable) {
        ondemand::document document;
        if (parts_.parser.iterate(text.data(), text.size(), readable).get(document)) return Outcome::malformed;
        return text.starts_with('[') ? decode_array(document, text) : decode_root(document, text);
    }

    static Outcome refused(simdjson::error_code error, std::string_view text, char bracket) {
        const char behind = *(text.data() + text.size());
        return error == simdjson::INCOMPLETE_ARRAY_OR_OBJECT && behind == bracket ? Outcome::misled : Outcome::malformed;
    }

    Outcome decode_root(ondemand::document& document, std::string_view text) {
        ondemand::object object;
        if (const auto error = document.get_object().get(object)) return refused(error, text, '}');
        if (!decode_row(object) || !at_end(document)) return Outcome::malformed;
        commit_row();
        if (predictor_ && row_is_clean()) predictor_->learn(text);
        return Outcome::done;
    }

    Outcome decode_array(ondemand::document& document, std::string_view text) {
        ondemand::array array;
        if (const auto error = document.get_array().get(array)) return refused(error, text, ']');
        commit_rows(predicted_);
        const char* const end = text.data() + text.size();
        for (auto element : array) {
            if (predicted_ > 0) {
                --predicted_;
                continue;
            }
            const char* begin = nullptr;
            const char* behind = nullptr;
            ondemand::object object;
            if (document.current_location().get(begin) || element.get_object().get(object)) return Outcome::malformed;
            if (!decode_row(object)) return Outcome::malformed;
            // Brackets behind the text may have closed the object; then what follows is there, or at the text's beginning.
            if (document.current_location().get(behind) || behind <= begin || behind >= end) return Outcome::malformed;
            commit_row();
            if (!predictor_ || !topic_is_clean() || copied_from_ != nullptr) continue;
            if (row_is_clean()) predictor_->learn({begin, static_cast<std::size_t>(end - begin)});
            if (*behind != ',') continue;
            const EventPredictor::Run run = predict({behind, static_cast<std::size_t>(end - behind)});
            commit_rows(run.rows);
            if (run.complete) return Outcome::done;
            predicted_ = run.rows;
        }
        return at_end(document) ? Outcome::done : Outcome::malformed;
    }
    static bool at_end(ondemand::document& document) {
        return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
    }

    bool decode_row(ondemand::object& object) {
        begin_row();
        Walk walked = walk(object, MemberTree::root);
        if (walked == Walk::again) {
            row_again();
            if (object.reset().error()) return false;
            walked = walk(object, MemberTree::root);
        }
        return walked == Walk::done;
    }

    // Recursion is as deep as the columns' paths, whatever the document.
    Walk walk(ondemand::object& object, int node) {
        for (auto result : object) {
            ondemand::field field;
            if (std::move(result).get(field)) return Walk::malformed;
            const int next = tree_.find(node, field.key().raw(), end_, parts_.text.get());
            if (next == MemberTree::none) continue;
            const Walk walked = take(field.value(), next);
            if (walked != Walk::done) return walked;
        }
        return Walk::done;
    }

    Walk take(ondemand::value& value, int node) {
        const int targets = tree_.targets(node);
        const std::string_view token = trim_end(value.raw_json_token());
        switch (token.empty() ? '\0' : token[0]) {
            case '{': {
                put_wrong_type(targets);
                ondemand::object object;
                if (value.get_object().get(object)) return Walk::malformed;
                return walk(object, node);
            }
            case '[': put_wrong_type(targets); return Walk::done;
            case '"': return take_string(token, targets);
            case 't':
            case 'f':
                if (token != "true" && token != "false") return Walk::malformed;
                put_boolean(targets, token[0] == 't');
                return Walk::done;
            case 'n': return token == "null" ? Walk::done : Walk::malformed;
            default:
                if (!scan_decimal(token).ok) return Walk::malformed;
                put_number(targets, token);
                return Walk::done;
        }
    }

    // Views go into the payload, whatever is being read.
    const char* in_payload(const char* text) const {
        return copied_from_ == nullptr ? text : copied_from_ + (text - parts_.copy.get());
    }

    Walk take_string(std::string_view token, int targets) {
        const JsonString string = scan_json_string(token.substr(1));
        if (!string.closed) return Walk::malformed;
        Put put = Put::done;
        if (!string.escaped) {
            put = put_string(targets, {in_payload(string.raw.data()), string.raw.size()}, true);
        } else {
            const std::optional<std::size_t> size = unescape_json(string.raw, parts_.text.get());
            if (!size) return Walk::malformed;
            put = put_string(targets, {parts_.text.get(), *size}, false);
        }
        return put == Put::done ? Walk::done : Walk::again;
    }

    DecodeScratch::Parts& parts_;
    MemberTree tree_;
    std::unique_ptr<EventPredictor> predictor_;
    std::size_t predicted_ = 0;    // elements of the array at hand that are in the batch already
    std::size_t rows_before_ = 0;  // of the last array that was as predicted
    const char* copied_from_ = nullptr;  // what parts_.copy is a copy of, while that is decoded
    bool lines_before_ = false;    // the last message was documents a line
    const char* end_ = nullptr;  // of the payload
};

}  // namespace

std::unique_ptr<Codec> make_json_codec(const CodecSpec& spec, DecodeScratch& scratch, bool predict) {
    return std::make_unique<JsonCodec>(spec, scratch, predict);
}

}  // namespace weir
