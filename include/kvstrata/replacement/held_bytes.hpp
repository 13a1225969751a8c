// How a policy keeps what an object takes of a tier.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// As it was told.
class told_bytes
{
 public:
  constexpr told_bytes& operator=(std::uint64_t bytes) noexcept
  {
    bytes_ = bytes;
    return *this;
  }
  constexpr operator std::uint64_t() const noexcept { return bytes_; }  // NOLINT: it is a number

 private:
  std::uint64_t bytes_ = 0;
};

/// One, whatever is told: for tiers whose objects all take one. It takes no room in a hook.
class one_byte
{
 public:
  constexpr one_byte& operator=(std::uint64_t) noexcept { return *this; }
  constexpr operator std::uint64_t() const noexcept { return 1; }  // NOLINT: it is a number
};

}  // namespace kvstrata
