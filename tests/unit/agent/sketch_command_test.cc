#include "agent/sketch_command.h"

#include <cstdlib>
#include <fstream>

#include "agent/commands.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(SketchCommand) {
    TemporaryFolder folder;
    int code = -1;
    std::string said;  // on standard error

    std::string run(const std::vector<std::string>& arguments, const std::string& input = "") {
        char* out = nullptr;
        char* err = nullptr;
        std::size_t out_size = 0;
        std::size_t err_size = 0;
        std::FILE* const in_file = std::tmpfile();
        std::fwrite(input.data(), 1, input.size(), in_file);
        std::rewind(in_file);
        std::FILE* const out_file = ::open_memstream(&out, &out_size);
        std::FILE* const err_file = ::open_memstream(&err, &err_size);
        code = run_sketch_command(arguments, {in_file, out_file, err_file});
        std::fclose(in_file);
        std::fclose(out_file);
        std::fclose(err_file);
        const std::string bytes(out, out_size);
        said.assign(err, err_size);
        std::free(out);
        std::free(err);
        return bytes;
    }

    // As a person types it.
    std::string sketch(const std::string& line, const std::string& input = "") {
        std::vector<std::string> words;
        for (std::size_t at = 0; at < line.size();) {
            const std::size_t end = std::min(line.find(' ', at), line.size());
            words.push_back(line.substr(at, end - at));
            at = end + 1;
        }
        return run(words, input);
    }

    std::string file(const std::string& name, const std::string& content) {
        const std::string path = folder.path() + "/" + name;
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }

    static std::string numbers(int from, int to) {
        std::string lines;
        for (int i = from; i < to; ++i) lines += std::to_string(i) + "\n";
        return lines;
    }

    void refused(const std::string& line, const std::string& words, int with = exit_usage, const std::string& input = "") {
        const std::string out = sketch(line, input);
        STRCMP_EQUAL("", out.c_str());
        LONGS_EQUAL_TEXT(with, code, line.c_str());
        STRCMP_CONTAINS_TEXT(words.c_str(), said.c_str(), line.c_str());
    }
};

TEST(SketchCommand, what_it_builds_it_can_read) {
    struct Case {
        const char* build;
        const char* says;
    };
    for (const Case& each : {Case{"build hll --lgk 10 --type 4 --longs", "\"lg_k\":10,\"type\":\"HLL_4\",\"mode\":\"registers\""},
                             Case{"build theta --lgk 9 --serial 4 --strings", "\"serial\":4,\"exact\":false"},
                             Case{"build kll --k 100 --floats", "\"items\":\"floats\",\"items_from\":\"bytes\",\"k\":100,\"n\":2000"},
                             Case{"build kll", "\"items\":\"doubles\",\"items_from\":\"bytes\",\"k\":200,\"n\":2000"},
                             Case{"build tdigest", "\"items\":\"doubles\",\"items_from\":\"bytes\",\"k\":100,\"n\":2000"},
                             Case{"build tdigest --k 50 --floats", "\"items\":\"floats\",\"items_from\":\"bytes\",\"k\":50,\"n\":2000"},
                             Case{"build frequent --lgmap 12 --longs", "\"items\":\"longs\",\"items_from\":\"default\",\"lg_map\":12,\"total_weight\":2000"},
                             Case{"build frequent --lgmap 12", "\"items\":\"strings\",\"items_from\":\"bytes\",\"lg_map\":12"},
                             Case{"build countmin --hashes 3 --buckets 64", "\"counters\":\"doubles\",\"counters_from\":\"bytes\",\"hashes\":3,\"buckets\":64,\"total_weight\":2000"},
                             Case{"build countmin --counters longs", "\"counters\":\"longs\",\"counters_from\":\"bytes\",\"hashes\":4,\"buckets\":2048"}}) {
        const std::string bytes = sketch(each.build, numbers(0, 2000));
        LONGS_EQUAL_TEXT(exit_done, code, said.c_str());
        STRCMP_CONTAINS_TEXT(each.says, sketch("inspect -", bytes).c_str(), each.build);
    }
}

TEST(SketchCommand, lines_may_end_with_cr_lf_and_the_last_one_without) {
    for (const char* kind : {"build hll --longs", "build frequent --strings", "build kll --doubles"}) {
        const std::string bytes = sketch(kind, "1\n2\n3\n");
        CHECK_TEXT(bytes == sketch(kind, "1\r\n2\r\n3"), kind);
        CHECK_TEXT(bytes == sketch(kind, "1\r\n2\r\n3\r\n"), kind);
    }
}

