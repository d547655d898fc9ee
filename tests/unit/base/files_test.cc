#include "agent/base/files.h"

#include <stdlib.h>

#include <cstring>
#include <filesystem>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Files) {
    std::string folder;
    SystemFiles files;

    void setup() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "weir-files-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
    }
    void teardown() override { std::filesystem::remove_all(folder); }
};

TEST(Files, mapped_file_is_made_zeroed_and_keeps_what_is_written) {
    const std::string path = folder + "/ring";
    {
        auto mapped = files.map(path, 10000);
        CHECK(mapped.ok());
        UNSIGNED_LONGS_EQUAL(10000, (*mapped)->memory().size());
        for (const std::byte b : (*mapped)->memory()) CHECK(b == std::byte{0});
        (*mapped)->memory()[9999] = std::byte{7};
        CHECK((*mapped)->sync().ok());
    }
    UNSIGNED_LONGS_EQUAL(10000, *files.size(path));
    CHECK((*files.map(path, 10000))->memory()[9999] == std::byte{7});
}

TEST(Files, file_of_another_size_is_not_mapped_and_not_changed) {
    const std::string path = folder + "/ring";
    CHECK(files.replace(path, as_byte_span("hello"), false).ok());
    CHECK(files.map(path, 100).error() == Error::invalid);
    CHECK(*files.read(path, 100) == "hello");
}

TEST(Files, mapping_where_there_is_no_folder_is_missing) {
    CHECK(files.map(folder + "/none/ring", 100).error() == Error::missing);
}

TEST(Files, replace_replaces_and_leaves_nothing_beside) {
    const std::string path = folder + "/a";
    CHECK(files.replace(path, as_byte_span("one"), true).ok());
    CHECK(files.replace(path, as_byte_span("two"), false).ok());
    CHECK(*files.read(path, 3) == "two");
    CHECK(*files.list(folder) == std::vector<std::string>{"a"});
}

TEST(Files, read_stops_at_its_limit_and_says_what_is_missing) {
    const std::string path = folder + "/a";
    CHECK(files.replace(path, as_byte_span(std::string(40000, 'x')), false).ok());
    CHECK(files.read(path, 39999).error() == Error::out_of_range);
    UNSIGNED_LONGS_EQUAL(40000, files.read(path, 40000)->size());
    CHECK(files.read(folder + "/none", 10).error() == Error::missing);
    CHECK(files.size(folder + "/none").error() == Error::missing);
    CHECK(files.remove(folder + "/none").error() == Error::missing);
    CHECK(files.list(folder + "/none").error() == Error::missing);
}

TEST(Files, folders_are_made_with_those_above_and_may_be_there) {
    CHECK(files.make_folders(folder + "/x/y/z").ok());
    CHECK(files.make_folders(folder + "/x/y").ok());
    CHECK(std::filesystem::is_directory(folder + "/x/y/z"));
}

TEST(Files, list_is_sorted_and_of_plain_files) {
    for (const char* file : {"b", "a", "c"}) CHECK(files.replace(folder + "/" + file, {}, false).ok());
    CHECK(files.make_folders(folder + "/d").ok());
    CHECK(files.rename(folder + "/c", folder + "/e").ok());
    CHECK(*files.list(folder) == std::vector<std::string>({"a", "b", "e"}));
    CHECK(files.remove(folder + "/a").ok());
    CHECK(*files.list(folder) == std::vector<std::string>({"b", "e"}));
}
