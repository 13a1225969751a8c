// A ring, and the I/Os that one thread at a time carries out by it. Needs liburing: link kvstrata::uring.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>
#include <kvstrata/tiers/nvme/io/io_progress.hpp>
#include <kvstrata/tiers/nvme/io/io_queue.hpp>
#include <kvstrata/tiers/nvme/io/io_ring.hpp>
#include <kvstrata/tiers/nvme/io/medium.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <liburing.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// At most `entries` requests at a time. Allocates nothing once it is made. Not for several threads at once, but
/// ring().
class uring_lane
{
 public:
  /// What became of a request.
  struct result
  {
    io_request request{};
    int fault = 0;
    std::uint32_t continued = 0;
    bool unregistered = false;
  };

  /// Throws ring_refused. `medium` lives longer.
  uring_lane(unsigned entries, const medium& files, io_filter* filter)
      : ring_(entries, filter), medium_(&files), filter_(filter), slots_(entries)
  {
    free_.reserve(entries);
    results_.reserve(entries);
    for (std::uint32_t i = entries; i-- != 0;) free_.push_back(i);
  }

  [[nodiscard]] io_ring& ring() noexcept { return ring_; }
  [[nodiscard]] const io_ring& ring() const noexcept { return ring_; }
  /// No request has begun, or all results have been taken.
  [[nodiscard]] bool empty() const noexcept { return results_.empty() && free_.size() == slots_.size(); }

  /// Prepares it. Not when as many as there may be have begun.
  void begin(const io_request& request) noexcept
  {
    const std::uint32_t at = free_.back();
    free_.pop_back();
    slots_[at] = slot{.what = {.request = request}};
    if (request.io != nullptr) {
      const std::optional<medium_place> place = medium_->locate(request.io->offset, request.io->bytes());
      if (!place) return finish(at, EINVAL);
      slots_[at].place = *place;
      slots_[at].progress = io_progress(*request.io, place->offset, medium_->alignment().length);
      if (slots_[at].progress.over()) return finish(at, 0);
    }
    advance(at);
  }
  /// Hands the kernel what has been prepared, and waits until something is over. Not when empty().
  void wait() noexcept
  {
    submit();
    while (results_.empty()) {
      ::io_uring_cqe* next = nullptr;
      while (::io_uring_wait_cqe(ring_.get(), &next) != 0)
        continue;  // interrupted: a ring that lives fails in no other way
      do {
        const auto at = static_cast<std::uint32_t>(next->user_data);
        const int answer = next->res;
        ::io_uring_cqe_seen(ring_.get(), next);
        --under_way_;
        if (!settle(at, answer)) advance(at);
      } while (::io_uring_peek_cqe(ring_.get(), &next) == 0);
      submit();
    }
  }
  [[nodiscard]] std::span<const result> results() const noexcept { return results_; }
  void forget_results() noexcept { results_.clear(); }

 private:
  struct slot
  {
    result what{};
    medium_place place{};
    io_progress progress{};
  };

