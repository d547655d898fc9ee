// Sketches of cells that live in a pool: against sketches of full size where the pool is ample, against the truth
// where it is not; and that nothing depends on where blocks lie, on batches, or on checkpoints.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "tests/unit/sketches/sketch_support.h"
#include "tests/unit/windows/harness.h"
#include "windows/aggregate.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

constexpr StateKind kinds[] = {StateKind::kll, StateKind::hll, StateKind::frequent};

// One full-size sketch, fed item by item, as cells were before there was a pool.
struct FullSize {
    FullSize(const StateSpec& of, std::uint64_t seed) : spec(of) {
        switch (spec.kind) {
            case StateKind::kll: kll = std::make_unique<Owned<KllSketch<double>>>(KllSketch<double>::Params{200, std::uint64_t{1} << 32, seed}); break;
            case StateKind::hll: hll = std::make_unique<Owned<HllSketch>>(HllSketch::Params{spec.lg_k}); break;
            default: frequent = std::make_unique<Owned<FrequentStrings>>(FrequentStrings::Params{spec.lg_max, 32});
        }
    }
    void add(std::int64_t number, const std::string& text) {
        if (kll) (*kll)->update(static_cast<double>(number));
        if (hll) (*hll)->update(std::string_view(text));
        if (frequent) (*frequent)->update(std::string_view(text));
    }
    std::vector<std::byte> bytes() {
        if (kll) return bytes_of(**kll);
        if (hll) return bytes_of(**hll, HllType::hll4);
        return bytes_of(**frequent);
    }
    StateSpec spec;
    std::unique_ptr<Owned<KllSketch<double>>> kll;
    std::unique_ptr<Owned<HllSketch>> hll;
    std::unique_ptr<Owned<FrequentStrings>> frequent;
};

struct Row {
    std::uint32_t cell = 0;
    std::int64_t number = 0;
    std::string text;
};

// Cells of one aggregate; batches of at most so many rows.
class Cells {
public:
    Cells(const StateSpec& of, std::size_t cells, std::size_t rows) : spec_(of), rows_(rows), cells_(cells) {
        Batch::Params params;
        params.rows = rows;
        block_ = std::make_unique<ArenaBlock>(AggregateStates::need(spec_, cells) + Batch::need(schema_, params));
        arena_ = std::make_unique<Arena>(block_->memory());
        states = std::make_unique<AggregateStates>(*arena_, spec_, cells);
        batch_ = std::make_unique<Batch>(*arena_, schema_, params);
    }
    std::size_t add(const std::vector<Row>& rows) {
        std::size_t refused = 0;
        for (std::size_t begin = 0; begin < rows.size(); begin += rows_) {
            batch_->clear();
            std::vector<std::uint16_t> numbers;
            std::vector<std::uint32_t> cells;
            std::vector<Hash128> hashes;
            for (std::size_t i = begin; i < std::min(begin + rows_, rows.size()); ++i) {
                batch_->begin_row();
                batch_->set_real(0, static_cast<double>(rows[i].number));
                batch_->set_text(1, rows[i].text);
                numbers.push_back(static_cast<std::uint16_t>(batch_->rows()));
                cells.push_back(rows[i].cell);
                hashes.push_back(hash_text(rows[i].text));
                batch_->commit_row({});
            }
            refused += states->add({numbers, cells}, &batch_->column(spec_.kind == StateKind::kll ? 0 : 1), hashes, *batch_);
        }
        return refused;
    }
    std::vector<std::byte> sketch(std::size_t cell) const {
        std::vector<std::byte> bytes(AggregateStates::sketch_size_max(spec_));
        ByteWriter out(bytes);
        const Bytes size = states->sketch(cell, out).bytes.size();
        bytes.resize(size);
        return bytes;
    }
    std::vector<std::byte> saved(std::size_t cell) const {
        std::vector<std::byte> bytes(AggregateStates::save_size_max(spec_, cells_));
        ByteWriter out(bytes);
        states->save(cell, out);
        CHECK(out.ok());
        bytes.resize(out.size());
        return bytes;
    }

