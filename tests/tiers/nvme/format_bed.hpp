// Values of what lies on disk, drawn at random, each field over all that it can be.
#pragma once

#include <kvstrata/tiers/nvme/format/region_head.hpp>
#include <kvstrata/tiers/nvme/format/superblock.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme/format/walk.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace kvstrata_test {

using nvme_block = std::array<std::byte, kvstrata::nvme::block_bytes>;

class format_bed
{
 public:
  explicit format_bed(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::uint64_t any64() { return random_() >> random_() % 64; }
  [[nodiscard]] std::uint32_t any32() { return static_cast<std::uint32_t>(random_()) >> random_() % 32; }
  [[nodiscard]] std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

  [[nodiscard]] kvstrata::nvme::store_id store() { return {random_(), random_()}; }
  [[nodiscard]] kvstrata::nvme::block_place place() { return {any64(), any32()}; }
  [[nodiscard]] kvstrata::sequence_key key() { return {any32(), any64()}; }

  [[nodiscard]] kvstrata::nvme::superblock superblock()
  {
    kvstrata::nvme::superblock out{.store = store(), .layers = 1 + below(kvstrata::nvme::most_layers)};
    out.region_bytes = (1 + below(1U << 20U)) * std::uint64_t{kvstrata::nvme::block_bytes};
    out.paths = 1 + below(100);
    out.path = below(out.paths);
    out.regions = out.paths + 1 + any64() / 2;
    return out;
  }

  [[nodiscard]] kvstrata::nvme::region_head region() { return {store(), any64(), any64()}; }

  [[nodiscard]] kvstrata::record_header header(std::uint32_t most_pages = 1000)
  {
    kvstrata::record_header out{.incarnation = kvstrata::incarnation_id{any64()},
                                .epoch = kvstrata::epoch_id{any64()},
                                .format = kvstrata::kv_format{any64()},
                                .page_tokens = 1 + below(256),
                                .tokens = {}};
    out.tokens.begin = any32() / 2;
    out.tokens.end = out.tokens.begin + 1 + below(most_pages * out.page_tokens);
    out.first_token = any32();
    out.earlier_until = any32();
    out.vouched_tokens = any32();
    out.vouched_hash = any64();
    out.stretch_stride = any32();
    out.stretch_end = any32();
    out.stretch_hash = any64();
    if (below(2) == 0) out.version = any64();
    out.atomic = below(4) == 0;
    return out;
  }

  [[nodiscard]] kvstrata::nvme::record_head record()
  {
    kvstrata::nvme::record_head out{.store = store(), .place = place(), .order = any64(), .durable_order = any64()};
    out.key = key();
    out.header = header();
    out.put = {out.header.tokens.begin / 2, out.header.tokens.end + (out.header.tokens.end < 1U << 31U ? 5 : 0)};
    out.layers = 1 + below(below(2) == 0 ? 8U : kvstrata::nvme::most_layers);
    out.page_bytes = out.layers * (1 + below(4096));
    return out;
  }

  [[nodiscard]] std::vector<std::uint32_t> layer_crcs(std::uint32_t layers)
  {
    std::vector<std::uint32_t> out(layers);
    for (std::uint32_t& crc : out) crc = static_cast<std::uint32_t>(random_());
    return out;
  }

  [[nodiscard]] kvstrata::nvme::erasure_block erasures(std::uint32_t count)
  {
    return {store(), place(), any64(), any64(), count};
  }

  [[nodiscard]] std::vector<kvstrata::nvme::erasure> erasure_rows(std::uint32_t count)
  {
    using kvstrata::nvme::erasure;
    std::vector<erasure> out(count);
    for (erasure& row : out) {
      row = {static_cast<erasure::kind>(1 + below(3)), key(), any64(), place()};
    }
    return out;
  }

  /// Rows of a region of so many blocks, whose table needs `table_blocks`.
  [[nodiscard]] std::vector<kvstrata::nvme::table_row> table_rows(std::uint32_t count, std::uint32_t region_blocks)
  {
    using kvstrata::nvme::table_row;
    std::vector<table_row> out(count);
    const auto end = static_cast<std::uint32_t>(region_blocks - kvstrata::nvme::table_blocks_for(count));
    for (table_row& row : out) {
      row.what = static_cast<table_row::kind>(1 + below(4));
      row.order = any64();
      row.key = key();
      row.life = any64();
      if (row.what == table_row::kind::record) {
        row.block = 1 + below(end - 1);
        row.body_blocks = below(end - row.block);
        row.tokens.begin = any32() / 2;
        row.tokens.end = row.tokens.begin + 1 + any32() / 4;
      } else {
        row.block = any32();
      }
    }
    return out;
  }

 private:
  std::mt19937_64 random_;
};

/// Calls `check` with the bytes as they are but for one bit, for each bit of every
/// `step`th byte.
template <class Bytes, class Check>
void flip_each_bit(Bytes& bytes, Check check, std::size_t step = 1)
{
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    for (unsigned bit = 0; bit != 8; ++bit) {
      bytes[at] ^= std::byte{1} << bit;
      check();
      bytes[at] ^= std::byte{1} << bit;
    }
  }
}

}  // namespace kvstrata_test
