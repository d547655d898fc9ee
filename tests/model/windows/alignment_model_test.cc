// Aligned sources against twins that are told their limit by a plain loop over all of them, on random streams in which
// sources run ahead, fall behind, fall silent and come back. WEIR_MODEL_STREAMS says how many (2,000 unless told).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/model/windows/twin.h"
#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

constexpr std::size_t sources = 4;

struct Step {
    std::size_t source = 0;
    std::vector<TwinRow> rows;  // a message, or
    std::int64_t tick = -1;     // a tick
};
struct Stream {
    TwinSpec spec[sources];
    std::int64_t ahead[sources] = {};
    int group[sources] = {};  // 0: none
    std::vector<Step> steps;
};

using Random = std::mt19937_64;
std::int64_t below(Random& random, std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); }
bool chance(Random& random, int percent) { return below(random, 100) < percent; }

TwinSpec random_spec(Random& random) {
    TwinSpec spec;
    spec.lateness = below(random, 4) * 700;
    if (spec.lateness > 0 && chance(random, 30)) spec.adaptive = true;
    spec.idle = 5000 + below(random, 20000);
    spec.max_future = 10000;
    spec.step_max = 60000;
    spec.size = 1000 + below(random, 7000);
    spec.allow = chance(random, 60) ? 0 : 1000 + below(random, 10000);
    spec.aside = spec.allow > 0 && chance(random, 40);
    spec.early = chance(random, 70) ? 0 : spec.size / (2 + below(random, 3));
    spec.max_groups = 100;
    spec.by_site = chance(random, 40);
    spec.by_both = !spec.by_site && chance(random, 50);
    return spec;
}

Stream random_stream(Random& random) {
    Stream stream;
    std::int64_t behind[sources];
    for (std::size_t i = 0; i < sources; ++i) {
        stream.spec[i] = random_spec(random);
        stream.ahead[i] = chance(random, 20) ? 0 : below(random, 20000);
        stream.group[i] = i < 2 ? 1 : static_cast<int>(below(random, 2));
        behind[i] = chance(random, 40) ? 0 : below(random, 40000);
    }
    std::int64_t now = 100000 + below(random, 10000);
    std::size_t silent = sources;
    const std::int64_t sites = 1 + below(random, 4);
    for (std::int64_t i = 0; i < 60 + below(random, 140); ++i) {
        if (chance(random, 4)) silent = static_cast<std::size_t>(below(random, sources * 2));
        if (chance(random, 3)) behind[below(random, sources)] = below(random, 60000);
        now += chance(random, 3) ? below(random, 30000) : below(random, 1500);
        Step step;
        if (chance(random, 15)) {
            step.tick = now;
            stream.steps.push_back(step);
            continue;
        }
        step.source = static_cast<std::size_t>(below(random, sources));
        if (step.source == silent) step.source = (step.source + 1) % sources;
        for (std::int64_t rows = chance(random, 60) ? 1 : 1 + below(random, 8); rows > 0; --rows) {
            TwinRow row;
            row.site = "s" + std::to_string(below(random, sites));
            row.lane = below(random, 2);
            row.at = now - behind[step.source] - below(random, chance(random, 15) ? 20000 : 1000);
            if (chance(random, 2)) row.at = now + 60000;  // the future
            row.n = below(random, 100);
            row.vid = "v";
            row.arrival = now;
            step.rows.push_back(row);
        }
        stream.steps.push_back(step);
    }
    return stream;
}

EngineSpec spec_of(const Stream& stream) {
    EngineSpec spec;
    for (std::size_t i = 0; i < sources; ++i) {
        const TwinSpec& twin = stream.spec[i];
        SourceSpec source = road();
        source.name = "source" + std::to_string(i);
        source.lateness = Duration::millis(twin.lateness);
        source.lateness.adaptive = twin.adaptive;
        source.lateness.ceiling = Duration::millis(twin.lateness);
        source.idle = Duration::millis(twin.idle);
        source.max_future = Duration::millis(twin.max_future);
        if (stream.group[i] > 0) source.align = "together";
        source.ahead = Duration::millis(stream.ahead[i]);
        WindowSpec window = minute({{"n", "count()"}, {"sum", "sum(n)"}});
        window.name = "window" + std::to_string(i);
        window.from = source.name;
        window.by = twin.by_site ? std::vector<std::string>{"site"} : twin.by_both ? std::vector<std::string>{"site", "lane"} : std::vector<std::string>{"lane"};
        window.size = Duration::millis(twin.size);
        window.late_allow = Duration::millis(twin.allow);
        window.late_then = twin.aside ? LateThen::side : twin.allow > 0 ? LateThen::revise : LateThen::drop;
        window.early = Duration::millis(std::max<std::int64_t>(twin.early, 0));
        window.max_groups = 100;
        window.max_open = 400;
        spec.sources.push_back(source);
        spec.windows.push_back(window);
    }
    return spec;
}

// "window1 s0|1 [0,1000) 3 57 ~0 +0" a record.
std::string text_of(std::size_t source, const TwinResult& result) {
    std::int64_t sum = 0;
    for (const TwinRow& row : result.rows) sum += *row.n;
    return "window" + std::to_string(source) + " " + result.key + " [" + std::to_string(result.start) + "," + std::to_string(result.end) + ") " +
           std::to_string(result.rows.size()) + " " + std::to_string(sum) + " ~" + std::to_string(result.early) + " +" +
           std::to_string(result.revision) + (result.late ? " late\n" : "\n");
}
std::string text_of(const Emitted& e) {
    return e.window + " " + e.key + " [" + std::to_string(e.start_ms) + "," + std::to_string(e.end_ms) + ") " + std::to_string(e.integer("n")) + " " +
           std::to_string(e.integer("sum")) + " ~" + std::to_string(e.early) + " +" + std::to_string(e.revision) +
           (e.kind == RecordKind::late ? " late\n" : "\n");
}
std::string text_of(const Harness& h) {
    std::string text;
    for (const Emitted& e : h.out.results) text += text_of(e);
    return text;
}