    std::unique_ptr<AggregateStates> states;

private:
    static inline const Schema schema_{{{"x", ColumnType::real}, {"s", ColumnType::text}}};
    StateSpec spec_;
    std::size_t rows_;
    std::size_t cells_;
    std::unique_ptr<ArenaBlock> block_;
    std::unique_ptr<Arena> arena_;
    std::unique_ptr<Batch> batch_;
};

StateSpec spec_of(StateKind kind) {
    StateSpec spec;
    spec.kind = kind;
    spec.type = kind == StateKind::kll ? ColumnType::real : ColumnType::text;
    spec.lg_max = 6;
    return spec;
}

struct Truth {
    std::vector<std::int64_t> numbers;
    std::map<std::string, std::uint64_t> texts;
};

// How many statements about a cell there are, and how many of them enclose the truth.
struct Said {
    std::uint64_t all = 0;
    std::uint64_t right = 0;
};

void compare(const Cells& cells, StateKind kind, std::uint32_t cell, Truth& truth, Said& said) {
    TopItem items[8];
    CallSpec call;
    if (kind == StateKind::kll) {
        if (truth.numbers.empty()) return;
        std::sort(truth.numbers.begin(), truth.numbers.end());
        call.function = Function::quantile;
        call.rank = 0.5;
        const Value value = cells.states->finish(call, cell, {});
        const auto exact = static_cast<double>(truth.numbers[(truth.numbers.size() + 1) / 2 - 1]);
        ++said.all;
        said.right += value.lower <= exact && exact <= value.upper;
    } else if (kind == StateKind::hll) {
        call.function = Function::distinct;
        const Value value = cells.states->finish(call, cell, {});
        const auto exact = static_cast<double>(truth.texts.size());
        ++said.all;
        said.right += value.lower <= exact && exact <= value.upper;
    } else {
        call.function = Function::top;
        call.items = 8;
        for (const TopItem& item : cells.states->finish(call, cell, items).top) {
            const auto exact = static_cast<double>(truth.texts[std::string(item.text)]);
            ++said.all;
            said.right += item.lower <= exact && exact <= item.upper;
        }
    }
}

}  // namespace

TEST_GROUP(PoolModel) {};

