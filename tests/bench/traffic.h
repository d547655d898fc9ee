// Vehicles for the benchmarks: the same payloads on every machine, as board/simulate.py would send
// them. Memory: the texts, made once. Threads: constant once made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::bench {

struct Vehicle {
    std::string topic;
    std::string payload;
    std::string site;
    std::int64_t lane = 0;
    std::string vid;
    std::string route;
    double speed = 0;
    std::int64_t ts_ms = 0;
};

// 4 sites of 3 lanes, 5 ms apart, a third of the vehicles seen before; padded for the parser.
inline std::vector<Vehicle> make_traffic(std::size_t count, std::size_t padding) {
    std::uint64_t state = 1;
    const auto random = [&state] {  // splitmix64: Steele, Lea and Flood, 2014
        state += 0x9E3779B97F4A7C15u;
        std::uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    };
    std::vector<Vehicle> vehicles(count);
    for (std::size_t i = 0; i < count; ++i) {
        Vehicle& v = vehicles[i];
        v.site = "s00" + std::to_string(1 + random() % 4);
        v.lane = static_cast<std::int64_t>(1 + random() % 3);
        v.topic = "city/" + v.site + "/loop/" + std::to_string(v.lane);
        static constexpr char hex[] = "0123456789abcdef";
        if (i > 0 && random() % 3 == 0) {
            v.vid = vehicles[random() % i].vid;
        } else {
            for (std::uint64_t bits = random(), n = 0; n < 10; ++n, bits >>= 4)
                v.vid += hex[bits & 15];
        }
        static constexpr const char* routes[] = {"A1-B7", "A1-B9", "A2-B7", "C4-D2", "N7-B9"};
        v.route = routes[random() % 5];
        const std::uint64_t tenths = 200 + random() % 900;
        v.speed = static_cast<double>(tenths) / 10;
        v.ts_ms = 1767225600000 + static_cast<std::int64_t>(i) * 5;
        v.payload = R"({"ts":)" + std::to_string(v.ts_ms) + R"(,"vid":")" + v.vid +
                    R"(","speed":)" + std::to_string(tenths / 10) + "." +
                    std::to_string(tenths % 10) + R"(,"length":4.4,"kind":"car","route":")" +
                    v.route + R"("})";
        v.payload.reserve(v.payload.size() + padding);
    }
    return vehicles;
}

}  // namespace weir::bench
