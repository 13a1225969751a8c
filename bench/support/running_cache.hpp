// A cache of unit-sized objects that replays a trace, whatever its policy: one virtual call a replay, none a request.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/object_cache.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace bench {

class running_cache
{
 public:
  running_cache() = default;
  running_cache(const running_cache&) = delete;
  running_cache& operator=(const running_cache&) = delete;
  virtual ~running_cache() = default;

  /// The hits among these requests.
  virtual std::uint64_t replay(std::span<const kvstrata::trace_access> requests) = 0;
  [[nodiscard]] virtual std::size_t objects() const = 0;
};

template <class Cache>
class running final : public running_cache
{
 public:
  explicit running(const kvstrata::tier_size& size) : cache_(size) {}

  std::uint64_t replay(std::span<const kvstrata::trace_access> requests) override
  {
    std::uint64_t hits = 0;
    for (const kvstrata::trace_access& asked : requests) {
      if (cache_.request(asked) == kvstrata::access_outcome::hit) ++hits;
    }
    return hits;
  }
  [[nodiscard]] std::size_t objects() const override { return cache_.objects(); }

 private:
  Cache cache_;
};

template <class Cache>
[[nodiscard]] std::unique_ptr<running_cache> make_running(const kvstrata::tier_size& size)
{
  return std::make_unique<running<Cache>>(size);
}

/// Bytes of the heap that are in use, as glibc counts them: with its own word a block, and what it rounds up.
[[nodiscard]] inline std::size_t heap_bytes()
{
  const struct ::mallinfo2 now = ::mallinfo2();
  return now.uordblks + now.hblkhd;
}

}  // namespace bench
