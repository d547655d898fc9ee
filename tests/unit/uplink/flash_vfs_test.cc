#include "uplink/flash_vfs.h"

#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>

#include "uplink/database.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

class FailFrom final : public FlashFault {
public:
    int before(FlashOperation operation) override {
        return operation == which && countdown-- <= 0 ? code : SQLITE_OK;
    }
    FlashOperation which = FlashOperation::sync;
    int countdown = 0;
    int code = SQLITE_IOERR_FSYNC;
};

}  // namespace

TEST_GROUP(FlashVfs) {
    std::string path = "/tmp/weir-vfs-test-" + std::to_string(getpid()) + ".db";
    void teardown() override {
        set_flash_fault(nullptr);
        for (const char* part : {"", "-wal"}) std::filesystem::remove(path + part);
    }
};

TEST(FlashVfs, counts_what_a_commit_writes_and_syncs) {
    auto database = std::move(*Database::open({path, Bytes{64} << 10, Bytes{1} << 20}));
    CHECK_TRUE(database->execute("CREATE TABLE t(x)").ok());
    const FlashCounters before = flash_counters();
    CHECK_TRUE(database->execute("INSERT INTO t VALUES(1)").ok());
    const FlashCounters after = flash_counters();
    CHECK_EQUAL(1, after.syncs - before.syncs);
    CHECK_TRUE(after.written_bytes - before.written_bytes >= 4096);
    CHECK_TRUE(after.written_bytes - before.written_bytes <= 3 * 4200);
    CHECK_FALSE(std::filesystem::exists(path + "-shm"));
}

TEST(FlashVfs, errors_of_the_medium_keep_their_kind) {
    auto database = std::move(*Database::open({path, Bytes{64} << 10, Bytes{1} << 20}));
    CHECK_TRUE(database->execute("CREATE TABLE t(x)").ok());
    FailFrom fault;
    set_flash_fault(&fault);
    CHECK_TRUE(database->execute("INSERT INTO t VALUES(1)").error() == Error::io);
    fault.which = FlashOperation::write;
    fault.code = SQLITE_FULL;
    CHECK_TRUE(database->execute("INSERT INTO t VALUES(1)").error() == Error::no_space);
}
