#include "drivers/replay_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "drivers/replay_line.h"
#include "drivers/timestamps.h"

namespace weir {

namespace {

// Topic and time of a line whose every byte is escaped.
constexpr Bytes line_head_bytes = 512 * 1024;
constexpr Bytes escape_bytes = 4;

Bytes buffer_bytes(const ReplayOptions& options) { return line_head_bytes + escape_bytes * options.line_bytes_max; }

bool is_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Whether text is a time, and which; Error::out_of_range is a time too.
Result<Timestamp> parse_arrival(std::string_view text) {
    return is_digits(text) ? parse_decimal_time(text, TimeUnit::milliseconds) : parse_iso8601(text);
}

}  // namespace

Bytes ReplayReader::need(const ReplayOptions& options) {
    return sizeof(ReplayReader) + buffer_bytes(options) + payload_padding;
}

Result<std::unique_ptr<ReplayReader>> ReplayReader::open(const ReplayOptions& options, Problem& problem) {
    const bool standard_input = options.path == "-";
    const int descriptor = standard_input ? STDIN_FILENO : ::open(options.path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    int error = descriptor >= 0 && ::fstat(descriptor, &info) == 0 ? 0 : errno;
    if (error == 0 && S_ISDIR(info.st_mode)) error = EISDIR;
    if (error != 0) {
        if (descriptor >= 0 && !standard_input) ::close(descriptor);
        problem = {"cannot read '" + options.path + "': " + std::strerror(error), 0};
        return error == ENOENT ? Error::missing : Error::io;
    }
    const std::uint64_t size = S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0;
    std::unique_ptr<ReplayReader> reader(new ReplayReader(options, descriptor, size));
    std::string_view line;
    while (options.csv_header && reader->header_.empty() && reader->fill()) {
        const Bytes begin = reader->begin_;
        if (!reader->take_line(line) || line.empty()) continue;
        if (reader->says_arrival(line)) {  // it was recorded: each message says its columns
            reader->begin_ = begin;
            break;
        }
        if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
        auto header = split_csv_header(line);
        if (!header) {
            problem = {"the header line of '" + options.path + "' has a quote that is not closed", 0};
            return Error::invalid;
        }
        reader->header_ = std::move(*header);
    }
    return reader;
}

ReplayReader::ReplayReader(const ReplayOptions& options, int descriptor, std::uint64_t size_bytes)
    : options_(options),
      descriptor_(descriptor),
      size_bytes_(size_bytes),
      buffer_(new char[buffer_bytes(options) + payload_padding]()),
      capacity_(buffer_bytes(options)) {}

ReplayReader::~ReplayReader() {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
}

bool ReplayReader::fill() {
    make_room();
    bool read = false;
    while (!at_end_ && std::memchr(buffer_.get() + searched_, '\n', end_ - searched_) == nullptr) {
        searched_ = end_;
        if (end_ == capacity_) {  // a line longer than the buffer: its beginning goes, its rest will be skipped
            oversized_lines_ += !skipping_;
            skipping_ = true;
            begin_ = end_ = searched_ = 0;
        }
        read = read_more() || read;
    }
    if (read && options_.progress) options_.progress(done_bytes_, size_bytes_);
    return end_ > begin_;
}

void ReplayReader::make_room() {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    searched_ = 0;
}

bool ReplayReader::read_more() {
    const ssize_t got = ::read(descriptor_, buffer_.get() + end_, capacity_ - end_);
    if (got > 0) {
        end_ += static_cast<Bytes>(got);
        done_bytes_ += static_cast<std::uint64_t>(got);
        return true;
    }
    if (got < 0 && errno == EINTR) return false;
    if (got < 0) status_ = Error::io;
    at_end_ = true;
    return false;
}

// The next whole line, without its end; false if there is none in the buffer.
bool ReplayReader::take_line(std::string_view& line) {
    const char* from = buffer_.get() + begin_;
    const void* newline = std::memchr(from, '\n', end_ - begin_);
    if (newline == nullptr && (!at_end_ || begin_ == end_)) return false;
    const Bytes size = newline ? static_cast<Bytes>(static_cast<const char*>(newline) - from) : end_ - begin_;
    begin_ += size + (newline != nullptr);
    line = {from, size};
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
}

bool ReplayReader::next(ReplayLine& out) {
    std::string_view line;
    while (take_line(line)) {
        if (skipping_) {  // the rest of a line already counted
            skipping_ = false;
            continue;
        }
        if (line.empty()) continue;
        parse(line, out);
        if (out.message.payload.size() > options_.line_bytes_max) {
            ++oversized_lines_;
            continue;
        }
        ++lines_;
        return true;
    }
    return false;
}

bool ReplayReader::says_arrival(std::string_view line) const {
    std::string_view first = line.substr(0, line.find('\t'));
    if (first.size() == line.size() || line.find('\t', first.size() + 1) == std::string_view::npos) return false;
    if (first.ends_with('#')) first.remove_suffix(1);
    return parse_arrival(first).ok();
}

void ReplayReader::parse(std::string_view line, ReplayLine& out) {
    out = {};
    std::string_view topic = options_.topic;
    // The first byte first: looking for a TAB in a long payload that has none takes a pass over it.
    const bool bare = std::string_view("{[\" \t").find(line[0]) != std::string_view::npos;
    const std::size_t tab = bare ? std::string_view::npos : line.find('\t');
    if (tab != std::string_view::npos) {
        topic = line.substr(0, tab);
        line.remove_prefix(tab + 1);
        const std::size_t second = line.find('\t');
        const bool escaped = topic.ends_with('#');
        const Result<Timestamp> arrival = parse_arrival(topic.substr(0, topic.size() - escaped));
        if (second != std::string_view::npos && (arrival.ok() || arrival.error() == Error::out_of_range)) {
            out.arrival_given = arrival.ok();
            if (arrival.ok()) out.message.arrival = *arrival;
            bad_arrivals_ += !arrival.ok();
            topic = line.substr(0, second);
            line.remove_prefix(second + 1);
            for (std::string_view* field : {&topic, &line}) {
                if (!escaped || field->empty()) continue;
                char* const own = buffer_.get() + (field->data() - buffer_.get());
                *field = {own, unescape_replay({own, field->size()})};
            }
        }
    }
    out.message.topic = topic;
    out.message.payload = as_byte_span(line);
}

}  // namespace weir
