#include "agent/action_runner.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "agent/base/assert.h"
#include "agent/base/log.h"

namespace weir {
namespace {

constexpr Duration later_pause = Duration::millis(200);
constexpr Duration retry_pause_least = Duration::seconds(1);
constexpr Duration retry_pause_most = Duration::seconds(60);
constexpr std::array kinds = {ActionKind::mqtt, ActionKind::exec, ActionKind::webhook, ActionKind::gpio};

Duration pause_after(unsigned tries) {
    return std::min(retry_pause_least * (std::int64_t{1} << std::min(tries == 0 ? 0U : tries - 1, 6U)), retry_pause_most);
}

}  // namespace

Bytes ActionRunner::need() { return Arena::need<std::byte>(action_bytes_max); }

ActionRunner::ActionRunner(Arena& arena, ActionQueue& queue, const Outlets& outlets, const Clock& clock)
    : queue_(queue), outlets_(outlets), clock_(clock), buffer_(arena.take_bytes(action_bytes_max)) {
    wake_event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    WEIR_ASSERT(wake_event_ >= 0);
    queue_.on_added([this] { wake(); });
}

ActionRunner::~ActionRunner() {
    stop({});
    queue_.on_added({});
    ::close(wake_event_);
}

void ActionRunner::start() {
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "weir-actions");
        run();
    });
}

void ActionRunner::stop(Duration limit) {
    if (!thread_.joinable()) return;
    stop_by_us_ = (clock_.monotonic() + limit).since_start.us();
    stopping_ = true;
    wake();
    thread_.join();
}

void ActionRunner::wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_event_, &one, sizeof one);
}

void ActionRunner::run() {
    for (;;) {
        (void)keep_up();
        (void)hear();
        const MonotonicTime now = clock_.monotonic();
        look_after(now);
        for (const ActionKind kind : kinds) begin_due(kind);
        const MonotonicTime stop_by{Duration::micros(stop_by_us_)};
        if (stopping_ && (queue_.waiting() == 0 || now >= stop_by)) return;
        MonotonicTime next = keep_up();  // what has been begun may have something to do
        if (hear()) continue;
        for (const Work& work : works_)
            if (work.state == State::pausing || work.state == State::under_way) next = std::min(next, work.when);
        wait(stopping_ ? std::min(next, stop_by) : next);
    }
}

MonotonicTime ActionRunner::keep_up() {
    MonotonicTime next{Duration::max()};
    for (const ActionKind kind : kinds)
        if (ActionOutlet* const out = outlet(kind)) next = std::min(next, out->keep_up());
    return next;
}

