// Vehicles for the benchmarks: the same payloads on every machine, as board/simulate.py would send
// them. Memory: the texts, made once. Threads: constant once made.
#pragma once

#include <cstdint>
#include <cstdio>
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

// Events as a gateway collects them, `events` an array: 1,000 sites, so many events a millisecond, which divides `events`.
inline std::vector<std::string> make_arrays(std::size_t count, std::size_t events, std::size_t a_millisecond, std::size_t padding) {
    std::uint64_t state = 2;
    const auto random = [&state] {  // xorshift64: Marsaglia, 2003
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state >> 11;
    };
    std::vector<std::string> arrays(count);
    std::int64_t ts_ms = 1763712000000;
    for (std::string& array : arrays) {
        for (std::size_t i = 0; i < events; ++i) {
            if (i > 0 && i % a_millisecond == 0) ++ts_ms;
            char event[160];
            const auto speed = static_cast<unsigned>(200 + random() % 900);
            const auto length = static_cast<unsigned>(30 + random() % 90);
            std::snprintf(event, sizeof event,
                          R"(%c{"ts":%lld,"site":"s%03u","lane":%u,"speed":%u.%u,"length":%u.%u,"vid":"%06x"})",
                          i == 0 ? '[' : ',', static_cast<long long>(ts_ms), static_cast<unsigned>(random() % 1000),
                          static_cast<unsigned>(1 + random() % 4), speed / 10, speed % 10, length / 10, length % 10,
                          static_cast<unsigned>(random() % 200000) * 83u % 0x1000000u);
            array += event;
        }
        array += ']';
        ++ts_ms;
        array.reserve(array.size() + padding);
    }
    return arrays;
}

}  // namespace weir::bench
