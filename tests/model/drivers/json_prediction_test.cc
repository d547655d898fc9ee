// Two decoders, one that predicts the shape of events and one that does not, on the same messages: rows, nulls, times,
// counters and samples must be the same, whatever comes: streams of changing shapes and values, with bytes changed,
// removed and inserted, and every such change of a set of documents. What follows a payload in memory looks as if
// the document went on.
#include <bit>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "drivers/row_codec.h"
#include "tests/unit/drivers/decode_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

CodecSpec spec_of_everything() {
    CodecSpec spec;
    spec.columns = {{"speed", ColumnType::real},
                    {"n", ColumnType::integer},
                    {"ok", ColumnType::boolean},
                    {"vid", ColumnType::text},
                    {"len", ColumnType::real, "/vehicle/length"},
                    {"text_n", ColumnType::integer, "", true},
                    {"n_as_real", ColumnType::real, "n"},
                    {"a_name_that_is_longer_than_two_words", ColumnType::real}};
    spec.time = {"ts", TimeUnit::milliseconds};
    return spec;
}

CodecSpec spec_of_the_usual() {
    CodecSpec spec;
    spec.columns = {{"site", ColumnType::text}, {"lane", ColumnType::integer}, {"speed", ColumnType::real}, {"length", ColumnType::real}, {"vid", ColumnType::text}};
    spec.time = {"ts", TimeUnit::milliseconds};
    return spec;
}

// One decoder and what it has given.
class Side : public BatchSink {
public:
    Side(const CodecSpec& spec, Batch::Params params, bool predict)
        : schema_(schema_of(spec)), scratch_(spec.max_message), block_(Batch::need(schema_, params)), arena_(block_.memory()),
          batch_(arena_, schema_, params), codec_(make_json_codec(spec, scratch_, predict)) {}

    void push(Batch& batch) override {
        take();
        batch.clear();
    }
    void decode(const Message& message) { codec_->decode(message, batch_, *this); }
    // All rows since the last call, their bytes; the views in them must still stand.
    const std::string& rows() {
        take();
        batch_.clear();
        rows_.swap(taken_);
        taken_.clear();
        return rows_;
    }
    const Codec& codec() const { return *codec_; }

private:
    template <typename T>
    void put(T value) {
        taken_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void take() {
        for (std::size_t row = 0; row < batch_.rows(); ++row) {
            for (std::size_t i = 0; i < batch_.columns(); ++i) {
                const Column& column = batch_.column(i);
                put(column.present.test(row));
                if (!column.present.test(row)) continue;
                switch (column.type) {
                    case ColumnType::integer: put(column.integers[row]); break;
                    case ColumnType::real: put(column.reals[row]); break;
                    case ColumnType::boolean: put(column.booleans[row]); break;
                    case ColumnType::text:
                        put(column.texts[row].size());
                        taken_ += column.texts[row];
                        break;
                }
            }
            put(batch_.time(row).event.us());
            put(batch_.time(row).arrival.us());
            put(batch_.time(row).arrival_trusted);
            if (batch_.ends_message(row)) taken_ += '|';
        }
    }

    Schema schema_;
    DecodeScratch scratch_;
    ArenaBlock block_;
    Arena arena_;
    Batch batch_;
    std::unique_ptr<Codec> codec_;
    std::string taken_;
    std::string rows_;
};

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        char hex[8];
        std::snprintf(hex, sizeof hex, c >= 0x20 && c < 0x7F ? "%c" : "\\x%02x", static_cast<unsigned char>(c));
        out += hex;
    }
    return out;
}

class Pair {
public:
    explicit Pair(const CodecSpec& spec, Batch::Params params = {}) : plain_(spec, params, false), predicting_(spec, params, true) {}

