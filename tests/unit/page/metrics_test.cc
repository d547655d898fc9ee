#include "agent/page/metrics.h"

#include <array>
#include <limits>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(PageMetrics) {
    std::array<char, 1024> room;
};

TEST(PageMetrics, a_family_says_what_it_is_before_its_samples) {
    MetricsWriter out(room);
    out.family("weir_x_total", MetricType::counter, "Things.");
    out.natural({{"source", "a"}, {"reason", "b"}}, 18446744073709551615ull);
    out.family("weir_y", MetricType::gauge, "A thing.");
    out.real(0.25);
    CHECK(out.ok());
    STRCMP_EQUAL("# HELP weir_x_total Things.\n# TYPE weir_x_total counter\nweir_x_total{source=\"a\",reason=\"b\"} 18446744073709551615\n"
                 "# HELP weir_y A thing.\n# TYPE weir_y gauge\nweir_y 0.25\n",
                 std::string(out.text()).c_str());
}

TEST(PageMetrics, labels_are_escaped_and_numbers_may_be_none) {
    MetricsWriter out(room);
    out.real({{"name", "a\"b\\c\nd"}}, std::numeric_limits<double>::quiet_NaN());
    out.real(-std::numeric_limits<double>::infinity());
    STRCMP_EQUAL("{name=\"a\\\"b\\\\c\\nd\"} NaN\n -Inf\n", std::string(out.text()).c_str());
}

TEST(PageMetrics, what_does_not_fit_ends_with_a_whole_line) {
    for (std::size_t size = 0; size < 90; ++size) {
        MetricsWriter out({room.data(), size});
        out.family("weir_x", MetricType::gauge, "Things.");
        for (std::uint64_t i = 0; i < 4; ++i) out.natural({{"n", "1"}}, i);
        CHECK(out.text().size() <= size);
        CHECK(out.text().empty() || out.text().ends_with('\n'));
        CHECK_FALSE(out.ok());
    }
}
