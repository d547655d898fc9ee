// weir init: learns from messages what a stream looks like, and writes a configuration for it that
// a person can go on with: topic template, columns, types, time, and a first window. Memory:
// bounded whatever comes: 256 fields, 4,096 topics and 1,024 values a level or field. Cost: add()
// O(bytes of the payload). Threads: one owner. Errors: configuration() gives a Problem if nothing
// came, or nothing that is JSON.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/problem.h"
#include "agent/base/result.h"
#include "agent/base/time.h"
#include "drivers/json_shape.h"

namespace weir {

struct InitOptions {
    std::string url;     // of the broker
    std::string filter;  // what was subscribed to
};

class InitLearner {
public:
    void add(std::string_view topic, std::string_view payload, Timestamp arrival);

    std::uint64_t messages() const { return messages_; }
    // TOML that load_config() accepts.
    Result<std::string> configuration(const InitOptions& options, Problem& problem) const;

private:
    friend class InitWriter;

    // What has been seen of one field.
    struct Field {
        std::array<std::uint64_t, 6> kinds{};  // by JsonKind
        std::uint64_t numeric_texts = 0;
        std::uint64_t iso_texts = 0;
        double least = 0;
        double most = 0;
        double greatest_so_far = 0;  // for disorder, in arrival order
        double disorder = 0;         // how far a value fell behind the greatest before it
        Timestamp iso_greatest = Timestamp::min();
        Duration iso_disorder;
        double arrival_gap_seconds = 0;  // of the last value, read in the unit of its magnitude
        std::set<std::string> values;    // of texts; up to a limit
        std::uint64_t seen() const;
        std::uint64_t numbers() const;
    };

    void add_field(const JsonField& field, Timestamp arrival);

    std::uint64_t messages_ = 0;
    std::uint64_t undecodable_ = 0;
    std::uint64_t events_ = 0;
    std::string undecodable_sample_;
    std::set<std::string> topics_;
    std::map<std::string, Field> fields_;  // by path
    std::vector<std::string> order_;       // paths in order of first appearance
};

}  // namespace weir
