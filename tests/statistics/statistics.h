// Stated errors of sketches as statistics: trials with seeds, and a table of how often the truth
// lay within what was stated. A row fails when so few would come in less than one of a million runs
// of a sketch that keeps its word.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/bytes.h"
#include "tests/unit/sketches/sketch_support.h"

namespace weir::statistics {

constexpr double certain = 1;

// One statement about a sketch: how often it held, and how often it should.
struct Statement {
    double stated;
    std::uint64_t held = 0;

    void add(bool holds) { held += holds; }
};

// What a row is about. The name of the sketch picks rows on the command line, too.
struct Subject {
    std::string sketch;
    std::string parameters;
    std::string form;  // whole, merged of parts, settled in less room, ...
    std::uint64_t n;
};

class Table {
public:
    Table(bool quick, std::vector<std::string> sketches)
        : quick_(quick), sketches_(std::move(sketches)) {}
    bool quick() const { return quick_; }
    bool wants(std::string_view sketch) const;
    // Trials of a row: 1,000 for all but the largest sizes would be enough; more make the test
    // sharper.
    std::uint64_t trials(std::uint64_t n) const { return !quick_ && n <= 10000 ? 2000 : 1000; }
    // Runs trial(random) for each trial and prints the row. It gives one bool for each of stated.
    template <typename Trial>
    void row(const Subject& subject, const std::vector<double>& stated, Trial trial) {
        if (quick_ && subject.n > 10000) return;
        const std::uint64_t count = trials(subject.n);
        std::vector<Statement> statements;
        for (double share : stated) statements.push_back({share});
        for (std::uint64_t i = 0; i < count; ++i) {
            Random random(seed_of(subject) + i);
            const std::vector<bool> holds = trial(random);
            for (std::size_t s = 0; s < statements.size(); ++s) statements[s].add(holds[s]);
        }
        print(subject, count, statements);
    }
    bool good() const { return good_; }
    std::uint64_t rows() const { return rows_; }

private:
    static std::uint64_t seed_of(const Subject& subject);
    void print(const Subject& subject, std::uint64_t trials,
               const std::vector<Statement>& statements);

    bool quick_;
    std::vector<std::string> sketches_;
    bool good_ = true;
    std::uint64_t rows_ = 0;
};

// A sketch that has to do with so many bytes; it settles when they are used up.
template <typename Sketch>
class InRoom {
public:
    InRoom(const typename Sketch::Params& params, Bytes bytes)
        : memory_(bytes), sketch_(Sketch::create(memory_, params)) {}
    Sketch* operator->() { return sketch_; }
    Sketch& operator*() { return *sketch_; }

private:
    std::vector<std::byte> memory_;
    Sketch* sketch_;
};

void of_hll(Table& table);
void of_theta(Table& table);
void of_kll(Table& table);
void of_tdigest(Table& table);
void of_log_histogram(Table& table);
void of_frequent_items(Table& table);
void of_count_min(Table& table);

}  // namespace weir::statistics
