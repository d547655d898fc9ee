#include "agent/config_sections.h"

#include <algorithm>

#include "agent/page/token.h"

// [page]: where it listens, and who may ask.

namespace weir {
namespace {

constexpr std::string_view listen_example = "\"127.0.0.1:8780\"";

bool is_token(std::string_view text) {
    return text.size() >= page_token_bytes_min && text.size() <= page_token_bytes_max &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

void ConfigSections::read_page(const ConfigNode& node) {
    ConfigReader reader(node, "[page]", problems_);
    PageConfig page;
    page.at = node.at;
    ConfigString listen;
    if (reader.text("listen", listen_example, listen) && !parse_listen(listen.text, page.listen))
        reader.problem_of("listen", listen.at, "found " + in_quotes(listen.text) + ", expected ADDRESS:PORT with an address of this machine, as in " +
                                                   std::string(listen_example) + " or \"0.0.0.0:8780\" for all of them");
    if (page.listen.port == 0) reader.problem_of("listen", listen.at, "has port 0, expected 1 to 65535");
    if (secret(reader, "token_file", "\"page.token\"", page.token_file, &page.token)) {
        while (page.token.ends_with('\n') || page.token.ends_with('\r')) page.token.pop_back();
        if (context_.read_secrets && !is_token(page.token))
            reader.problem_of("token_file", reader.find("token_file")->at,
                              in_quotes(page.token_file) + " holds no token: expected one line of 16 to 256 letters, digits and signs "
                                                           "(`openssl rand -hex 16 > page.token` makes one)");
    }
    std::vector<ConfigString> hosts;
    if (reader.texts("hosts", "[\"gate-1.example.org\"]", hosts))
        for (const ConfigString& host : hosts) page.hosts.push_back(host_of(host.text));
    if (!page.listen.is_loopback() && page.token_file.empty())
        reader.problem_of("listen", listen.at, "is not on loopback, so it needs a token_file; or listen on " + std::string(listen_example) +
                                                   " and let ssh or a proxy bring it further");
    reader.finish();
    config_.page = std::move(page);
}

}  // namespace weir
