#include "uplink/bridge/bridge_group.h"

#include <string>
#include <vector>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

using Partitions = std::vector<std::uint32_t>;

// As Kafka's ConsumerProtocolAssignment: version, topics of (name, partitions), user data.
std::string assignment() {
    const auto number = [](std::uint32_t value, int bytes) {
        std::string out;
        for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xFF);
        return out;
    };
    const auto topic = [&](const std::string& name, const Partitions& partitions) {
        std::string out = number(static_cast<std::uint32_t>(name.size()), 2) + name + number(static_cast<std::uint32_t>(partitions.size()), 4);
        for (const std::uint32_t partition : partitions) out += number(partition, 4);
        return out;
    };
    return number(0, 2) + number(2, 4) + topic("other", {7}) + topic("marks", {0, 3, 300}) + number(0xFFFFFFFF, 4);
}

}  // namespace

TEST_GROUP(bridge_group){};

TEST(bridge_group, partitions_of_the_topic_are_read) {
    CHECK((assigned_partitions(assignment(), "marks") == Partitions{0, 3, 300}));
    CHECK((assigned_partitions(assignment(), "other") == Partitions{7}));
    CHECK(assigned_partitions(assignment(), "none").empty());
    CHECK(assigned_partitions({}, "marks").empty());
}

TEST(bridge_group, what_is_cut_or_damaged_is_bounded_and_gives_nothing_beyond_itself) {
    const std::string whole = assignment();
    for (std::size_t n = 0; n < whole.size() - 4; ++n) CHECK(assigned_partitions(whole.substr(0, n), "marks").empty());
    SeededEntropy random(5);
    for (int i = 0; i < 20000; ++i) {
        std::string bytes = whole;
        for (int k = 0; k < 3; ++k) bytes[random.word() % bytes.size()] = static_cast<char>(random.word());
        CHECK(assigned_partitions(bytes, "marks").size() <= bytes.size() / 4);
    }
}
