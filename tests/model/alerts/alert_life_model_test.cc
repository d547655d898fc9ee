// The life of alerts against a twin that goes through time one unit at a time: random rules and streams of results with late, repeated and null ones,
// silent stretches, acknowledgements, and saving and loading anywhere.
#include <map>
#include <string>
#include <vector>

#include "agent/alert_life.h"
#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

struct Rules {
    std::int64_t hold = 0, clear_after = 0, missing_after = 0, flap_within = 0;
    std::uint16_t flap_raises = 0;
};

// What was said of a key: state, reason, time, number of the incident.
using Words = std::vector<std::string>;

std::string word(AlertState state, AlertReason reason, std::int64_t at, std::size_t incident) {
    return std::string(name(state)) + " " + std::string(name(reason)) + " " + std::to_string(at) + " #" + std::to_string(incident);
}

class Twin {
public:
    explicit Twin(const Rules& rules) : rules_(rules) {}

    void result(std::int64_t at, std::optional<bool> raises, std::optional<bool> clears) {
        if (!known_ && raises != true) return;
        if (known_ && at < last_) return;
        if (known_) go(at - 1);
        if (known_ && state_ == AlertState::cleared && !flapping_ && raises != true) return;
        known_ = true;
        last_ = kept_ = at;
        if (raises == true) held_ = at;
        if (state_ == AlertState::raised) {
            if (clears == true) clear(at, AlertReason::condition);
        } else if (raises == true) {
            if (state_ == AlertState::cleared) since_ = at;
            state_ = AlertState::pending;
            if (at - since_ >= rules_.hold) raise(at, AlertReason::condition);
        } else if (raises == false) {
            state_ = AlertState::cleared;
        }
        now_ = at - 1;  // what is due at this very time is so after it
    }
    void advance(std::int64_t to) {
        if (known_) go(to);
    }
    bool acknowledge(std::int64_t at) {
        if (!known_ || state_ != AlertState::raised || acknowledged_) return false;
        acknowledged_ = true;
        say(AlertState::acknowledged, AlertReason::person, at);
        return true;
    }
    const Words& words() const { return words_; }

private:
    void go(std::int64_t to) {
        while (now_ < to) {
            ++now_;
            while (instant()) {
            }
        }
    }
    bool instant() {
        if (rules_.missing_after > 0 && state_ != AlertState::cleared && now_ >= last_ + rules_.missing_after) {
            if (state_ == AlertState::raised)
                clear(now_, AlertReason::missing);
            else
                state_ = AlertState::cleared;
            return true;
        }
        if (state_ == AlertState::pending && now_ >= since_ + rules_.hold) return raise(now_, AlertReason::held);
        if (state_ == AlertState::raised && rules_.clear_after > 0 && now_ >= held_ + rules_.clear_after) return clear(now_, AlertReason::lapsed);
        if (flapping_ && now_ >= changed_ + rules_.flap_within) {
            flapping_ = false;
            raises_.clear();
            say(state_ == AlertState::raised ? AlertState::raised : AlertState::cleared, AlertReason::calm, now_);
            return true;
        }
        return false;
    }
    bool raise(std::int64_t at, AlertReason reason) {
        state_ = AlertState::raised;
        acknowledged_ = false;
        changed_ = held_ = at;
        if (flapping_) return true;
        ++incident_;
        raises_.push_back(at);
        std::size_t recent = 0;
        for (const std::int64_t time : raises_) recent += at - time < rules_.flap_within;
        flapping_ = rules_.flap_within > 0 && recent > rules_.flap_raises;
        say(flapping_ ? AlertState::flapping : AlertState::raised, reason, at);
        return true;
    }
    bool clear(std::int64_t at, AlertReason reason) {
        state_ = AlertState::cleared;
        changed_ = at;
        if (!flapping_) say(AlertState::cleared, reason, at);
        return true;
    }
    void say(AlertState state, AlertReason reason, std::int64_t at) { words_.push_back(word(state, reason, std::max(at, kept_), incident_)); }

