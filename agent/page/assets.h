// The files that the page consists of, embedded at build time from assets/ and third_party/: nothing is fetched from elsewhere.
// Memory: constants of the program. Cost: none. Threads: any. Errors: none.
#pragma once

#include <span>
#include <string_view>

namespace weir {

class PageRoutes;

struct PageAsset {
    std::string_view path;  // as asked for: "/page.js"
    std::string_view type;
    std::string_view tag;   // of its content, in quotes
    std::string_view body;
};
std::span<const PageAsset> page_assets();

// A route for each.
void add_assets(PageRoutes& routes);

}  // namespace weir
