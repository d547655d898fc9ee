// The values a series took lately: 256 bins over their range, each with a time to live. Answers which
// values are known, how far a new one is from the nearest of them, and gives coordinates of one byte.
// The grid is laid anew, coarser or finer, when a value falls outside or the live values fill too little.
// Memory: 280 bytes, no pointers. Cost: O(256) at worst a row, some 10 operations where values recur.
// Accuracy: a bin is 1/205 of the live range when laid, 1/102 at worst; a value not seen again for
// 3,500 rows (14 fewer at most) is forgotten. A gap is right within a bin, or five where the grid was
// laid anew often. Threads: one owner. Errors: none.
#pragma once

#include <array>
#include <cstdint>

namespace weir {

class ValueGrid {
public:
    static constexpr int bins = 256;
    static constexpr std::uint8_t life = 250;        // of a bin, in calls of age()
    static constexpr std::uint32_t rows_per_age = 14;

    // How coordinates change when the grid is laid anew: new = (old - offset) * factor.
    struct Move {
        double offset = 0;
        double factor = 1;
        std::uint8_t operator()(std::uint8_t coordinate) const;
        std::uint16_t fine(std::uint16_t coordinate) const;  // in 256ths of a bin
    };

    // Two different values were seen: there are bins. REQUIRES: values between -1e150 and 1e150.
    bool started() const { return step_ > 0; }
    double step() const { return step_; }
    // Gives the value a bin to fall into; tidy also lays a finer grid where that pays. True: what is
    // kept in coordinates must be moved.
    bool make_room(double value, bool tidy, Move& move);

    // REQUIRES of all below: started(), make_room(value).
    std::uint8_t coordinate(double value) const;
    double position(double value) const { return (value - origin_) / step_; }  // in bins
    double value_at(double position) const { return origin_ + position * step_; }
    // From the value to the nearest known one; 0 if its own bin is known.
    double gap(double value) const;
    // Of the live values and this one.
    double range_with(double value) const;
    void mark(double value);
    // Every rows_per_age rows.
    void age();

    bool sound() const;

private:
    void lay(double origin, double step, Move& move);
    void find_ends();

    double origin_ = 0;  // before the start: the only value
    double step_ = 0;
    std::array<std::uint8_t, bins> life_{};
    std::uint8_t low_ = 0;   // the lowest and highest live bins
    std::uint8_t high_ = 0;
    std::uint8_t seen_ = 0;
    std::uint8_t unused_[5] = {};
};

}  // namespace weir
