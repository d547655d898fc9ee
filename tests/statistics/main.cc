// sketch_statistics [--quick] [SKETCH ...]: the errors of sketches against what is stated of them.
// Ends with 1 when a statement did not hold often enough. --quick: sizes up to 10,000 only, as in
// every test run.
#include <cmath>
#include <cstdio>
#include <string>

#include "sketches/murmur3.h"
#include "tests/statistics/statistics.h"

namespace weir::statistics {

namespace {

constexpr double significance = 1e-6;

// The chance of at most `held` of `trials` when each holds with probability p.
double chance_of_so_few(std::uint64_t held, std::uint64_t trials, double p) {
    if (p >= 1) return held == trials ? 1 : 0;
    double sum = 0;
    const auto n = static_cast<double>(trials);
    for (std::uint64_t i = 0; i <= held; ++i) {
        const auto k = static_cast<double>(i);
        sum += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) +
                        k * std::log(p) + (n - k) * std::log1p(-p));
    }
    return sum;
}

}  // namespace

bool Table::wants(std::string_view sketch) const {
    for (const std::string& wanted : sketches_)
        if (sketch == wanted) return true;
    return sketches_.empty();
}

std::uint64_t Table::seed_of(const Subject& subject) {
    const std::string name = subject.sketch + '/' + subject.parameters + '/' + subject.form + '/' +
                             std::to_string(subject.n);
    return hash_text(name).h1;
}

void Table::print(const Subject& subject, std::uint64_t trials,
                  const std::vector<Statement>& statements) {
    if (rows_++ == 0)
        std::printf("%-15s %-18s %-26s %8s %7s  %-23s %-22s %s\n", "sketch", "parameters", "form",
                    "n", "trials", "share within its bound", "stated", "verdict");
    bool holds = true;
    std::string shares;
    std::string stated;
    for (const Statement& statement : statements) {
        char text[32];
        std::snprintf(text, sizeof text, "%.4f ",
                      static_cast<double>(statement.held) / static_cast<double>(trials));
        shares += text;
        std::snprintf(text, sizeof text, statement.stated == certain ? "certain " : "%.4f ",
                      statement.stated);
        stated += text;
        holds &= chance_of_so_few(statement.held, trials, statement.stated) >= significance;
    }
    std::printf("%-15s %-18s %-26s %8llu %7llu  %-23s %-22s %s\n", subject.sketch.c_str(),
                subject.parameters.c_str(), subject.form.c_str(),
                static_cast<unsigned long long>(subject.n), static_cast<unsigned long long>(trials),
                shares.c_str(), stated.c_str(), holds ? "holds" : "DOES NOT HOLD");
    std::fflush(stdout);
    good_ &= holds;
}

}  // namespace weir::statistics

int main(int argc, char** argv) {
    using namespace weir::statistics;
    struct Part {
        const char* sketch;
        void (*run)(Table& table);
    };
    constexpr Part parts[] = {{"hll", of_hll},
                              {"theta", of_theta},
                              {"kll", of_kll},
                              {"tdigest", of_tdigest},
                              {"log-histogram", of_log_histogram},
                              {"frequent", of_frequent_items},
                              {"countmin", of_count_min}};
    bool quick = false;
    std::vector<std::string> sketches;
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]) == "--quick")
            quick = true;
        else
            sketches.emplace_back(argv[i]);
    }
    for (const std::string& sketch : sketches) {
        bool known = false;
        for (const Part& part : parts) known |= sketch == part.sketch;
        if (known) continue;
        std::fprintf(stderr, "sketch_statistics: no sketch %s; there are", sketch.c_str());
        for (const Part& part : parts) std::fprintf(stderr, " %s", part.sketch);
        std::fprintf(stderr, "\n");
        return 2;
    }
    Table table(quick, sketches);
    for (const Part& part : parts)
        if (table.wants(part.sketch)) part.run(table);
    std::printf("%llu rows, %s\n", static_cast<unsigned long long>(table.rows()),
                table.good() ? "all hold" : "not all hold");
    return table.good() ? 0 : 1;
}