TEST(SketchCommand, a_line_that_crosses_blocks_is_one_item) {
    std::string lines = std::string(300'000, 'a') + "\n";
    while (lines.size() < 1'000'000) lines += "a string of some length\n";
    STRCMP_CONTAINS("\"mode\":\"list\",\"merged\":false,\"relative_error\":4.99267578125e-05,\"estimate\":2.0000", sketch("inspect -", sketch("build hll", lines)).c_str());
}

TEST(SketchCommand, numbers_are_read_as_people_write_them) {
    refused("build kll", "weir: sketch: line 3: expected a number, nan or inf, found '0x'\n", exit_failed, "+5\n -1e3 \n0x\n");
    const std::string good = sketch("inspect -", sketch("build kll", "+5\n -1e3 \n1e-999\n"));
    STRCMP_CONTAINS("\"n\":3,", good.c_str());
    STRCMP_CONTAINS("\"min\":-1000,\"max\":5", good.c_str());
    STRCMP_CONTAINS("\"n\":1,", sketch("inspect -", sketch("build kll", "-inf\n")).c_str());
    STRCMP_CONTAINS("\"estimates\":[{\"item\":-9223372036854775808,\"estimate\":1",
                    sketch("inspect --longs --estimate -9223372036854775808 -", sketch("build countmin --longs", "-9223372036854775808")).c_str());
}

TEST(SketchCommand, a_wrong_line_is_named_and_nothing_is_written) {
    refused("build hll --longs", "line 2: expected an integer from -2^63 to 2^63 - 1, found '9223372036854775808'", exit_failed,
            "9223372036854775807\n9223372036854775808\n");
    refused("build theta --longs", "line 3: expected an integer from -2^63 to 2^63 - 1, found nothing", exit_failed, "1\n2\n\n");
    refused("build kll --floats", "line 1: expected a number that a float holds", exit_failed, "1e39");
    refused("build frequent --weights", "line 1: expected an item, a tab and its weight, found 'a 3'", exit_failed, "a 3\n");
    refused("build frequent --weights", "line 1: expected a weight from 0 to 2^63 - 1 behind the last tab, found '-3'", exit_failed, "a\t-3\n");
    refused("build frequent --lgmap 20", "line 2: a string of 3000 bytes; this sketch takes up to 2047", exit_failed,
            "a\n" + std::string(3000, 'b') + "\n");
}

TEST(SketchCommand, what_is_left_out_is_counted) {
    sketch("build tdigest", "1\nnan\ninf\n-inf\n");
    STRCMP_EQUAL("weir: sketch: 3 of 4 values left out: NaN and infinities\n", said.c_str());
    sketch("build kll", "1\nnan\ninf\n");
    STRCMP_EQUAL("weir: sketch: 1 of 3 values left out: NaN\n", said.c_str());
    const std::string hll = sketch("build hll", "a\n\n\n");
    STRCMP_EQUAL("weir: sketch: 2 of 3 values left out: empty strings\n", said.c_str());
    CHECK(hll == sketch("build hll", "a\n"));
    STRCMP_CONTAINS("\"top\":[{\"item\":\"\",\"estimate\":2", sketch("inspect -", sketch("build frequent", "a\n\n\n")).c_str());
}

TEST(SketchCommand, weights_stand_behind_the_last_tab) {
    const std::string frequent = sketch("build frequent --weights", "a\tb\t7\na\t3\n");
    STRCMP_CONTAINS("\"total_weight\":10,", sketch("inspect -", frequent).c_str());
    STRCMP_CONTAINS("{\"item\":\"a\\tb\",\"estimate\":7", sketch("inspect -", frequent).c_str());
    const std::string count_min = sketch("build countmin --longs --weights", "5\t40\n5\t2\n");
    STRCMP_CONTAINS("\"estimate\":42", sketch("inspect --longs --estimate 5 -", count_min).c_str());
    // Without the flag a tab is a part of the item.
    STRCMP_CONTAINS("{\"item\":\"a\\t3\",\"estimate\":1", sketch("inspect -", sketch("build frequent", "a\t3\n")).c_str());
}

TEST(SketchCommand, strings_of_frequent_may_be_long_and_of_any_bytes) {
    const std::string lines = "a\xFF\n" + std::string(5000, 'x') + "\n" + std::string(5000, 'x') + "\nshort\n";
    const std::string said_of_it = sketch("inspect -", sketch("build frequent", lines));
    STRCMP_CONTAINS(("{\"item\":\"" + std::string(5000, 'x') + "\",\"estimate\":2").c_str(), said_of_it.c_str());
    STRCMP_CONTAINS("{\"item\":\"a\xEF\xBF\xBD\",\"base64\":\"Yf8=\",\"estimate\":1", said_of_it.c_str());
    STRCMP_CONTAINS("\"total_weight\":4,", said_of_it.c_str());
}

TEST(SketchCommand, asked_ranks_quantiles_and_items_are_answered) {
    const std::string kll = sketch("build kll", numbers(1, 101));
    const std::string answer = sketch("inspect --quantile 0.33 --rank 50 --rank=7 -", kll);
    STRCMP_CONTAINS("{\"rank\":0.33,\"value\":33,", answer.c_str());
    STRCMP_CONTAINS("\"ranks\":[{\"value\":50,\"rank\":0.5,\"rank_error\":0},{\"value\":7,\"rank\":0.07,", answer.c_str());
    const std::string frequent = sketch("build frequent", "a\nb\na\n");
    STRCMP_CONTAINS("\"top\":[{\"item\":\"a\",\"estimate\":2,\"lower\":2,\"upper\":2}],\"estimates\":[{\"item\":\"z\",\"estimate\":0",
                    sketch("inspect --items 1 --estimate z -", frequent).c_str());
}

TEST(SketchCommand, merged_is_as_built_of_all) {
    for (const char* kind : {"hll --lgk 14 --longs", "theta --lgk 12 --longs", "countmin --longs", "countmin --longs --counters longs"}) {
        const std::string build = std::string("build ") + kind;
        const std::string a = file("a", sketch(build, numbers(0, 5)));
        const std::string b = file("b", sketch(build, numbers(5, 9)));
        const std::string both = sketch(build, numbers(0, 9));
        const std::string merged = sketch("merge " + a + " " + b);
        LONGS_EQUAL_TEXT(exit_done, code, said.c_str());
        CHECK_TEXT(merged == both, kind);
    }
}

TEST(SketchCommand, merging_loses_no_precision_that_is_there) {
    const std::string small = file("small", sketch("build kll --k 50", numbers(0, 100)));
    const std::string large = file("large", sketch("build kll --k 500", numbers(0, 400)));
    STRCMP_CONTAINS("\"k\":500,\"n\":500,", sketch("inspect -", sketch("merge " + small + " " + large)).c_str());
    STRCMP_CONTAINS("\"k\":60,\"n\":500,", sketch("inspect -", sketch("merge --k 60 " + small + " " + large)).c_str());
    const std::string few = file("few", sketch("build frequent --lgmap 5", numbers(0, 10)));
    const std::string long_one = file("long", sketch("build frequent --lgmap 9", std::string(900, 'y') + "\n"));
    const std::string both = sketch("inspect --items 99 -", sketch("merge " + few + " " + long_one));
    STRCMP_CONTAINS("\"lg_map\":9,\"total_weight\":11,\"retained\":11", both.c_str());
    STRCMP_CONTAINS(std::string(900, 'y').c_str(), both.c_str());
    const std::string wide = file("wide", sketch("build frequent --lgmap 20", numbers(0, 10)));
    const std::string longest = file("longest", sketch("build frequent --lgmap 9", std::string(60'000, 'y') + "\n"));
    refused("merge " + wide + " " + longest, "a frequent sketch cannot be as large", exit_failed);
    STRCMP_CONTAINS("\"retained\":11", sketch("inspect -", sketch("merge --lgmap 9 " + wide + " " + longest)).c_str());
    // An empty one says nothing of its items; floats and doubles of t-digest can be mixed, those of KLL cannot.
    const std::string none = file("none", sketch("build kll --floats", ""));
    STRCMP_CONTAINS("\"items\":\"doubles\",\"items_from\":\"bytes\",\"k\":200,\"n\":100", sketch("inspect -", sketch("merge " + none + " " + small)).c_str());
    const std::string floats = file("floats", sketch("build tdigest --floats", numbers(0, 9)));
    const std::string doubles = file("doubles", sketch("build tdigest", numbers(0, 9)));
    STRCMP_CONTAINS("\"items\":\"doubles\",\"items_from\":\"bytes\",\"k\":100,\"n\":18", sketch("inspect -", sketch("merge " + floats + " " + doubles)).c_str());
    const std::string kll_floats = file("kll_floats", sketch("build kll --floats", numbers(0, 9)));
    refused("merge " + small + " " + kll_floats, "seems to hold other things", exit_failed);
}

TEST(SketchCommand, what_cannot_be_merged_is_refused_with_the_reason) {
    const std::string hll = file("hll", sketch("build hll", "a"));
    const std::string theta = file("theta", sketch("build theta", "a"));
    const std::string narrow = file("narrow", sketch("build countmin --buckets 16", "a"));
    const std::string wide = file("wide", sketch("build countmin --buckets 32", "a"));
    const std::string seeded = file("seeded", sketch("build countmin --seed 7", "a"));
    refused("merge " + hll + " " + theta, hll + " is hll, " + theta + " is theta", exit_failed);
    refused("merge " + narrow + " " + wide, narrow + " has 4 x 16 counters, " + wide + " 4 x 32", exit_failed);
    refused("merge " + seeded, "name it with --seed", exit_failed);
    sketch("merge --seed 7 " + seeded);
    LONGS_EQUAL(exit_done, code);
    refused("merge", "takes the files");
    refused("merge " + hll + " " + folder.path() + "/missing", "missing: cannot be read: missing", exit_failed);
    refused("merge --buckets 16 " + narrow, "unknown option '--buckets'");
    refused("merge --k 16 " + narrow, "countmin has no --k to merge with");
}

TEST(SketchCommand, bytes_that_are_no_sketch_are_refused_with_the_reason) {
    refused("inspect -", "is no sketch: the smallest one has 8 bytes, this has 3", exit_failed, "abc");
    refused("inspect -", "is a CPC sketch, which this program cannot read", exit_failed, std::string("\x02\x01\x10\x0b\x00\x06\xcc\x93", 8));
    refused("inspect -", "its third byte, the family, is 99", exit_failed, "abcdefgh");
    const std::string kll = sketch("build kll", numbers(0, 1000));
    refused("inspect -", "is no kll sketch that can be read", exit_failed, kll.substr(0, kll.size() - 1));
    refused("inspect --longs -", "kll holds no longs", exit_usage, kll);
}

TEST(SketchCommand, no_truncated_and_no_changed_sketch_does_harm) {
    for (const char* kind : {"hll --type 4", "theta --serial 4 --lgk 5", "kll", "kll --floats", "tdigest", "frequent", "frequent --longs", "countmin --buckets 8"}) {
        const std::string bytes = sketch(std::string("build ") + kind, numbers(0, 150));
        for (std::size_t size = 0; size < std::min<std::size_t>(bytes.size(), 200); ++size) sketch("inspect -", bytes.substr(0, size));
        for (std::size_t at = 0; at < std::min<std::size_t>(bytes.size(), 60); ++at)
            for (const unsigned flip : {1u, 0x80u, 0xFFu}) {
                std::string changed = bytes;
                changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ flip);
                sketch("merge -", changed);
                CHECK(code == exit_done || code == exit_failed);
            }
    }
}

TEST(SketchCommand, usage_errors_say_what_is_right) {
    refused("build", "build takes one KIND");
    refused("build hil", "unknown kind 'hil': did you mean 'hll'?");
    refused("biuld hll", "unknown command 'biuld': did you mean 'build'?");
    refused("build hll --lgk 22", "hll: --lgk takes 4 to 21, not '22'");
    refused("build hll --type 5", "hll: --type takes 4, 6 or 8, not '5'");
    refused("build hll --k 5", "hll has no --k");
    refused("build kll --longs", "kll takes --doubles, --floats; not --longs");
    refused("build hll --longs --strings", "exclude each other");
    refused("build hll --lgk", "--lgk needs a value");
    refused("build hll --weights", "--weights is for frequent and countmin only");
    refused("build kll --counters longs", "--counters is for countmin only");
    refused("build countmin --hashes 255 --buckets 67108864", "a countmin sketch cannot be as large");
    refused("inspect --quantile 1.5 -", "--quantile takes a rank from 0 to 1, not '1.5'");
    refused("inspect - -", "can be read once only");
    refused("", "what? build, merge or inspect");
    STRCMP_CONTAINS("weir sketch build KIND", sketch("build --help").c_str());
    LONGS_EQUAL(exit_done, code);
}
