// Anomaly score and forecast of one series, row by row, without a look ahead, in a fixed number of
// bytes. Five members watch for what they are for, and the one that is most surprised scores:
//   novelty     a value far from all of the last 3,500 rows (spikes, new levels)
//   season      a value outside what this part of the season, or of seven seasons, has seen
//   neighbours  a succession of values unlike any remembered (changes of pattern within the range)
//   zscore      far from the median in units of the median absolute deviation
//   forecast    far from what was forecast
// A score of 0.99 (score_shipped) is meant to be worth an alert on every series; one set of constants
// serves all. One event is reported once: for some 180 rows after a report a row that is less
// surprising than a limit sinking from it to nothing scores below 0.97.
// Memory: need(): 992 bytes, all in one block without pointers: it may be moved, copied and kept as bytes.
// Cost: some 2,500 instructions a row. Accuracy: on the Numenta benchmark, see windows/README.md.
// The same rows give the same bytes on every machine: additions, products, quotients and square roots.
// Threads: one owner. Errors: values that are missing, infinite or beyond 1e150 are passed over.
// Source: members' headers; the benchmark is Lavin and Ahmad, 2015 (arXiv 1510.03336).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/time.h"
#include "windows/detector_forecast.h"
#include "windows/detector_grid.h"
#include "windows/detector_neighbours.h"
#include "windows/detector_season.h"
#include "windows/detector_track.h"

namespace weir {

// The members, and all of them together.
enum class DetectorMethod : std::uint8_t { novelty, season, neighbours, zscore, forecast, ensemble };
inline constexpr std::size_t detector_members = 5;
std::string_view name(DetectorMethod method);  // as above

class Detector {
public:
    struct Params {
        DetectorMethod method = DetectorMethod::ensemble;
        Duration season = Duration::seconds(86400);  // at least a millisecond
    };
    struct Verdict {
        double score = 0;     // of this row, in [0, 1]
        double forecast = 0;  // of the next row
        double low = 0;       // it lies between low and high in about 95 of 100 cases
        double high = 0;
        DetectorMethod member = DetectorMethod::ensemble;  // the most surprised, ensemble: none was
    };
    static constexpr double score_shipped = 0.99;

    static constexpr Bytes need(const Params&);
    // REQUIRES: memory of need() bytes, aligned to 8, which then is the detector.
    static Detector* create(MutableByteSpan memory, const Params& params);
    // The detector whose bytes were copied there; nullptr if they are none.
    static Detector* adopt(MutableByteSpan memory);

    Verdict step(Timestamp time, double value);

private:
    explicit Detector(const Params& params) : season_length_(params.season), method_(params.method) {}
    using Surprises = std::array<double, detector_members>;

    void make_room(double value);
    Surprises surprises(Timestamp time, double value, bool outside);
    double spread_factor(double value, double range);
    double report(double surprise);
    bool sound() const;

    Duration season_length_;
    DetectorMethod method_;
    std::uint8_t unused_[7] = {};  // instead of padding, whose bytes would be anyone's
    double least_ = 0;  // ever
    double most_ = 0;
    QuantileTracker percentile_1_;
    QuantileTracker percentile_99_;
    QuantileTracker median_;
    QuantileTracker deviation_;  // median absolute deviation
    ValueGrid grid_;
    Forecaster forecaster_;
    LagNeighbours neighbours_;
    ConformalRank rank_;
    DayEnvelope season_;
    WeekEnvelope seasons_;
    std::array<Calibration, detector_members + 1> calibrations_;
    std::uint32_t rows_ = 0;
    std::uint32_t reported_ = 0;  // the row
    double peak_ = 0;             // its surprise
};

constexpr Bytes Detector::need(const Params&) { return sizeof(Detector); }

}  // namespace weir