    const Rules rules_;
    bool known_ = false;
    AlertState state_ = AlertState::cleared;
    bool acknowledged_ = false;
    bool flapping_ = false;
    std::int64_t now_ = 0, last_ = 0, kept_ = 0, since_ = 0, held_ = 0, changed_ = 0;
    std::size_t incident_ = 0;
    std::vector<std::int64_t> raises_;
    Words words_;
};

struct Heard final : AlertSink {
    std::map<std::string, Words> words;
    std::map<std::string, std::vector<std::uint64_t>> incidents;
    std::uint64_t sequence = 0;
    void transition(const AlertTransition& t) override {
        CHECK_EQUAL(sequence + 1, t.sequence);
        sequence = t.sequence;
        const std::string key(t.result->key[0].value.text);
        std::vector<std::uint64_t>& ids = incidents[key];
        if (ids.empty() || ids.back() != t.id) ids.push_back(t.id);
        words[key].push_back(word(t.state, t.reason, t.result->end.us(), ids.size()));
        if (t.alert->message.text.empty()) return;
        STRCMP_EQUAL((key + " is " + std::string(name(t.state))).c_str(), std::string(t.message).c_str());
    }
};

constexpr std::size_t keys = 4;

class Streams {
public:
    Streams(std::uint64_t seed, std::map<std::string, std::size_t>& counts) : random_(seed), counts_(counts) {
        alert_.name = "a";
        alert_.message.text = below(2) ? "{k} is {state}" : "";
        if (below(2)) rules_.hold = static_cast<std::int64_t>(below(30));
        if (below(3) == 0) rules_.clear_after = 1 + static_cast<std::int64_t>(below(40));
        if (below(2)) rules_.missing_after = 1 + static_cast<std::int64_t>(below(20));
        if (below(2)) {
            rules_.flap_within = 1 + static_cast<std::int64_t>(below(100));
            rules_.flap_raises = static_cast<std::uint16_t>(1 + below(4));
            alert_.flap = FlapConfig{rules_.flap_raises, Duration::micros(rules_.flap_within)};
        }
        const FieldType fields[] = {{"k", ValueKind::text}, {"v", ValueKind::real}};
        params_.table = {&alert_, 7, "w", AlertShape(fields, 1), keys};
        params_.hold = Duration::micros(rules_.hold);
        params_.clear_after = Duration::micros(rules_.clear_after);
        if (rules_.missing_after > 0) params_.missing_after = Duration::micros(rules_.missing_after);
        for (std::size_t i = 0; i < keys; ++i) twins_.emplace_back(rules_);
        make(life_, block_, teller_);
        make(quiet_, quiet_block_, quiet_teller_);
    }

    // With `ticks`, what time brings about is heard as it goes; without, when the next result comes. The words are the same.
    void run() {
        std::int64_t now = 100;
        for (std::size_t step = below(120); step > 0; --step) {
            if (below(8) == 0) now += static_cast<std::int64_t>(below(120));
            now += static_cast<std::int64_t>(below(6));
            switch (below(8)) {
                case 0: tick(now); break;
                case 1: acknowledge(now); break;
                case 2: save_and_load(); break;
                default: result(now - (below(6) == 0 ? static_cast<std::int64_t>(below(30)) : 0)); break;
            }
        }
        tick(now + 500);
        quiet_->advance(now + 500, nullptr);
        for (std::size_t i = 0; i < keys; ++i) {
            const std::string key = "k" + std::to_string(i);
            CHECK(heard_.words[key] == twins_[i].words());
            if (comparable_) CHECK(quiet_heard_.words[key] == twins_[i].words());
            for (const std::string& one : heard_.words[key]) ++counts_[one.substr(0, one.find(' ', one.find(' ') + 1))];
        }
        CHECK_EQUAL(heard_.sequence, teller_->said());
        CHECK_EQUAL(0, teller_->forgotten());
    }

private:
    std::uint64_t below(std::uint64_t bound) { return random_.word() % bound; }

