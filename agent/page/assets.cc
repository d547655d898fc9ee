#include "agent/page/assets.h"

#include "agent/page/routes.h"

namespace weir {

void add_assets(PageRoutes& routes) {
    for (const PageAsset& asset : page_assets())
        routes.get(std::string(asset.path), [&asset](const PageRequest&, std::span<char>) {
            PageAnswer answer;
            answer.kind = PageAnswer::Kind::asset;
            answer.type = asset.type;
            answer.body = asset.body;
            answer.tag = asset.tag;
            return answer;
        });
}

}  // namespace weir