  /// Prepares what `at` asks for next, unless it is over.
  void advance(std::uint32_t at) noexcept
  {
    int answer = 0;
    do {
      const std::optional<int> answered = slots_[at].what.request.io == nullptr ? prepare_flush(at) : prepare_part(at);
      if (!answered) return;
      answer = *answered;
    } while (!settle(at, answer));
  }
  /// Prepares the next part of an I/O; or says what a filter answers instead of the kernel.
  [[nodiscard]] std::optional<int> prepare_part(std::uint32_t at) noexcept
  {
    slot& s = slots_[at];
    const bool reads = s.what.request.io->what == block_io::kind::read;
    io_progress::part part = s.progress.next();
    if (filter_ != nullptr) {
      const io_verdict verdict = filter_->before({.what = reads ? io_call::kind::read : io_call::kind::write,
                                                  .file = s.place.file,
                                                  .offset = part.offset,
                                                  .bytes = part.bytes});
      if (verdict.error != 0 || verdict.most == 0) return -verdict.error;
      if (verdict.most < part.bytes) part = s.progress.cut(verdict.most);
    }
    ::io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
    if (sqe == nullptr) return -EAGAIN;  // never: there is an entry a slot
    const std::optional<int> buffer = part.count == 1 ? ring_.buffer_of(part.data, part.bytes) : std::nullopt;
    const int fd = s.place.fd;
    if (buffer) {
      const auto bytes = static_cast<unsigned>(part.bytes);
      if (reads) ::io_uring_prep_read_fixed(sqe, fd, part.pieces->iov_base, bytes, part.offset, *buffer);
      else ::io_uring_prep_write_fixed(sqe, fd, part.pieces->iov_base, bytes, part.offset, *buffer);
    } else {
      s.what.unregistered = true;
      if (reads) ::io_uring_prep_readv(sqe, fd, part.pieces, part.count, part.offset);
      else ::io_uring_prep_writev(sqe, fd, part.pieces, part.count, part.offset);
    }
    sqe->user_data = at;
    return std::nullopt;
  }
  [[nodiscard]] std::optional<int> prepare_flush(std::uint32_t at) noexcept
  {
    const std::size_t file = slots_[at].what.request.file;
    if (const int fault = ask(filter_, {.what = io_call::kind::flush, .file = file}).error; fault != 0) return -fault;
    ::io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
    if (sqe == nullptr) return -EAGAIN;
    ::io_uring_prep_fsync(sqe, medium_->fd(file), IORING_FSYNC_DATASYNC);
    sqe->user_data = at;
    return std::nullopt;
  }

  /// In the same call of the system it waits, if there is nothing else to be done.
  void submit() noexcept
  {
    while (const unsigned ready = ::io_uring_sq_ready(ring_.get())) {
      int done = -ask(filter_, {.what = io_call::kind::submit, .bytes = ready}).error;
      if (done == 0)
        done = results_.empty() ? ::io_uring_submit_and_wait(ring_.get(), 1) : ::io_uring_submit(ring_.get());
      if (done > 0) {
        under_way_ += static_cast<std::size_t>(done);
      } else if (done != -EINTR) {
        if (under_way_ == 0) withdraw(done == 0 ? -EAGAIN : done);
        return;  // the kernel has no memory for more: once something is over
      }
    }
  }
  /// The kernel takes nothing, and nothing is under way that could be waited for: what was prepared has failed.
  void withdraw(int fault) noexcept
  {
    ::io_uring_sq& prepared = ring_->sq;
    const unsigned count = ::io_uring_sq_ready(ring_.get());
    // Nobody reads the queue but the kernel, while it is asked: it is as if they had not been put there.
    prepared.sqe_tail -= count;
    prepared.sqe_head = prepared.sqe_tail;
    io_uring_smp_store_release(prepared.ktail, prepared.sqe_tail);
    for (unsigned i = 0; i < count; ++i) {
      const ::io_uring_sqe& one = prepared.sqes[(prepared.sqe_tail + i) & prepared.ring_mask];
      finish(static_cast<std::uint32_t>(one.user_data), -fault);
    }
  }

  /// The answer to what `at` last asked for. False: it is to ask for more.
  [[nodiscard]] bool settle(std::uint32_t at, int answer) noexcept
  {
    slot& s = slots_[at];
    std::optional<int> fault;
    if (s.what.request.io != nullptr) {
      fault = s.progress.took(answer);
      if (s.progress.was_short()) ++s.what.continued;
    } else if (answer != -EINTR && answer != -ECANCELED) {
      fault = -answer;
    }
    if (fault) finish(at, *fault);
    return fault.has_value();
  }
  void finish(std::uint32_t at, int fault) noexcept
  {
    slots_[at].what.fault = fault;
    results_.push_back(slots_[at].what);
    free_.push_back(at);
  }

  io_ring ring_;
  const medium* medium_;
  io_filter* filter_;
  std::vector<slot> slots_;
  std::vector<std::uint32_t> free_;  // slots
  std::vector<result> results_;
  std::size_t under_way_ = 0;  // that the kernel has
};

}  // namespace kvstrata::nvme
