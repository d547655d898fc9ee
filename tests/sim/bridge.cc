#include "tests/sim/bridge.h"

#include "agent/base/hash.h"
#include "uplink/result_codec.h"

namespace weir::sim {

Delivered describe(const Record& record, std::vector<std::byte>& scratch) {
    Record plain = record;
    plain.partition = 0;  // not on the wire
    if (scratch.size() < encoded_size(plain)) scratch.resize(2 * encoded_size(plain));
    ByteWriter out(scratch);
    WEIR_ASSERT(encode(plain, out).ok());
    Delivered is;
    is.sequence = record.sequence;
    is.kind = record.kind;
    is.flags = record.flags;
    is.window = record.window;
    is.start = record.start;
    is.end = record.end;
    is.revision = record.revision;
    is.content = hash64(out.written());
    for (const Field& field : record.key) {
        is.key += field.value.kind == ValueKind::text ? std::string(field.value.text) : std::to_string(field.value.integer);
        is.key += '|';
    }
    if (record.flags & record_other) is.key += "(other)";
    is.identity = is.window + "/" + hex(record.definition) + "/" + is.key + "/" + std::to_string(record.start.us()) + "/" +
                  std::to_string(record.end.us());
    for (const Field& field : record.values) {
        if (field.name == "n") is.n = field.value.integer;
        if (field.name.starts_with("digits")) is.digits.push_back(field.value.kind == ValueKind::integer ? field.value.integer : 0);
    }
    return is;
}

SimBridge::SimBridge(std::string name, std::shared_ptr<const TlsContext> tls, Kafka& kafka, const Clock& clock)
    : name_(std::move(name)), tls_(std::move(tls)), kafka_(kafka), clock_(clock), block_(BlockUnpacker::need()),
      arena_(block_.memory()), unpacker_(arena_), storage_(std::make_unique<RecordStorage>()), raw_(block_raw_bytes_max) {}

SimBridge::~SimBridge() = default;

void SimBridge::kill() {
    state_ = State::down;
    sessions_.clear();
    requests_.clear();
    live_.clear();
    producer_ = 0;
}

void SimBridge::accept(std::unique_ptr<Stream> stream) {
    auto tls = TlsStream::make(tls_, std::move(stream), "");
    WEIR_ASSERT(tls.ok());
    const SessionId id = next_id_++;
    sessions_[id] = std::make_unique<Session>(id, std::move(*tls), "agent");
}

Session* SimBridge::find(SessionId id) {
    const auto at = sessions_.find(id);
    return at == sessions_.end() ? nullptr : at->second.get();
}

// Rules 1 and 2: first the producer before us is fenced, then the marks are read.
bool SimBridge::own_partition() {
    if (producer_ != 0) return true;
    producer_ = kafka_.open_producer();
    if (producer_ == 0) return false;
    marks_ = kafka_.read_marks();
    live_.clear();
    return true;
}

void SimBridge::lose_sessions() {
    producer_ = 0;
    live_.clear();
    requests_.clear();
    for (auto& [id, session] : sessions_) session->stream().close();
    sessions_.clear();
}

void SimBridge::step() {
    if (state_ != State::running) return;
    for (auto at = sessions_.begin(); at != sessions_.end();) {
        const bool goes_on = advance(*at->second);
        at = goes_on ? std::next(at) : sessions_.erase(at);
    }
    if (!requests_.empty()) commit();
    for (auto& [id, session] : sessions_)
        if (session->stream().established()) (void)session->flush();
}

bool SimBridge::advance(Session& session) {
    if (session.phase == Session::Phase::handshake) {
        const Status done = session.stream().handshake();
        if (done.error() == Error::busy) return true;
        if (!done.ok()) return false;
        session.phase = Session::Phase::greeting;
    }
    for (;;) {
        const Result<ByteSpan> bytes = session.front_frame();
        if (bytes.ok()) {
            const Result<Frame> frame = decode_frame(*bytes);
            const Bytes size = bytes->size();
            if (!frame.ok()) {
                trouble_ = "a frame that means nothing";
                return false;
            }
            if (!on_frame(session, *frame)) {
                (void)session.flush();
                session.stream().close();
                return false;
            }
            session.drop_frame(size);
            continue;
        }
        if (bytes.error() != Error::truncated) return false;
        const Status filled = session.fill();
        if (filled.error() == Error::busy) break;
        if (!filled.ok()) return false;
    }
    const Status sent = session.flush();
    return sent.ok() || sent.error() == Error::busy;
}

bool SimBridge::refuse(Session& session, RefusalCode code, const std::string& text) {
    session.queue(RefusalFrame{code, text});
    return false;
}

bool SimBridge::on_frame(Session& session, const Frame& frame) {
    if (frame.kind == FrameKind::ping) return frame.ping.reply || session.queue(PingFrame{frame.ping.number, true});
    if (frame.kind == FrameKind::records && session.phase == Session::Phase::serving) return on_records(session, frame.records);
    if (frame.kind != FrameKind::hello || session.phase != Session::Phase::greeting) {
        trouble_ = "a frame out of turn";
        return false;
    }
    if (frame.hello.agent != session.stream().peer_name()) return refuse(session, RefusalCode::identity, "another's name");
    session.agent = std::string(frame.hello.agent);
    session.incarnation = frame.hello.incarnation;
    for (auto& [id, other] : sessions_)
        if (id != session.id && other->agent == session.agent) other->phase = Session::Phase::closing;
    std::erase_if(sessions_, [](const auto& entry) { return entry.second->phase == Session::Phase::closing; });
    session.phase = Session::Phase::waiting;
    requests_.push_back({session.id, true, session.agent, frame.hello.incarnation, frame.hello.epoch, {}});
    return true;
}

bool SimBridge::on_records(Session& session, const RecordsFrame& records) {
    const Result<ByteSpan> raw = unpacker_.unpack(records.block, records.raw_size, raw_);
    Request request{session.id, false, session.agent, session.incarnation, 0, {}};
    if (raw.ok()) {
        ResultReader reader(*raw);
        for (ByteSpan bytes; reader.next(bytes);) {
            const Result<ShippedRecord> shipped = decode_result(bytes, *storage_);
            if (!shipped.ok()) break;
            request.records.push_back(form(session, *shipped));
        }
    }
    if (request.records.size() != records.count || request.records.empty() || request.records.back().ship != records.last_ship) {
        trouble_ = "a block of records that means nothing";
        return false;
    }
    requests_.push_back(std::move(request));
    return true;
}

Delivered SimBridge::form(const Session& session, const ShippedRecord& shipped) {
    Delivered is = describe(shipped.record, encoded_);
    is.agent = session.agent;
    is.incarnation = session.incarnation;
    is.epoch = shipped.epoch;
    is.ship = shipped.ship;
    return is;
}

// Rules 3 and 4: a greeting writes the mark; records count above it, of sessions that greeted; events leave after the commit.
void SimBridge::commit() {
    if (!own_partition()) {
        requests_.clear();
        return lose_sessions();
    }
    std::map<std::string, Mark> marks;
    std::map<std::string, SessionId> live = live_;
    std::vector<Delivered> records;
    struct Answer {
        SessionId session;
        bool welcome;
        std::uint64_t ship;
    };
    std::vector<Answer> answers;
    std::vector<SessionId> stale;
    for (Request& request : requests_) {
        const auto known = marks_.find(request.agent);
        if (marks.count(request.agent) == 0 && known != marks_.end()) marks[request.agent] = known->second;
        if (request.greeting) {
            const bool seen = marks.count(request.agent) > 0;
            Mark& mark = marks[request.agent];
            if (greet(mark, seen, request.incarnation, request.epoch) == Greeting::stale) {
                stale.push_back(request.session);
                continue;
            }
            live[request.agent] = request.session;
            answers.push_back({request.session, true, mark.ship});
            continue;
        }
        const auto session = live.find(request.agent);
        if (session == live.end() || session->second != request.session) continue;
        Mark& mark = marks[request.agent];
        for (Delivered& record : request.records) {
            if (record.ship <= mark.ship) {
                ++repeated_;
                continue;
            }
            mark.ship = record.ship;
            records.push_back(std::move(record));
        }
        answers.push_back({request.session, false, mark.ship});
    }
    requests_.clear();
    const Kafka::Outcome outcome = kafka_.commit(producer_, records, marks);
    // An aborted one could be tried again; making agents greet anew is the harder case.
    if (outcome != Kafka::Outcome::committed) return lose_sessions();
    for (auto& [agent, mark] : marks) marks_[agent] = mark;
    live_ = std::move(live);
    for (const SessionId id : stale) sessions_.erase(id);
    for (const Answer& answer : answers) {
        Session* session = find(answer.session);
        if (session == nullptr) continue;
        if (answer.welcome) {
            ++greetings_;
            WelcomeFrame welcome;
            welcome.bridge = name_;
            welcome.last_ship = answer.ship;
            session->queue(welcome);
            session->phase = Session::Phase::serving;
        } else {
            session->acknowledge(answer.ship);
        }
    }
}

}  // namespace weir::sim
