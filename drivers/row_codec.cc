#include "drivers/row_codec.h"

#include <simdjson.h>

#include <algorithm>

namespace weir {

namespace {

bool is_utf8(std::string_view text) {
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
    return ascii || simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace

RowCodec::RowCodec(const CodecSpec& spec) : spec_(spec), from_topic_(spec.columns.size()) {
    for (const TopicTemplate& topic : spec_.topics) {
        std::vector<TopicCell>& cells = topic_cells_.emplace_back();
        for (std::size_t capture = 0; capture < topic.captures().size(); ++capture)
            for (std::size_t column = 0; column < spec_.columns.size(); ++column) {
                if (spec_.columns[column].name != topic.captures()[capture].name) continue;
                cells.push_back({column, capture});
                from_topic_[column] = true;
            }
    }
}

int RowCodec::add_target(const Target& target, int first) {
    targets_.push_back(target);
    targets_.back().next = first;
    return static_cast<int>(targets_.size()) - 1;
}

void RowCodec::decode(const Message& message, Batch& batch, BatchSink& sink) {
    begin(message);
    message_ = &message;
    batch_ = &batch;
    sink_ = &sink;
    if (message.payload.size() > spec_.max_message)
        fail(DecodeReason::oversized);
    else if (!match_topic(message))
        fail(DecodeReason::topic_mismatch);
    else
        decode_payload(message);
    batch.end_message();
}

bool RowCodec::match_topic(const Message& message) {
    if (spec_.topics.empty()) return true;
    for (template_ = 0; template_ < spec_.topics.size(); ++template_) {
        if (!spec_.topics[template_].match(message.topic, topic_values_)) continue;
        const std::vector<TopicCell>& cells = topic_cells_[template_];
        topic_is_clean_ = std::all_of(cells.begin(), cells.end(), [&](const TopicCell& cell) { return topic_values_[cell.capture].typed; });
        return is_utf8(message.topic);
    }
    return false;
}

void RowCodec::begin_row() {
    second_try_ = false;
    counted_before_ = counters_.by_reason;
    if (batch_->full()) sink_->push(*batch_);
    batch_->begin_row();
    time_state_ = TimeState::missing;
    if (!spec_.topics.empty()) put_topic_cells();
}

void RowCodec::row_again() {
    sink_->push(*batch_);
    counters_.by_reason = counted_before_;
    begin_row();
    second_try_ = true;
}

void RowCodec::put_topic_cells() {
    for (const TopicCell& cell : topic_cells_[template_]) {
        const TopicValue& value = topic_values_[cell.capture];
        if (!value.typed) {
            fail(DecodeReason::wrong_type);
            continue;
        }
        switch (spec_.columns[cell.column].type) {
            case ColumnType::integer: batch_->set_integer(cell.column, value.integer); break;
            case ColumnType::real: batch_->set_real(cell.column, value.real); break;
            case ColumnType::text: batch_->set_text(cell.column, value.text); break;
            case ColumnType::boolean: break;
        }
    }
}

void RowCodec::commit_row() {
    RowTime time{message_->arrival, message_->arrival, message_->arrival_trusted};
    if (!spec_.time.path.empty()) {
        if (time_state_ != TimeState::good) {
            fail(time_state_ == TimeState::bad ? DecodeReason::bad_time : DecodeReason::missing_time);
            ++counters_.dropped_events;
            return;
        }
        time.event = time_;
    }
    batch_->commit_row(time);
    ++counters_.events;
}

void RowCodec::commit_rows(std::size_t count) {
    if (count == 0) return;
    const std::size_t from = batch_->rows();
    if (!spec_.topics.empty())
        for (const TopicCell& cell : topic_cells_[template_]) {
            const TopicValue& value = topic_values_[cell.capture];
            Column& column = batch_->column_to_fill(cell.column);
            column.present.assign(from, count, true);
            switch (column.type) {
                case ColumnType::integer: std::fill_n(column.integers + from, count, value.integer); break;
                case ColumnType::real: std::fill_n(column.reals + from, count, value.real); break;
                case ColumnType::text: std::fill_n(column.texts + from, count, value.text); break;
                case ColumnType::boolean: break;
            }
        }
    batch_->commit_rows(count);
    counters_.events += count;
}

void RowCodec::put_time(Result<Timestamp> time) {
    time_state_ = time.ok() ? TimeState::good : TimeState::bad;
    if (time.ok()) time_ = *time;
}

void RowCodec::put_number_cell(const Target& target, std::string_view text) {
    const auto column = static_cast<std::size_t>(target.column);
    const Number number = parse_number(text);
    if (target.type == ColumnType::integer) {
        const Result<std::int64_t> integer = integer_of(number);
        if (integer)
            batch_->set_integer(column, *integer);
        else
            fail(integer.error() == Error::out_of_range ? DecodeReason::out_of_range : DecodeReason::wrong_type);
    } else if (number.kind == Number::Kind::none) {
        fail(DecodeReason::wrong_type);
    } else if (number.kind == Number::Kind::beyond) {
        fail(DecodeReason::out_of_range);
    } else {
        batch_->set_real(column, number.real);
    }
}

RowCodec::Put RowCodec::put_text_cell(const Target& target, std::string_view text, bool lasting) {
    const auto column = static_cast<std::size_t>(target.column);
    if (lasting) {
        batch_->set_text(column, text);
        return Put::done;
    }
    const Result<std::string_view> kept = batch_->keep_text(text);
    if (kept.ok())
        batch_->set_text(column, *kept);
    else if (second_try_)
        fail(DecodeReason::oversized);
    else
        return Put::again;
    return Put::done;
}

void RowCodec::put_number(int first, std::string_view text) {
    for (int i = first; i != no_target; i = targets_[static_cast<std::size_t>(i)].next) {
        const Target& target = targets_[static_cast<std::size_t>(i)];
        if (target.column == time_column)
            put_time(parse_decimal_time(text, spec_.time.unit));
        else if (target.type == ColumnType::integer || target.type == ColumnType::real)
            put_number_cell(target, text);
        else
            fail(DecodeReason::wrong_type);
    }
}

void RowCodec::put_boolean(int first, bool value) {
    for (int i = first; i != no_target; i = targets_[static_cast<std::size_t>(i)].next) {
        const Target& target = targets_[static_cast<std::size_t>(i)];
        if (target.column == time_column)
            time_state_ = TimeState::bad;
        else if (target.type == ColumnType::boolean)
            batch_->set_boolean(static_cast<std::size_t>(target.column), value);
        else
            fail(DecodeReason::wrong_type);
    }
}

void RowCodec::put_wrong_type(int first) {
    for (int i = first; i != no_target; i = targets_[static_cast<std::size_t>(i)].next) {
        if (targets_[static_cast<std::size_t>(i)].column == time_column)
            time_state_ = TimeState::bad;
        else
            fail(DecodeReason::wrong_type);
    }
}

RowCodec::Put RowCodec::put_string(int first, std::string_view text, bool lasting) {
    for (int i = first; i != no_target; i = targets_[static_cast<std::size_t>(i)].next) {
        const Target& target = targets_[static_cast<std::size_t>(i)];
        const bool numeric = target.type == ColumnType::integer || target.type == ColumnType::real;
        if (target.column == time_column) {
            put_time(parse_text_time(text, spec_.time.unit, target.numbers_in_strings));
        } else if (target.type == ColumnType::text) {
            if (put_text_cell(target, text, lasting) == Put::again) return Put::again;
        } else if (numeric && target.numbers_in_strings) {
            put_number_cell(target, text);
        } else {
            fail(DecodeReason::wrong_type);
        }
    }
    return Put::done;
}

RowCodec::Put RowCodec::put_untyped(int first, std::string_view text, bool lasting) {
    for (int i = first; i != no_target; i = targets_[static_cast<std::size_t>(i)].next) {
        const Target& target = targets_[static_cast<std::size_t>(i)];
        const auto column = static_cast<std::size_t>(target.column);
        if (target.column == time_column) {
            put_time(parse_text_time(text, spec_.time.unit, true));
        } else if (target.type == ColumnType::text) {
            if (!is_utf8(text))
                fail(DecodeReason::wrong_type);
            else if (put_text_cell(target, text, lasting) == Put::again)
                return Put::again;
        } else if (target.type != ColumnType::boolean) {
            put_number_cell(target, text);
        } else if (text == "true" || text == "True" || text == "TRUE" || text == "1") {
            batch_->set_boolean(column, true);
        } else if (text == "false" || text == "False" || text == "FALSE" || text == "0") {
            batch_->set_boolean(column, false);
        } else {
            fail(DecodeReason::wrong_type);
        }
    }
    return Put::done;
}

}  // namespace weir