    // Fails the test where the two differ. `behind` is what memory holds behind the payload of the one that predicts; the
    // other has blanks there, so what the general path makes of it is compared, too.
    void decode(std::string_view payload, std::string_view behind, std::string_view topic = "t") {
        const PaddedBytes blanks = padded(payload, " ");
        const PaddedBytes more = padded(payload, behind.empty() ? " " : behind);
        ++arrival_;
        plain_.decode(message(topic, {blanks.get(), payload.size()}));
        predicting_.decode(message(topic, {more.get(), payload.size()}));
        if (plain_.rows() != predicting_.rows()) FAIL(("rows differ: " + printable(payload)).c_str());
        const DecodeCounters& a = plain_.codec().counters();
        const DecodeCounters& b = predicting_.codec().counters();
        if (a.messages != b.messages || a.bytes != b.bytes || a.events != b.events || a.dropped_events != b.dropped_events ||
            a.by_reason != b.by_reason)
            FAIL(("counters differ: " + printable(payload)).c_str());
    }
    void check_samples() {
        const Codec& a = plain_.codec();
        const Codec& b = predicting_.codec();
        LONGS_EQUAL(a.samples(), b.samples());
        for (std::size_t i = 0; i < a.samples(); ++i) {
            CHECK(a.sample(i).reason == b.sample(i).reason);
            CHECK(a.sample(i).arrival == b.sample(i).arrival);
            CHECK(as_text(a.sample(i).payload()) == as_text(b.sample(i).payload()));
        }
    }
    const DecodeCounters& counters() const { return plain_.codec().counters(); }

private:
    Message message(std::string_view topic, ByteSpan payload) const {
        return {topic, payload, Timestamp::millis(arrival_), arrival_ % 3 != 0};
    }

    Side plain_;
    Side predicting_;
    std::int64_t arrival_ = 1000;
};

// Documents of a sender that keeps its order of members, mostly.
class Sender {
public:
    explicit Sender(SeededEntropy& random) : random_(random) {
        static constexpr const char* names[] = {"ts", "speed", "n", "ok", "vid", "vehicle", "text_n", "x", "y", "kind", "",
                                                "a_name_that_is_longer_than_two_words", "not_wanted_and_longer_than_sixteen", "sp\\u0065ed", "z\xC3\xBC"};
        const std::size_t count = 1 + below(9);
        for (std::size_t i = 0; i < count; ++i) {
            Member member;
            member.name = one_in(3) ? names[below(std::size(names))] : names[below(9)];
            member.taste = below(tastes);
            members_.push_back(member);
        }
        if (!one_in(8)) members_.insert(members_.begin() + static_cast<std::ptrdiff_t>(below(members_.size() + 1)), {"ts", 0});
        blanks_ = below(4);
    }

    std::string message() {
        switch (below(6)) {
            case 0: return event();
            case 1:
            case 2:
            case 3: {
                std::string text = "[" + blank();
                const std::size_t count = below(one_in(4) ? 40 : 6);
                for (std::size_t i = 0; i < count; ++i) text += (i ? "," + blank() : "") + event() + blank();
                return text + "]";
            }
            case 4: {
                std::string text;
                const std::size_t count = 1 + below(6);
                for (std::size_t i = 0; i < count; ++i) text += event() + (one_in(8) ? "\r\n" : "\n");
                return text;
            }
            default: return one_in(2) ? "\xEF\xBB\xBF " + event() : " " + event() + "\n";
        }
    }

private:
    static constexpr std::size_t tastes = 9;
    struct Member {
        std::string name;
        std::size_t taste = 0;
    };

    std::size_t below(std::size_t end) { return static_cast<std::size_t>(random_.word() % end); }
    bool one_in(std::size_t n) { return below(n) == 0; }
    std::string blank() {
        switch (blanks_) {
            case 1: return " ";
            case 2: return one_in(9) ? "\t" : "\n  ";
            case 3: return one_in(6) ? " " : "";
            default: return "";
        }
    }

