#include "uplink/database.h"

#include <sqlite3.h>

#include <cstdio>

#include "agent/base/files.h"
#include "uplink/flash_vfs.h"

namespace weir {
namespace {

Error error_of(int code) {
    switch (code & 0xFF) {
        case SQLITE_FULL: return Error::no_space;
        case SQLITE_NOMEM: return Error::no_memory;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return Error::busy;
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_PROTOCOL: return Error::io;
        default: return Error::corrupt;  // CORRUPT, NOTADB, and schemas that are not ours
    }
}

// The path with what has a meaning in a URI escaped.
std::string immutable_uri(const std::string& path) {
    std::string uri = "file:";
    for (const char c : path) {
        if (c == '%' || c == '?' || c == '#') {
            char escaped[4];
            std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned>(c));
            uri += escaped;
        } else {
            uri += c;
        }
    }
    return uri + "?immutable=1";
}

}  // namespace

void set_sqlite_heap_limit(Bytes limit) { sqlite3_hard_heap_limit64(static_cast<sqlite3_int64>(limit)); }

Statement& Statement::operator=(Statement&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
}
Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int argument, std::int64_t value) {
    sqlite3_bind_int64(handle_, argument, value);
    return *this;
}
Statement& Statement::bind(int argument, ByteSpan value) {
    sqlite3_bind_blob64(handle_, argument, value.data(), value.size(), SQLITE_STATIC);
    return *this;
}

Statement& Statement::bind_null(int argument) {
    sqlite3_bind_null(handle_, argument);
    return *this;
}

Result<bool> Statement::step() {
    const int code = sqlite3_step(handle_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return error_of(code);
}

Status Statement::run() {
    Result<bool> row = step();
    while (row && *row) {
        const Result<bool> next = step();
        if (!next || !*next) {
            reset();
            return next ? Status{} : Status(next.error());
        }
    }
    reset();
    return row ? Status{} : Status(row.error());
}

Result<std::int64_t> Statement::number() {
    const Result<bool> row = step();
    const std::int64_t value = row && *row ? integer(0) : 0;
    reset();
    if (!row) return row.error();
    if (!*row) return Error::missing;
    return value;
}

void Statement::reset() { sqlite3_reset(handle_); }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }
ByteSpan Statement::bytes(int column) const {
    const void* data = sqlite3_column_blob(handle_, column);
    return {static_cast<const std::byte*>(data), static_cast<Bytes>(sqlite3_column_bytes(handle_, column))};
}
bool Statement::is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

Result<std::unique_ptr<Database>> Database::open(const Options& options) {
    if (!register_flash_vfs()) return Error::io;
    if (options.only_read) return open_to_read(options);
    std::unique_ptr<Database> database(new Database());
    const int code = sqlite3_open_v2(options.path.c_str(), &database->handle_,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, flash_vfs_name);
    if (code != SQLITE_OK) return error_of(code);
    sqlite3_extended_result_codes(database->handle_, 1);
    const bool may_write = sqlite3_db_readonly(database->handle_, "main") == 0;
    const Status configured = database->configure(options);
    // That it may only be read is a word of its header: SQLite would believe it, and fail each commit.
    if (may_write && sqlite3_db_readonly(database->handle_, "main") != 0) return Error::corrupt;
    if (!configured) return configured.error();
    return database;
}

// Without a log nothing can be behind the file but a lock, which an agent that runs has together with a log. With one,
// its index lies in memory (exclusive mode), and nothing of it goes into the file when this ends.
Result<std::unique_ptr<Database>> Database::open_to_read(const Options& options) {
    SystemFiles files;
    const Result<Bytes> size = files.size(options.path);
    if (!size) return size.error();
    const Result<Bytes> log = files.size(options.path + "-wal");
    const bool has_log = log && *log > 0;
    std::unique_ptr<Database> database(new Database());
    const std::string name = has_log ? options.path : immutable_uri(options.path);
    const int flags = SQLITE_OPEN_NOMUTEX | (has_log ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    const int code = sqlite3_open_v2(name.c_str(), &database->handle_, flags, flash_vfs_name);
    if (code != SQLITE_OK) return error_of(code);
    sqlite3_extended_result_codes(database->handle_, 1);
    sqlite3_db_config(database->handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    const std::string pragmas = "PRAGMA locking_mode=EXCLUSIVE;PRAGMA temp_store=MEMORY;PRAGMA cell_size_check=ON"
                                ";PRAGMA cache_size=-" + std::to_string(options.cache_bytes >> 10) +
                                ";PRAGMA query_only=ON";
    if (const Status configured = database->execute(pragmas.c_str()); !configured) return configured.error();
    return database;
}

// The page size must come before the first table, exclusive locking before the log is first used.
Status Database::configure(const Options& options) {
    const std::string pragmas =
        "PRAGMA page_size=" + std::to_string(page_bytes) +
        ";PRAGMA locking_mode=EXCLUSIVE"
        ";PRAGMA journal_mode=WAL"
        ";PRAGMA synchronous=FULL"
        ";PRAGMA temp_store=MEMORY"
        ";PRAGMA cell_size_check=ON"
        ";PRAGMA cache_size=-" + std::to_string(options.cache_bytes >> 10) +
        ";PRAGMA wal_autocheckpoint=" + std::to_string(wal_pages) +
        ";PRAGMA journal_size_limit=" + std::to_string(static_cast<Bytes>(wal_pages) * page_bytes) +
        ";PRAGMA max_page_count=" + std::to_string(options.bytes_max / page_bytes);
    return execute(pragmas.c_str());
}

Database::~Database() { sqlite3_close_v2(handle_); }

Status Database::execute(const char* sql) {
    const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? Status{} : Status(error_of(code));
}

Result<Statement> Database::prepare(const char* sql) {
    Statement statement;
    const int code = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement.handle_, nullptr);
    if (code != SQLITE_OK) return error_of(code);
    return statement;
}

Result<std::int64_t> Database::number(const char* sql) {
    Result<Statement> statement = prepare(sql);
    if (!statement) return statement.error();
    return statement->number();
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

// What quick_check cannot read it reports like damage, in words.
Result<bool> Database::sound() {
    const std::uint64_t errors_before = flash_counters().read_errors;
    Result<Statement> check = prepare("PRAGMA quick_check(1)");
    if (!check && check.error() != Error::corrupt) return check.error();
    if (!check) return false;
    const Result<bool> row = check->step();
    if (!row && row.error() != Error::corrupt) return row.error();
    if (row && *row && as_text(check->bytes(0)) == "ok") return true;
    if (flash_counters().read_errors != errors_before) return Error::io;
    return false;
}

Status Database::read_first_page(MutableByteSpan out) {
    sqlite3_file* file = nullptr;
    if (const int code = sqlite3_file_control(handle_, "main", SQLITE_FCNTL_FILE_POINTER, &file); code != SQLITE_OK) return error_of(code);
    if (out.size() != page_bytes || file == nullptr || file->pMethods == nullptr) return Error::invalid;
    const int code = file->pMethods->xRead(file, out.data(), static_cast<int>(out.size()), 0);
    return code == SQLITE_OK ? Status() : Status(error_of(code));
}

std::string Database::message() const { return handle_ == nullptr ? "" : sqlite3_errmsg(handle_); }

}  // namespace weir
