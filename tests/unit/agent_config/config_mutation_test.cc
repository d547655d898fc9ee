// Broken configurations of all kinds: whatever the text is, reading it ends, with problems or
// without, and what was accepted is written and read back.
#include "agent/config.h"

#include "tests/unit/agent_config/config_fixture.h"

#include <cstdlib>
#include <random>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ConfigMutation) {
    ConfigFixture fix;
    std::mt19937 random{7};

    std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

    void mutate(std::string & text) {
        static const char* const pieces[] = {"\"",
                                             "'",
                                             "[",
                                             "]",
                                             "[[",
                                             "{",
                                             "}",
                                             "=",
                                             "\n",
                                             ".",
                                             "${",
                                             "}",
                                             "$$",
                                             "\\u0000",
                                             "1",
                                             "-",
                                             "99999999999999999999",
                                             "nan",
                                             "inf",
                                             "true",
                                             "1979-05-27",
                                             "\"\"\"",
                                             "#",
                                             "\xFF",
                                             "\xC3",
                                             "[mqtt.x]\n",
                                             "[[alert]]\n",
                                             "tls",
                                             "size",
                                             "\"1m\"",
                                             ",",
                                             "{name}",
                                             "/",
                                             "+",
                                             "0x"};
        const std::size_t at = below(text.size());
        switch (below(5)) {
            case 0: text.erase(at, 1 + below(20)); break;
            case 1: text.insert(at, pieces[below(std::size(pieces))]); break;
            case 2: text[at] = static_cast<char>(random()); break;
            case 3: text.insert(at, text.substr(below(text.size()), below(60))); break;
            default: {
                const std::size_t quote = text.find('"', at);
                if (quote != std::string::npos)
                    text.replace(quote, 1, pieces[below(std::size(pieces))]);
            }
        }
        if (text.empty()) text = "x";
    }

    void read(const std::string& text) {
        const ConfigLoad load = fix.parse(text);
        for (const ConfigProblem& problem : load.problems) {
            CHECK_FALSE(problem.what.empty());
            CHECK(problem.at.file < load.config.files.size());
        }
        CHECK_EQUAL(load.problems.empty(), render_problems(load.config, load.problems).empty());
        if (!load.ok()) return;
        const std::string written = explain(load.config);
        const ConfigLoad again = fix.parse(written);
        CHECK_TEXT(again.ok(), (text + "\n---\n" + ConfigFixture::rendered(again)).c_str());
        STRCMP_EQUAL(written.c_str(), explain(again.config).c_str());
    }
};

TEST(ConfigMutation, a_text_with_a_few_faults_never_crashes) {
    // A longer run: WEIR_ROUNDS=100000, WEIR_SEED=1.
    const char* rounds = std::getenv("WEIR_ROUNDS");
    const char* seed = std::getenv("WEIR_SEED");
    if (seed) random.seed(static_cast<unsigned>(std::atoi(seed)));
    for (int round = 0; round < (rounds ? std::atoi(rounds) : 3000); ++round) {
        std::string text(full_config);
        for (std::size_t faults = 1 + below(4); faults > 0; --faults) mutate(text);
        read(text);
    }
}

TEST(ConfigMutation, a_text_cut_anywhere_never_crashes) {
    for (std::size_t size = 0; size < full_config.size(); size += 3)
        read(std::string(full_config.substr(0, size)));
}

TEST(ConfigMutation, deep_nesting_is_refused) {
    read("a = " + std::string(100'000, '[') + "\n");
    read("a." + std::string(10'000, 'x') + " = 1\n");
    std::string dotted = "a";
    for (int i = 0; i < 3000; ++i) dotted += ".a";
    read(dotted + " = 1\n");
}
