#include "tests/model/windows/pattern_twin.h"

#include <algorithm>

namespace weir::model {
namespace {

constexpr std::size_t steps_max = 200000;
const char* const names[twin_variables] = {"A", "B", "C", "D"};

TwinRegex variable(int which) {
    TwinRegex out;
    out.variable = which;
    return out;
}

TwinRegex random_regex(Dice& dice, int depth) {
    if (depth == 0 || dice.one_in(3)) return variable(static_cast<int>(dice.below(twin_variables)));
    TwinRegex out;
    out.kind = static_cast<TwinRegex::Kind>(1 + dice.below(3));
    if (out.kind == TwinRegex::Kind::repetition) {
        const int bounds[][2] = {{0, 1}, {0, -1}, {1, -1}, {2, 2}, {1, 3}, {2, -1}, {0, 2}};
        const auto& bound = bounds[dice.below(std::size(bounds))];
        out.least = bound[0];
        out.most = bound[1];
        out.greedy = !dice.one_in(3);
        out.parts.push_back(random_regex(dice, depth - 1));
        return out;
    }
    const std::size_t count = 2 + dice.below(2);
    for (std::size_t i = 0; i < count; ++i) out.parts.push_back(random_regex(dice, depth - 1));
    return out;
}

std::string text_of(const TwinRegex& regex, Dice& dice) {
    std::string out;
    switch (regex.kind) {
        case TwinRegex::Kind::variable: return names[regex.variable];
        case TwinRegex::Kind::sequence:
        case TwinRegex::Kind::alternatives:
            for (const TwinRegex& part : regex.parts)
                out += (out.empty() ? "" : regex.kind == TwinRegex::Kind::sequence ? " " : " | ") + text_of(part, dice);
            return "(" + out + ")";
        case TwinRegex::Kind::repetition: break;
    }
    out = "(" + text_of(regex.parts[0], dice) + ")";
    if (regex.least == 0 && regex.most == 1 && dice.one_in(2))
        out += "?";
    else if (regex.least == 0 && regex.most == -1)
        out += "*";
    else if (regex.least == 1 && regex.most == -1)
        out += "+";
    else
        out += "{" + std::to_string(regex.least) + "," + (regex.most < 0 ? "" : std::to_string(regex.most)) + "}";
    return out + (regex.greedy ? "" : "?");
}

std::string text_of(const TwinCondition& condition, int self) {
    const std::string me = names[self];
    const std::string other = names[condition.other];
    const std::string k = std::to_string(condition.k);
    switch (condition.kind) {
        case 0: return "price == " + k;
        case 1: return "price < " + k;
        case 2: return me + ".price > " + k;
        case 3: return "price > " + other + ".price";
        case 4: return "last(" + me + ".price, 1) == null || price > last(" + me + ".price, 1)";
        case 5: return "sum(price) < " + k + " * 4";
        case 6: return "count(" + me + ") <= " + k;
        case 7: return "avg(" + other + ".price) <= " + k;
        case 8: return "price >= first(price)";
        case 9: return "max(" + other + ".price) - min(price) > " + k;
        case 10: return "price != null && last(price, 2) != price";
        default: return "true";
    }
}

struct Mapped {
    int variable;
    std::size_t row;
};

class Search {
public:
    Search(const TwinPattern& pattern, const std::vector<TwinEvent>& rows) : pattern_(pattern), rows_(rows) {}

    // False when it took too many steps.
    bool run(std::vector<std::string>& out) {
        for (std::size_t start = 0; start < rows_.size();) {
            mapped_.clear();
            start_ = start;
            const bool found = best(start, {&pattern_.regex}, {});
            if (steps_ > steps_max) return false;
            if (!found) {
                ++start;
                continue;
            }
            out.push_back(line());
            start = resume(start);
        }
        return true;
    }

private:
    // What is still to be matched: parts, each with how often it may be repeated yet.
    struct Item {
        const TwinRegex* regex;
        int least = -1;  // of a repetition under way
        int most = -1;
        Item(const TwinRegex* r) : regex(r) {
            if (r->kind == TwinRegex::Kind::repetition) {
                least = r->least;
                most = r->most;
            }
        }
    };
    using Stack = std::vector<Item>;  // the next is at the back
    struct Option {
        bool done;
        int variable;
        Stack rest;
    };

