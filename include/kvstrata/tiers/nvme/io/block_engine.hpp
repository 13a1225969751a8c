// What carries out the I/Os of an nvme_file: reads, writes and flushes of a medium, from and to memory.
//
// The medium is one row of bytes, whatever files or devices it lies in. Everything is in blocks: offsets and lengths of an
// I/O are multiples of nvme::block_bytes, the pieces of its memory of alignment().memory.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// What is read, written and checked as one; no drive has larger sectors.
inline constexpr std::size_t block_bytes = 4096;

/// Memory of an I/O.
struct memory_piece
{
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// One read or write. Its pieces follow one another in the medium, from `offset` on.
struct block_io
{
  enum class kind : std::uint8_t { read, write };

  kind what = kind::read;
  std::uint64_t offset = 0;
  std::span<const memory_piece> pieces{};
  int error = 0;  ///< what became of it, once it is over: 0, or an errno. After an error the bytes mean nothing

  [[nodiscard]] std::size_t bytes() const noexcept
  {
    std::size_t sum = 0;
    for (const memory_piece& piece : pieces) sum += piece.bytes;
    return sum;
  }
};

/// What an engine wants of the memory that it reads to and writes from: addresses and lengths are multiples of it.
struct memory_alignment
{
  std::size_t address = 1;
  std::size_t length = 1;
};

/// What an engine has done, since it was made.
struct engine_figures
{
  std::uint64_t reads = 0, writes = 0, flushes = 0;  ///< that are over, well or not
  std::uint64_t read_bytes = 0, written_bytes = 0;   ///< well
  std::uint64_t errors = 0;
  std::uint64_t continued = 0;     ///< short results: the rest was asked for again
  std::uint64_t unregistered = 0;  ///< I/Os of an engine that registers memory, from or to memory that is not
};

/// All calls may come from several threads. What waits, waits in the kernel or on a condition, never in a loop.
class block_engine
{
 public:
  block_engine() = default;
  block_engine(const block_engine&) = delete;
  block_engine& operator=(const block_engine&) = delete;
  virtual ~block_engine() = default;

  /// Carries all of them out, in any order and together, and returns when all are over. Reads go before writes that other
  /// calls have asked for and that have not begun.
  virtual void run_sync(std::span<block_io> ios) noexcept = 0;
  /// Makes durable what was written by calls that had returned before this one began. 0, or an errno.
  [[nodiscard]] virtual int flush_sync() noexcept = 0;

  [[nodiscard]] virtual std::uint64_t bytes() const noexcept = 0;  ///< of the medium
  [[nodiscard]] virtual memory_alignment alignment() const noexcept = 0;
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;  ///< "threads", "io_uring"
  /// Why it is this engine and not a better one, and what it does without; empty: nothing to be said.
  [[nodiscard]] virtual std::string explanation() const { return {}; }
  [[nodiscard]] virtual engine_figures figures() const noexcept = 0;

  /// Memory that I/Os will use often, and that stays as it is until the engine is gone. A hint: an engine that cannot make
  /// use of it says so in its explanation.
  virtual void register_memory(std::span<std::byte> /*memory*/) {}
};

}  // namespace kvstrata::nvme
