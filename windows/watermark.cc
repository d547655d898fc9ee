#include "windows/watermark.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace weir {
namespace {

std::size_t table_size(std::size_t partitions) { return std::bit_ceil(partitions * 2); }

}  // namespace

Bytes Watermarks::need(const Params& params) {
    const std::size_t count = params.partitions_max;
    return Arena::need<Partition>(count) + Arena::need<std::uint32_t>(table_size(count)) +
           Arena::need<std::int64_t>(2 * std::bit_ceil(count)) + 2 * Arena::need<std::uint32_t>(count) +
           Lateness::need(params.lateness);
}

Watermarks::Watermarks(Arena& arena, const Params& params)
    : params_(params),
      lateness_(arena, params.lateness),
      partitions_(arena.take<Partition>(params.partitions_max)),
      table_(arena.take<std::uint32_t>(table_size(params.partitions_max))),
      minima_(arena.take<std::int64_t>(2 * std::bit_ceil(params.partitions_max))),
      touched_(arena.take<std::uint32_t>(params.partitions_max)),
      passed_(arena.take<std::uint32_t>(params.partitions_max)),
      leaves_(std::bit_ceil(params.partitions_max)) {
    for (const Boundary& b : params.partition_boundaries) partitions_early_ |= b.early > 0;
    reset();
}

void Watermarks::reset() {
    for (Partition& partition : partitions_) partition = Partition{};
    lateness_.reset();
    if (params_.partitions_max > 1) partitions_.back().hash = shared_partition_hash;
    used_ = touched_count_ = passed_count_ = 0;
    watermark_ = own_ = furthest_ = boundary_ = last_arrival_ = never_us;
    limit_ = forever_us;
    held_next_ = nothing_held;
    elapsed_ = next_idle_ = 0;
    last_trusted_ = finished_ = source_passed_ = false;
    rebuild();
}

// All that follows from the partitions.
void Watermarks::rebuild() {
    std::fill(table_.begin(), table_.end(), 0U);
    std::fill(minima_.begin(), minima_.end(), forever_us);
    active_ = 0;
    furthest_ = watermark_;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        furthest_ = std::max(furthest_, partitions_[i].watermark);
        if (!partitions_[i].active) continue;
        ++active_;
        minima_[leaves_ + i] = own(i);
    }
    for (std::size_t node = leaves_ - 1; node > 0; --node) minima_[node] = std::min(minima_[2 * node], minima_[2 * node + 1]);
    if (params_.partitions_max == 1) return;
    for (std::size_t i = 0; i < used_; ++i) {
        std::size_t at = static_cast<std::size_t>(partitions_[i].hash) & (table_.size() - 1);
        while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
        table_[at] = static_cast<std::uint32_t>(i + 1);
    }
}

std::uint32_t Watermarks::partition(std::uint64_t hash, std::string_view label) {
    if (params_.partitions_max == 1) {
        used_ = 1;
        return 0;
    }
    std::size_t at = static_cast<std::size_t>(hash) & (table_.size() - 1);
    for (; table_[at] != 0; at = (at + 1) & (table_.size() - 1))
        if (partitions_[table_[at] - 1].hash == hash) return table_[at] - 1;
    if (used_ == partitions_.size() - 1) return static_cast<std::uint32_t>(used_);
    const auto made = static_cast<std::uint32_t>(used_++);
    table_[at] = made + 1;
    Partition& partition = partitions_[made];
    partition.hash = hash;
    partition.label_size = static_cast<std::uint8_t>(std::min(label.size(), label_max));
    if (partition.label_size > 0) std::memcpy(partition.label, label.data(), partition.label_size);
    if (finished_) partition.watermark = furthest_ = forever_us;
    return made;
}

bool Watermarks::arrive(Timestamp arrival, bool trusted) {
    const std::int64_t now = std::clamp(arrival.us(), never_us, forever_us);
    const bool comparable = last_arrival_ != never_us && trusted == last_trusted_;
    const std::int64_t step = comparable ? now - last_arrival_ : 0;
    const std::int64_t counted = std::clamp<std::int64_t>(step, 0, params_.arrival_step_max.us());
    elapsed_ += counted;
    last_arrival_ = now;
    last_trusted_ = trusted;
    return counted == step;
}

std::int64_t Boundary::next(std::int64_t watermark) const {
    std::int64_t next = cut().end(watermark);
    if (allow > 0) next = std::min(next, cut().end(watermark - allow) + allow);
    if (early > 0) {
        const std::int64_t start = cut().start(watermark);
        next = std::min(next, start + (std::int64_t{early_count(start, early, watermark)} + 1) * early);
    }
    return next;
}

std::int64_t Watermarks::next_boundary(std::span<const Boundary> boundaries, std::int64_t watermark) {
    std::int64_t next = forever_us;
    if (watermark >= forever_us) return next;
    for (const Boundary& b : boundaries) next = std::min(next, b.next(watermark));
    return next;
}