TEST(PoolModel, cells_are_sketches_of_full_size_while_the_pool_lasts_and_keep_their_bounds_beyond) {
    Said said[3];
    std::uint64_t refusals = 0, equal = 0;
    for (std::uint64_t seed = 0; seed < 240; ++seed) {
        Random random(seed);
        const std::size_t kind = seed % 3;
        StateSpec spec = spec_of(kinds[kind]);
        const std::size_t count = 1 + random.below(12);
        const std::uint64_t full = AggregateStates::spare_max(spec, count);
        const bool ample = random.below(2) == 0;
        spec.spare = static_cast<Bytes>(ample ? full : random.below(full));
        // The same rows: at once and in batches of a few, with and without checkpoints.
        Cells whole(spec, count, 1024);
        auto pieces = std::make_unique<Cells>(spec, count, 1 + random.below(9));
        std::map<std::uint32_t, std::unique_ptr<FullSize>> twins;
        std::map<std::uint32_t, Truth> truths;
        std::size_t refused = 0;
        for (int step = 0; step < 40; ++step) {
            for (std::uint32_t cell = 0; cell < count; ++cell) {
                if (!twins.contains(cell)) {
                    const std::uint64_t coins = random.next();
                    whole.states->create(cell, coins);
                    pieces->states->create(cell, coins);
                    twins[cell] = std::make_unique<FullSize>(spec, coins);
                } else if (random.below(60) == 0) {
                    whole.states->release(cell);
                    pieces->states->release(cell);
                    twins.erase(cell);
                    truths.erase(cell);
                }
            }
            std::vector<Row> rows(random.below(2000));
            std::erase_if(rows, [&](Row& row) {
                row.cell = static_cast<std::uint32_t>(random.below(count));
                row.cell = static_cast<std::uint32_t>(random.below(row.cell + 1));  // the first get most
                row.number = static_cast<std::int64_t>(random.below(100000));
                row.text = "v" + std::to_string(skewed_item(random.below(60000)));
                return !twins.contains(row.cell);
            });
            for (const Row& row : rows) {
                twins[row.cell]->add(row.number, row.text);
                truths[row.cell].numbers.push_back(row.number);
                ++truths[row.cell].texts[row.text];
            }
            const std::size_t now = whole.add(rows);
            LONGS_EQUAL(now, pieces->add(rows));
            refused += now;
            if (random.below(10) == 0) {
                auto restored = std::make_unique<Cells>(spec, count, 1 + random.below(9));
                for (const auto& [cell, twin] : twins) {
                    const auto bytes = pieces->saved(cell);
                    ByteReader in(bytes);
                    CHECK(restored->states->load(cell, in) && in.remaining() == 0);
                    CHECK(restored->saved(cell) == bytes);
                }
                pieces = std::move(restored);
            }
            if (step % 8 != 7) continue;
            Bytes saved = 0;
            for (const auto& [cell, twin] : twins) {
                const auto sketch = whole.sketch(cell);
                CHECK(pieces->sketch(cell) == sketch);
                CHECK(pieces->saved(cell) == whole.saved(cell));
                saved += whole.saved(cell).size();
                if (ample) CHECK(twin->bytes() == sketch);
                equal += ample;
                compare(whole, spec.kind, cell, truths[cell], said[kind]);
            }
            CHECK(saved <= AggregateStates::save_size_max(spec, count));
        }
        CHECK(!ample || refused == 0);
        refusals += refused;
    }
    const auto share = [&](std::size_t kind) { return 100.0 * static_cast<double>(said[kind].right) / static_cast<double>(said[kind].all); };
    std::printf("\npool: %llu sketches equal to full-size ones, %llu refusals; bounds hold for %.1f %% of medians (95 %%), %.1f %% of counts (95 %%), "
                "%.1f %% of top items (all)\n",
                static_cast<unsigned long long>(equal), static_cast<unsigned long long>(refusals), share(0), share(1), share(2));
    CHECK(equal > 1000 && refusals > 200);
    CHECK(share(0) >= 93 && share(1) >= 93);
    LONGS_EQUAL(said[2].all, said[2].right);
}

namespace {

EngineSpec crowded(std::optional<Bytes> sketch_bytes) {
    WindowSpec window = minute({{"n", "count()"}, {"p", "quantile(speed, 0.5)"}, {"u", "distinct(vid)"}, {"t", "top(vid, 3)"}});
    window.max_groups = 6;
    WindowSpec lanes = minute({{"u", "distinct(n)"}, {"l", "top(lane, 2)"}}, {"lane"});
    lanes.name = "lanes";
    lanes.size = Duration::seconds(20);
    lanes.max_groups = 4;
    EngineSpec spec = engine_of(window);
    spec.windows.push_back(lanes);
    spec.sketch_bytes = sketch_bytes;
    return spec;
}

struct Sent {
    std::int64_t at = 0;
    std::vector<Datum> cells;
};

std::vector<Sent> traffic(std::uint64_t seed) {
    Random random(seed);
    std::vector<Sent> all;
    std::int64_t now = 0;
    for (int i = 0; i < 6000; ++i) {
        now += static_cast<std::int64_t>(random.below(60));
        const auto site = static_cast<std::int64_t>(random.below(random.below(9) + 1));
        const auto speed = static_cast<double>(random.below(100000)) / 100;
        all.push_back({now - static_cast<std::int64_t>(random.below(3000)),
                       {"s" + std::to_string(site), static_cast<std::int64_t>(random.below(7)), speed, static_cast<std::int64_t>(random.below(3000)), true,
                        "v" + std::to_string(random.below(2000))}});
    }
    return all;
}

// With a new engine restored from a checkpoint now and then.
std::string played(const EngineSpec& spec, const std::vector<Sent>& all, std::size_t batch_rows, std::size_t checkpoint_every, std::uint64_t* settled = nullptr) {
    auto h = std::make_unique<Harness>(spec, batch_rows);
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) {
        h->send(all[i].at, all[i].cells);
        if (checkpoint_every == 0 || i % checkpoint_every != checkpoint_every - 1) continue;
        h->flush_all();
        const auto bytes = h->save();
        CHECK(bytes.size() <= h->plan.save_size_max());
        text += h->out.all();
        h = std::make_unique<Harness>(spec, batch_rows);
        CHECK(h->load(bytes).ok());
        CHECK(h->save() == bytes);
    }
    h->close();
    if (settled) *settled = h->count(WindowCounter::sketches_settled, 0) + h->count(WindowCounter::sketches_settled, 1);
    return text + h->out.all();
}

}  // namespace

