#include "uplink/bridge/session.h"

#include <algorithm>

namespace weir {
namespace {

constexpr Bytes input_bytes_min = 4096;

}  // namespace

Session::Session(SessionId number, std::unique_ptr<TlsStream> stream, std::string peer)
    : id(number), address(std::move(peer)), stream_(std::move(stream)) {}

Status Session::fill() {
    Bytes wanted = std::max(input_bytes_min, used_ + 1);
    if (const Result<Bytes> size = frame_size(ByteSpan(input_).first(used_)); size.ok())
        wanted = std::max(wanted, *size);
    else if (size.error() != Error::truncated)
        return size.error();
    if (input_.size() < wanted) input_.resize(wanted);
    const Result<Bytes> got = stream_->receive(MutableByteSpan(input_).subspan(used_));
    if (!got) return got.error();
    used_ += *got;
    return Status::success();
}

Result<ByteSpan> Session::front_frame() const {
    const ByteSpan received = ByteSpan(input_).first(used_);
    const Result<Bytes> size = frame_size(received);
    if (!size) return size.error();
    if (*size > used_) return Error::truncated;
    return received.first(*size);
}

void Session::drop_frame(Bytes size) {
    std::copy(input_.begin() + static_cast<std::ptrdiff_t>(size), input_.begin() + static_cast<std::ptrdiff_t>(used_),
              input_.begin());
    used_ -= size;
    if (used_ == 0 && input_.size() > 4 * input_bytes_min) std::vector<std::byte>().swap(input_);
}

Status Session::flush() {
    for (;;) {
        if (output_.empty() && acknowledge_) {
            queue(AckFrame{*acknowledge_});
            acknowledge_.reset();
        }
        if (output_.empty()) return Status::success();
        const Result<Bytes> sent = stream_->send(output_);
        if (!sent) return sent.error();
        output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(*sent));
    }
}

void Session::owe(std::uint64_t ship, Bytes bytes) {
    owed_.emplace_back(ship, bytes);
    outstanding_ += bytes;
}

void Session::settle(std::uint64_t ship) {
    while (!owed_.empty() && owed_.front().first <= ship) {
        outstanding_ -= owed_.front().second;
        owed_.pop_front();
    }
}

}  // namespace weir
