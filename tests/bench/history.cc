// Bytes a point of the history's codec on a folder of series (CSV: timestamp,value): each file as blocks of the size that
// the store uses, block ends, restarts and rows included. Goal: 1.5 on the traffic series.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "uplink/history_codec.h"

namespace {

using namespace weir;

constexpr Bytes block_bytes = 960;

struct Series {
    std::vector<Timestamp> times;
    std::vector<double> values;
};

Series read(const std::filesystem::path& path) {
    Series series;
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        tm civil{};
        const char* const rest = strptime(line.c_str(), "%Y-%m-%d %H:%M:%S", &civil);
        if (rest == nullptr || *rest != ',') continue;
        series.times.push_back(Timestamp::seconds(timegm(&civil)));
        series.values.push_back(std::strtod(rest + 1, nullptr));
    }
    return series;
}

struct Size {
    std::size_t points = 0;
    std::size_t bytes = 0;
    std::size_t blocks = 0;
};

// False: what was read back is not what was written.
bool measure(const Series& series, Size& size) {
    std::vector<std::byte> bytes(block_bytes);
    std::vector<HistoryEncoder::ValueModel> models(1);
    HistoryEncoder encoder(bytes, models);
    std::size_t first = 0;
    const auto end_block = [&](std::size_t end) {
        HistoryDecoder decoder(encoder.bytes(), 1);
        for (; first < end; ++first) {
            const Result<HistoryPoint> point = decoder.next();
            if (!point.ok() || point->time != series.times[first] || point->values[0] != series.values[first]) return false;
        }
        size.bytes += encoder.bytes().size();
        ++size.blocks;
        encoder.reset();
        return true;
    };
    for (std::size_t i = 0; i < series.times.size(); ++i) {
        const std::optional<double> value = series.values[i];
        const HistoryPoint point{series.times[i], 0, std::span(&value, 1)};
        if (encoder.append(point).ok()) continue;
        if (!end_block(i) || !encoder.append(point).ok()) return false;
    }
    size.points += series.times.size();
    return end_block(series.times.size());
}

}  // namespace

int main(int argc, char** argv) {
    const std::filesystem::path folder = argc > 1 ? argv[1] : "../shared/nab/data/realTraffic";
    if (!std::filesystem::is_directory(folder)) {
        std::printf("history: skipped: there is no folder %s\n", folder.c_str());
        return 0;
    }
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    Size all;
    for (const std::filesystem::path& path : files) {
        Size size;
        if (!measure(read(path), size)) {
            std::printf("history: %s does not come back as it was\n", path.c_str());
            return 1;
        }
        std::printf("%-28s %6zu points %6zu bytes in %zu blocks: %.3f bytes a point\n", path.filename().c_str(), size.points, size.bytes, size.blocks,
                    static_cast<double>(size.bytes) / static_cast<double>(size.points));
        all.points += size.points;
        all.bytes += size.bytes;
    }
    std::printf("all: %.3f bytes a point (goal: 1.5)\n", static_cast<double>(all.bytes) / static_cast<double>(all.points));
    return 0;
}
