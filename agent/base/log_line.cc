#include "agent/base/log_line.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace weir {
namespace {

constexpr const char* names[] = {"error", "warning", "info", "debug"};
constexpr int priorities[] = {3, 4, 6, 7};  // syslog's
constexpr std::string_view cut_mark = "...";

class Out {
public:
    explicit Out(std::span<char> buffer) : buffer_(buffer.first(buffer.size() - 1)), all_(buffer) {}

    void put(char c) {
        if (used_ < buffer_.size()) buffer_[used_++] = c;
    }
    void put(std::string_view text) {
        for (const char c : text) put(c);
    }
    void number(int value) {
        char text[16];
        put({text, static_cast<std::size_t>(std::snprintf(text, sizeof text, "%d", value))});
    }
    // Escaped as in JSON, which logfmt's readers take too; cut where `behind` more bytes would not fit.
    void quoted(std::string_view text, std::size_t behind) {
        put('"');
        const std::size_t most = buffer_.size() - std::min(buffer_.size(), behind + cut_mark.size() + 1);
        for (const char c : text) {
            if (used_ + 6 > most) {
                put(cut_mark);
                break;
            }
            escaped(c);
        }
        put('"');
    }
    // A control character would end the line, or trick a terminal.
    void plain(std::string_view text, std::size_t behind) {
        const std::size_t most = buffer_.size() - std::min(buffer_.size(), behind + cut_mark.size());
        for (const char c : text) {
            if (used_ >= most) {
                put(cut_mark);
                return;
            }
            put(static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c);
        }
    }
    std::string_view line() {
        all_[used_++] = '\n';
        return {all_.data(), used_};
    }

private:
    void escaped(char c) {
        switch (c) {
            case '"': put("\\\""); return;
            case '\\': put("\\\\"); return;
            case '\n': put("\\n"); return;
            case '\t': put("\\t"); return;
            default: break;
        }
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) return put(c);
        char text[8];
        put({text, static_cast<std::size_t>(std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(c)))});
    }

    std::span<char> buffer_;
    std::span<char> all_;
    std::size_t used_ = 0;
};

constexpr std::size_t counts_size = 80;  // of what may stand behind a message

void put_time(Out& out, std::int64_t seconds) {
    const std::time_t time = static_cast<std::time_t>(seconds);
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    char text[40];
    const int size = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                                   utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
    out.put({text, static_cast<std::size_t>(size)});
}

// What stands before and behind each of the two, where they are not zero.
void put_counts(Out& out, const LogLine& line, std::string_view repeats, std::string_view held_back,
                std::string_view behind_repeats = {}, std::string_view behind_held_back = {}) {
    if (line.repeats > 0) {
        out.put(repeats);
        out.number(line.repeats);
        out.put(behind_repeats);
    }
    if (line.held_back > 0) {
        out.put(held_back);
        out.number(line.held_back);
        out.put(behind_held_back);
    }
}

void put_text(Out& out, const LogLine& line, bool journal) {
    if (!journal) {
        put_time(out, line.seconds);
        out.put(' ');
        out.put("EWID"[static_cast<int>(line.level)]);
        out.put("! ");
    }
    out.put('[');
    out.put(line.component);
    out.put("] ");
    out.plain(line.message, counts_size);
    put_counts(out, line, " (and ", " (", " times before)", " other lines were held back before it)");
}

void put_logfmt(Out& out, const LogLine& line, bool journal) {
    if (!journal) {
        out.put("time=");
        put_time(out, line.seconds);
        out.put(' ');
    }
    out.put("level=");
    out.put(names[static_cast<int>(line.level)]);
    out.put(" component=");
    out.put(line.component);
    out.put(" msg=");
    out.quoted(line.message, counts_size);
    put_counts(out, line, " repeats=", " held_back=");
}

void put_json(Out& out, const LogLine& line, bool journal) {
    out.put('{');
    if (!journal) {
        out.put("\"time\":\"");
        put_time(out, line.seconds);
        out.put("\",");
    }
    out.put("\"level\":\"");
    out.put(names[static_cast<int>(line.level)]);
    out.put("\",\"component\":\"");
    out.put(line.component);
    out.put("\",\"message\":");
    out.quoted(line.message, counts_size);
    put_counts(out, line, ",\"repeats\":", ",\"held_back\":");
    out.put('}');
}

}  // namespace

std::string_view name(LogFormat format) {
    constexpr std::string_view formats[] = {"text", "logfmt", "json"};
    return formats[static_cast<int>(format)];
}

std::string_view name(LogLevel level) { return names[static_cast<int>(level)]; }

std::string_view render_log_line(const LogLine& line, LogFormat format, bool journal, std::span<char> buffer) {
    Out out(buffer);
    if (journal) {
        out.put('<');
        out.number(priorities[static_cast<int>(line.level)]);
        out.put('>');
    }
    switch (format) {
        case LogFormat::text: put_text(out, line, journal); break;
        case LogFormat::logfmt: put_logfmt(out, line, journal); break;
        case LogFormat::json: put_json(out, line, journal); break;
    }
    return out.line();
}

}  // namespace weir