std::int64_t Watermarks::last_boundary(std::span<const Boundary> boundaries, std::int64_t watermark) {
    std::int64_t last = never_us;
    for (const Boundary& b : boundaries) last = std::max(last, b.cut().start(watermark));
    return last;
}

// A first watermark passes a boundary only if an event of its own message lies behind one. Early results take it for
// one that passed all there are, whatever came with it.
bool Watermarks::passes(const Partition& partition, std::int64_t watermark) const {
    if (watermark < partition.boundary) return false;
    return partitions_early_ || partition.watermark != never_us || partition.least_now < last_boundary(params_.partition_boundaries, watermark);
}

void Watermarks::set_minimum(std::uint32_t partition, std::int64_t value) {
    std::size_t node = leaves_ + partition;
    if (minima_[node] == value) return;
    minima_[node] = value;
    while (node > 1) {
        node /= 2;
        const std::int64_t least = std::min(minima_[2 * node], minima_[2 * node + 1]);
        if (minima_[node] == least) return;
        minima_[node] = least;
    }
}

void Watermarks::set_active(std::uint32_t which, bool active) {
    Partition& partition = partitions_[which];
    if (partition.active == (active ? 1 : 0)) return;
    partition.active = active ? 1 : 0;
    active_ = active ? active_ + 1 : active_ - 1;
    if (!active) set_minimum(which, forever_us);
}

// How far a partition has come, whatever the limit.
std::int64_t Watermarks::own(std::size_t which) const { return std::max(partitions_[which].watermark, partitions_[which].proposed); }

void Watermarks::find_idle() {
    if (elapsed_ < next_idle_) return;
    next_idle_ = elapsed_ + params_.idle.us();
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        const Partition& partition = partitions_[i];
        if (!partition.active) continue;
        const std::int64_t idle_at = partition.last + params_.idle.us();
        if (idle_at <= elapsed_)
            set_active(static_cast<std::uint32_t>(i), false);
        else
            next_idle_ = std::min(next_idle_, idle_at);
    }
    if (active_ > 0) own_ = std::max(own_, minima_[1]);
}

bool Watermarks::propose() {
    bool pass = false;
    lateness_.settle();
    for (std::size_t i = 0; i < touched_count_; ++i) {
        Partition& partition = partitions_[touched_[i]];
        partition.last = elapsed_;
        const std::int64_t before = own(touched_[i]);
        partition.greatest = std::max(partition.greatest, partition.greatest_now);
        partition.proposed = std::max(before, partition.greatest - lateness_.now());
        pass |= passes(partition, std::min(partition.proposed, limit_));
        set_active(touched_[i], true);
        set_minimum(touched_[i], partition.proposed);
    }
    find_idle();
    if (active_ > 0) own_ = std::max(own_, minima_[1]);
    return pass || std::min(own_, limit_) >= boundary_;
}

bool Watermarks::limit(std::int64_t time) {
    limit_ = time;
    bool pass = held_next_ <= limit_ || std::min(own_, limit_) >= boundary_;
    for (std::size_t i = 0; i < touched_count_; ++i) {
        const Partition& partition = partitions_[touched_[i]];
        pass |= passes(partition, std::min(partition.proposed, limit_));
    }
    return pass;
}

void Watermarks::raise_within_limit(std::size_t which, std::int64_t watermark) {
    raise(static_cast<std::uint32_t>(which), std::min(watermark, limit_));
    if (watermark > limit_) held_next_ = std::min(held_next_, partitions_[which].boundary);
}

void Watermarks::catch_up() {
    if (held_next_ <= limit_) {
        held_next_ = nothing_held;
        for (std::size_t i = 0; i < partitions_.size(); ++i)
            if (const std::int64_t wanted = own(i); wanted > partitions_[i].watermark) raise_within_limit(i, wanted);
    }
    raise_source(std::min(own_, limit_));
}

void Watermarks::raise(std::uint32_t which, std::int64_t watermark) {
    Partition& partition = partitions_[which];
    if (watermark <= partition.watermark) return;
    const bool pass = watermark >= partition.boundary;
    partition.watermark = watermark;
    furthest_ = std::max(furthest_, watermark);
    if (!pass) return;
    partition.boundary = next_boundary(params_.partition_boundaries, watermark);
    // At most once each: the caller clears them before it goes on.
    if (passed_count_ < passed_.size()) passed_[passed_count_++] = which;
}

void Watermarks::raise_source(std::int64_t watermark) {
    if (watermark <= watermark_) return;
    watermark_ = watermark;
    furthest_ = std::max(furthest_, watermark);
    if (watermark < boundary_) return;
    boundary_ = next_boundary(params_.source_boundaries, watermark);
    source_passed_ = true;
}

void Watermarks::adopt() {
    for (std::size_t i = 0; i < touched_count_; ++i) {
        Partition& partition = partitions_[touched_[i]];
        raise_within_limit(touched_[i], partition.proposed);
        partition.touched = 0;
        partition.greatest_now = never_us;
        partition.least_now = forever_us;
    }
    touched_count_ = 0;
    catch_up();
}