    void expand(Stack stack, std::vector<Option>& out) {
        if (++steps_ > steps_max) return;
        if (stack.empty()) {
            out.push_back({true, 0, {}});
            return;
        }
        const Item item = stack.back();
        stack.pop_back();
        switch (item.regex->kind) {
            case TwinRegex::Kind::variable: out.push_back({false, item.regex->variable, stack}); return;
            case TwinRegex::Kind::sequence:
                for (std::size_t i = item.regex->parts.size(); i-- > 0;) stack.push_back(&item.regex->parts[i]);
                return expand(stack, out);
            case TwinRegex::Kind::alternatives:
                for (const TwinRegex& part : item.regex->parts) {
                    Stack with = stack;
                    with.push_back(&part);
                    expand(with, out);
                }
                return;
            case TwinRegex::Kind::repetition: break;
        }
        Stack again = stack;
        if (item.most != 0) {
            Item less = item;
            less.least = std::max(0, item.least - 1);
            less.most = item.most < 0 ? -1 : item.most - 1;
            again.push_back(less);
            again.push_back(&item.regex->parts[0]);
        }
        if (item.least > 0) return expand(again, out);
        if (item.most == 0) return expand(stack, out);
        expand(item.regex->greedy ? again : stack, out);
        expand(item.regex->greedy ? stack : again, out);
    }

    bool best(std::size_t at, Stack stack, std::vector<Mapped> mapped) {
        if (++steps_ > steps_max) return false;
        std::vector<Option> options;
        expand(std::move(stack), options);
        bool done = false;
        std::vector<Option> going_on;
        for (Option& option : options) {
            if (option.done) {
                done = true;
                break;
            }
            going_on.push_back(std::move(option));
        }
        for (std::size_t row = at; row < rows_.size(); ++row) {
            if (pattern_.within > 0 && rows_[row].at - rows_[start_].at > pattern_.within) break;
            bool fits = false;
            for (const Option& option : going_on) {
                std::vector<Mapped> with = mapped;
                with.push_back({option.variable, row});
                if (!holds(pattern_.conditions[static_cast<std::size_t>(option.variable)], option.variable, with)) continue;
                fits = true;
                if (best(row + 1, option.rest, with)) return true;
                if (steps_ > steps_max) return false;
            }
            if (fits || pattern_.contiguity == Contiguity::strict || row == start_) break;
        }
        if (done) mapped_ = mapped;
        return done;
    }

    // The prices of a variable's rows, -1 for all, in order.
    std::vector<std::optional<std::int64_t>> prices(int which, const std::vector<Mapped>& mapped) const {
        std::vector<std::optional<std::int64_t>> out;
        for (const Mapped& one : mapped)
            if (which < 0 || one.variable == which) out.push_back(rows_[one.row].price);
        return out;
    }
    static std::vector<std::int64_t> known(const std::vector<std::optional<std::int64_t>>& values) {
        std::vector<std::int64_t> out;
        for (const auto& value : values)
            if (value) out.push_back(*value);
        return out;
    }
    static std::int64_t sum(const std::vector<std::int64_t>& values) {
        std::int64_t total = 0;
        for (std::int64_t value : values) total += value;
        return total;
    }

    bool holds(const TwinCondition& condition, int self, const std::vector<Mapped>& mapped) const {
        const auto price = rows_[mapped.back().row].price;
        const auto all = prices(-1, mapped);
        const auto mine = prices(self, mapped);
        const auto others = prices(condition.other, mapped);
        const std::int64_t k = condition.k;
        switch (condition.kind) {
            case 0: return price && *price == k;
            case 1: return price && *price < k;
            case 2: return price && *price > k;
            case 3: return price && !others.empty() && others.back() && *price > *others.back();
            case 4: {
                if (mine.size() < 2 || !mine[mine.size() - 2]) return true;
                return price && *price > *mine[mine.size() - 2];
            }
            case 5: return !known(all).empty() && sum(known(all)) < 4 * k;
            case 6: return static_cast<std::int64_t>(mine.size()) <= k;
            case 7: {
                const auto values = known(others);
                return !values.empty() && static_cast<double>(sum(values)) / static_cast<double>(values.size()) <= static_cast<double>(k);
            }
            case 8: return price && all.front() && *price >= *all.front();
            case 9: {
                const auto a = known(others);
                const auto b = known(all);
                return !a.empty() && !b.empty() && *std::max_element(a.begin(), a.end()) - *std::min_element(b.begin(), b.end()) > k;
            }
            case 10: return price && all.size() >= 3 && all[all.size() - 3] && *all[all.size() - 3] != *price;
            default: return true;
        }
    }

    std::size_t resume(std::size_t start) const {
        const std::size_t last = mapped_.back().row;
        if (pattern_.after == AfterMatch::past_last_row) return last + 1;
        std::size_t to = start;
        for (const Mapped& one : mapped_) {
            if (one.variable != pattern_.after_variable || pattern_.after == AfterMatch::next_row) continue;
            to = one.row;
            if (pattern_.after == AfterMatch::first) break;
        }
        return std::max(to, start + 1);
    }

