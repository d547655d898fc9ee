#include "agent/alert_absence.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "windows/engine.h"

namespace weir {
namespace {

constexpr std::int64_t never_came = -1;  // AlertKey::held of one that was only expected
constexpr std::string_view silent_name = "silent";

}  // namespace

Bytes AlertAbsence::need(const Assembly& assembly) {
    Bytes total = 0;
    for (const AlertPlan& plan : assembly.alerts())
        if (plan.kind == AlertKind::absence) total += RowFields::need(assembly.engine().source(plan.from).schema, plan.by);
    return total;
}

AlertAbsence::AlertAbsence(Arena& arena, const Assembly& assembly) {
    for (std::size_t i = 0; i < assembly.alerts().size(); ++i) {
        const AlertPlan& plan = assembly.alerts()[i];
        if (plan.kind != AlertKind::absence) continue;
        const AlertConfig& alert = assembly.config().alerts[plan.alert];
        const Schema& schema = assembly.engine().source(plan.from).schema;
        Watch watch;
        watch.alert = i;
        watch.source = plan.from;
        watch.absent = alert.absent;
        watch.fields = std::make_unique<RowFields>(arena, schema, plan.by);
        if (!plan.by.empty()) watch.key_name = schema[plan.by[0]].name;
        for (const ConfigString& text : alert.expect) {
            auto one = std::make_unique<Watch::Expected>();
            one->text = text.text;
            one->value = Value::of_text(one->text);
            if (schema[plan.by[0]].type == ColumnType::integer) {
                std::int64_t number = 0;
                std::from_chars(one->text.data(), one->text.data() + one->text.size(), number);  // the configuration has been checked
                one->value = Value::of_integer(number);
            }
            watch.expected.push_back(std::move(one));
        }
        watches_.push_back(std::move(watch));
    }
}

void AlertAbsence::bind(std::size_t alert, AlertLife& life) {
    for (Watch& watch : watches_)
        if (watch.alert == alert) watch.table = &life.table();
}

void AlertAbsence::observe(std::size_t source, const Batch& batch) {
    for (Watch& watch : watches_) {
        if (watch.source != source) continue;
        for (std::size_t row = 0; row < batch.rows(); ++row) come(watch, batch, row);
    }
}

// Its key, and how long it has been silent.
Record AlertAbsence::record_of(Watch& watch, const AlertKey& key, Field& silent) const {
    Record record = watch.table->kept(key);
    silent = {silent_name, Value::of_real(static_cast<double>(elapsed_ - key.last) / 1e6)};
    record.end = std::max(record.start, arrival_);
    record.flags = trusted_ ? 0 : static_cast<std::uint16_t>(record_clock_untrusted);
    record.values = std::span(&silent, 1);
    return record;
}

void AlertAbsence::come(Watch& watch, const Batch& batch, std::size_t row) {
    const std::uint64_t hash = watch.fields->hash(batch, row);
    AlertKey* key = watch.table->find(hash);
    if (key == nullptr) {
        if (watch.table->full()) {
            ++unwatched_;
            return;
        }
        key = &watch.table->add(hash, elapsed_);
        Record record;
        record.start = record.end = arrival_;
        record.key = watch.fields->key();
        watch.table->keep(*key, record);
    }
    if (key->state == AlertState::raised) {
        Field silent;
        const Record record = record_of(watch, *key, silent);
        watch.table->clear(*key, elapsed_, AlertReason::came, &record);
    }
    key->last = key->held = elapsed_;
    key->start = key->end = arrival_.us();
    watch.due = std::min(watch.due, elapsed_ + watch.absent.us());
}

void AlertAbsence::seed(Watch& watch) {
    for (const auto& expected : watch.expected) {
        const Field field{watch.key_name, expected->value};
        const std::uint64_t hash = hash_of_key(std::span(&field, 1));
        if (watch.table->find(hash) != nullptr || watch.table->full()) continue;
        AlertKey& key = watch.table->add(hash, elapsed_);
        Record record;
        record.start = record.end = arrival_;
        record.key = std::span(&field, 1);
        watch.table->keep(key, record);
        key.last = elapsed_;
        key.held = never_came;
    }
    watch.due = 0;
}

// What an earlier configuration expected, and never came, nobody waits for any more.
void AlertAbsence::forget_unexpected(Watch& watch) {
    for (AlertKey& key : watch.table->keys()) {
        const auto is_it = [&](const auto& expected) {
            const Field field{watch.key_name, expected->value};
            return hash_of_key(std::span(&field, 1)) == key.hash;
        };
        if (key.held != never_came || std::any_of(watch.expected.begin(), watch.expected.end(), is_it)) continue;
        Field silent;
        const Record record = record_of(watch, key, silent);
        if (key.state == AlertState::raised) watch.table->clear(key, elapsed_, AlertReason::forgotten, &record);
        key.last = std::numeric_limits<std::int64_t>::max() - watch.absent.us();  // silent for ever, unless it comes
    }
}

void AlertAbsence::tick(Timestamp arrival, bool trusted) {
    if (watches_.empty()) return;
    const Duration step = arrival - arrival_;
    if (ticking_ && trusted == trusted_ && step > Duration()) elapsed_ += std::min(step, Engine::arrival_step_max).us();
    arrival_ = arrival;
    trusted_ = trusted;
    for (Watch& watch : watches_) {
        if (!ticking_ || reconcile_) seed(watch);
        if (reconcile_) forget_unexpected(watch);
        look(watch);
    }
    ticking_ = true;
    reconcile_ = false;
}

void AlertAbsence::look(Watch& watch) {
    if (elapsed_ < watch.due) return;
    watch.due = std::numeric_limits<std::int64_t>::max();
    for (AlertKey& key : watch.table->keys()) {
        if (key.state != AlertState::raised && elapsed_ - key.last >= watch.absent.us()) {
            Field silent;
            Record record = record_of(watch, key, silent);
            const std::int64_t came = key.held;
            watch.table->keep(key, record);
            watch.table->raise(key, elapsed_, AlertReason::absent, &record);
            key.held = came;
        }
        if (key.flapping && elapsed_ >= watch.table->calm_at(key)) watch.table->calm_down(key, elapsed_);
        if (key.state != AlertState::raised) watch.due = std::min(watch.due, key.last + watch.absent.us());
        if (key.flapping) watch.due = std::min(watch.due, watch.table->calm_at(key));
    }
}

void AlertAbsence::adopt(const AlertAbsence& from) {
    elapsed_ = from.elapsed_;
    arrival_ = from.arrival_;
    trusted_ = from.trusted_;
    ticking_ = from.ticking_;
    unwatched_ = from.unwatched_;
    reconcile_ = true;
}

void AlertAbsence::save(ByteWriter& out) const {
    out.write(static_cast<std::uint64_t>(elapsed_));
    out.write(static_cast<std::uint64_t>(arrival_.us()));
    out.write(unwatched_);
    for (const bool flag : {trusted_, ticking_, reconcile_}) out.write(static_cast<std::uint8_t>(flag));
}

Status AlertAbsence::load(ByteReader& in) {
    elapsed_ = static_cast<std::int64_t>(in.read<std::uint64_t>());
    arrival_ = Timestamp::micros(static_cast<std::int64_t>(in.read<std::uint64_t>()));
    unwatched_ = in.read<std::uint64_t>();
    for (bool* flag : {&trusted_, &ticking_, &reconcile_}) *flag = in.read<std::uint8_t>() != 0;
    for (Watch& watch : watches_) watch.due = 0;
    return in.ok() ? Status::success() : Status(Error::truncated);
}

}  // namespace weir