TEST(PoolModel, output_is_the_same_for_every_batch_limit_and_checkpoint_whatever_the_pool_has) {
    std::uint64_t settled_once = 0;
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
        const auto all = traffic(seed);
        for (std::optional<Bytes> bytes : {std::optional<Bytes>(), std::optional<Bytes>(40000), std::optional<Bytes>(4000), std::optional<Bytes>(0)}) {
            std::uint64_t settled = 0, again = 0;
            const std::string one = played(crowded(bytes), all, 1024, 0, &settled);
            STRCMP_EQUAL(one.c_str(), played(crowded(bytes), all, 1, 0, &again).c_str());
            LONGS_EQUAL(settled, again);
            STRCMP_EQUAL(one.c_str(), played(crowded(bytes), all, 7, 700, &again).c_str());
            LONGS_EQUAL(settled, again);
            CHECK_EQUAL(bytes.has_value(), settled > 0);
            settled_once += settled;
        }
    }
    CHECK(settled_once > 100);
}

TEST(PoolModel, counts_and_bounds_hold_in_a_pool_that_has_next_to_nothing) {
    Said medians, counts;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        const auto all = traffic(seed + 100);
        Harness h(crowded(2000));
        // Without lateness nothing is dropped here: what a window got is what has its times.
        for (const Sent& sent : all) h.send(sent.at, sent.cells);
        h.close();
        CHECK(h.adds_up(0) && h.adds_up(1));
        for (const Emitted& result : h.out.results) {
            if (result.window != "minute" || (result.flags & record_other)) continue;
            std::vector<double> speeds;
            std::set<std::string> vids;
            for (const Sent& sent : all) {
                if (std::get<std::string>(sent.cells[0]) != result.key || sent.at < result.start_ms || sent.at >= result.end_ms) continue;
                speeds.push_back(std::get<double>(sent.cells[2]));
                vids.insert(std::get<std::string>(sent.cells[5]));
            }
            if (static_cast<std::int64_t>(speeds.size()) != result.integer("n")) continue;  // some came late
            std::sort(speeds.begin(), speeds.end());
            const double median = speeds[(speeds.size() + 1) / 2 - 1];
            const Value& p = result.values.at("p");
            const Value& u = result.values.at("u");
            ++medians.all;
            medians.right += p.lower <= median && median <= p.upper;
            ++counts.all;
            counts.right += u.lower <= static_cast<double>(vids.size()) && static_cast<double>(vids.size()) <= u.upper;
        }
    }
    const auto share = [](const Said& said) { return 100.0 * static_cast<double>(said.right) / static_cast<double>(said.all); };
    std::printf("\nstarved pool: bounds hold for %.1f %% of %llu medians, %.1f %% of counts (95 %%)\n", share(medians),
                static_cast<unsigned long long>(medians.all), share(counts));
    CHECK(medians.all > 300);
    CHECK(share(medians) >= 93 && share(counts) >= 93);
}
