#include "store/bodies.hpp"

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/format/body.hpp>
#include <kvstrata/tiers/nvme/format/life.hpp>

#include <cstddef>
#include <cstring>
#include <map>
#include <span>

namespace store_tool {

namespace nvme = kvstrata::nvme;

namespace {

[[nodiscard]] std::string unreadable(int fault) { return std::string("cannot be read: ") + std::strerror(fault); }

/// What one look at a record shows.
struct look
{
  std::string fault;             ///< the sentence's end; empty: it is whole
  kvstrata::token_interval put;  ///< that it is part of
};

/// The head that lies in a block, as its table's row says; else what is wrong.
[[nodiscard]] read_head head_in(const store_file& in, const kept_record& r, nvme::const_block_span block)
{
  read_head out{.head = nvme::decode_record_head(block, in.core->id, {r.place.generation, r.place.block}), .fault = {}};
  if (!out.head) {
    out.fault = "has no head, or a damaged one";
  } else if (out.head->key != r.row.key || out.head->order != r.row.order || out.head->header.tokens != r.row.tokens ||
             out.head->body_blocks() != r.row.body_blocks || nvme::life_of(out.head->header) != r.row.life) {
    out.fault = "has the head of another record";
  } else if (out.head->layers != in.is.layers) {
    out.fault = "has " + std::to_string(out.head->layers) + " layers, the store " + std::to_string(in.is.layers);
  } else if (out.head->code != in.core->fingerprint()) {
    out.fault = "is of another codec than the store";
  }
  if (!out.fault.empty()) out.head.reset();
  return out;
}

/// Blocks and checksum of a layer's part, whether it is encoded or not.
[[nodiscard]] nvme::coded_part_mark part_of(const nvme::record_head& head, nvme::const_block_span block,
                                            std::uint32_t layer)
{
  if (head.code != 0) return nvme::coded_part_of(block, layer);
  return {nvme::layer_crc(block, layer), static_cast<std::uint32_t>(head.body_blocks() / head.layers)};
}

[[nodiscard]] look look_at(store_file& in, const kept_record& r, bool with_body, check_counts& counts)
{
  const std::size_t blocks = 1 + (with_body ? std::size_t{r.row.body_blocks} : 0);
  nvme::block_buffer all(blocks * nvme::block_bytes);
  ++counts.heads;
  if (const int fault =
          move_sync(*in.core->engine, nvme::block_io::kind::read, in.core->offset_of(r.place), all.all())) {
    return {unreadable(fault), {}};
  }
  const read_head read = head_in(in, r, all.block(0));
  if (!read.head) return {read.fault, {}};
  if (!with_body) return {{}, read.head->put};
  ++counts.bodies;
  counts.bytes += all.size() - nvme::block_bytes;
  const std::byte* at = all.data() + nvme::block_bytes;
  for (std::uint32_t layer = 0; layer < read.head->layers; ++layer) {
    const nvme::coded_part_mark part = part_of(*read.head, all.block(0), layer);
    const std::span<const std::byte> mine(at, part.blocks * nvme::block_bytes);
    at += mine.size();
    if (nvme::crc32c(mine) == part.crc) continue;
    return {"has other bytes in layer " + std::to_string(layer) + " than were put there", {}};
  }
  return {{}, read.head->put};
}

}  // namespace

read_head read_head_of(store_file& in, const kept_record& r)
{
  nvme::block_buffer block(nvme::block_bytes);
  const int fault = move_sync(*in.core->engine, nvme::block_io::kind::read, in.core->offset_of(r.place), block.all());
  return fault != 0 ? read_head{{}, unreadable(fault)} : head_in(in, r, block.block(0));
}

check_counts check_records(store_file& in, bool with_bodies)
{
  struct put_parts
  {
    std::uint64_t there = 0;   ///< tokens of whole records
    std::uint64_t wanted = 0;  ///< of the put
  };
  check_counts counts;
  std::map<std::uint64_t, put_parts> undurable;  // by order: opening the store keeps all of a put or nothing
  std::erase_if(in.records, [&](const kept_record& r) {
    const look seen = look_at(in, r, with_bodies, counts);
    if (!r.durable) {
      put_parts& put = undurable[r.row.order];
      if (seen.fault.empty()) put = {put.there + r.row.tokens.size(), seen.put.size()};
      return false;
    }
    if (!seen.fault.empty()) in.faults.add(in.where(r) + ", " + seen.fault);
    return !seen.fault.empty();
  });
  counts.torn = std::erase_if(in.records, [&undurable](const kept_record& r) {
    if (r.durable) return false;
    const put_parts& put = undurable[r.row.order];
    return put.there != put.wanted || put.wanted == 0;
  });
  return counts;
}

}  // namespace store_tool
