// The slow, obvious twin of session windows: every session keeps its rows; a row is compared with every session of
// its key. Time, partitions and what is not for a window are the other twin's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/model/windows/twin.h"

namespace weir::test {

struct SessionResult {
    bool retracted = false;
    std::string key;
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::uint32_t revision = 0;
    std::vector<TwinRow> rows;  // in journal order
};

class SessionTwin final : public Twin {
public:
    // size is the gap. The sessions end by watermarks in steps of so many ms.
    SessionTwin(const TwinSpec& spec, std::int64_t step) : Twin(spec), step_(step) {}

    std::vector<SessionResult> sessions;
    std::uint64_t joined = 0;

private:
    struct Session {
        std::optional<std::string> site;
        std::optional<std::int64_t> lane;
        std::string partition;
        std::int64_t start = 0, end = 0;
        std::vector<std::pair<std::uint64_t, TwinRow>> rows;  // with their place in the journal
        std::uint32_t revision = 0;
        bool said = false, changed = false;
    };
    void row(const TwinRow& row) override;
    void emit() override;
    std::int64_t closing(const std::string& partition) const;
    void say(Session& session, bool retracted);

    std::int64_t step_;
    std::uint64_t place_ = 0;
    std::vector<Session> open_;
};

}  // namespace weir::test
