#include "agent/result_printer.h"

#include <unistd.h>

#include <cerrno>

#include "agent/base/json_writer.h"

namespace weir {
namespace {

constexpr Bytes buffered_bytes = 64 * 1024;

}  // namespace

Bytes ResultPrinter::need(Bytes record_bytes_max) { return buffered_bytes + record_bytes_max; }

ResultPrinter::ResultPrinter(int descriptor, bool sketches, Bytes record_bytes_max)
    : descriptor_(descriptor),
      sketches_(sketches),
      capacity_(need(record_bytes_max)),
      line_bytes_max_(record_bytes_max),
      buffer_(new char[capacity_]) {}

void ResultPrinter::result(const Record& record) {
    if (capacity_ - used_ < line_bytes_max_) flush();
    JsonWriter json({buffer_.get() + used_, capacity_ - used_ - 1});
    RecordJsonOptions options;
    options.sketches = sketches_;
    write_record(json, record, options);
    if (!json.ok()) {
        if (status_.ok()) status_ = Error::out_of_range;
        return;
    }
    used_ += json.text().size();
    buffer_[used_++] = '\n';
}

void ResultPrinter::flush() {
    Bytes done = 0;
    while (done < used_) {
        const ssize_t written = ::write(descriptor_, buffer_.get() + done, used_ - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            if (status_.ok()) status_ = errno == EPIPE ? Error::closed : Error::io;
            break;
        }
        done += static_cast<Bytes>(written);
    }
    used_ = 0;
}

}  // namespace weir
