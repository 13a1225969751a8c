// A Memory for kernel bodies that watches them: which bytes were written how often, by words of which width, and that
// nothing is touched but what may be.
#pragma once

#include <kvstrata/core/host_memory.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace kvstrata_test {

/// What the accesses of this thread are held against.
struct access_log
{
  struct stretch
  {
    const std::byte* begin = nullptr;
    std::size_t bytes = 0;
  };

  stretch readable;
  stretch writable;
  std::vector<std::uint32_t> writes;               ///< [writable.bytes] how often each was written
  std::vector<std::uint32_t> loads_of, stores_of;  ///< [17] words of so many bytes
  std::uint32_t first_loads = 0;                   ///< loads since the last rank began, before its first store
  bool stored = false;                             ///< since the last rank began

  void begin_rank() noexcept
  {
    first_loads = 0;
    stored = false;
  }
};

inline thread_local access_log accesses;

inline void watch(const std::byte* readable, std::size_t readable_bytes, const std::byte* writable,
                  std::size_t writable_bytes)
{
  accesses = {{readable, readable_bytes},
              {writable, writable_bytes},
              std::vector<std::uint32_t>(writable_bytes),
              std::vector<std::uint32_t>(17),
              std::vector<std::uint32_t>(17)};
}

struct watched_memory
{
  template <std::uint32_t Bytes>
  using word = kvstrata::host_memory::word<Bytes>;

  template <std::uint32_t Bytes>
  [[nodiscard]] static word<Bytes> load(const std::byte* from)
  {
    require<Bytes>(from, accesses.readable, "load");
    ++accesses.loads_of[Bytes];
    if (!accesses.stored) ++accesses.first_loads;
    return kvstrata::host_memory::load<Bytes>(from);
  }
  template <std::uint32_t Bytes>
  static void store(std::byte* to, const word<Bytes>& value)
  {
    const std::size_t at = require<Bytes>(to, accesses.writable, "store");
    for (std::size_t i = 0; i < Bytes; ++i) ++accesses.writes[at + i];
    ++accesses.stores_of[Bytes];
    accesses.stored = true;
    kvstrata::host_memory::store<Bytes>(to, value);
  }
  [[nodiscard]] static std::uint64_t address(const std::byte* at) noexcept
  {
    return kvstrata::host_memory::address(at);
  }

 private:
  template <std::uint32_t Bytes>
  static std::size_t require(const std::byte* at, const access_log::stretch& within, const char* what)
  {
    const std::uint64_t offset = address(at) - address(within.begin);
    if (address(at) < address(within.begin) || offset + Bytes > within.bytes) {
      throw std::logic_error(std::string(what) + " of " + std::to_string(Bytes) + " bytes outside");
    }
    if (address(at) % Bytes != 0) {
      throw std::logic_error(std::string(what) + " of " + std::to_string(Bytes) + " bytes that is not aligned");
    }
    return offset;
  }
};

}  // namespace kvstrata_test