void Watermarks::tick() {
    if (finished_) return;
    find_idle();
    std::int64_t furthest = never_us;
    held_next_ = nothing_held;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        Partition& partition = partitions_[i];
        if (partition.greatest == never_us) continue;
        if (!partition.active) {
            partition.proposed = std::max(own(i), partition.greatest + (elapsed_ - partition.last) - lateness_.now());
            furthest = std::max(furthest, partition.proposed);
        }
        if (own(i) > partition.watermark) raise_within_limit(i, own(i));
    }
    if (active_ == 0) own_ = std::max(own_, furthest);
    raise_source(std::min(own_, limit_));
}

void Watermarks::follow(std::int64_t watermark) {
    raise(0, watermark);
    raise_source(watermark);
}

void Watermarks::finish() {
    finished_ = true;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        raise(static_cast<std::uint32_t>(i), forever_us);
        if (partitions_[i].active) set_minimum(static_cast<std::uint32_t>(i), forever_us);
    }
    own_ = forever_us;
    held_next_ = nothing_held;
    raise_source(forever_us);
}

void Watermarks::clear_passed() {
    passed_count_ = 0;
    source_passed_ = false;
}

std::int64_t Watermarks::newest() const {
    std::int64_t newest = never_us;
    for (const Partition& partition : partitions_) newest = std::max(newest, partition.greatest);
    return newest;
}

std::string_view Watermarks::holder() const {
    if (active_ == 0) return {};
    std::size_t node = 1;
    while (node < leaves_) node = minima_[2 * node] <= minima_[2 * node + 1] ? 2 * node : 2 * node + 1;
    const Partition& partition = partitions_[node - leaves_];
    return {partition.label, partition.label_size};
}

Bytes Watermarks::save_size_max(const Params& params) {
    return 128 + params.partitions_max * sizeof(Partition) + Lateness::save_size_max(params.lateness);
}

void Watermarks::save(ByteWriter& out) const {
    for (std::int64_t value : {watermark_, elapsed_, next_idle_, last_arrival_}) out.write(value);
    out.write(static_cast<std::uint8_t>((last_trusted_ ? 1 : 0) | (finished_ ? 2 : 0)));
    if (params_.aligned)
        for (std::int64_t value : {own_, limit_, held_next_}) out.write(value);
    lateness_.save(out);
    out.write(static_cast<std::uint32_t>(used_));
    // The partitions in use, and the shared one behind them.
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        if (i >= used_ && i + 1 != partitions_.size()) continue;
        const Partition& p = partitions_[i];
        for (std::int64_t value : {p.watermark, p.greatest, p.greatest_now, p.least_now, p.last}) out.write(value);
        if (params_.aligned) out.write(own(i));
        out.write(p.hash);
        out.write(static_cast<std::uint8_t>(p.active | p.touched << 1));
        out.write(p.label_size);
        out.bytes(std::as_bytes(std::span(p.label)));
    }
}

bool Watermarks::load(ByteReader& in) {
    reset();
    std::int64_t* const values[] = {&watermark_, &elapsed_, &next_idle_, &last_arrival_};
    bool sane = true;
    const auto time = [&](std::int64_t& value) {
        value = in.read<std::int64_t>();
        sane &= value >= never_us && value <= forever_us;
    };
    for (std::int64_t* value : values) time(*value);
    const auto flags = in.read<std::uint8_t>();
    last_trusted_ = flags & 1;
    finished_ = flags & 2;
    own_ = watermark_;
    if (params_.aligned) {
        time(own_);
        time(limit_);
        held_next_ = in.read<std::int64_t>();
        sane &= held_next_ >= never_us;
    }
    if (!lateness_.load(in)) return false;
    used_ = in.read<std::uint32_t>();
    if (!in.ok() || !sane || used_ > std::max<std::size_t>(1, partitions_.size() - 1)) return false;
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        if (i >= used_ && i + 1 != partitions_.size()) continue;
        Partition& p = partitions_[i];
        for (std::int64_t* value : {&p.watermark, &p.greatest, &p.greatest_now, &p.least_now, &p.last}) time(*value);
        if (params_.aligned) time(p.proposed);
        p.hash = in.read<std::uint64_t>();
        const auto bits = in.read<std::uint8_t>();
        p.active = bits & 1;
        p.touched = bits >> 1 & 1;
        p.label_size = in.read<std::uint8_t>();
        const ByteSpan label = in.bytes(label_max);
        if (!in.ok() || !sane || p.label_size > label_max) return false;
        std::memcpy(p.label, label.data(), label_max);
        if (p.watermark != never_us) p.boundary = next_boundary(params_.partition_boundaries, p.watermark);
        if (p.touched) touched_[touched_count_++] = static_cast<std::uint32_t>(i);
    }
    if (watermark_ != never_us) boundary_ = next_boundary(params_.source_boundaries, watermark_);
    rebuild();
    return true;
}

}  // namespace weir
