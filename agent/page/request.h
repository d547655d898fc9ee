// A request to the page's server and what is answered, without the library that carries them: handlers, tests and the
// fuzz target meet these only.
// Memory: views; the request's live during the call, the answer's body lies in the room that the handler was given, or for
// ever. Cost: O(arguments) a look-up. Threads: plain values. Errors: an answer of its own, PageAnswer::error().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weir {

enum class PageMethod : std::uint8_t { get, head, post, other };

struct PageArgument {
    std::string_view name;
    std::string_view value;
};

struct PageRequest {
    static constexpr std::size_t arguments_max = 12;

    PageMethod method = PageMethod::get;
    std::string_view path;  // without percent signs, as the library decoded it
    std::string_view host;
    std::string_view authorization;
    std::string_view origin;
    std::string_view content_type;
    std::string_view if_none_match;
    std::string_view body;
    std::array<PageArgument, arguments_max> arguments;  // of the query, and {names} of the route; more are left out
    std::size_t arguments_used = 0;

    // Empty: it is not there.
    std::string_view argument(std::string_view name) const;
    void add_argument(PageArgument argument) {
        if (arguments_used < arguments_max) arguments[arguments_used++] = argument;
    }
    // Before all others: a query cannot say it otherwise.
    void add_first(PageArgument argument);
};

struct PageAnswer {
    enum class Kind : std::uint8_t { body, asset, events };
    static constexpr std::string_view json = "application/json";

    unsigned status = 200;
    Kind kind = Kind::body;  // asset: the body outlives everything, and may be cached by its tag
    std::string_view type = json;
    std::string_view body;
    std::string_view tag;      // of an asset
    std::string_view allow;    // with 405
    bool ask_token = false;    // with 401

    // {"error":"..."} in room.
    static PageAnswer error(unsigned status, std::string_view what, std::span<char> room);
};

}  // namespace weir
