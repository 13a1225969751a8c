// What a toy_store writes, and which mistakes it can be told to make.
#pragma once

#include <kvstrata/tiers/nvme/io/block_engine.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace kvstrata_test {

enum class toy_fault {
  none,
  forgets_to_flush,       ///< flush() is done when all is written
  done_before_written,    ///< a put that should be durable is flushed before it is written
  checks_no_bodies,       ///< what lies there is what was put
  checks_no_heads,        ///< a head of which a part is there is a head
  writes_no_erasures,     ///< they are known to memory only
  flushes_no_erasures,    ///< they are written behind the flush
  older_wins,             ///< of two lives the one that lies behind counts, whenever it was put
  stops_at_a_gap,         ///< recovery ends at the first block that is none of ours
  goes_on_in_a_gap,       ///< ... and new records are written from there on
  overwrites_in_place,    ///< a new life takes the place of the old one
  drops_all_it_doubts,    ///< one bad record, and all of the sequence is gone
  forgets_the_header,     ///< what was vouched for is not kept
  never_ends_a_torn_get,  ///< tries for ever to read what is bad
  flushes_again,          ///< takes the flush after one that failed for that of all
};

struct toy_head
{
  enum kind_of : std::uint64_t { record = 0x746f79726563, erasure = 0x746f79657261 };

  std::uint64_t kind = 0;
  std::uint64_t order = 0;
  kvstrata::sequence_key key{};
  kvstrata::record_header header{};
  std::uint64_t bytes = 0;
  std::uint64_t body_sum = 0;
  std::uint64_t sum = 0;  // of all before it
};

/// To whole blocks.
[[nodiscard]] inline std::size_t in_toy_blocks(std::size_t bytes)
{
  constexpr std::size_t block = kvstrata::nvme::block_bytes;
  return (bytes + block - 1) / block * block;
}

/// Zeros, where an engine may read and write.
struct toy_bytes
{
  explicit toy_bytes(std::size_t bytes)
      : data(static_cast<std::byte*>(std::aligned_alloc(kvstrata::nvme::block_bytes, in_toy_blocks(bytes))),
             &std::free),
        size(in_toy_blocks(bytes))
  {
    std::memset(data.get(), 0, size);
  }
  std::unique_ptr<std::byte, void (*)(void*)> data;
  std::size_t size;
};

[[nodiscard]] inline std::uint64_t toy_sum_of(const void* data, std::size_t bytes)
{
  std::uint64_t x = 0xcbf29ce484222325U;
  for (std::size_t i = 0; i < bytes; ++i) x = (x ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3U;
  return x;
}
[[nodiscard]] inline std::uint64_t toy_sum_of(const toy_head& of) { return toy_sum_of(&of, offsetof(toy_head, sum)); }

}  // namespace kvstrata_test
