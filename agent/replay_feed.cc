#include "agent/replay_feed.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace weir {
namespace {

constexpr Duration tick_step = Duration::seconds(1);
constexpr Duration coarse_tick_step = Duration::seconds(30);  // within a gap longer than
constexpr Duration coarse_gap = Duration::minutes(60);
// A line without ARRIVAL came after every event that a payload can speak of; where the payload speaks of no
// time either, all of them came at the epoch.
constexpr Timestamp arrival_unknown = time_limit;
constexpr std::uint64_t lines_a_round = 1024;

Timestamp next_tick(Timestamp last, Timestamp arrival) {
    return last + (arrival - last > coarse_gap ? coarse_tick_step : tick_step);
}

// What a terminal would act on becomes a dot.
std::string printable(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '.';
    return out;
}

void tell_what_was_lost(const Codec& codec, const std::string& name_of_source) {
    for (std::size_t i = 0; i < decode_reasons; ++i) {
        const auto reason = static_cast<DecodeReason>(i);
        if (codec.counters()[reason] == 0) continue;
        std::fprintf(stderr, "replay: source '%s': %" PRIu64 " %s", name_of_source.c_str(),
                     codec.counters()[reason], std::string(name(reason)).c_str());
        for (std::size_t s = 0; s < codec.samples(); ++s)
            if (codec.sample(s).reason == reason) {
                const std::string text = printable(as_text(codec.sample(s).payload()));
                std::fprintf(stderr, ", such as: %.120s", text.c_str());
                break;
            }
        std::fputc('\n', stderr);
    }
}

}  // namespace

ReplayFeed::ReplayFeed(const Assembly& assembly, Analysis& analysis, std::size_t lane, LaneOutput* output)
    : assembly_(assembly), analysis_(analysis), lane_(lane), output_(output) {
    for (std::size_t i = 0; i < assembly.codecs().size(); ++i)
        for (const TopicTemplate& topic : assembly.codecs()[i].topics) sources_.add(topic.filter(), static_cast<std::uint32_t>(i));
}

void ReplayFeed::take(ReplayLine& line, std::optional<std::size_t> source) {
    if (line.arrival_given) tick_until(line.message.arrival);
    if (output_ && ++lines_ % lines_a_round == 0) {
        analysis_.flush();
        output_->end_round(analysis_);
    }
    line.message.arrival_trusted = true;
    if (source) {
        if (lane_of(*source, line.message.topic) == lane_) take_of(line, *source);
        return;
    }
    // Whatever the connection: a file knows none.
    const std::span<const std::uint32_t> sources = sources_.find(line.message.topic);
    for (const std::uint32_t found : sources)
        if (lane_of(found, line.message.topic) == lane_) take_of(line, found);
    if (sources.empty()) ++unrouted_;
}

// The first topic's, if none fits.
std::size_t ReplayFeed::lane_of(std::size_t source, std::string_view topic) const {
    if (!output_) return lane_;
    const std::vector<TopicTemplate>& topics = assembly_.codecs()[source].topics;
    const auto fits = std::find_if(topics.begin(), topics.end(), [&](const TopicTemplate& t) { return t.matches(topic); });
    return assembly_.lane_of(source, fits == topics.end() ? 0 : static_cast<std::size_t>(fits - topics.begin()));
}

void ReplayFeed::take_of(ReplayLine& line, std::size_t source) {
    if (!line.arrival_given) {
        const bool timeless = assembly_.codecs()[source].time.path.empty();
        timeless_lines_ += timeless ? 1 : 0;
        line.message.arrival = timeless ? Timestamp() : arrival_unknown;
    }
    analysis_.message_of(source, line.message);
}

void ReplayFeed::tick_until(Timestamp arrival) {
    if (!ticking_) {
        ticking_ = true;
        last_tick_ = align_down(arrival, tick_step);
    }
    for (Timestamp next = next_tick(last_tick_, arrival); next <= arrival; next = next_tick(last_tick_, arrival)) {
        analysis_.tick(next, true);
        if (output_) output_->end_round(analysis_);
        last_tick_ = next;
    }
}