    std::string line() const {
        const auto number = [](const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : std::string("null"); };
        const TwinEvent& first = rows_[mapped_.front().row];
        std::string out = std::to_string(first.key) + " " + std::to_string(first.at) + ".." + std::to_string(rows_[mapped_.back().row].at);
        const auto all = prices(-1, mapped_);
        out += " n=" + std::to_string(all.size());
        for (int v = 0; v < twin_variables; ++v) {
            const auto mine = prices(v, mapped_);
            const auto values = known(mine);
            const std::string name(1, static_cast<char>('a' + v));
            out += " " + name + "n=" + std::to_string(mine.size());
            out += " " + name + "s=" + (values.empty() ? "null" : std::to_string(sum(values)));
            out += " " + name + "f=" + (mine.empty() ? "null" : number(mine.front()));
            out += " " + name + "l=" + (mine.empty() ? "null" : number(mine.back()));
        }
        const auto values = known(all);
        out += " lo=" + (values.empty() ? "null" : std::to_string(*std::min_element(values.begin(), values.end())));
        out += " hi=" + (values.empty() ? "null" : std::to_string(*std::max_element(values.begin(), values.end())));
        out += " p=" + (all.size() < 2 ? "null" : number(all[all.size() - 2]));
        return out;
    }

    const TwinPattern& pattern_;
    const std::vector<TwinEvent>& rows_;
    std::vector<Mapped> mapped_;
    std::size_t start_ = 0;
    std::size_t steps_ = 0;
};

}  // namespace

TwinPattern random_pattern(Dice& dice) {
    TwinPattern out;
    out.regex = random_regex(dice, 1 + static_cast<int>(dice.below(3)));
    const bool simple = dice.one_in(2);
    for (int v = 0; v < twin_variables; ++v) {
        TwinCondition condition;
        condition.kind = static_cast<int>(dice.below(simple ? 3 : 12));
        condition.other = static_cast<int>(dice.below(twin_variables));
        condition.k = static_cast<std::int64_t>(1 + dice.below(6));
        out.conditions.push_back(condition);
    }
    out.contiguity = dice.one_in(2) ? Contiguity::strict : Contiguity::next;
    if (out.contiguity == Contiguity::next || dice.one_in(2)) out.within = static_cast<std::int64_t>(3 + dice.below(15));
    out.after = static_cast<AfterMatch>(dice.below(4));
    out.after_variable = static_cast<int>(dice.below(twin_variables));
    return out;
}

PatternSpec spec_of(const TwinPattern& pattern, Dice& dice) {
    PatternSpec out;
    out.name = "p";
    out.by = {"key"};
    out.match = text_of(pattern.regex, dice);
    for (int v = 0; v < twin_variables; ++v)
        // A condition on a variable that the text does not have is refused.
        if (out.match.find(names[v]) != std::string::npos) out.define.push_back({names[v], text_of(pattern.conditions[static_cast<std::size_t>(v)], v)});
    out.measures = {{"n", "count()"}};
    for (int v = 0; v < twin_variables; ++v) {
        const std::string name(1, static_cast<char>('a' + v));
        const bool there = out.match.find(names[v]) != std::string::npos;
        const std::string price = std::string(names[v]) + ".price";
        out.measures.push_back({name + "n", there ? "count(" + std::string(names[v]) + ")" : "0"});
        out.measures.push_back({name + "s", there ? "sum(" + price + ")" : "int('')"});
        out.measures.push_back({name + "f", there ? "first(" + price + ")" : "int('')"});
        out.measures.push_back({name + "l", there ? price : "int('')"});
    }
    out.measures.push_back({"lo", "min(price)"});
    out.measures.push_back({"hi", "max(price)"});
    out.measures.push_back({"p", "last(price, 1)"});
    out.within = Duration::seconds(pattern.within);
    out.contiguity = pattern.contiguity;
    out.after = pattern.after;
    out.after_variable = names[pattern.after_variable];
    out.max_runs = 256;
    out.max_groups = 8;
    out.max_pending = 256;
    return out;
}

std::vector<TwinEvent> random_events(Dice& dice, std::size_t count, std::int64_t disorder) {
    std::vector<TwinEvent> out;
    std::int64_t now = 100;
    for (std::size_t i = 0; i < count; ++i) {
        now += static_cast<std::int64_t>(dice.below(3));
        TwinEvent event;
        event.at = now - (disorder > 0 ? static_cast<std::int64_t>(dice.below(static_cast<std::size_t>(disorder))) : 0);
        event.key = static_cast<int>(dice.below(3));
        if (!dice.one_in(20)) event.price = static_cast<std::int64_t>(dice.below(8));
        out.push_back(event);
    }
    return out;
}

std::optional<std::vector<std::string>> matches_of(const TwinPattern& pattern, std::vector<TwinEvent> rows) {
    std::stable_sort(rows.begin(), rows.end(), [](const TwinEvent& a, const TwinEvent& b) { return a.at < b.at; });
    std::vector<std::string> out;
    if (!Search(pattern, rows).run(out)) return std::nullopt;
    return out;
}

}  // namespace weir::model
