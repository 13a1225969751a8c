// A ring of io_uring, and memory that is registered with it. Needs liburing: link kvstrata::uring.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/io/io_filter.hpp>
#include <kvstrata/tiers/nvme/io/medium_file.hpp>
#include <kvstrata/tiers/nvme/io/registered_memory.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include <liburing.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// The system has no ring for this process.
struct ring_refused : error
{
  using error::error;
};

class io_ring
{
 public:
  /// Spans of at most registered_memory::most_bytes.
  static constexpr unsigned most_buffers = 1024;

  /// Throws ring_refused.
  io_ring(unsigned entries, io_filter* filter) : filter_(filter)
  {
    int fault = ask(filter, {.what = io_call::kind::make_ring, .bytes = entries}).error;
    if (fault == 0) fault = -::io_uring_queue_init(entries, &ring_, 0);
    if (fault != 0) throw ring_refused("the system refuses io_uring: " + words_of(fault) + hint(fault));
  }
  io_ring(const io_ring&) = delete;
  io_ring& operator=(const io_ring&) = delete;
  ~io_ring() { ::io_uring_queue_exit(&ring_); }

  [[nodiscard]] ::io_uring* operator->() noexcept { return &ring_; }
  [[nodiscard]] ::io_uring* get() noexcept { return &ring_; }

  /// Registers memory with the kernel, which keeps its pages: they are those of this moment, whatever is mapped there
  /// later. Blocks while they are brought in, and submissions with it. What the system refuses, and all that follows
  /// it, stays unregistered, and refusal() says so. Any thread.
  void enlist(std::span<std::byte> memory)
  {
    const std::scoped_lock lock(mutex_);
    while (!memory.empty()) {
      const std::span<std::byte> span = memory.first((std::min)(memory.size(), registered_memory::most_bytes));
      if (const int fault = enlist_one(span); fault != 0) {
        if (refused_ == 0) first_fault_ = fault;
        refused_ += memory.size();
        return;
      }
      memory = memory.subspan(span.size());
    }
  }
  /// Has the buffers of another ring, too, whose pages are then kept, and counted by RLIMIT_MEMLOCK, once; false where
  /// the kernel (before 6.13) cannot do that. Any thread; not two that share among the same rings.
  [[nodiscard]] bool share(const io_ring& other)
  {
    struct  // io_uring_clone_buffers, which older headers have not
    {
      std::uint32_t from, flags, from_first, first, count, none[3];
    } const what = {static_cast<std::uint32_t>(other.ring_.ring_fd), replace_mine, 0, 0, 0, {0, 0, 0}};
    const std::scoped_lock lock(mutex_, buffers_mutex_, other.buffers_mutex_);
    if (!other.table_ || ::syscall(__NR_io_uring_register, ring_.ring_fd, clone_buffers, &what, 1U) != 0) return false;
    table_ = true;
    count_ = other.count_;
    buffers_ = other.buffers_;
    return true;
  }
  /// The number of the buffer in which all these bytes lie. Any thread.
  [[nodiscard]] std::optional<int> buffer_of(const std::byte* data, std::size_t bytes) const noexcept
  {
    const std::scoped_lock lock(buffers_mutex_);
    return buffers_.find(data, bytes);
  }
  /// A sentence about memory that could not be registered; empty: all could.
  [[nodiscard]] std::string refusal() const
  {
    const std::scoped_lock lock(mutex_);
    if (refused_ == 0) return {};
    return std::to_string(refused_) + " bytes of memory are not registered, and I/Os there are slower: " +
           (first_fault_ == no_number ? "there are " + std::to_string(most_buffers) + " buffers already"
                                      : words_of(first_fault_) + hint(first_fault_)) +
           '.';
  }

 private:
  static constexpr int no_number = -1;
  static constexpr unsigned clone_buffers = 30;     // IORING_REGISTER_CLONE_BUFFERS
  static constexpr std::uint32_t replace_mine = 2;  // IORING_REGISTER_DST_REPLACE

  static std::string hint(int fault)
  {
    if (fault == ENOMEM) return " (is RLIMIT_MEMLOCK, ulimit -l, too low?)";
    if (fault == EPERM) return " (kernel.io_uring_disabled, or a container's filter of system calls?)";
    return {};
  }
  [[nodiscard]] int enlist_one(std::span<std::byte> memory)
  {
    if (const int fault = ask(filter_, {.what = io_call::kind::enlist, .bytes = memory.size()}).error; fault != 0)
      return fault;
    if (!table_) {  // empty, so that what comes later finds a place while I/Os are under way
      if (const int made = ::io_uring_register_buffers_sparse(&ring_, most_buffers); made != 0) return -made;
      table_ = true;
    }
    if (count_ == most_buffers) return no_number;
    const ::iovec what = {.iov_base = memory.data(), .iov_len = memory.size()};
    const int done = ::io_uring_register_buffers_update_tag(&ring_, count_, &what, nullptr, 1);
    if (done != 1) return done < 0 ? -done : EINVAL;
    const std::scoped_lock lock(buffers_mutex_);
    buffers_.add(memory, static_cast<int>(count_++));
    return 0;
  }

  ::io_uring ring_ = {};
  io_filter* filter_;
  mutable std::mutex mutex_;  // of one who registers
  bool table_ = false;
  unsigned count_ = 0;
  std::size_t refused_ = 0;
  int first_fault_ = 0;
  mutable std::mutex buffers_mutex_;  // not held while the kernel is asked
  registered_memory buffers_;
};

}  // namespace kvstrata::nvme