void ReplayFeed::tell_what_had_no_place() const {
    if (unrouted_ > 0 && lane_ == 0)
        std::fprintf(stderr, "replay: %" PRIu64 " lines whose topic no source has: --source NAME or --topic TOPIC says where they belong\n",
                     unrouted_);
    if (timeless_lines_ > 0)
        std::fprintf(stderr, "replay: %" PRIu64 " lines say no time: they are all taken for 1970-01-01T00:00:00Z. Name a time.field, or give "
                             "ARRIVAL<TAB>TOPIC<TAB> before the payload\n", timeless_lines_);
}

void tell_what_was_lost(const Analysis& analysis, const ReplayReader* reader) {
    for (std::size_t source = 0; source < analysis.assembly().codecs().size(); ++source) {
        const std::string& name_of_source = analysis.assembly().config().sources[source].name;
        tell_what_was_lost(analysis.codec(source), name_of_source);
        tell_what_was_lost(*analysis.topicless_codec(source), name_of_source);
    }
    const EnginePlan& plan = analysis.assembly().engine();
    for (std::size_t source = 0; source < plan.sources(); ++source)
        for (std::size_t i = 0; i < analysis.engine().enrichments(source); ++i) {
            const EnrichmentStatus use = analysis.engine().enrichment_status(source, i);
            if (use.rows.unmatched > 0)
                std::fprintf(stderr, "replay: source '%s': %" PRIu64 " unmatched in table '%s'\n",
                             plan.source(source).name.c_str(), use.rows.unmatched, plan.table(use.table).name.c_str());
        }
    for (std::size_t j = 0; j < plan.joins(); ++j) {
        const JoinStatus status = analysis.engine().join_status(j);
        for (JoinCounter counter : {JoinCounter::late, JoinCounter::key_null, JoinCounter::quarantined, JoinCounter::evicted, JoinCounter::unmatched})
            if (const std::uint64_t count = status.counters[static_cast<std::size_t>(counter)]; count > 0)
                std::fprintf(stderr, "replay: join '%s': %" PRIu64 " %s\n", plan.join(j).name.c_str(), count, std::string(name(counter)).c_str());
    }
    if (reader && reader->oversized_lines() > 0)
        std::fprintf(stderr, "replay: %" PRIu64 " lines longer than max_message\n", reader->oversized_lines());
    for (std::size_t w = 0; w < analysis.assembly().engine().windows(); ++w) {
        const WindowStatus status = analysis.engine().window_status(w);
        for (WindowCounter counter : {WindowCounter::late, WindowCounter::where_null, WindowCounter::quarantined,
                                      WindowCounter::late_after_eviction, WindowCounter::gap_invalid, WindowCounter::folded, WindowCounter::late_aside,
                                      WindowCounter::out_of_order})
            if (const std::uint64_t count = status.counters[static_cast<std::size_t>(counter)]; count > 0)
                std::fprintf(stderr, "replay: window '%s': %" PRIu64 " %s\n",
                             analysis.assembly().engine().window(w).name.c_str(), count,
                             std::string(name(counter)).c_str());
    }
    for (std::size_t p = 0; p < analysis.assembly().engine().patterns(); ++p) {
        const PatternStatus status = analysis.engine().pattern_status(p);
        for (PatternCounter counter : {PatternCounter::late, PatternCounter::where_null, PatternCounter::quarantined,
                                       PatternCounter::groups_full, PatternCounter::pending_full, PatternCounter::runs_given_up})
            if (const std::uint64_t count = status.counters[static_cast<std::size_t>(counter)]; count > 0)
                std::fprintf(stderr, "replay: pattern '%s': %" PRIu64 " %s\n",
                             analysis.assembly().engine().pattern(p).name.c_str(), count,
                             std::string(name(counter)).c_str());
    }
}

}  // namespace weir
