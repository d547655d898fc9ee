// Reads messages from a file, for `weir replay`: one message a line, in one of these forms.
//     PAYLOAD
//     TOPIC <TAB> PAYLOAD
//     ARRIVAL <TAB> TOPIC <TAB> PAYLOAD       ARRIVAL in milliseconds since 1970, or ISO 8601
// With a '#' behind ARRIVAL, which no topic holds, \n, \r, \t, \\ and \xHH stand for bytes: replay_line.h.
// A line is a PAYLOAD if it begins with '{', '[', '"' or a blank, or holds no TAB. Otherwise it is the third form
// if its first field is digits only or an ISO 8601 time and there is a second TAB; else the second form. (A JSON
// text has no TAB inside its strings, and CSV with commas has none; JSON's TABs between tokens come after
// a bracket, so the first rule holds for them.) Lines end in LF or CRLF; empty lines are skipped.
// Without ARRIVAL the message carries no arrival time: the caller decides (arrival_given).
// Memory: ReplayReader::need(), taken at open(): one buffer of four times the longest message and 512 KiB, since escapes are longer.
// Cost: one read() a buffer, one pass over the bytes. Threads: one owner.
// Errors: open: missing, io. A line whose payload is above line_bytes_max is skipped and counted; a read error ends the input
// and is told by status().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/base/bytes.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"
#include "drivers/codec.h"

namespace weir {

struct ReplayOptions {
    std::string path = {};  // "-": standard input
    std::string topic = {};  // of lines that name none
    bool csv_header = false;  // the first line names the columns, unless it says an ARRIVAL: see header()
    Bytes line_bytes_max = 256 * 1024;
    // Called after each buffer; size is 0 where it is not known (a pipe).
    std::function<void(std::uint64_t done_bytes, std::uint64_t size_bytes)> progress = {};
};

struct ReplayLine {
    Message message;             // padded as a codec requires
    bool arrival_given = false;  // message.arrival came from the line
};

// while (reader.fill()) { while (reader.next(line)) codec.decode(...); push and clear the batch; }
class ReplayReader {
public:
    static Bytes need(const ReplayOptions& options);
    static Result<std::unique_ptr<ReplayReader>> open(const ReplayOptions& options, Problem& problem);
    ~ReplayReader();

    // Reads on; false at the end. Every view given out before is gone: push and clear the batch first.
    bool fill();
    // The next line in the buffer; false: call fill().
    bool next(ReplayLine& line);

    const std::vector<std::string>& header() const { return header_; }  // empty without csv_header
    Status status() const { return status_; }
    std::uint64_t lines() const { return lines_; }
    std::uint64_t oversized_lines() const { return oversized_lines_; }
    std::uint64_t bad_arrivals() const { return bad_arrivals_; }  // before 1970 or after 2199: as if not given

private:
    ReplayReader(const ReplayOptions& options, int descriptor, std::uint64_t size_bytes);
    bool take_line(std::string_view& line);
    bool says_arrival(std::string_view line) const;
    bool read_more();
    void make_room();
    void parse(std::string_view line, ReplayLine& out);

    ReplayOptions options_;
    int descriptor_;
    std::uint64_t size_bytes_;
    std::uint64_t done_bytes_ = 0;
    std::unique_ptr<char[]> buffer_;
    Bytes capacity_;
    Bytes begin_ = 0;    // of the next line
    Bytes end_ = 0;      // of what was read
    Bytes searched_ = 0;     // no line end between begin_ and here
    bool skipping_ = false;  // inside a line that is too long
    bool at_end_ = false;
    Status status_;
    std::vector<std::string> header_;
    std::uint64_t lines_ = 0;
    std::uint64_t oversized_lines_ = 0;
    std::uint64_t bad_arrivals_ = 0;
};

}  // namespace weir
