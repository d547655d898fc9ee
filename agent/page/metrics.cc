#include "agent/page/metrics.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace weir {

void MetricsWriter::put(std::string_view text) {
    if (!ok_ || text.size() > buffer_.size() - used_) {
        ok_ = false;
        return;
    }
    if (!text.empty()) std::memcpy(buffer_.data() + used_, text.data(), text.size());
    used_ += text.size();
}

void MetricsWriter::put_escaped(std::string_view text) {
    for (const char& c : text) {
        if (c == '\\') put("\\\\");
        else if (c == '"') put("\\\"");
        else if (c == '\n') put("\\n");
        else put({&c, 1});
    }
}

void MetricsWriter::family(std::string_view name, MetricType type, std::string_view help) {
    name_ = name;
    for (const std::string_view part : {std::string_view("# HELP "), name, std::string_view(" "), help, std::string_view("\n# TYPE "), name,
                                        std::string_view(type == MetricType::counter ? " counter" : " gauge")})
        put(part);
    end();
}

void MetricsWriter::begin(std::initializer_list<MetricLabel> labels) {
    put(name_);
    std::string_view before = "{";
    for (const MetricLabel& label : labels) {
        put(before);
        put(label.name);
        put("=\"");
        put_escaped(label.value);
        put("\"");
        before = ",";
    }
    put(labels.size() > 0 ? "} " : " ");
}

void MetricsWriter::end() {
    put("\n");
    if (ok_) whole_ = used_;
}

void MetricsWriter::natural(std::initializer_list<MetricLabel> labels, std::uint64_t value) {
    begin(labels);
    char text[24];
    const auto [last, failure] = std::to_chars(text, text + sizeof text, value);
    put({text, static_cast<std::size_t>(last - text)});
    end();
}

void MetricsWriter::real(std::initializer_list<MetricLabel> labels, double value) {
    begin(labels);
    if (!std::isfinite(value)) {
        put(std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    } else {
        char text[40];
        const auto [last, failure] = std::to_chars(text, text + sizeof text, value);
        put({text, static_cast<std::size_t>(last - text)});
    }
    end();
}

}  // namespace weir