class Twins {
public:
    explicit Twins(const Stream& stream) : stream_(stream) {
        for (const TwinSpec& spec : stream.spec) twins_.push_back(std::make_unique<Twin>(spec));
        taken_.resize(sources);
    }
    void play(const Step& step) {
        if (step.tick >= 0)
            for (auto& twin : twins_) twin->pass(step.tick, true);
        else
            twins_[step.source]->take(step.rows);
        std::int64_t least = Twin::forever;
        for (std::size_t i = 0; i < sources; ++i)
            if (stream_.group[i] > 0) least = std::min(least, twins_[i]->unlimited());
        for (std::size_t i = 0; i < sources; ++i) {
            const std::int64_t before = twins_[i]->unlimited();
            if (stream_.group[i] > 0) twins_[i]->limit = std::min(least + stream_.ahead[i], Twin::forever);
            limited += before != Twin::forever && before > twins_[i]->limit;
            twins_[i]->adopt();
            twins_[i]->say();
        }
        gather();
    }
    void close() {
        for (auto& twin : twins_) twin->close();
        gather();
    }

    std::string text;
    std::uint64_t limited = 0;

private:
    // Of one step: by end, then by window.
    void gather() {
        std::vector<std::pair<std::pair<std::int64_t, std::size_t>, std::string>> all;
        for (std::size_t i = 0; i < sources; ++i)
            for (; taken_[i] < twins_[i]->results.size(); ++taken_[i]) {
                const TwinResult& result = twins_[i]->results[taken_[i]];
                all.push_back({{result.end, i}, text_of(i, result)});
            }
        std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        for (const auto& [order, line] : all) text += line;
    }
    const Stream& stream_;
    std::vector<std::unique_ptr<Twin>> twins_;
    std::vector<std::size_t> taken_;
};

void play(Harness& h, const Step& step, std::size_t& last) {
    if (step.tick >= 0) return h.tick(step.tick);
    if (step.source != last) h.flush(last);
    last = step.source;
    Message message;
    for (const TwinRow& row : step.rows) message.push_back({row.at, row.arrival, true, {row.site, row.lane, 1.0, *row.n, true, row.vid}});
    h.send(message, step.source);
}

int streams_wanted() {
    const char* text = std::getenv("WEIR_MODEL_STREAMS");
    return text ? std::atoi(text) : 2000;
}

}  // namespace

TEST_GROUP(AlignmentModel) {};

TEST(AlignmentModel, engine_says_what_its_twins_say) {
    std::uint64_t records = 0, limited = 0, late = 0, rows = 0;
    for (int seed = 0; seed < streams_wanted(); ++seed) {
        Random random(static_cast<std::uint64_t>(seed));
        const Stream stream = random_stream(random);
        Twins twins(stream);
        Harness h(spec_of(stream), seed % 3 == 0 ? 1 : seed % 3 == 1 ? 7 : 1024);
        std::size_t last = 0;
        for (const Step& step : stream.steps) {
            twins.play(step);
            play(h, step, last);
        }
        twins.close();
        h.close();
        STRCMP_EQUAL_TEXT(twins.text.c_str(), text_of(h).c_str(), ("seed " + std::to_string(seed)).c_str());
        for (std::size_t i = 0; i < sources; ++i) {
            CHECK(h.adds_up(i));
            late += h.count(WindowCounter::late, i);
            rows += h.count(WindowCounter::rows, i);
        }
        records += h.out.results.size();
        limited += twins.limited;
    }
    std::printf("\nmodel: %d streams of aligned sources, %llu rows, %llu late, %llu records; %llu times a source waited\n", streams_wanted(),
                static_cast<unsigned long long>(rows), static_cast<unsigned long long>(late), static_cast<unsigned long long>(records),
                static_cast<unsigned long long>(limited));
    CHECK(limited > 0 && late > 0);
}

TEST(AlignmentModel, output_is_the_same_for_every_batch_limit_and_after_save_and_load) {
    for (int seed = 0; seed < streams_wanted() / 10; ++seed) {
        Random random(static_cast<std::uint64_t>(seed) + 1000000);
        const Stream stream = random_stream(random);
        EngineSpec spec = spec_of(stream);
        if (seed % 2)
            for (WindowSpec& window : spec.windows) window.max_open = 3;
        std::string texts[3];
        for (std::size_t i = 0; i < 3; ++i) {
            auto h = std::make_unique<Harness>(spec, i == 0 ? 1 : i == 1 ? 7 : 1024);
            std::size_t last = 0;
            for (const Step& step : stream.steps) {
                play(*h, step, last);
                if (i != 1 || !chance(random, 5)) continue;
                h->flush_all();
                const auto bytes = h->save();
                texts[i] += h->out.all();
                h = std::make_unique<Harness>(spec, 1 + static_cast<std::size_t>(below(random, 5)));
                CHECK(h->load(bytes).ok());
                CHECK(h->save() == bytes);
            }
            h->close();
            texts[i] += h->out.all();
        }
        STRCMP_EQUAL(texts[0].c_str(), texts[1].c_str());
        STRCMP_EQUAL(texts[0].c_str(), texts[2].c_str());
    }
}