void ActionRunner::wait(MonotonicTime until) {
    std::array<pollfd, action_kinds + 1> entries{};
    entries[0] = {wake_event_, POLLIN, 0};
    for (const ActionKind kind : kinds)
        entries[1 + static_cast<std::size_t>(kind)] = {outlet(kind) ? outlet(kind)->descriptor() : -1, POLLIN, 0};
    const std::int64_t us = (until - clock_.monotonic()).us();
    const int ms = static_cast<int>(std::clamp<std::int64_t>(us <= 0 ? 0 : us / 1000 + 1, 0, 60'000));
    if (::poll(entries.data(), entries.size(), ms) <= 0 || entries[0].revents == 0) return;
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_event_, &count, sizeof count);
}

// Whether there was anything.
bool ActionRunner::hear() {
    bool heard = false;
    for (const ActionKind kind : kinds) {
        ActionOutlet::Ended ended;
        while (outlet(kind) && outlet(kind)->hear(ended)) {
            settle(kind, ended);
            heard = true;
        }
    }
    return heard;
}

// What has made room is nobody's; what takes too long is its outlet's to end.
void ActionRunner::look_after(MonotonicTime now) {
    for (Work& work : works_) {
        if (work.state == State::pausing && !queue_.holds(work.kind, work.position)) work = {};
        if (work.state != State::under_way || now < work.when) continue;
        work.when = {Duration::max()};
        outlet(work.kind)->overdue(work.token);
    }
}

bool ActionRunner::Blocked::add(std::uint32_t destination) {
    if (count == destinations.size()) return false;
    destinations[count++] = destination;
    return true;
}

bool ActionRunner::Blocked::holds(std::uint32_t destination) const {
    return std::find(destinations.begin(), destinations.begin() + count, destination) != destinations.begin() + count;
}

void ActionRunner::begin_due(ActionKind kind) {
    ActionOutlet* const out = outlet(kind);
    const std::size_t most = out ? out->parallel_max() : 1;
    std::size_t busy = under_way(kind);
    Blocked blocked;
    for (auto at = queue_.next(kind, {}); at && busy < most; at = queue_.next(kind, at->position)) {
        if (blocked.holds(at->destination)) continue;
        Work* work = find(kind, at->position);
        const bool goes_on = work && work->state != State::pausing;
        const bool pauses = work && work->state == State::pausing && clock_.monotonic() < work->when;
        if (goes_on && out && out->pipelines()) continue;
        if (!goes_on && !pauses) {
            if (!work) work = take(kind, *at);
            if (!work) return;
            const bool over = begin(*work);
            if (work->state == State::under_way) {
                ++busy;
                if (out->pipelines()) continue;
            }
            if (over) continue;
        }
        if (!blocked.add(at->destination)) return;
    }
}

// Whether it has come to its end already.
bool ActionRunner::begin(Work& work) {
    Action action;
    ActionOutlet* const out = outlet(work.kind);
    if (!queue_.read(work.kind, work.position, buffer_, action)) {
        work = {};
        return true;
    }
    work.retries = action.retries;
    if (++tokens_ == 0) ++tokens_;
    work.token = tokens_;
    switch (out ? out->begin(action, work.token) : ActionOutlet::Begun::failed) {
        case ActionOutlet::Begun::under_way: {
            const Duration patience = out->patience(action);
            work.state = State::under_way;
            work.when = patience > Duration() ? clock_.monotonic() + patience : MonotonicTime{Duration::max()};
            return false;
        }
        case ActionOutlet::Begun::done:
            queue_.finish(work.kind, work.position, ActionQueue::End::done);
            work = {};
            return true;
        case ActionOutlet::Begun::later: again(work, later_pause); return false;
        case ActionOutlet::Begun::failed: failed(work, out ? "it could not be begun" : "nothing here does such actions"); return work.state == State::free;
    }
    return true;
}

void ActionRunner::settle(ActionKind kind, const ActionOutlet::Ended& ended) {
    const bool pipelines = outlet(kind)->pipelines();
    if (ended.token == 0) {
        for (Work& work : works_) {
            if (work.kind != kind || (work.state != State::under_way && work.state != State::delivered)) continue;
            if (outlet(kind)->endless())
                again(work, later_pause);
            else
                failed(work, ended.why);
        }
        return;
    }
    Work* const work = find_token(kind, ended.token);
    if (!work) return;  // it has made room, or was begun again meanwhile
    if (ended.done && pipelines) {
        work->state = State::delivered;
        return settle_in_order(kind, work->destination);
    }
    if (ended.done) {
        queue_.finish(kind, work->position, ActionQueue::End::done);
        *work = {};
        return;
    }
    if (!pipelines) return failed(*work, ended.why);
    // What follows it goes again, too: the last word has to be the last.
    const ActionQueue::Position first = work->position;
    const std::uint32_t destination = work->destination;
    for (Work& each : works_)
        if (each.state != State::free && each.kind == kind && each.destination == destination &&
            static_cast<std::int32_t>(each.position - first) >= 0)
            again(each, later_pause);
}

// Of a destination nothing is done before what came before it.
void ActionRunner::settle_in_order(ActionKind kind, std::uint32_t destination) {
    for (;;) {
        Work* first = nullptr;
        for (Work& work : works_)
            if (work.state != State::free && work.kind == kind && work.destination == destination &&
                (!first || static_cast<std::int32_t>(work.position - first->position) < 0))
                first = &work;
        if (!first || first->state != State::delivered) return;
        queue_.finish(kind, first->position, ActionQueue::End::done);
        *first = {};
    }
}

void ActionRunner::again(Work& work, Duration pause) {
    work.state = State::pausing;
    work.when = clock_.monotonic() + pause;
}

void ActionRunner::failed(Work& work, std::string_view why) {
    ++work.tries;
    Action action;
    std::string what(weir::name(work.kind));
    if (queue_.read(work.kind, work.position, buffer_, action) && action.count > 0) what += " " + std::string(action.texts[0]);
    const bool more = outlet(work.kind) && (outlet(work.kind)->endless() || work.tries <= work.retries);
    log(more ? LogLevel::warning : LogLevel::error, "action", "%s failed: %.*s; %s", what.c_str(), static_cast<int>(why.size()), why.data(),
        more ? "it is tried again" : "given up");
    if (more) {
        ++retries_[static_cast<std::size_t>(work.kind)];
        return again(work, pause_after(work.tries));
    }
    queue_.finish(work.kind, work.position, ActionQueue::End::given_up);
    work = {};
}

ActionRunner::Work* ActionRunner::find(ActionKind kind, ActionQueue::Position position) {
    const auto at = std::find_if(works_.begin(), works_.end(), [&](const Work& work) {
        return work.state != State::free && work.kind == kind && work.position == position;
    });
    return at == works_.end() ? nullptr : &*at;
}

ActionRunner::Work* ActionRunner::find_token(ActionKind kind, std::uint32_t token) {
    const auto at = std::find_if(works_.begin(), works_.end(), [&](const Work& work) {
        return work.state == State::under_way && work.kind == kind && work.token == token;
    });
    return at == works_.end() ? nullptr : &*at;
}

ActionRunner::Work* ActionRunner::take(ActionKind kind, const ActionQueue::Waiting& waiting) {
    const auto at = std::find_if(works_.begin(), works_.end(), [](const Work& work) { return work.state == State::free; });
    if (at == works_.end()) return nullptr;
    *at = {};
    at->kind = kind;
    at->position = waiting.position;
    at->destination = waiting.destination;
    return &*at;
}

std::size_t ActionRunner::under_way(ActionKind kind) const {
    return static_cast<std::size_t>(std::count_if(works_.begin(), works_.end(), [&](const Work& work) {
        return work.kind == kind && (work.state == State::under_way || work.state == State::delivered);
    }));
}

}  // namespace weir
