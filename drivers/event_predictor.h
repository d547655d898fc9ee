// Reads JSON events whose shape was learned from earlier ones straight into the columns of a batch: compares the bytes
// between the values, reads the values in place. The first surprise ends the run: another byte between the values, an
// escape, a wrong type, a number out of range, a batch that is full. That event is the general path's.
// What is read is exactly what the general path would have read, to the last bit, and nothing that it would have counted
// as trouble; rows are not committed here, since a document may turn out to be none at its end.
// Up to shapes_max shapes; a surprise is learned from at once, then after 1, 2, 4... more of them, and a source whose
// events have no common shape is only now and then tried.
// Memory: EventPredictor::need(), taken by the constructor. Cost: some 40 instructions a value; a surprise costs less
// than a twentieth of the general path. Threads: one owner. Errors: none.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "agent/base/batch.h"
#include "drivers/digits.h"
#include "drivers/event_shape.h"
#include "drivers/numbers.h"
#include "drivers/timestamps.h"

namespace weir {

// What EventPredictor is for: where the values go, and the time.
struct EventTargets {
    MemberTree& tree;
    const std::vector<CodecTarget>& targets;
    std::vector<bool> from_topic;  // columns that are not in the payload: left alone
    bool timed = false;            // events have a time of their own
    TimeUnit unit = TimeUnit::milliseconds;
};

class EventPredictor {
public:
    static constexpr std::size_t shapes_max = 4;

    static Bytes need();
    // REQUIRES: tree and targets are complete and outlive the predictor.
    explicit EventPredictor(EventTargets targets);

    struct Run {
        std::size_t rows = 0;   // filled in behind the batch's last row, not committed
        bool complete = false;  // the document is read to its end
    };
    // A document, or what is left of an array from a comma on: "{...}", "[{...},{...}]", ",{...}]". Its end is text's.
    // REQUIRES: payload_padding readable bytes behind text.
    Run read(std::string_view text, Batch& batch, Timestamp arrival, bool trusted);

    // The general path has read the event that begins here, without any trouble.
    void learn(std::string_view text);

private:
    // Why reading by one shape stopped: at an event that has another one, or behind one.
    enum class Stop : std::uint8_t { surprise, behind };

    Stop read_events(const EventShape& shape, const char*& at, std::size_t& row, std::size_t row_end);
    bool turn_to_another_shape(const char* at, std::size_t row);
    void use(std::size_t shape);
    void say_presence(std::size_t row_end);
    void forget_nulls(std::size_t row);
    void remember_time(const char* at, std::size_t size, std::uint64_t number);

    // Values that are not what is usual: behind the value, or nullptr.
    // What a slot has to read its value, by its kind: they read on, slot by slot, to the event's end and return what
    // comes behind it, or nullptr. Each ends in a jump to the next; without that optimisation they are 64 deep at most.
    using Slot = EventShape::Slot;
    static EventShape::Read read_real, read_integer, read_text, read_long_text, read_time, read_other, read_more, read_next, read_end;
    static EventShape::Read* reader_of(EventShape::Kind kind);
    static const char* onward(EventPredictor& self, const Slot& slot, const char* at, std::size_t row, const char* value);
    static EventShape::Read onward_unusually;
    static const char* not_matched(EventPredictor& self, const Slot& next, const char* at, std::size_t row, const char* value);
    const char* read_unusual(const EventShape::Slot& slot, const char* at, std::size_t row);
    const char* read_any(int targets, const char* at, std::size_t row);
    const char* skip(const char* at) const;
    bool store_text(int targets, std::string_view text, std::size_t row);
    bool store_number(int targets, std::string_view text, std::size_t row);
    bool store_boolean(int targets, bool value, std::size_t row);
    bool store_null(int targets, std::size_t row);
    bool store_cell(const CodecTarget& target, const Number& number, std::size_t row);
    bool store_time(Result<Timestamp> time, std::size_t row);

    EventTargets wanted_;
    std::vector<std::size_t> columns_;  // those that are in the payload
    std::uint64_t time_scale_ = 1;  // from the unit to microseconds
    std::uint64_t time_end_ = 0;    // in the unit; no good time reaches it
    // The last time's first eight digits, its length, and its value but for the last eight digits. Before the first time:
    // eight bytes that would have to be two things at once. Of the last one: its last eight digits, and itself.
    std::uint64_t time_head_ = 0;
    std::uint64_t time_tail_ = 1;
    Timestamp time_;
    std::size_t time_size_ = 8;
    std::uint64_t time_base_ = 0;
    std::vector<EventShape> shapes_;
    EventShape candidate_;
    std::size_t current_ = 0;
    std::size_t reading_ = 0;  // current_, or one that is tried
    std::size_t next_victim_ = 0;
    std::vector<RowBits> nulls_;      // a column; of the rows being filled
    bool any_null_ = false;

    // The run at hand.
    Batch* batch_ = nullptr;
    RowTime* times_ = nullptr;
    const char* end_ = nullptr;
    std::size_t first_row_ = 0;  // of those whose presence has not been said
    bool ended_ = false;         // the event that was read does not lead to another one

    // When to learn and when to try.
    std::uint32_t pause_ = 0;        // surprises to let pass after the next learning
    std::uint32_t pausing_ = 0;      // of these, still to come
    std::uint32_t hits_ = 0;         // since the last learning
    std::uint32_t surprises_ = 0;    // in a row
    bool surprised_ = false;         // by the event that the general path now has
};

}  // namespace weir
