#include "agent/alert_board.h"

#include <algorithm>

#include "agent/base/json_writer.h"
#include "agent/journal_control.h"
#include "agent/publish_topic.h"

namespace weir {

AlertBoard::AlertBoard(const Assembly& assembly) : assembly_(assembly), open_(open_max) {}

const AlertConfig& AlertBoard::config(const OpenAlert& open) const { return assembly_.config().alerts[assembly_.alerts()[open.alert].alert]; }

void AlertBoard::take(const Alerts& alerts) {
    used_ = 0;
    more_ = 0;
    for (std::size_t i = 0; i < alerts.alerts(); ++i) {
        const AlertTable& table = alerts.table(i);
        for (const AlertKey& key : table.keys()) {
            if (key.shown() == AlertState::cleared) continue;
            if (used_ == open_.size()) {
                ++more_;
                continue;
            }
            OpenAlert& open = open_[used_++];
            open.alert = i;
            open.definition = table.definition();
            open.key = key.hash;
            open.id = key.id;
            open.sequence = key.sequence;
            open.state = key.shown();
            // Of absence the alert's own time is none that people know.
            open.since = Timestamp::micros(assembly_.alerts()[i].kind == AlertKind::absence ? key.end : key.since);
            open.key_size = key_in_topic(table.kept(key), open.key_text).size();
        }
    }
}

void AlertBoard::put(JsonWriter& json) const {
    json.begin_array();
    for (const OpenAlert& each : open()) {
        const auto text = [&](std::string_view name, std::string_view value) {
            json.key(name);
            json.text(value);
        };
        json.begin_object();
        text("alert", config(each).name);
        text("key", each.text());
        text("state", name(each.state));
        text("severity", name(config(each).severity));
        json.key("since");
        json.integer(each.since.ms());
        if (each.state != AlertState::pending) {
            text("id", AlertId(each.id).text());
            json.key("sequence");
            json.natural(each.sequence);
        }
        json.end_object();
    }
    json.end_array();
}

std::string AlertBoard::acknowledge(std::string_view request, Journal& journal, const Clock& clock) const {
    const std::size_t space = request.find(' ');
    const std::string alert(request.substr(0, space));
    const std::string key(space == std::string_view::npos ? "" : request.substr(space + 1));
    const std::vector<AlertPlan>& plans = assembly_.alerts();
    const auto named = [&](const AlertPlan& plan) { return assembly_.config().alerts[plan.alert].name == alert; };
    const auto plan = std::find_if(plans.begin(), plans.end(), named);
    if (plan == plans.end()) return "error: there is no alert '" + alert + "'\n";
    if (assembly_.lanes() > 1) return "error: with several lanes alerts cannot be acknowledged: write lanes = 1 in [agent]\n";
    Acknowledgement seen{plan->definition, 0};
    std::string standing;
    std::size_t count = 0;
    for (const OpenAlert& each : open()) {
        if (each.definition != plan->definition || each.state == AlertState::pending) continue;
        standing += (standing.empty() ? "" : ", ") + std::string(each.text());
        if (!key.empty() && each.text() != key) continue;
        ++count;
        if (!key.empty()) seen.key = each.key;
    }
    if (count == 0)
        return "error: " + alert + " does not stand" + (key.empty() ? "" : " for '" + key + "'") +
               (standing.empty() ? "" : "; it stands for: " + standing) + "\n";
    std::array<std::byte, acknowledgement_bytes> bytes;
    ByteWriter out(bytes);
    write_acknowledgement(out, seen);
    JournalEntry entry;
    entry.kind = EntryKind::control;
    entry.arrival = clock.wall();
    entry.clock_trusted = clock.wall_trusted();
    entry.payload = out.written();
    if (!journal.append(entry).ok()) return "error: the journal has no room at the moment: try again\n";
    return "acknowledged: " + alert + " for " + (key.empty() ? standing : key) + "\n";
}

}  // namespace weir
