#include "uplink/history_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "agent/base/assert.h"

namespace weir {

using namespace history_detail;

namespace {

// A unary part of so many ones is no quotient but an escape.
constexpr unsigned quotient_max = 16;
constexpr std::int64_t number_max = std::int64_t{1} << 53;
constexpr unsigned exponent_max = 9;
constexpr std::array<double, exponent_max + 1> powers = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

// Behind an escape in a stream of values.
enum Special : unsigned { is_null = 0, is_number = 1, is_double = 2, to_xor = 3 };
constexpr unsigned special_bits = 2;
// In the xor way an escape is this number of leading zeros, which is never told.
constexpr unsigned leading_escape = 31;
constexpr unsigned leading_max = 30;

// Behind an escape in the stream of times.
constexpr unsigned delta_is_new = 0;
constexpr unsigned marks_change = 1;
// In which unit a new difference is told.
constexpr std::array<std::int64_t, 4> units = {60'000'000, 1'000'000, 1'000, 1};

// After so many values that would fit another way, it is taken.
constexpr unsigned misfits_max = 2;
constexpr unsigned settled = 24;

// The most that a point takes: an escape, what it says, twice in the stream of times; and of each column.
constexpr Bytes time_bits_max = 2 * (quotient_max + 1) + 4 + 2 + 6 + 64 + quotient_max + 64;
constexpr Bytes value_bits_max = 2 + 5 + quotient_max + special_bits + 4 + 6 + 64 + 6;

std::uint64_t zigzag(std::int64_t number) { return (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63); }
std::int64_t unzigzag(std::uint64_t symbol) { return static_cast<std::int64_t>(symbol >> 1) ^ -static_cast<std::int64_t>(symbol & 1); }

std::int64_t difference(std::int64_t a, std::int64_t b) { return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b)); }
std::int64_t sum(std::int64_t a, std::int64_t b) { return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b)); }

// value as a whole number of 10^-exponent, if it is exactly that.
std::optional<std::int64_t> number_of(double value, unsigned exponent) {
    const double scaled = value * powers[exponent];
    if (!(scaled > -static_cast<double>(number_max) && scaled < static_cast<double>(number_max))) return std::nullopt;
    const auto number = static_cast<std::int64_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    const double back = static_cast<double>(number) / powers[exponent];
    return std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(value) ? std::optional(number) : std::nullopt;
}

// The least exponent at which it is one; exponent_max + 1: none.
unsigned exponent_of(double value) {
    unsigned exponent = 0;
    while (exponent <= exponent_max && !number_of(value, exponent)) ++exponent;
    return exponent;
}

}  // namespace

// ---- models ------------------------------------------------------------------------------------------

unsigned Rice::parameter() const {
    unsigned k = 0;
    while (k < 56 && (std::uint64_t{count} << k) < sum) ++k;
    return k;
}

void Rice::add(std::uint64_t symbol) {
    sum += std::min(symbol, std::uint64_t{1} << 56);
    if (++count < 32) return;
    sum >>= 1;
    count >>= 1;
}

void TimeModel::use(std::size_t index) {
    const std::int64_t delta = deltas[index];
    // Halfway to the front: one odd gap does not push the usual one away.
    const std::size_t to = index < 2 ? 0 : index / 2;
    for (std::size_t i = index; i > to; --i) deltas[i] = deltas[i - 1];
    deltas[to] = delta;
}

void TimeModel::add(std::int64_t delta) {
    if (count < deltas_max) ++count;
    deltas[count - 1] = delta;
}

std::int64_t ValueModel::predicted() const {
    const std::int64_t smooth = (mean + 8) >> 4;
    const std::array<std::int64_t, 3> guesses = {last, smooth, (last + smooth) >> 1};
    return guesses[static_cast<std::size_t>(std::min_element(errors.begin(), errors.end()) - errors.begin())];
}

void ValueModel::learn(std::int64_t number) {
    const std::int64_t smooth = (mean + 8) >> 4;
    const std::array<std::int64_t, 3> guesses = {last, smooth, (last + smooth) >> 1};
    for (std::size_t i = 0; i < guesses.size(); ++i) {
        const std::int64_t off = number - guesses[i];
        errors[i] = errors[i] - (errors[i] >> 4) + static_cast<std::uint64_t>(off < 0 ? -off : off);
    }
    mean += (number * 16 - mean) >> 2;
    last = number;
}