    std::string event() {
        std::vector<Member> members = members_;
        if (one_in(20)) std::swap(members[below(members.size())], members[below(members.size())]);
        if (one_in(30)) members.erase(members.begin() + static_cast<std::ptrdiff_t>(below(members.size())));
        std::string text = "{" + blank();
        for (std::size_t i = 0; i < members.size(); ++i) {
            const Member& member = members[i];
            text += (i ? "," + blank() : "") + "\"" + member.name + "\"" + (blanks_ == 2 ? " " : "") + ":" + (blanks_ ? " " : "");
            text += member.name == "ts" && !one_in(12) ? time() : value(one_in(25) ? below(tastes) : member.taste, 0);
            text += blanks_ == 3 ? blank() : "";
        }
        return text + "}";
    }

    std::string time() {
        clock_ += static_cast<std::int64_t>(below(one_in(50) ? 100000000 : 900));
        switch (below(24)) {
            case 0: return "\"2025-11-21T08:00:00.5Z\"";
            case 1: return std::to_string(clock_) + ".25";
            case 2: return std::to_string(clock_ / 1000);
            case 3: return std::to_string(clock_) + "000000";
            default: return std::to_string(clock_);
        }
    }

    std::string digits(std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('0' + below(10));
        return text;
    }
    std::string number() {
        static constexpr const char* odd[] = {"0", "-0", "-0.0", "0.5", "00", "01", "1.", ".5", "-", "+1", "1e5", "1E+2", "1.5e-3", "1e999", "-1e999",
                                              "1e-999", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1.0", "2.50", "0.0", "1e", "1e+",
                                              "9007199254740993", "0.1234567890123456789", "123456789012345678901234567890", "10.00000000000000000001", "4.35", "0.000001"};
        switch (below(8)) {
            case 0: return odd[below(std::size(odd))];
            case 1: return (one_in(2) ? "-" : "") + digits(1 + below(20));
            case 2: return (one_in(2) ? "-" : "") + std::to_string(below(1000)) + "." + digits(1 + below(9));
            case 3: return std::to_string(below(100000)) + "." + digits(1 + below(18));
            default: return std::to_string(below(150)) + "." + digits(1);
        }
    }
    std::string text() {
        static constexpr const char* odd[] = {"", "a b", "caf\xC3\xA9", "\xF0\x9F\x9A\x97", "\xFF", "\xC3", "q\\\"q", "\\u00e9\\n", "\\ud800", "\\x", "tab\there", "\x01", "57.3", "12",
                                              "1234567", "12345678", "123456789", "fifteen letters", "sixteen letters!", "a string of more than one word", "\xED\xA0\x80", "\x7F", "{", "]", ",", "\\\\"};
        if (one_in(4)) return "\"" + std::string(odd[below(std::size(odd))]) + "\"";
        std::string plain;
        for (std::size_t i = below(12); i > 0; --i) plain += static_cast<char>('a' + below(26));
        return "\"" + plain + "\"";
    }
    std::string value(std::size_t taste, int depth) {
        switch (taste) {
            case 0: return std::to_string(below(9));
            case 1: return number();
            case 2: return std::to_string(below(150)) + "." + digits(1);
            case 3:
            case 4: return text();
            case 5: return one_in(2) ? "true" : "false";
            case 6: return one_in(2) ? "null" : number();
            case 7: {
                static constexpr const char* odd[] = {"nul", "tru", "True", "oops", "", "nulll", "-true", "[]", "{}", "[1,{\"a\":[2]},\"x\"]", "1 2", "\"a\" 1", "{\"length\":[1]}"};
                return one_in(3) ? odd[below(std::size(odd))] : "{\"length\":" + number() + ",\"kind\":" + text() + "}";
            }
            default:
                if (depth > 4) return "7";
                return "{\"length\":" + value(below(3), depth + 1) + ",\"deep\":" + (one_in(3) ? value(8, depth + 1) : "[1," + number() + "]") + "}";
        }
    }

    SeededEntropy& random_;
    std::vector<Member> members_;
    std::size_t blanks_ = 0;
    std::int64_t clock_ = 1763712000000;
};

