// SQLite as Weir uses it: one connection in WAL mode, exclusive, every commit synced.
// Memory: SQLite's, behind a hard limit of the process (set_sqlite_heap_limit). Cost: SQLite's.
// Threads: one owner a connection. Errors: missing (only to be read), no_space, io, corrupt, busy, no_memory; after any of them
// but busy the state is unknown: destroy the connection and open it again.
// Source: sqlite.org/c3ref.
#pragma once

#include <memory>
#include <string>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace weir {

void set_sqlite_heap_limit(Bytes limit);

class Database;

// A prepared statement. Arguments are numbered from 1, columns from 0. Bound bytes must live until reset.
class Statement {
public:
    Statement() = default;
    Statement(Statement&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
    Statement& operator=(Statement&& other) noexcept;
    ~Statement();

    Statement& bind(int argument, std::int64_t value);
    Statement& bind_bits(int argument, std::uint64_t value) { return bind(argument, static_cast<std::int64_t>(value)); }
    Statement& bind(int argument, ByteSpan value);
    Statement& bind_null(int argument);
    // True: a row is there.
    Result<bool> step();
    // Steps to the end (errors of a sync surface only there) and resets.
    Status run();
    // Steps once and resets; the first column of the row, Error::missing without one.
    Result<std::int64_t> number();
    void reset();

    std::int64_t integer(int column) const;
    std::uint64_t bits(int column) const { return static_cast<std::uint64_t>(integer(column)); }
    ByteSpan bytes(int column) const;  // until the next step or reset
    bool is_null(int column) const;

private:
    friend class Database;
    sqlite3_stmt* handle_ = nullptr;
};

class Database {
public:
    struct Options {
        std::string path;
        Bytes cache_bytes = 0;
        Bytes bytes_max = 0;  // of the file; a multiple of page_bytes
        bool only_read = false;  // nothing is written, made, deleted or locked for longer than reading takes
    };
    static constexpr Bytes page_bytes = 4096;
    static constexpr int wal_pages = 256;  // the log goes into the file when it is longer

    static Result<std::unique_ptr<Database>> open(const Options& options);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Status execute(const char* sql);  // one or more statements, rows ignored, each to its end
    Result<Statement> prepare(const char* sql);
    Result<std::int64_t> number(const char* sql);
    std::int64_t changes() const;
    bool in_transaction() const;
    // Whether the structure holds (PRAGMA quick_check); reads the whole file.
    // An error of the medium or of memory says nothing about that.
    Result<bool> sound();
    std::string message() const;
    // The file's first page, as it lies there whatever the log has of it.
    Status read_first_page(MutableByteSpan out);

private:
    Database() = default;
    static Result<std::unique_ptr<Database>> open_to_read(const Options& options);
    Status configure(const Options& options);
    sqlite3* handle_ = nullptr;
};

}  // namespace weir
