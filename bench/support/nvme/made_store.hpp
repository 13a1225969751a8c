// A store as it lies on disk after so many records, made through its own format: heads of regions and tables, and holes
// where bodies would be, which opening a store never reads. So that a million records need no terabyte.
#pragma once

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme/format/life.hpp>
#include <kvstrata/tiers/nvme/format/region_head.hpp>
#include <kvstrata/tiers/nvme/format/superblock.hpp>
#include <kvstrata/tiers/nvme/format/table.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace nvme_bench {

struct made_shape
{
  std::uint32_t records = 1'000'000;
  std::uint32_t body_blocks = 1;
  std::uint64_t region_bytes = 64ULL << 20U;
};

/// What a made store is opened with.
[[nodiscard]] inline kvstrata::nvme_file_config config_of(const std::string& path, const made_shape& shape)
{
  kvstrata::nvme_file_config out;
  out.paths = {path};
  out.region_bytes = shape.region_bytes;
  out.most_records = shape.records + 1024;
  return out;
}

/// Makes the file; it must not be there.
inline void make_store(const std::string& path, const made_shape& shape)
{
  using namespace kvstrata::nvme;
  const auto blocks = static_cast<std::uint32_t>(shape.region_bytes / block_bytes);
  std::uint32_t rows_of_region = 1;
  const auto fit = [&](std::uint64_t rows) {
    return 1 + rows * (1 + shape.body_blocks) + table_blocks_for(rows) <= blocks;
  };
  while (fit(rows_of_region + 1)) ++rows_of_region;
  const std::uint32_t regions = (shape.records + rows_of_region - 1) / rows_of_region;
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) throw std::runtime_error(path + " cannot be made");
  const auto end = static_cast<::off_t>((regions + 20) * shape.region_bytes);  // clean ones, and those of superblocks
  if (::ftruncate(fd, end) != 0) throw std::runtime_error(path + " cannot be made as long as it must be");
  {
    kvstrata::emulated_device device(kvstrata::emulated_device_config{});
    const kvstrata::nvme_file<>::on<kvstrata::emulated_device> empty(device, config_of(path, shape));
  }
  alignas(block_bytes) std::byte block[block_bytes];
  const auto move = [&](auto call, auto* data, std::size_t bytes, std::uint64_t offset) {
    if (call(fd, data, bytes, static_cast<::off_t>(offset)) != static_cast<::ssize_t>(bytes))
      throw std::runtime_error(path + " cannot be read or written");
  };
  move(::pread, &block[0], block_bytes, 0);
  const superblock_reading super = decode_superblock(const_block_span(block));
  if (!super.is) throw std::runtime_error(path + " has no superblock");
  const store_id id = super.is->store;
  std::vector<table_row> rows;
  std::vector<std::byte> table;
  std::uint64_t order = 0;
  for (std::uint32_t i = 0; i < regions; ++i) {
    const std::uint64_t generation = 1000 + i;
    const std::uint64_t offset = (1 + i) * shape.region_bytes;
    const std::uint32_t left = shape.records - i * rows_of_region;
    rows.resize((std::min)(rows_of_region, left));
    std::uint32_t at = 1;
    for (table_row& row : rows) {
      ++order;
      row = {.order = order,
             .key = {.id = order},
             .life = order * 0x9e3779b97f4a7c15U,
             .block = at,
             .body_blocks = shape.body_blocks,
             .tokens = {0, 16}};
      at += 1 + shape.body_blocks;
    }
    encode(region_head{.store = id, .generation = generation, .durable_order = order}, block_span(block));
    move(::pwrite, &block[0], block_bytes, offset);
    table.assign(static_cast<std::size_t>(table_blocks_for(rows.size())) * block_bytes, std::byte{0});
    encode_table(rows, {.store = id, .generation = generation, .durable_order = order}, table);
    move(::pwrite, table.data(), table.size(), offset + shape.region_bytes - table.size());
  }
  ::fsync(fd);
  ::close(fd);
}

}  // namespace nvme_bench