    void make(std::unique_ptr<AlertLife>& life, std::unique_ptr<ArenaBlock>& block, std::unique_ptr<AlertTeller>& teller) {
        AlertSink& sink = &life == &quiet_ ? quiet_heard_ : heard_;
        auto new_block = std::make_unique<ArenaBlock>(AlertLife::need(params_));
        Arena arena(new_block->memory());
        auto new_teller = std::make_unique<AlertTeller>(sink, "agent");
        life = std::make_unique<AlertLife>(arena, params_, *new_teller);
        CHECK_EQUAL(arena.size(), arena.used());
        block = std::move(new_block);
        teller = std::move(new_teller);
    }

    void result(std::int64_t at) {
        const std::size_t k = below(keys);
        const std::string text = "k" + std::to_string(k);
        const auto maybe = [&](std::uint64_t null_in) { return below(null_in) == 0 ? std::nullopt : std::optional<bool>(below(2) == 0); };
        const std::optional<bool> raises = maybe(8);
        const std::optional<bool> clears = below(3) ? (raises ? std::optional<bool>(!*raises) : std::nullopt) : maybe(4);
        const Field key[] = {{"k", Value::of_text(text)}};
        const Field values[] = {{"v", Value::of_real(1.5)}};
        Record record;
        record.end = Timestamp::micros(at);
        record.key = key;
        record.values = values;
        for (AlertLife* life : {life_.get(), quiet_.get()}) life->judge(record, hash_of_key(record), at, raises, clears);
        twins_[k].result(at, raises, clears);
        comparable_ = comparable_ && at > ticked_;
    }
    void tick(std::int64_t now) {
        ticked_ = now;
        life_->advance(now, nullptr);
        for (Twin& twin : twins_) twin.advance(now);
    }
    void acknowledge(std::int64_t now) {
        const std::size_t k = below(keys);
        const std::string text = "k" + std::to_string(k);
        const Field field[] = {{"k", Value::of_text(text)}};
        tick(now);
        AlertKey* const found = life_->table().find(hash_of_key(field));
        const bool done = found != nullptr && life_->table().acknowledge(*found, now);
        CHECK_EQUAL(twins_[k].acknowledge(now), done);
        comparable_ = comparable_ && !done;
    }
    void save_and_load() {
        std::vector<std::byte> bytes(AlertLife::save_size_max(params_));
        ByteWriter out(bytes);
        life_->save(out);
        CHECK(out.ok());
        const std::uint64_t said_before = teller_->said();
        make(life_, block_, teller_);
        teller_->restore(said_before, 0);
        ByteReader in(out.written());
        CHECK(life_->load(in).ok());
        CHECK_EQUAL(0, in.remaining());
    }

    SeededEntropy random_;
    std::map<std::string, std::size_t>& counts_;
    AlertConfig alert_;
    Rules rules_;
    AlertLife::Params params_;
    Heard heard_, quiet_heard_;
    std::unique_ptr<ArenaBlock> block_, quiet_block_;
    std::unique_ptr<AlertTeller> teller_, quiet_teller_;
    std::unique_ptr<AlertLife> life_, quiet_;
    std::vector<Twin> twins_;
    std::int64_t ticked_ = 0;
    bool comparable_ = true;  // no result came behind a tick, which had acted by then
};

}  // namespace

TEST_GROUP(AlertLifeModel){};

TEST(AlertLifeModel, ten_thousand_streams_say_what_the_twin_says) {
    std::map<std::string, std::size_t> counts;
    for (std::uint64_t seed = 1; seed <= 10'000; ++seed) Streams(seed, counts).run();
    printf("\nwords:");
    for (const auto& [what, count] : counts) {
        printf(" %s %zu,", what.c_str(), count);
        CHECK(count > 100);
    }
    printf("\n");
    CHECK_EQUAL(10, counts.size());
}
