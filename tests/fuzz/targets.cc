#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

void load_hll(ByteSpan bytes);
void load_theta(ByteSpan bytes);
void load_kll(ByteSpan bytes);
void load_frequent_items(ByteSpan bytes);
void load_count_min(ByteSpan bytes);
void load_tdigest(ByteSpan bytes);
void operate_hll(ByteSpan bytes);
void operate_theta(ByteSpan bytes);
void operate_kll(ByteSpan bytes);
void operate_frequent_items(ByteSpan bytes);
void operate_count_min(ByteSpan bytes);
void operate_tdigest(ByteSpan bytes);
void operate_log_histogram(ByteSpan bytes);
void decode_json(ByteSpan bytes);
void http_request(ByteSpan bytes);
void decode_history(ByteSpan bytes);

std::span<const Target> targets() {
    static constexpr Target all[] = {
        {"load_hll", load_hll},
        {"load_theta", load_theta},
        {"load_kll", load_kll},
        {"load_frequent_items", load_frequent_items},
        {"load_count_min", load_count_min},
        {"load_tdigest", load_tdigest},
        {"operate_hll", operate_hll},
        {"operate_theta", operate_theta},
        {"operate_kll", operate_kll},
        {"operate_frequent_items", operate_frequent_items},
        {"operate_count_min", operate_count_min},
        {"operate_tdigest", operate_tdigest},
        {"operate_log_histogram", operate_log_histogram},
        {"decode_json", decode_json},
        {"http_request", http_request},
        {"decode_history", decode_history},
    };
    return all;
}

}  // namespace weir::fuzz
