#include "agent/scores.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "agent/base/files.h"
#include "windows/civil.h"

namespace weir {
namespace {

void put(std::string& line, std::int64_t number, int digits = 1) {
    char text[24];
    const auto end = std::to_chars(text, text + sizeof text, number).ptr;
    for (auto written = end - text; written < digits; ++written) line += '0';
    line.append(text, end);
}

void put(std::string& line, double number) {
    if (std::isnan(number)) return;
    char text[32];
    line.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void put(std::string& line, Timestamp time) {
    if (!is_timestamp(time.us())) return put(line, time.us());
    const std::int64_t days = floor_divide(time.us(), day_us);
    const std::int64_t rest = floor_modulo(time.us(), day_us);
    const CivilDate date = civil_date(days);
    put(line, date.year, 4), line += '-', put(line, date.month, 2), line += '-', put(line, date.day, 2);
    line += ' ', put(line, rest / hour_us, 2), line += ':', put(line, rest / minute_us % 60, 2);
    line += ':', put(line, rest / second_us % 60, 2);
    if (rest % second_us != 0) line += '.', put(line, rest % second_us, 6);
}

void put_text(std::string& line, std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
        line += text;
        return;
    }
    line += '"';
    for (const char c : text) line.append(c == '"' ? 2 : 1, c);
    line += '"';
}

void put(std::string& line, const Value& value) {
    if (value.kind == ValueKind::integer) put(line, value.integer);
    if (value.kind == ValueKind::boolean) line += value.boolean ? "true" : "false";
    if (value.kind == ValueKind::text) put_text(line, value.text);
}

}  // namespace

std::string scores_path(const std::string& folder, const std::string& alert, const std::string& file) {
    const std::filesystem::path given = std::filesystem::path(file == "-" ? "stdin" : file).lexically_normal();
    const bool within = given.is_relative() && given.begin() != given.end() && *given.begin() != "..";
    std::filesystem::path path = std::filesystem::path(folder) / alert / (within ? given : given.filename());
    if (path.extension() != ".csv") path += ".csv";
    return path.string();
}

Status ScoreFiles::open(const std::string& folder, const std::string& file, Problem& problem) {
    const std::vector<AlertPlan>& plans = assembly_.alerts();
    const auto watched = std::count_if(plans.begin(), plans.end(), [](const AlertPlan& plan) { return plan.anomaly.has_value(); });
    if (watched == 0) {
        problem.what = "--scores: no [[alert]] of the configuration has anomaly = { of = \"...\" }";
        return Error::missing;
    }
    for (const AlertPlan& plan : plans) {
        files_.emplace_back();
        if (!plan.anomaly) continue;
        const std::string path = scores_path(folder, watched > 1 ? assembly_.config().alerts[plan.alert].name : "", file);
        std::error_code ignored;
        if (std::filesystem::equivalent(path, file, ignored)) {
            problem.what = "--scores: " + path + " is the input itself; name another folder";
            return Error::exists;
        }
        const std::string parent = std::filesystem::path(path).parent_path().string();
        const Status made = SystemFiles().make_folders(parent.empty() ? "." : parent);
        files_.back().reset(made.ok() ? std::fopen(path.c_str(), "we") : nullptr);
        if (!files_.back()) {
            problem.what = "--scores: cannot write " + path;
            return Error::io;
        }
        line_ = "timestamp,anomaly_score,value,expected,low,high";
        if (plan.anomaly->of_source)
            for (const std::size_t column : plan.anomaly->by)
                line_ += ',', put_text(line_, assembly_.engine().source(plan.anomaly->from).schema[column].name);
        else
            for (const std::string& column : assembly_.engine().window(plan.anomaly->from).by) line_ += ',', put_text(line_, column);
        line_ += '\n';
        std::fputs(line_.c_str(), files_.back().get());
    }
    return Status::success();
}

void ScoreFiles::score(const AnomalyScore& score) {
    line_.clear();
    put(line_, score.record->start);
    for (const double number : {score.verdict.score, score.value, score.verdict.forecast, score.verdict.low, score.verdict.high})
        line_ += ',', put(line_, number);
    for (const Field& field : score.record->key) line_ += ',', put(line_, field.value);
    line_ += '\n';
    if (std::fwrite(line_.data(), 1, line_.size(), files_[score.alert].get()) != line_.size()) status_ = Error::io;
}

Status ScoreFiles::finish() {
    for (auto& file : files_)
        if (file && std::fclose(file.release()) != 0) status_ = Error::io;
    return status_;
}

}  // namespace weir