std::string mutated(std::string text, SeededEntropy& random) {
    static constexpr std::string_view alphabet = "{}[]\",:\\0123456789.eE+-tfnu \n\r\t\xff\x80\xc3";
    for (std::uint64_t n = 1 + random.word() % 3; n > 0; --n) {
        const std::size_t at = random.word() % (text.size() + 1);
        const char c = random.word() % 4 ? alphabet[random.word() % alphabet.size()] : static_cast<char>(random.word());
        switch (random.word() % 4) {
            case 0:
                if (at < text.size()) text[at] = c;
                break;
            case 1: text.insert(at, 1, c); break;
            case 2: text.erase(at, 1 + random.word() % 3); break;
            default: text.resize(at); break;
        }
    }
    return text;
}

// Every byte replaced by, preceded by and without each of an alphabet, of a decoder that knows the document's shape.
void change_each_byte(Pair& pair, const std::string& document) {
    static constexpr std::string_view alphabet("{}[]\",:\\09.eE+-tn \n\xff\x80\xc3\x01\0", 24);
    for (std::size_t at = 0; at <= document.size(); ++at) {
        std::string changed = document;
        if (at < document.size()) {
            changed.erase(at, 1);
            pair.decode(changed, document);
            pair.decode(document.substr(0, at), document.substr(at));
            pair.decode(document.substr(0, at), "}]");
            pair.decode(document.substr(0, at), "]");
        }
        for (const char c : alphabet) {
            changed = document;
            changed.insert(at, 1, c);
            pair.decode(changed, document);
            if (at == document.size()) continue;
            changed = document;
            changed[at] = c;
            pair.decode(changed, document);
            pair.decode(document, ",");
        }
    }
    pair.check_samples();
}

}  // namespace

TEST_GROUP(JsonPrediction){};

TEST(JsonPrediction, streams_of_changing_shapes_decode_alike) {
    SeededEntropy random(5);
    std::uint64_t events = 0;
    std::uint64_t malformed = 0;
    for (int stream = 0; stream < 2500; ++stream) {
        Sender sender(random);
        const Batch::Params small{.rows = 1 + static_cast<std::size_t>(random.word() % 40), .text_bytes = 64};
        Pair pair(spec_of_everything(), random.word() % 2 ? Batch::Params{} : small);
        for (int i = 0; i < 12; ++i) {
            const std::string message = sender.message();
            static constexpr const char* brackets[] = {"", "}", "]", "}]", "]}", ",", "\"", "}}}}"};
            pair.decode(message, i % 2 ? message : brackets[random.word() % std::size(brackets)]);
            if (random.word() % 4 == 0) pair.decode(mutated(message, random), i % 2 ? message : brackets[random.word() % std::size(brackets)]);
        }
        pair.check_samples();
        events += pair.counters().events;
        malformed += pair.counters()[DecodeReason::malformed];
    }
    CHECK(events > 50000);
    CHECK(malformed > 1000);
}

TEST(JsonPrediction, every_change_of_a_byte_decodes_alike) {
    const std::vector<std::string> documents = {
        R"({"ts":1763712000123,"site":"s017","lane":3,"speed":57.3,"length":4.2,"vid":"a1b2c3"})",
        R"([{"ts":1763712000123,"site":"s017","lane":3,"speed":57.3,"length":4.2,"vid":"a1b2c3"},{"ts":1763712000124,"site":"s018","lane":4,"speed":109.3,"length":12.25,"vid":null}])",
        "{\"ts\":1763712000123,\"lane\":-3,\"speed\":-1.5e1}\n{\"ts\":1763712000124,\"lane\":4,\"speed\":12}\n",
        R"([ { "ts" : 1763712000123 , "lane" : 3 , "skipped" : [ 1 , "b" ] , "speed" : 7 } , { "ts" : 5 , "lane" : 3 , "skipped" : [ 1 , "c" ] , "speed" : 8 } ])",
        R"([{"ts":1763712000123,"speed":1.5,"x":[1,2]},{"ts":1763712000124,"speed":2.5,"x":[1,2]}])",
    };
    for (const std::string& document : documents) {
        Pair pair(spec_of_the_usual());
        change_each_byte(pair, document);
    }
}

