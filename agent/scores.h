// `weir replay --scores DIR`: what the detectors of alerts say of every row, as CSV files.
// For FILE the scores go to DIR/FILE, as FILE was given if that is a path within the current folder, else
// to DIR and its last name; with more than one alert that has anomaly, to DIR/ALERT/FILE. Columns:
//   timestamp       of the event, or the start of the window, in UTC: 2015-09-01 11:25:00
//   anomaly_score   0 to 1
//   value           empty: none
//   expected, low, high   the next value's forecast and the interval that should hold it
// and those of the key. One line a row of the source that could be decoded, or a result of the window, in order.
// Memory: a buffer a file. Cost: O(bytes). Threads: one owner.
// Errors: sticky, told by finish(); a file of DIR that is the input itself is refused.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "agent/analysis.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"

namespace weir {

// DIR/FILE as above; alert: empty if there is but one.
std::string scores_path(const std::string& folder, const std::string& alert, const std::string& file);

// Hands results and alerts on to another sink.
class ScoreFiles final : public OutputSink {
public:
    ScoreFiles(OutputSink& next, const Assembly& assembly) : next_(next), assembly_(assembly) {}
    Status open(const std::string& folder, const std::string& file, Problem& problem);

    void result(const Record& record) override { next_.result(record); }
    void alert(const AlertTransition& transition, const Record& record) override { next_.alert(transition, record); }
    void score(const AnomalyScore& score) override;
    Status finish();

private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    OutputSink& next_;
    const Assembly& assembly_;
    std::vector<std::unique_ptr<std::FILE, Close>> files_;  // by Assembly::alerts(); null: no anomaly
    std::string line_;
    Status status_;
};

}  // namespace weir
