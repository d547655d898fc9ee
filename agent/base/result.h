// Value-or-error for everything that can happen; what cannot happen is a WEIR_ASSERT.
// Memory: the value plus one word; never allocates. Cost: none beyond the move of T.
// Threads: a plain value. Errors: Error below is the one list for the whole project, so that a
// counter, a log line and a test name the same thing.
#pragma once

#include <cstdint>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "agent/base/assert.h"

namespace weir {

enum class Error : std::uint8_t {
    none = 0,       // only inside an ok Result
    invalid,        // bytes or arguments that do not mean anything: malformed payload, frame, sketch
    unsupported,    // well formed, but of a version or feature this build does not have
    corrupt,        // a checksum or an invariant of stored data does not hold
    truncated,      // the input ended early
    out_of_range,   // a number or a time beyond what its place can hold
    wrong_type,     // a value of another type than was declared
    missing,        // a thing that should be there is not
    full,           // a fixed capacity is used up
    no_memory,      // an allocation failed
    no_space,       // the medium is full
    io,             // the operating system reported an I/O error; state on the medium is unknown
    busy,           // held by somebody else (a lock, a second agent with the same state)
    timed_out,      // the time allowed is over
    closed,         // the peer or the queue has gone
    refused,        // the peer, or a rule of ours, said no
    unauthenticated,// the peer could not prove who it is
    fenced,         // a newer incarnation, epoch or owner has taken over
    exists,         // already there
};

// A name for logs, counters and tests: "out_of_range". Static storage.
std::string_view name(Error error);

template <typename T>
class [[nodiscard]] Result {
    static_assert(!std::is_reference_v<T>, "hold a pointer or a span instead");

public:
    Result(const T& value) : error_(Error::none) { new (&value_) T(value); }
    Result(T&& value) : error_(Error::none) { new (&value_) T(std::move(value)); }
    Result(Error error) : error_(error) { WEIR_ASSERT(error != Error::none); }
    Result(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : error_(other.error_) {
        if (ok()) new (&value_) T(std::move(other.value_));
    }
    Result(const Result& other) : error_(other.error_) {
        if (ok()) new (&value_) T(other.value_);
    }
    Result& operator=(const Result&) = delete;
    Result& operator=(Result&&) = delete;
    ~Result() {
        if (ok()) value_.~T();
    }

    bool ok() const { return error_ == Error::none; }
    explicit operator bool() const { return ok(); }
    Error error() const { return error_; }

    // REQUIRES: ok().
    T& value() & {
        WEIR_ASSERT(ok());
        return value_;
    }
    const T& value() const& {
        WEIR_ASSERT(ok());
        return value_;
    }
    T&& value() && {
        WEIR_ASSERT(ok());
        return std::move(value_);
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    T value_or(T fallback) const { return ok() ? value_ : std::move(fallback); }

private:
    Error error_;
    union {
        T value_;
    };
};

// Success, or why not.
class [[nodiscard]] Status {
public:
    Status() = default;
    Status(Error error) : error_(error) {}
    static Status success() { return {}; }

    bool ok() const { return error_ == Error::none; }
    explicit operator bool() const { return ok(); }
    Error error() const { return error_; }

private:
    Error error_ = Error::none;
};

}  // namespace weir
