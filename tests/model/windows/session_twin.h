// The slow, obvious twin of session windows: every session keeps its rows; a row is compared with every session of
// its key. Time, partitions and what is not for a window are the other twin's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/model/windows/twin.h"

namespace weir::test {

// What came to be in a session, in the order of the journal: rows, and sessions that were joined to it, from begin
// to end.
struct Happening {
    enum class Kind { row, begin, end } kind = Kind::row;
    TwinRow row;
};

struct SessionResult {
    bool retracted = false;
    std::uint32_t early = 0;
    bool late = false;
    std::string key;
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::uint32_t revision = 0;
    std::vector<TwinRow> rows;  // in journal order
    std::vector<Happening> history;
};

// What twins know of gaps that are expressions: TwinSpec::gap is the place.
inline constexpr const char* gap_texts[] = {"", "n % 9", "lane == 0 ? 0.2 : 3.5",
                                            "n < 0 ? duration('300ms') : n % 2 == 0 ? duration('20s') : duration('1s')"};

class SessionTwin final : public Twin {
public:
    // size is the gap. The sessions end by watermarks in steps of so many ms.
    SessionTwin(const TwinSpec& spec, std::int64_t step) : Twin(spec), step_(step) {}

    std::vector<SessionResult> sessions;
    std::uint64_t joined = 0;
    std::uint64_t joined_many = 0;  // of these, of more than two

private:
    struct Session {
        std::optional<std::string> site;
        std::optional<std::int64_t> lane;
        std::string partition;
        std::int64_t start = 0, end = 0;
        std::vector<std::pair<std::uint64_t, TwinRow>> rows;  // with their place in the journal
        std::vector<Happening> history;
        std::uint32_t revision = 0;
        bool said = false, changed = false;
        bool fresh = false;     // rows since the last early result
        bool belated = false;   // of late rows alone
    };
    std::int64_t kept(const Session& session) const { return spec_.aside && !session.belated ? 0 : spec_.allow; }
    void row(const TwinRow& row) override;
    void emit() override;
    std::int64_t closing(const std::string& partition) const;
    std::int64_t gap_of(const TwinRow& row) const;
    std::int64_t step_of(std::int64_t watermark) const;
    void say(Session& session, bool retracted, std::uint32_t early = 0);
    std::vector<Session> hit_by(const Session& session, bool belated) const;

    std::int64_t step_;
    std::uint64_t place_ = 0;
    std::vector<Session> open_;
};

}  // namespace weir::test
