#include "agent/analysis.h"

#include <algorithm>

#include "agent/journal_control.h"

namespace weir {
namespace {

Batch::Params batch_params(const Analysis::Options& options) { return {options.batch_rows, options.text_bytes}; }

// What the decoder of a source has counted.
constexpr Bytes decoded_save_bytes = (4 + decode_reasons + message_ends) * sizeof(std::uint64_t);

void save_decoded(const DecodeCounters& decode, const MessageEnds& ends, ByteWriter& out) {
    for (const std::uint64_t count : {decode.messages, decode.bytes, decode.events, decode.dropped_events}) out.write(count);
    for (const std::uint64_t count : decode.by_reason) out.write(count);
    for (const std::uint64_t count : ends.counts()) out.write(count);
}

DecodeCounters load_decoded(MessageEnds& ends, ByteReader& in) {
    DecodeCounters decode;
    for (std::uint64_t* count : {&decode.messages, &decode.bytes, &decode.events, &decode.dropped_events}) *count = in.read<std::uint64_t>();
    for (std::uint64_t& count : decode.by_reason) count = in.read<std::uint64_t>();
    for (std::uint64_t& count : ends.counts()) count = in.read<std::uint64_t>();
    return decode;
}

class SourceTimes final : public PartitionTimes {
public:
    SourceTimes(const Engine& engine, std::size_t source) : engine_(engine), source_(source) {}
    Timestamp watermark_of(std::uint64_t partition) const override { return engine_.partition_watermark(source_, partition); }

private:
    const Engine& engine_;
    const std::size_t source_;
};

}  // namespace

Bytes Analysis::need(const Assembly& assembly, const Options& options) {
    Bytes total = options.part == Options::Part::lane ? 0 : Alerts::need(assembly) + Anomalies::need(assembly);
    if (options.part == Options::Part::behind_lanes) return total;
    total += Engine::need(assembly.engine());
    for (std::size_t i = 0; i < assembly.codecs().size(); ++i)
        total += Batch::need(assembly.engine().source(i).schema, batch_params(options));
    return total;
}

Bytes Analysis::codecs_need(const Assembly& assembly) {
    Bytes total = DecodeScratch::need(assembly.max_message());
    for (const CodecSpec& codec : assembly.codecs()) {
        total += codec_need(codec);
        for (const TopicTemplate& topic : codec.topics) total += TopicIndex::need(topic.filter());
    }
    return total;
}

Analysis::Analysis(Arena& arena, const Assembly& assembly, const Options& options, OutputSink& out)
    : assembly_(assembly),
      out_(out),
      scratch_(options.part == Options::Part::behind_lanes ? 0 : assembly.max_message()) {
    if (options.part != Options::Part::behind_lanes) engine_.emplace(arena, assembly.engine(), static_cast<RecordSink&>(*this), options.partials);
    if (options.part != Options::Part::lane) {
        alerts_.emplace(arena, assembly, static_cast<AlertSink&>(*this));
        anomalies_.emplace(arena, assembly, static_cast<AnomalySink&>(*this));
    }
    if (!engine_) return;
    if (!options.sketches) engine_->leave_out_sketches();
    const auto add_codec = [&](const CodecSpec& spec, std::vector<std::unique_ptr<Codec>>& to) {
        Problem problem;
        Result<std::unique_ptr<Codec>> codec = make_codec(spec, scratch_, problem);
        WEIR_ASSERT(codec.ok());  // Assembly::make() tried it
        to.push_back(std::move(*codec));
    };
    for (std::size_t i = 0; i < assembly.codecs().size(); ++i) {
        const CodecSpec& spec = assembly.codecs()[i];
        const std::size_t link = assembly.link_of_source(i);
        sources_.resize(std::max(sources_.size(), link + 1));
        for (const TopicTemplate& topic : spec.topics) sources_[link].add(topic.filter(), static_cast<std::uint32_t>(i));
        add_codec(spec, codecs_);
        if (options.topicless) {
            CodecSpec bare = spec;
            bare.topics.clear();
            add_codec(bare, topicless_);
        }
        message_ends_.emplace_back();
        watches_rows_.push_back(alerts_ && assembly.watches_rows(i));
        batches_.push_back(std::make_unique<Batch>(arena, assembly.engine().source(i).schema, batch_params(options)));
    }
}

void Analysis::message(std::size_t link, const Message& message) {
    const std::span<const std::uint32_t> sources =
        link < sources_.size() ? sources_[link].find(message.topic) : std::span<const std::uint32_t>();
    for (const std::uint32_t source : sources) message_of(source, message);
    if (sources.empty()) {
        ++messages_;
        ++unrouted_;
    }
}

void Analysis::message_of(std::size_t source, const Message& message) {
    ++messages_;
    select(source);
    Codec& codec = message.topic.empty() && !topicless_.empty() ? *topicless_[source] : *codecs_[source];
    const MessageEnds::Before before(codec.counters());
    codec.decode(message, *batches_[source], *this);
    message_ends_[source].add(before, codec.counters());
    if (batches_[source]->full() || watches_rows_[source]) flush();
}

// Journal order holds across sources: what is pending goes before the rows of another one.
void Analysis::select(std::size_t source) {
    if (source == source_) return;
    flush();
    source_ = source;
}

void Analysis::flush() {
    if (source_ < batches_.size()) push(*batches_[source_]);
}

void Analysis::push(Batch& batch) {
    if (alerts_) alerts_->observe(source_, batch);
    if (anomalies_) anomalies_->observe(source_, batch);
    if (!batch.empty() || batch.ends_earlier_message()) engine_->push(source_, batch);
    batch.clear();
}

void Analysis::tick(Timestamp arrival, bool trusted) {
    flush();
    engine_->tick(arrival, trusted);
    arrival_ = arrival;
    if (!alerts_) return;
    alerts_->tick(arrival, trusted);
    for (const std::size_t source : alerts_->timed_sources()) {
        const SourceTimes times(*engine_, source);
        alerts_->advance(source, engine_->source_status(source).watermark, &times);
    }
}

void Analysis::control(ByteSpan payload) {
    flush();
    if (const std::optional<Sampling> sampling = read_sampling(payload)) {
        for (std::size_t i = 0; i < codecs_.size(); ++i)
            if (assembly_.link_of_source(i) == sampling->link) engine_->sample(i, std::min<unsigned>(sampling->level, sampled_level_max));
        return;
    }
    if (const std::optional<Acknowledgement> seen = read_acknowledgement(payload); seen && alerts_)
        for (std::size_t i = 0; i < assembly_.alerts().size(); ++i)
            if (assembly_.alerts()[i].definition == seen->definition) (void)alerts_->acknowledge(i, seen->key, arrival_);
    const std::optional<TablePart> part = read_table_part(payload);
    if (!part) return;
    (void)engine_->load_table(part->table, part->bytes, part->offset, part->total).ok();  // the table counts what it refuses
}

unsigned Analysis::sampling_level(std::size_t link) const {
    for (std::size_t i = 0; i < codecs_.size(); ++i)
        if (assembly_.link_of_source(i) == link) return engine_->source_status(i).sampling_level;
    return 0;
}

Status Analysis::load_table(std::size_t table, ByteSpan image) {
    flush();
    return engine_->load_table(table, image, 0, image.size());
}

void Analysis::finish() {
    flush();
    engine_->close_all();
}

void Analysis::finish_partial() {
    flush();
    added_flags_ = record_partial;
    engine_->close_all();
    added_flags_ = 0;
}

void Analysis::emit(const Record& record) {
    // Provisional: for who looks at it now. No alert depends on it, and no number is taken.
    if (record.flags & record_provisional) return out_.result(record);
    Record numbered = record;
    numbered.sequence = ++sequence_;
    numbered.flags = static_cast<std::uint16_t>(numbered.flags | added_flags_);
    out_.result(numbered);
    if (!alerts_) return;
    if (engine_)
        for (const std::size_t source : alerts_->timed_sources()) alerts_->begin_emission(source, engine_->source_status(source).watermark);
    alerts_->observe(numbered);
    anomalies_->observe(numbered);
}

void Analysis::scored(const AnomalyScore& score) {
    out_.score(score);
    alerts_->observe(score.alert, score.verdict.score, *score.record);
}

// An alert's record: the key of the result that decided it; what it is about before its plain values.
void Analysis::transition(const AlertTransition& transition) {
    const Record& result = *transition.result;
    const AlertId id(transition.id);
    std::size_t count = 0;
    alert_values_[count++] = {"state", Value::of_text(name(transition.state))};
    alert_values_[count++] = {"severity", Value::of_text(name(transition.alert->severity))};
    alert_values_[count++] = {"id", Value::of_text(id.text())};
    alert_values_[count++] = {"sequence", Value::of_integer(static_cast<std::int64_t>(transition.sequence))};
    alert_values_[count++] = {"reason", Value::of_text(name(transition.reason))};
    if (!transition.message.empty()) alert_values_[count++] = {"message", Value::of_text(transition.message)};
    const std::size_t room = alert_values_.size() - result.key.size();
    for (const Field& field : result.values) {
        if (is_list(field.value.kind) || count >= room) continue;
        alert_values_[count] = field;
        alert_values_[count].value.sketch = {};
        ++count;
    }
    Record record = result;
    record.kind = RecordKind::alert;
    record.window = transition.alert->name;
    record.definition = transition.definition;
    record.sequence = ++sequence_;
    record.values = std::span(alert_values_).first(count);
    record.state = {};
    out_.alert(transition, record);
}

Bytes Analysis::save_size_max(const Assembly& assembly, Options::Part part) {
    Bytes total = 4 * sizeof(std::uint64_t);
    if (part != Options::Part::behind_lanes) total += assembly.engine().save_size_max() + assembly.codecs().size() * decoded_save_bytes;
    if (part != Options::Part::lane) total += Alerts::save_size_max(assembly) + Anomalies::save_size_max(assembly);
    return total;
}

void Analysis::adopt_decoded(const Analysis& from) {
    for (std::size_t i = 0; i < codecs_.size(); ++i)
        for (std::size_t j = 0; j < from.codecs_.size(); ++j) {
            if (assembly_.config().sources[i].name != from.assembly_.config().sources[j].name) continue;
            const DecodeCounters& decode = from.codecs_[j]->counters();
            // The engine takes over what is defined alike, with its rows.
            const auto rows = engine_->source_status(i).counters[static_cast<std::size_t>(SourceCounter::rows)];
            if (rows != decode.events) continue;
            messages_ += decode.messages;
            codecs_[i]->restore(decode);
            message_ends_[i] = from.message_ends_[j];
        }
}

Status Analysis::save(ByteWriter& out) const {
    out.write(sequence_);
    out.write(messages_);
    out.write(unrouted_);
    out.write(static_cast<std::uint64_t>(arrival_.us()));
    for (std::size_t i = 0; i < codecs_.size(); ++i) save_decoded(codecs_[i]->counters(), message_ends_[i], out);
    if (engine_)
        if (Status saved = engine_->save(out); !saved.ok()) return saved;
    if (alerts_) {
        alerts_->save(out);
        anomalies_->save(out);
    }
    return out.ok() ? Status::success() : Status(Error::full);
}

Status Analysis::load(ByteReader& in) {
    sequence_ = in.read<std::uint64_t>();
    messages_ = in.read<std::uint64_t>();
    unrouted_ = in.read<std::uint64_t>();
    arrival_ = Timestamp::micros(static_cast<std::int64_t>(in.read<std::uint64_t>()));
    for (std::size_t i = 0; i < codecs_.size(); ++i) codecs_[i]->restore(load_decoded(message_ends_[i], in));
    if (engine_)
        if (Status loaded = engine_->load(in); !loaded.ok()) return loaded;
    if (!alerts_) return in.ok() ? Status::success() : Status(Error::truncated);
    if (Status loaded = alerts_->load(in); !loaded.ok()) return loaded;
    return anomalies_->load(in);
}

void Analysis::reset() {
    engine_->reset();
    for (std::size_t i = 0; i < codecs_.size(); ++i) {
        codecs_[i]->restore({});
        message_ends_[i] = {};
    }
    messages_ = unrouted_ = 0;
}

}  // namespace weir