void ValueModel::restart(std::int64_t number, std::uint8_t to_exponent) {
    exponent = to_exponent;
    is_xor = false;
    last = number;
    mean = number * 16;
    errors = {};
    rice = {};
}

// ---- encoder -----------------------------------------------------------------------------------------

void HistoryEncoder::reset() {
    time_ = {};
    std::fill(models_.begin(), models_.end(), ValueModel{});
    std::fill(block_.begin(), block_.end(), std::byte{0});
    bits_ = 0;
    points_ = 0;
}

void HistoryEncoder::put(std::uint64_t value, unsigned count) {
    while (count > 0) {
        const unsigned room = 8 - static_cast<unsigned>(bits_ % 8);
        const unsigned part = std::min(room, count);
        const auto chunk = static_cast<unsigned>((value >> (count - part)) & ((1u << part) - 1));
        block_[bits_ / 8] |= static_cast<std::byte>(chunk << (room - part));
        bits_ += part;
        count -= part;
    }
}

void HistoryEncoder::put_rice(Rice& rice, std::uint64_t symbol) {
    const unsigned k = rice.parameter();
    const auto quotient = static_cast<unsigned>(symbol >> k);
    put((std::uint64_t{1} << (quotient + 1)) - 2, quotient + 1);
    put(symbol & ((std::uint64_t{1} << k) - 1), k);
    rice.add(symbol);
}

void HistoryEncoder::put_escape() { put((std::uint64_t{1} << quotient_max) - 1, quotient_max); }

// Six bits for its length, then it, without the first one.
void HistoryEncoder::put_number(std::uint64_t value) {
    const auto length = static_cast<unsigned>(std::bit_width(value));
    put(length == 64 ? 63 : length, 6);
    if (length >= 63)
        put(value, 64);
    else if (length > 1)
        put(value & ((std::uint64_t{1} << (length - 1)) - 1), length - 1);
}

void HistoryEncoder::put_time(std::int64_t time, std::uint8_t marks) {
    if (marks != time_.marks) {
        put_escape();
        put(marks_change, 1);
        put(marks, 2);
        time_.marks = marks;
    }
    const std::int64_t delta = difference(time, time_.last);
    time_.last = time;
    const auto known = std::find(time_.deltas.begin(), time_.deltas.begin() + time_.count, delta);
    const auto index = static_cast<std::uint64_t>(known - time_.deltas.begin());
    if (index < time_.count && (index >> time_.rice.parameter()) < quotient_max) {
        put_rice(time_.rice, index);
        time_.use(static_cast<std::size_t>(index));
        return;
    }
    put_escape();
    put(delta_is_new, 1);
    unsigned unit = 0;
    while (delta % units[unit] != 0) ++unit;
    put(unit, 2);
    put_number(zigzag(delta / units[unit]));
    time_.add(delta);
}

void HistoryEncoder::put_xor(ValueModel& model, std::uint64_t bits) {
    const std::uint64_t differing = bits ^ model.bits;
    model.bits = bits;
    if (differing == 0) return put(0, 1);
    const unsigned leading = std::min(static_cast<unsigned>(std::countl_zero(differing)), leading_max);
    const auto trailing = static_cast<unsigned>(std::countr_zero(differing));
    const unsigned length = 64 - leading - trailing;
    const unsigned window_trailing = 64u - model.leading - model.length;
    // A window much wider than what is in it is worth telling a new one.
    if (model.length > 0 && leading >= model.leading && trailing >= window_trailing && model.length <= length + 11) {
        put(0b10, 2);
        put(differing >> window_trailing, model.length);
        return;
    }
    put(0b11, 2);
    put(leading, 5);
    put(length - 1, 6);
    put(differing >> trailing, length);
    model.leading = static_cast<std::uint8_t>(leading);
    model.length = static_cast<std::uint8_t>(length);
}

