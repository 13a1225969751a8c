// How far an I/O has come: what to ask the system for next, and what an answer means. For every engine that asks by
// vectors.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include <sys/uio.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

// Pieces are handed to the kernel as they stand.
static_assert(sizeof(memory_piece) == sizeof(::iovec) && alignof(memory_piece) == alignof(::iovec));
static_assert(offsetof(memory_piece, data) == offsetof(::iovec, iov_base));
static_assert(offsetof(memory_piece, bytes) == offsetof(::iovec, iov_len));

/// Allocates nothing. For one thread at a time; the I/O and its pieces stay where they are.
class io_progress
{
 public:
  /// What is asked for in one call.
  struct part
  {
    const ::iovec* pieces = nullptr;  ///< for the kernel to read: they may be memory_pieces
    unsigned count = 0;
    const std::byte* data = nullptr;  ///< of the first piece
    std::uint64_t offset = 0;
    std::size_t bytes = 0;
  };

  io_progress() = default;
  /// `offset` in the file; what is read or written goes forward by multiples of `step`.
  io_progress(const block_io& io, std::uint64_t offset, std::size_t step) noexcept
      : io_(&io), left_(io.bytes()), offset_(offset), step_(step)
  {
  }

  [[nodiscard]] bool over() const noexcept { return left_ == 0; }

  /// As much as one call can take; valid until the next call.
  [[nodiscard]] part next() noexcept
  {
    const part out = next_of((std::numeric_limits<std::size_t>::max)());
    asked_ = out.bytes;
    return out;
  }
  /// The beginning of what next() gave, at most so many bytes, at least one. The rest counts as missing from the
  /// result.
  [[nodiscard]] part cut(std::size_t most) noexcept { return next_of(most); }

  /// What became of the call: bytes, or an errno below zero. Returns the errno of the I/O that is over by this, 0 where
  /// that went well; nothing where more is to be asked for.
  [[nodiscard]] std::optional<int> took(std::int64_t result) noexcept
  {
    was_short_ = false;
    // A ring cancels what a thread asked for that has ended since.
    if (result == -EINTR || result == -ECANCELED) return std::nullopt;
    if (result < 0) return static_cast<int>(-result);
    auto got = static_cast<std::size_t>(result);
    if (got > asked_) return EIO;
    if (got < asked_) got -= got % step_;
    if (got == 0) return EIO;  // the end of the file, where none should be
    was_short_ = got < asked_;
    advance(got);
    if (left_ != 0) return std::nullopt;
    return 0;
  }
  /// Whether that was less than was asked for, but not nothing.
  [[nodiscard]] bool was_short() const noexcept { return was_short_; }

 private:
  [[nodiscard]] part next_of(std::size_t most) noexcept
  {
    while (io_->pieces[piece_].bytes == within_) {
      ++piece_;
      within_ = 0;
    }
    const memory_piece& first = io_->pieces[piece_];
    if (within_ != 0 || first.bytes > most) {
      rest_ = iovec{.iov_base = first.data + within_, .iov_len = (std::min)(first.bytes - within_, most)};
      return {.pieces = &rest_, .count = 1, .data = first.data + within_, .offset = offset_, .bytes = rest_.iov_len};
    }
    const std::size_t limit = (std::min)(io_->pieces.size() - piece_, static_cast<std::size_t>(IOV_MAX));
    part out{.pieces = reinterpret_cast<const ::iovec*>(&first), .count = 0, .data = first.data, .offset = offset_};
    while (out.count < limit && io_->pieces[piece_ + out.count].bytes <= most - out.bytes)
      out.bytes += io_->pieces[piece_ + out.count++].bytes;
    return out;
  }
  void advance(std::size_t bytes) noexcept
  {
    left_ -= bytes;
    offset_ += bytes;
    while (bytes != 0) {
      const std::size_t step = (std::min)(bytes, io_->pieces[piece_].bytes - within_);
      within_ += step;
      bytes -= step;
      if (within_ == io_->pieces[piece_].bytes) {
        ++piece_;
        within_ = 0;
      }
    }
  }

  const block_io* io_ = nullptr;
  std::size_t left_ = 0;
  std::uint64_t offset_ = 0;
  std::size_t step_ = 1;
  std::size_t piece_ = 0, within_ = 0;
  std::size_t asked_ = 0;
  bool was_short_ = false;
  ::iovec rest_ = {};  // of a piece that was left halfway
};

}  // namespace kvstrata::nvme