TEST(JsonPrediction, every_change_of_a_byte_of_a_rich_event_decodes_alike) {
    Pair pair(spec_of_everything(), {.rows = 7, .text_bytes = 64});
    change_each_byte(pair, R"([{"ts":1763712000123,"text_n":"12","ok":true,"vid":"caf\u00e9","vehicle":{"kind":"car","length":4.5,"axles":[{"at":1.25},null]},)"
                           R"("speed":"12","a_name_that_is_longer_than_two_words":0.25},{"ts":1763712000124,"text_n":"13","ok":false,"vid":"Z)"
                           "\xC3\xBC"
                           R"(rich","vehicle":{"kind":"van","length":5,"axles":[{"at":2},true]},"speed":"7","a_name_that_is_longer_than_two_words":1e-2}])");
}

TEST(JsonPrediction, topics_that_fit_and_topics_that_do_not) {
    CodecSpec spec = spec_of_the_usual();
    spec.topics = {topic_template("city/{site}/loop/{lane:int}")};
    Pair pair(spec);
    const std::string event = R"({"ts":1763712000123,"site":"liar","speed":57.3,"length":4.2})";
    for (int i = 0; i < 50; ++i) {
        pair.decode(event, "", "city/s1/loop/3");
        pair.decode("[" + event + "," + event + "]", "", i % 3 ? "city/s2/loop/4" : "city/s2/loop/left");
        pair.decode(event, "", i % 5 ? "city/s1/loop/3" : "elsewhere");
    }
    pair.check_samples();
    CHECK(pair.counters()[DecodeReason::wrong_type] > 0);
}

TEST(JsonPrediction, a_batch_that_fills_in_the_middle_of_an_array) {
    for (const std::size_t rows : {1u, 2u, 7u, 64u, 100u, 1024u}) {
        Pair pair(spec_of_the_usual(), {.rows = rows, .text_bytes = 64});
        for (int message = 0; message < 30; ++message) {
            std::string array = "[";
            for (int i = 0; i < 60 + message; ++i)
                array += (i ? ",{\"ts\":" : "{\"ts\":") + std::to_string(1763712000000 + i) + ",\"speed\":" + std::to_string(i) + ".5,\"vid\":\"v" + std::to_string(i) + "\"}";
            pair.decode(array + "]", "");
            pair.decode(array, "");             // no closing bracket: no row
            pair.decode(array + ",\xFF]", "");  // no UTF-8: no row
            pair.decode(array + ",7]", "");     // rows before the damage
        }
    }
}

TEST(JsonPrediction, times_in_each_unit) {
    for (const TimeUnit unit : {TimeUnit::seconds, TimeUnit::milliseconds, TimeUnit::microseconds, TimeUnit::nanoseconds}) {
        CodecSpec spec = spec_of_the_usual();
        spec.time.unit = unit;
        Pair pair(spec);
        SeededEntropy random(9);
        std::string digits = "1763712000";
        for (int i = 0; i < 2000; ++i) {
            std::string text = i % 7 == 0 ? std::to_string(random.word() >> random.word() % 60) : digits.substr(0, 1 + random.word() % digits.size());
            if (i % 11 == 0) text = std::string(8, '\0') + "12345678";
            digits = std::to_string(1763712000123456789 + static_cast<std::int64_t>(random.word() % 1000000000000));
            pair.decode("{\"ts\":" + text + ",\"lane\":1}", "");
            pair.decode("{\"ts\":" + digits.substr(0, unit == TimeUnit::seconds ? 10 : unit == TimeUnit::milliseconds ? 13 : 16) + ",\"lane\":1}", "");
        }
    }
}