// As a number of the column's exponent where the code has room for it, else behind an escape.
void HistoryEncoder::put_decimal(ValueModel& model, double value, std::int64_t number, std::uint8_t exponent) {
    const bool fresh = model.is_xor || exponent != model.exponent;
    const std::uint64_t symbol = fresh ? 0 : zigzag(number - model.predicted());
    if (!fresh && (symbol >> model.rice.parameter()) < quotient_max) {
        put_rice(model.rice, symbol);
        model.learn(number);
    } else {
        if (model.is_xor) {
            put(0b11, 2);
            put(leading_escape, 5);
        } else {
            put_escape();
        }
        put(is_number, special_bits);
        put(exponent, 4);
        put_number(zigzag(number));
        if (fresh) {
            model.restart(number, exponent);
        } else {
            model.rice.add(symbol);
            model.learn(number);
        }
    }
    model.bits = std::bit_cast<std::uint64_t>(value);
}

void HistoryEncoder::put_value(ValueModel& model, std::optional<double> value) {
    const auto escape = [&](Special special) {
        if (model.is_xor) {
            put(0b11, 2);
            put(leading_escape, 5);
        } else {
            put_escape();
        }
        put(special, special_bits);
    };
    if (!value) return escape(is_null);
    const auto bits = std::bit_cast<std::uint64_t>(*value);
    const unsigned needed = exponent_of(*value);
    const bool first = points_ == 0;

    if (model.is_xor) {
        model.misfits = needed <= exponent_max ? static_cast<std::uint8_t>(model.misfits + 1) : std::uint8_t{0};
        model.needed = model.misfits <= 1 ? static_cast<std::uint8_t>(needed) : std::max(model.needed, static_cast<std::uint8_t>(needed));
        if (model.misfits < settled) return put_xor(model, bits);
        model.misfits = model.since = 0;
        const auto exponent = std::min(model.needed, static_cast<std::uint8_t>(exponent_max));
        if (const auto number = number_of(*value, exponent)) return put_decimal(model, *value, *number, exponent);
        return put_xor(model, bits);
    }
    const std::optional<std::int64_t> number = number_of(*value, model.exponent);
    if (number) {
        model.misfits = 0;
        // A finer exponent than any value of late needed is given up.
        model.needed = model.since == 0 ? static_cast<std::uint8_t>(needed) : std::max(model.needed, static_cast<std::uint8_t>(needed));
        if (++model.since >= settled) {
            model.since = 0;
            if (model.needed < model.exponent)
                if (const auto coarser = number_of(*value, model.needed)) return put_decimal(model, *value, *coarser, model.needed);
        }
        return put_decimal(model, *value, *number, model.exponent);
    }
    ++model.misfits;
    if (needed <= exponent_max && (first || model.misfits >= misfits_max)) {
        model.misfits = model.since = 0;
        return put_decimal(model, *value, *number_of(*value, needed), static_cast<std::uint8_t>(needed));
    }
    if (model.misfits >= misfits_max || (first && needed > exponent_max)) {
        escape(to_xor);
        put(bits, 64);
        model.is_xor = true;
        model.length = 0;
        model.misfits = 0;
        model.bits = bits;
        return;
    }
    escape(is_double);
    put(bits, 64);
    model.bits = bits;
}

Status HistoryEncoder::append(const HistoryPoint& point) {
    WEIR_ASSERT(point.values.size() == models_.size());
    if (bits_ + time_bits_max + models_.size() * value_bits_max > block_.size() * 8) return Error::full;
    const std::int64_t time = point.time.us();
    put_time(time, point.marks & history_marks);
    for (std::size_t i = 0; i < models_.size(); ++i) put_value(models_[i], point.values[i]);
    least_ = points_ == 0 ? time : std::min(least_, time);
    greatest_ = points_ == 0 ? time : std::max(greatest_, time);
    ++points_;
    return {};
}

// ---- decoder -----------------------------------------------------------------------------------------

std::uint64_t HistoryDecoder::get(unsigned count) {
    if (block_.size() * 8 - at_ < count) {
        good_ = false;
        return 0;
    }
    std::uint64_t value = 0;
    while (count > 0) {
        const unsigned left = 8 - static_cast<unsigned>(at_ % 8);
        const unsigned part = std::min(left, count);
        const unsigned chunk = (static_cast<unsigned>(block_[at_ / 8]) >> (left - part)) & ((1u << part) - 1);
        value = value << part | chunk;
        at_ += part;
        count -= part;
    }
    return value;
}

