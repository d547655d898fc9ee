// Writes results as JSON lines to a descriptor, through one buffer.
// Memory: need() once, from the heap at start. Cost: O(bytes). Threads: one owner.
// Errors: sticky; a reader that went away is Error::closed.
#pragma once

#include <memory>
#include <span>

#include "agent/analysis.h"
#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

class ResultPrinter final : public OutputSink {
public:
    // record_bytes_max: the longest JSON line.
    ResultPrinter(int descriptor, bool sketches, Bytes record_bytes_max);

    static Bytes need(Bytes record_bytes_max);
    void result(const Record& record) override;
    void alert(const AlertTransition&, const Record&) override {}
    void flush();
    Status status() const { return status_; }

private:
    int descriptor_;
    bool sketches_;
    Bytes capacity_;
    Bytes line_bytes_max_;
    std::unique_ptr<char[]> buffer_;
    Bytes used_ = 0;
    Status status_;
};

}  // namespace weir
