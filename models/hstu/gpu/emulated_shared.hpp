// Shared memory of an emulated block, and who used it last. Copies poison their target when they are queued, and their
// bytes arrive as late as they may. For every 16 bytes that copy_async and load_matrices touch it is known which thread
// wrote them, which warp read them and when (counted in barriers), so a missing wait or barrier is an error and not a
// chance. Plain loads and stores go unseen: to them, memory that nobody wrote is NaN.
#pragma once

#include "hstu/gpu/emulated_warp.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <vector>

namespace hstu::gpu {

/// A moment, as seen by a thread: barriers of its block, and of its warp, before.
struct emulated_time
{
  std::uint64_t block = 0;
  std::uint64_t warp = 0;
};

class emulated_shared
{
 public:
  static constexpr std::size_t alignment = 128;
  static constexpr int poison = 0xff;  ///< of every byte; NaN as bf16 and as float

  explicit emulated_shared(std::size_t bytes)
      : bytes_(bytes),
        memory_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{alignment}))),
        pieces_(bytes / 16)
  {
    clear();
  }

  [[nodiscard]] std::byte* data() const noexcept { return memory_.get(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  /// All poison, used by nobody.
  void clear()
  {
    if (bytes_ != 0) std::memset(data(), poison, bytes_);
    pieces_.assign(pieces_.size(), piece{});
  }

  /// The following return what is wrong, null when all is well.
  [[nodiscard]] const char* check(const void* at) const
  {
    const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(at) - data());
    if (at < data() || offset + 16 > bytes_) return "touches 16 bytes that do not lie in shared memory";
    if (offset % 16 != 0) return "touches 16 bytes of shared memory that are not aligned to 16";
    return nullptr;
  }

  [[nodiscard]] const char* begin_copy(std::byte* to, std::uint32_t thread, emulated_time now)
  {
    if (const char* wrong = check(to)) return wrong;
    piece& p = at(to);
    if (p.on_its_way) return "queues a copy to where another copy is on its way";
    const bool others_read = p.reader != nobody && (p.reader == everybody || p.reader != thread / warp_lanes);
    if (others_read && p.read == now.block) return "queues a copy to what another warp has read since the last sync()";
    p.on_its_way = true;
    std::memset(to, poison, 16);
    return nullptr;
  }

  void end_copy(std::byte* to, const std::byte* from, bool whole, std::uint32_t thread, emulated_time now)
  {
    piece& p = at(to);
    p.on_its_way = false;
    p.writer = thread;
    p.written = now;
    if (whole) std::memcpy(to, from, 16);
    else std::memset(to, 0, 16);
  }

  [[nodiscard]] const char* read(const std::byte* from, std::uint32_t thread, emulated_time now)
  {
    if (const char* wrong = check(from)) return wrong;
    piece& p = at(from);
    if (p.on_its_way) return "reads where a copy is on its way";
    if (p.writer != nobody && p.writer != thread && p.written.block == now.block) {
      const bool in_warp = p.writer / warp_lanes == thread / warp_lanes && p.written.warp < now.warp;
      if (!in_warp) return "reads what another thread has copied since the last sync()";
    }
    const std::uint32_t warp = thread / warp_lanes;
    const bool shared = p.reader != nobody && p.reader != warp && p.read == now.block;
    p.reader = shared ? everybody : warp;
    p.read = now.block;
    return nullptr;
  }

 private:
  static constexpr std::uint32_t nobody = (std::numeric_limits<std::uint32_t>::max)();
  static constexpr std::uint32_t everybody = nobody - 1;

  struct piece
  {
    bool on_its_way = false;
    std::uint32_t writer = nobody;  // a thread
    std::uint32_t reader = nobody;  // a warp, or everybody
    emulated_time written;
    std::uint64_t read = 0;
  };

  struct release
  {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{alignment}); }
  };

  piece& at(const void* p) { return pieces_[static_cast<std::size_t>(static_cast<const std::byte*>(p) - data()) / 16]; }

  std::size_t bytes_;
  std::unique_ptr<std::byte[], release> memory_;
  std::vector<piece> pieces_;
};

}  // namespace hstu::gpu