std::optional<std::uint64_t> HistoryDecoder::get_rice(Rice& rice) {
    unsigned quotient = 0;
    while (quotient < quotient_max && get(1) == 1) ++quotient;
    if (quotient == quotient_max || !good_) return std::nullopt;
    const unsigned k = rice.parameter();
    const std::uint64_t symbol = std::uint64_t{quotient} << k | get(k);
    rice.add(symbol);
    return symbol;
}

std::uint64_t HistoryDecoder::get_number() {
    const auto length = static_cast<unsigned>(get(6));
    if (length == 63) return get(64);
    if (length <= 1) return length;
    return std::uint64_t{1} << (length - 1) | get(length - 1);
}

bool HistoryDecoder::get_time(HistoryPoint& point) {
    for (int escapes = 0; escapes < 3 && good_; ++escapes) {
        const std::optional<std::uint64_t> index = get_rice(time_.rice);
        if (!good_) return false;
        if (index) {
            if (*index >= time_.count) return false;
            time_.last = sum(time_.last, time_.deltas[static_cast<std::size_t>(*index)]);
            time_.use(static_cast<std::size_t>(*index));
        } else if (get(1) == marks_change) {
            time_.marks = static_cast<std::uint8_t>(get(2));
            continue;
        } else {
            const std::int64_t unit = units[static_cast<std::size_t>(get(2))];
            std::int64_t delta = 0;
            if (__builtin_mul_overflow(unzigzag(get_number()), unit, &delta)) return false;
            time_.add(delta);
            time_.last = sum(time_.last, delta);
        }
        point.time = Timestamp::micros(time_.last);
        point.marks = time_.marks;
        return good_;
    }
    return false;
}

// What follows an escape.
bool HistoryDecoder::get_special(ValueModel& model, std::optional<double>& value) {
    switch (get(special_bits)) {
        case is_null: value = std::nullopt; return good_;
        case is_number: {
            const auto exponent = static_cast<unsigned>(get(4));
            const std::int64_t number = unzigzag(get_number());
            if (!good_ || exponent > exponent_max || number > number_max || number < -number_max) return false;
            if (model.is_xor || exponent != model.exponent) {
                model.restart(number, static_cast<std::uint8_t>(exponent));
            } else {
                model.rice.add(zigzag(number - model.predicted()));
                model.learn(number);
            }
            value = static_cast<double>(number) / powers[exponent];
            break;
        }
        case to_xor:
            model.is_xor = true;
            model.length = 0;
            [[fallthrough]];
        default: value = std::bit_cast<double>(get(64)); break;
    }
    model.bits = std::bit_cast<std::uint64_t>(*value);
    return good_;
}

bool HistoryDecoder::get_value(ValueModel& model, std::optional<double>& value) {
    if (!model.is_xor) {
        const std::optional<std::uint64_t> symbol = get_rice(model.rice);
        if (!good_) return false;
        if (!symbol) return get_special(model, value);
        const std::int64_t number = sum(model.predicted(), unzigzag(*symbol));
        if (number > number_max || number < -number_max) return false;
        model.learn(number);
        value = static_cast<double>(number) / powers[model.exponent];
        model.bits = std::bit_cast<std::uint64_t>(*value);
        return true;
    }
    if (get(1) != 0) {
        if (get(1) == 1) {
            const auto leading = static_cast<unsigned>(get(5));
            if (leading == leading_escape) return get_special(model, value);
            const auto length = static_cast<unsigned>(get(6)) + 1;
            if (leading + length > 64) return false;
            model.leading = static_cast<std::uint8_t>(leading);
            model.length = static_cast<std::uint8_t>(length);
        }
        if (model.length == 0) return false;
        model.bits ^= get(model.length) << (64u - model.leading - model.length);
    }
    value = std::bit_cast<double>(model.bits);
    return good_;
}

Result<HistoryPoint> HistoryDecoder::next() {
    HistoryPoint point;
    good_ = good_ && get_time(point);
    for (std::size_t i = 0; i < columns_ && good_; ++i) good_ = get_value(models_[i], values_[i]);
    if (!good_) return Error::corrupt;
    point.values = std::span(values_).first(columns_);
    return point;
}

}  // namespace weir
