// What all codecs share: from "this field has this text" to a typed cell, and the rules of a row.
// Internal to drivers. Memory: vectors made by the constructor. Cost: O(1) a cell.
// Threads: one owner. Errors: by DecodeReason.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "drivers/codec.h"
#include "drivers/event_shape.h"
#include "drivers/numbers.h"

namespace weir {

class RowCodec : public Codec {
public:
    void decode(const Message& message, Batch& batch, BatchSink& sink) final;

protected:
    using Target = CodecTarget;
    static constexpr int no_target = CodecTarget::none;
    static constexpr int time_column = CodecTarget::time_column;

    // The batch's text buffer is full: the row has to be read again, into the batch that row_again() cleared.
    enum class Put : bool { done, again };

    explicit RowCodec(const CodecSpec& spec);

    virtual void decode_payload(const Message& message) = 0;

    // Adds a target in front of the list that begins at first; returns the new first.
    int add_target(const Target& target, int first);
    const CodecSpec& spec() const { return spec_; }
    bool from_topic(std::size_t column) const { return from_topic_[column]; }
    const std::vector<bool>& from_topic() const { return from_topic_; }
    const std::vector<Target>& targets() const { return targets_; }

    // All of the current message.
    void begin_row();
    void row_again();   // after Put::again: forgets the row, with what it counted, and begins it anew
    void commit_row();  // by the rules of time
    void drop_row() {}  // an uncommitted row is forgotten by the next begin_row()
    // Nothing about the row that was last begun has been counted as trouble.
    bool row_is_clean() const { return counters_.by_reason == counted_before_; }
    // Rows that the payload's part was filled in for; their topic's part is added. REQUIRES: topic_is_clean().
    void commit_rows(std::size_t count);
    // The topic's levels are of their columns' types: its part of a row is no trouble.
    bool topic_is_clean() const { return topic_is_clean_; }
    Batch& batch() { return *batch_; }
    void push_batch() { sink_->push(*batch_); }
    const Message& message() const { return *message_; }
    void fail(DecodeReason reason) { Codec::fail(reason, *message_); }

    void put_number(int first, std::string_view text);
    void put_boolean(int first, bool value);
    void put_wrong_type(int first);
    // lasting: text is part of the message.
    Put put_string(int first, std::string_view text, bool lasting);
    // Text that stands for any type, as CSV has it; not empty.
    Put put_untyped(int first, std::string_view text, bool lasting);

private:
    struct TopicCell {
        std::size_t column = 0;
        std::size_t capture = 0;
    };
    bool match_topic(const Message& message);
    void put_topic_cells();
    void put_number_cell(const Target& target, std::string_view text);
    Put put_text_cell(const Target& target, std::string_view text, bool lasting);
    void put_time(Result<Timestamp> time);

    CodecSpec spec_;
    std::vector<Target> targets_;
    std::vector<bool> from_topic_;
    std::vector<std::vector<TopicCell>> topic_cells_;  // a list a template

    // The message at hand.
    const Message* message_ = nullptr;
    Batch* batch_ = nullptr;
    BatchSink* sink_ = nullptr;
    std::size_t template_ = 0;
    bool topic_is_clean_ = true;
    std::array<TopicValue, TopicTemplate::captures_max> topic_values_{};

    // The row at hand.
    enum class TimeState : std::uint8_t { missing, bad, good } time_state_ = TimeState::missing;
    Timestamp time_;
    bool second_try_ = false;
    std::array<std::uint64_t, decode_reasons> counted_before_{};
};

// The constructors behind make_codec().
// predict: events are read by the shape of earlier ones. Without it the rows are the same, slower (tests compare).
std::unique_ptr<Codec> make_json_codec(const CodecSpec& spec, DecodeScratch& scratch, bool predict = true);
std::unique_ptr<Codec> make_csv_codec(const CodecSpec& spec, DecodeScratch& scratch);
// A column's path as member names, outermost first; empty: the path is malformed.
std::vector<std::string> split_path(std::string_view path);

}  // namespace weir
