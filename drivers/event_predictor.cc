#include "drivers/event_predictor.h"

#include <simdjson.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "drivers/digits.h"

namespace weir {

namespace {

// After so many surprises in a row only one event in try_every is tried.
constexpr std::uint32_t surprises_most = 16;
constexpr std::uint32_t try_every = 16;
// So many surprises at most pass between two attempts to learn; after so many hits the pauses begin anew.
constexpr std::uint32_t pause_most = 1024;
constexpr std::uint32_t hits_prove = 256;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_number_char(char c) { return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'; }
bool is_word_char(char c) { return is_number_char(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// "57.3", "4.2" and "109.9": most measured values are like that, and it takes a third of the instructions of what follows.
// nullptr for anything else. Reads five bytes.
inline const char* read_tiny_real(const char* at, double& value) {
    const auto digit = [at](int i) { return static_cast<unsigned char>(at[i]) - unsigned{'0'}; };
    if (at[2] == '.') {
        if (digit(0) - 1 > 8 || digit(1) > 9 || digit(3) > 9) return nullptr;
        value = static_cast<int>((digit(0) * 10 + digit(1)) * 10 + digit(3)) / 10.0;
        return at + 4;
    }
    if (at[1] == '.') {
        if (digit(0) > 9 || digit(2) > 9) return nullptr;
        value = static_cast<int>(digit(0) * 10 + digit(2)) / 10.0;
        return at + 3;
    }
    if (at[3] != '.' || digit(0) - 1 > 8 || digit(1) > 9 || digit(2) > 9 || digit(4) > 9) return nullptr;
    value = static_cast<int>(((digit(0) * 10 + digit(1)) * 10 + digit(2)) * 10 + digit(4)) / 10.0;
    return at + 5;
}

// A decimal of at most seven characters behind its sign; nullptr where it takes a longer look. Reads nine bytes.
inline const char* read_short_real(const char* at, double& value) {
    static constexpr std::array<double, 8> scale = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    const bool negative = *at == '-';
    at += negative;
    std::uint64_t word = digit_word(at);
    const std::uint64_t stops = digit_stops(word);
    if (stops == 0) return nullptr;
    const unsigned whole = digit_bits(stops);
    if (whole == 0 || ((word & 0xFF) == 0 && whole > 8)) return nullptr;  // no digit, or "01"
    unsigned bits = whole;
    unsigned fraction = 0;
    if ((word >> whole & 0xFF) == ('.' ^ '0')) {
        const std::uint64_t others = stops & (stops - 1);
        if (others == 0) return nullptr;
        bits = digit_bits(others) - 8;
        fraction = (bits - whole) / 8;
        if (fraction == 0) return nullptr;
        const std::uint64_t before = (std::uint64_t{1} << whole) - 1;
        word = (word & before) | (word >> 8 & ~before);
        ++at;
    }
    const double magnitude = static_cast<double>(digit_value(word, bits)) / scale[fraction];
    value = negative ? -magnitude : magnitude;
    return at + bits / 8;
}

// Up to 16 digits that are no "01"; nullptr otherwise. Reads 16 bytes.
inline const char* read_short_integer(const char* at, std::uint64_t& value) {
    const std::uint64_t word = digit_word(at);
    std::uint64_t stops = digit_stops(word);
    if (stops != 0) {
        const unsigned bits = digit_bits(stops);
        if (bits == 0 || ((word & 0xFF) == 0 && bits > 8)) return nullptr;
        value = digit_value(word, bits);
        return at + bits / 8;
    }
    if ((word & 0xFF) == 0) return nullptr;
    value = digit_value(word);
    const std::uint64_t more = digit_word(at + 8);
    stops = digit_stops(more);
    const unsigned bits = stops == 0 ? 64 : digit_bits(stops);
    if (bits > 0) value = value * digit_scale[bits / 8] + digit_value(more, bits);
    return at + 8 + bits / 8;
}

constexpr unsigned plain_text_most = 8;

// How many ASCII characters there are before a quote, a backslash, a control character or another character, among
// the eight that are read.
inline unsigned plain_text(const char* at) {
    const auto word = load_le<std::uint64_t>(at);
    const std::uint64_t quotes = (word ^ ('"' * every_byte)) - every_byte;
    const std::uint64_t backslashes = (word ^ ('\\' * every_byte)) - every_byte;
    const std::uint64_t controls = word - 0x20 * every_byte;
    // A borrow reaches only bytes behind the first that is marked.
    const std::uint64_t stops = (quotes | backslashes | controls | word) & (0x80 * every_byte);
    return static_cast<unsigned>(std::countr_zero(stops)) / 8;
}

// Reads 16 bytes.
inline bool matches(const EventShape::Slot& slot, const char* at) {
#ifdef __SSE2__  // two instructions fewer than with words, of eight; six times an event
    const __m128i found = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i same = _mm_cmpeq_epi8(found, _mm_loadu_si128(reinterpret_cast<const __m128i*>(slot.words.data())));
    return (~static_cast<unsigned>(_mm_movemask_epi8(same)) & slot.mask) == 0;
#else
    const std::uint64_t first = (load_le<std::uint64_t>(at) ^ slot.words[0]) & slot.masks[0];
    const std::uint64_t second = (load_le<std::uint64_t>(at + 8) ^ slot.words[1]) & slot.masks[1];
    return (first | second) == 0;
#endif
}

// Behind the string at `at`, or nullptr: for one with escapes, unless they are welcome, and one that is not UTF-8.
const char* behind_string(const char* at, const char* end, bool escapes_too) {
    const char* const begin = ++at;
    bool ascii = true;
    for (; at < end && *at != '"'; ++at) {
        if (static_cast<unsigned char>(*at) < 0x20) return nullptr;
        ascii = ascii && static_cast<signed char>(*at) >= 0;
        if (*at != '\\') continue;
        if (!escapes_too || ++at >= end || static_cast<unsigned char>(*at) < 0x20) return nullptr;
        ascii = ascii && static_cast<signed char>(*at) >= 0;
    }
    if (at >= end) return nullptr;
    if (!ascii && !simdjson::validate_utf8(begin, static_cast<std::size_t>(at - begin))) return nullptr;
    return at + 1;
}

}  // namespace

Bytes EventPredictor::need() { return sizeof(EventPredictor) + shapes_max * sizeof(EventShape); }

EventPredictor::EventPredictor(EventTargets targets)
    : wanted_(std::move(targets)), shapes_(shapes_max), nulls_(wanted_.from_topic.size()) {
    for (std::size_t i = 0; i < wanted_.from_topic.size(); ++i)
        if (!wanted_.from_topic[i]) columns_.push_back(i);
    constexpr auto limit_us = static_cast<std::uint64_t>(time_limit.us());
    switch (wanted_.unit) {
        case TimeUnit::seconds: time_scale_ = 1000000; time_end_ = limit_us / 1000000; break;
        case TimeUnit::milliseconds: time_scale_ = 1000; time_end_ = limit_us / 1000; break;
        case TimeUnit::microseconds: time_scale_ = 1; time_end_ = limit_us; break;
        case TimeUnit::nanoseconds: time_end_ = 0; break;  // 19 digits: read as any number is
    }
}

EventPredictor::Run EventPredictor::read(std::string_view text, Batch& batch, Timestamp arrival, bool trusted) {
    Run run;
    surprised_ = true;
    if (shapes_[current_].count == 0) return run;
    if (surprises_ > surprises_most && ++surprises_ % try_every != 0) return run;
    batch_ = &batch;
    times_ = batch.times_to_fill();
    end_ = text.data() + text.size();
    first_row_ = batch.rows();
    use(current_);

    const bool alone = text[0] == '{';
    const char* at = text.data() + !alone;
    while (at < end_ && is_blank(*at)) ++at;
    const std::size_t row_end = batch.rows() + (alone ? std::min<std::size_t>(batch.room(), 1) : batch.room());
    std::size_t row = batch.rows();
    Stop stop = Stop::surprise;
    while (row < row_end) {
        stop = read_events(shapes_[current_], at, row, row_end);
        if (stop == Stop::behind || !turn_to_another_shape(at, row)) break;
    }
    run.rows = row - batch.rows();
    if (stop == Stop::behind)
        run.complete = alone ? at == end_ : at + 1 == end_ && *at == ']';
    say_presence(row);
    for (RowTime* time = times_ + batch.rows(); time != times_ + row; ++time) {
        time->arrival = arrival;
        time->arrival_trusted = trusted;
    }
    if (!wanted_.timed)
        for (std::size_t i = batch.rows(); i < row; ++i) times_[i].event = arrival;
    hits_ += static_cast<std::uint32_t>(run.rows);
    if (run.rows > 0) surprises_ = 0;
    surprised_ = !run.complete && row < row_end;
    surprises_ += surprised_;
    return run;
}

void EventPredictor::use(std::size_t index) {
    reading_ = index;
    EventShape& shape = shapes_[index];
    for (std::size_t i = 0; i < shape.count; ++i) {
        Slot& slot = shape.slots[i];
        if (slot.targets == CodecTarget::none) continue;
        const CodecTarget& target = wanted_.targets[static_cast<std::size_t>(slot.targets)];
        if (target.column == CodecTarget::time_column) continue;
        Column& column = batch_->column_to_fill(static_cast<std::size_t>(target.column));
        switch (slot.kind) {
            case EventShape::Kind::real: slot.reals = column.reals; break;
            case EventShape::Kind::integer: slot.integers = column.integers; break;
            case EventShape::Kind::text: slot.texts = column.texts; break;
            default: break;
        }
    }
}

// The rows since first_row_ have the members of the shape in use.
void EventPredictor::say_presence(std::size_t row_end) {
    const std::size_t count = row_end - first_row_;
    if (count == 0) return;
    for (const std::size_t i : columns_) {
        RowBits& present = batch_->column_to_fill(i).present;
        const bool filled = shapes_[current_].filled.test(i);
        if (count > 1)
            present.assign(first_row_, count, filled);
        else if (filled)  // one event a message: a quarter of what it costs
            present.set(first_row_);
        else
            present.reset(first_row_);
        if (!any_null_) continue;
        for (std::size_t word = 0; word < present.words().size(); ++word) present.words()[word] &= ~nulls_[i].words()[word];
        nulls_[i].clear();
    }
    any_null_ = false;
    first_row_ = row_end;
}

// What was begun of a row and will be read again.
void EventPredictor::forget_nulls(std::size_t row) {
    for (RowBits& nulls : nulls_) nulls.reset(row);
}

bool EventPredictor::turn_to_another_shape(const char* at, std::size_t row) {
    if (any_null_) forget_nulls(row);
    for (std::size_t i = 0; i < shapes_max; ++i) {
        if (i == current_ || shapes_[i].count == 0) continue;
        use(i);
        const char* behind = at;
        std::size_t read = row;
        read_events(shapes_[i], behind, read, row + 1);
        if (any_null_) forget_nulls(row);
        if (read == row) continue;
        say_presence(row);
        current_ = i;
        return true;
    }
    reading_ = current_;
    return false;
}

EventPredictor::Stop EventPredictor::read_events(const EventShape& shape, const char*& position, std::size_t& row,
                                                 std::size_t row_end) {
    const Slot& first = shape.slots[0];
    const char* at = position;
    for (;;) {
        if (!matches(first, at) || at + first.size > end_) return Stop::surprise;
        at += first.size;
        ended_ = false;
        for (;;) {
            const char* const behind = first.read(*this, first, at, row);
            if (behind == nullptr) {
                position = at - first.size;
                return Stop::surprise;
            }
            at = behind;
            ++row;
            if (ended_) break;
            if (row == row_end) {
                position = at - first.size - 1;  // the comma
                return Stop::behind;
            }
        }
        while (at < end_ && is_blank(*at)) ++at;
        position = at;
        if (row == row_end || at >= end_ || *at != ',') return Stop::behind;
        ++at;
        while (at < end_ && is_blank(*at)) ++at;
        position = at;
    }
}

EventShape::Read* EventPredictor::reader_of(EventShape::Kind kind) {
    switch (kind) {
        case EventShape::Kind::real: return read_real;
        case EventShape::Kind::integer: return read_integer;
        case EventShape::Kind::text: return read_text;
        case EventShape::Kind::time: return read_time;
        case EventShape::Kind::any:
        case EventShape::Kind::skip: return read_other;
        case EventShape::Kind::more: return read_more;
        case EventShape::Kind::next: return read_next;
        case EventShape::Kind::end: break;
    }
    return read_end;
}

// Behind the value of `slot`, which began at `value`: the next slot's bytes, its value, and so on.
// Bytes behind the text are read, as far as its padding goes, and never believed: behind each slot's bytes `at` must
// still be in the text, and from there to the next such place no more than 40 bytes are read.
inline const char* EventPredictor::onward(EventPredictor& self, const Slot& slot, const char* at, std::size_t row, const char* value) {
    const Slot& next = *(&slot + 1);
    if (!matches(next, at)) [[unlikely]] return not_matched(self, next, at, row, value);
    at += next.size;
    if (at > self.end_) [[unlikely]] return nullptr;
    return next.read(self, next, at, row);
}

// Not the bytes of `next`: the end of an array, or a number before it that goes on (1.5e3, say) and is read once more, all of it.
[[gnu::noinline]] const char* EventPredictor::not_matched(EventPredictor& self, const Slot& next, const char* at, std::size_t row, const char* value) {
    if (at >= self.end_) return nullptr;
    if (is_number_char(*at)) {
        const Slot& slot = *(&next - 1);
        if (slot.kind == EventShape::Kind::more) return nullptr;
        at = self.read_any(slot.targets, value, row);
        if (at == nullptr || at >= self.end_) return nullptr;
        if (matches(next, at)) {
            at += next.size;
            return at > self.end_ ? nullptr : next.read(self, next, at, row);
        }
    }
    if (next.kind != EventShape::Kind::next && next.kind != EventShape::Kind::end) return nullptr;
    const Slot& last = self.shapes_[self.reading_].last;
    if (!matches(last, at)) return nullptr;
    self.ended_ = true;
    at += last.size;
    return at > self.end_ ? nullptr : at;
}

const char* EventPredictor::read_real(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    const char* const behind = read_tiny_real(at, slot.reals[row]);
    if (behind == nullptr) [[unlikely]] return onward_unusually(self, slot, at, row);
    return onward(self, slot, behind, row, at);
}

const char* EventPredictor::read_integer(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    const unsigned digit = static_cast<unsigned char>(at[0]) - unsigned{'0'};
    const unsigned more = static_cast<unsigned char>(at[1]) - unsigned{'0'};
    if (digit > 9 || more <= 9) return onward_unusually(self, slot, at, row);
    slot.integers[row] = digit;
    return onward(self, slot, at + 1, row, at);
}

const char* EventPredictor::read_text(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    const unsigned size = plain_text(at + 1);
    if (size == plain_text_most) [[unlikely]] return read_long_text(self, slot, at, row);
    const char* const behind = at + 1 + size;
    if (*at != '"' || *behind != '"') [[unlikely]] return onward_unusually(self, slot, at, row);
    slot.texts[row] = {at + 1, size};
    return onward(self, slot, behind + 1, row, at);
}

[[gnu::noinline]] const char* EventPredictor::read_long_text(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    const char* behind = at + 1;
    unsigned size = plain_text_most;
    for (; size == plain_text_most && behind < self.end_; behind += size) size = plain_text(behind);
    if (*at != '"' || *behind != '"') [[unlikely]] return onward_unusually(self, slot, at, row);
    slot.texts[row] = {at + 1, static_cast<std::size_t>(behind - at - 1)};
    return onward(self, slot, behind + 1, row, at);
}

// Times of one array mostly begin alike, the first eight digits being those of the last one, and are often the same.
const char* EventPredictor::read_time(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    const char* const behind = at + self.time_size_;
    const std::uint64_t tail = load_le<std::uint64_t>(behind - 8);
    if (load_le<std::uint64_t>(at) != self.time_head_) [[unlikely]]
        return onward_unusually(self, slot, at, row);
    if (tail != self.time_tail_) {
        const std::uint64_t digits = tail ^ ('0' * every_byte);
        if (digit_stops(digits) != 0) [[unlikely]] return onward_unusually(self, slot, at, row);
        self.time_tail_ = tail;
        self.time_ = Timestamp::micros(static_cast<std::int64_t>((self.time_base_ + digit_value(digits)) * self.time_scale_));
    }
    self.times_[row].event = self.time_;
    return onward(self, slot, behind, row, at);
}

const char* EventPredictor::read_other(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    return onward_unusually(self, slot, at, row);
}

const char* EventPredictor::read_more(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    return onward(self, slot, at, row, at);
}

const char* EventPredictor::read_next(EventPredictor&, const Slot&, const char* at, std::size_t) { return at; }

const char* EventPredictor::read_end(EventPredictor&, const Slot&, const char*, std::size_t) { return nullptr; }

[[gnu::noinline]] const char* EventPredictor::onward_unusually(EventPredictor& self, const Slot& slot, const char* at, std::size_t row) {
    const char* const behind = self.read_unusual(slot, at, row);
    return behind == nullptr ? nullptr : onward(self, slot, behind, row, at);
}

// What is not usual, or too long for the quickest way; behind it, or nullptr.
const char* EventPredictor::read_unusual(const EventShape::Slot& slot, const char* at, std::size_t row) {
    using Kind = EventShape::Kind;
    std::uint64_t number = 0;
    const char* behind = nullptr;
    switch (slot.kind) {
        case Kind::real: behind = read_short_real(at, slot.reals[row]); break;
        case Kind::integer: {
            const bool negative = *at == '-';
            behind = read_short_integer(at + negative, number);
            if (behind != nullptr) slot.integers[row] = static_cast<std::int64_t>(negative ? 0 - number : number);
            break;
        }
        case Kind::time:
            behind = read_short_integer(at, number);
            if (behind == nullptr || number >= time_end_) return read_any(slot.targets, at, row);
            times_[row].event = Timestamp::micros(static_cast<std::int64_t>(number * time_scale_));
            remember_time(at, static_cast<std::size_t>(behind - at), number);
            break;
        case Kind::skip: return skip(at);
        default: break;
    }
    return behind != nullptr ? behind : read_any(slot.targets, at, row);
}

void EventPredictor::remember_time(const char* at, std::size_t size, std::uint64_t number) {
    const std::uint64_t base = number - number % 100000000;
    if (size < 9 || base + 99999999 >= time_end_) return;
    time_head_ = load_le<std::uint64_t>(at);
    time_tail_ = load_le<std::uint64_t>(at + size - 8);
    time_ = Timestamp::micros(static_cast<std::int64_t>(number * time_scale_));
    time_size_ = size;
    time_base_ = base;
}

const char* EventPredictor::skip(const char* at) const {
    if (*at == '"') return behind_string(at, end_, true);
    const char* const begin = at;
    while (at < end_ && is_word_char(*at)) ++at;
    return at == begin ? nullptr : at;
}

const char* EventPredictor::read_any(int targets, const char* at, std::size_t row) {
    if (at >= end_) return nullptr;
    const auto is = [&](std::string_view word) { return std::string_view(at, static_cast<std::size_t>(end_ - at)).starts_with(word); };
    if (*at == '"') {
        const char* const behind = behind_string(at, end_, false);
        if (behind == nullptr) return nullptr;
        return store_text(targets, {at + 1, static_cast<std::size_t>(behind - at - 2)}, row) ? behind : nullptr;
    }
    if (is("null")) return store_null(targets, row) ? at + 4 : nullptr;
    if (is("true")) return store_boolean(targets, true, row) ? at + 4 : nullptr;
    if (is("false")) return store_boolean(targets, false, row) ? at + 5 : nullptr;
    const char* behind = at;
    while (behind < end_ && is_number_char(*behind)) ++behind;
    return store_number(targets, {at, static_cast<std::size_t>(behind - at)}, row) ? behind : nullptr;
}

bool EventPredictor::store_text(int targets, std::string_view text, std::size_t row) {
    for (int i = targets; i != CodecTarget::none; i = wanted_.targets[static_cast<std::size_t>(i)].next) {
        const CodecTarget& target = wanted_.targets[static_cast<std::size_t>(i)];
        if (target.column == CodecTarget::time_column) {
            if (!store_time(parse_text_time(text, wanted_.unit, target.numbers_in_strings), row)) return false;
        } else if (target.type == ColumnType::text) {
            batch_->column_to_fill(static_cast<std::size_t>(target.column)).texts[row] = text;
        } else if (target.type == ColumnType::boolean || !target.numbers_in_strings || !store_cell(target, parse_number(text), row)) {
            return false;
        }
    }
    return true;
}

bool EventPredictor::store_number(int targets, std::string_view text, std::size_t row) {
    const Number number = parse_number(text);
    if (number.kind == Number::Kind::none) return false;
    for (int i = targets; i != CodecTarget::none; i = wanted_.targets[static_cast<std::size_t>(i)].next) {
        const CodecTarget& target = wanted_.targets[static_cast<std::size_t>(i)];
        if (target.column == CodecTarget::time_column) {
            if (!store_time(parse_decimal_time(text, wanted_.unit), row)) return false;
        } else if (!store_cell(target, number, row)) {
            return false;
        }
    }
    return true;
}

bool EventPredictor::store_cell(const CodecTarget& target, const Number& number, std::size_t row) {
    Column& column = batch_->column_to_fill(static_cast<std::size_t>(target.column));
    if (target.type == ColumnType::integer) {
        const Result<std::int64_t> integer = integer_of(number);
        if (!integer) return false;
        column.integers[row] = *integer;
        return true;
    }
    if (target.type != ColumnType::real || number.kind == Number::Kind::none || number.kind == Number::Kind::beyond) return false;
    column.reals[row] = number.real;
    return true;
}

bool EventPredictor::store_time(Result<Timestamp> time, std::size_t row) {
    if (time) times_[row].event = *time;
    return time.ok();
}

bool EventPredictor::store_boolean(int targets, bool value, std::size_t row) {
    for (int i = targets; i != CodecTarget::none; i = wanted_.targets[static_cast<std::size_t>(i)].next) {
        const CodecTarget& target = wanted_.targets[static_cast<std::size_t>(i)];
        if (target.column == CodecTarget::time_column || target.type != ColumnType::boolean) return false;
        batch_->column_to_fill(static_cast<std::size_t>(target.column)).booleans[row] = value;
    }
    return true;
}

bool EventPredictor::store_null(int targets, std::size_t row) {
    for (int i = targets; i != CodecTarget::none; i = wanted_.targets[static_cast<std::size_t>(i)].next) {
        const int column = wanted_.targets[static_cast<std::size_t>(i)].column;
        if (column == CodecTarget::time_column) return false;
        nulls_[static_cast<std::size_t>(column)].set(row);
        any_null_ = true;
    }
    return true;
}

void EventPredictor::learn(std::string_view text) {
    if (!surprised_) return;
    if (hits_ >= hits_prove) pause_ = pausing_ = 0;
    if (pausing_ > 0) {
        --pausing_;
        return;
    }
    pausing_ = pause_;
    pause_ = std::min(pause_ * 2 + 1, pause_most);
    hits_ = 0;
    if (!candidate_.learn(text, wanted_.tree, wanted_.targets, wanted_.timed)) return;
    if (std::find(shapes_.begin(), shapes_.end(), candidate_) != shapes_.end()) return;
    if (next_victim_ == current_ && shapes_[current_].count > 0) next_victim_ = (next_victim_ + 1) % shapes_max;
    for (std::size_t i = 0; i < candidate_.count; ++i) candidate_.slots[i].read = reader_of(candidate_.slots[i].kind);
    shapes_[next_victim_] = candidate_;
    current_ = next_victim_;
    next_victim_ = (next_victim_ + 1) % shapes_max;
}

}  // namespace weir
