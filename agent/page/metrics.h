// Writes metrics in Prometheus' text format: a family with HELP and TYPE, then its samples.
// Memory: the caller's buffer. Cost: O(bytes written). Threads: one owner. Errors: sticky: once the buffer is full ok() is
// false, and text() ends with the last whole line.
// Source: Prometheus' exposition format 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

namespace weir {

enum class MetricType : std::uint8_t { counter, gauge };

struct MetricLabel {
    std::string_view name;
    std::string_view value;
};

class MetricsWriter {
public:
    static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";
    explicit MetricsWriter(std::span<char> buffer) : buffer_(buffer) {}

    // A counter's name ends with _total, but for the `_info` kind, which is a gauge.
    void family(std::string_view name, MetricType type, std::string_view help);
    void natural(std::initializer_list<MetricLabel> labels, std::uint64_t value);
    void real(std::initializer_list<MetricLabel> labels, double value);
    void natural(std::uint64_t value) { natural({}, value); }
    void real(double value) { real({}, value); }

    bool ok() const { return ok_; }
    std::string_view text() const { return {buffer_.data(), whole_}; }

private:
    void begin(std::initializer_list<MetricLabel> labels);
    void end();
    void put(std::string_view text);
    void put_escaped(std::string_view text);

    std::span<char> buffer_;
    std::string_view name_;
    std::size_t used_ = 0;
    std::size_t whole_ = 0;
    bool ok_ = true;
};

}  // namespace weir
