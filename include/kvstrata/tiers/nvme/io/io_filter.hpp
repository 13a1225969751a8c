// A look at each call of the system before an engine makes it: how tests have a drive fail, answer in parts or stand
// still.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// A call that is about to be made.
struct io_call
{
  enum class kind : std::uint8_t { read, write, flush, allocate, make_ring, enlist, submit };

  kind what = kind::read;    ///< enlist: memory with a ring; submit: I/Os to a ring
  std::size_t file = 0;      ///< of the medium
  std::uint64_t offset = 0;  ///< in the file
  std::size_t bytes = 0;     ///< or, to submit, I/Os
};

/// What becomes of it.
struct io_verdict
{
  int error = 0;  ///< not 0: it is not made, and this errno is its result
  std::size_t most = (std::numeric_limits<std::size_t>::max)();  ///< bytes; 0: it is not made, and 0 is its result
};

/// Called by any thread that makes calls, without locks. It may block: the call comes no earlier.
class io_filter
{
 public:
  io_filter() = default;
  io_filter(const io_filter&) = delete;
  io_filter& operator=(const io_filter&) = delete;
  virtual ~io_filter() = default;

  [[nodiscard]] virtual io_verdict before(const io_call&) noexcept = 0;
  /// So many I/Os have been queued and may begin at any time. Under the engine's lock: does not block, calls no engine.
  virtual void queued(std::size_t /*ios*/) noexcept {}
};

/// The verdict of a filter that may be absent.
[[nodiscard]] inline io_verdict ask(io_filter* filter, const io_call& call) noexcept
{
  return filter == nullptr ? io_verdict{} : filter->before(call);
}

}  // namespace kvstrata::nvme
