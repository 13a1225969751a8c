#include "store/compact.hpp"

#include "store/bodies.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/file_paths.hpp>
#include <kvstrata/tiers/nvme/record_store.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace store_tool {

namespace nvme = kvstrata::nvme;
namespace fs = std::filesystem;

namespace {

/// A path beside the one that is wanted, and nothing there once this is gone.
class unfinished_file
{
 public:
  explicit unfinished_file(const std::string& to) : place_(kvstrata::real_path(to))
  {
    std::error_code ignored;
    for (int number = 0; beside_.empty() || fs::exists(beside_, ignored); ++number) {
      beside_ =
          place_.parent_path() / (".kvstrata-" + std::to_string(::getpid()) + "-" + std::to_string(number) + ".part");
    }
  }
  unfinished_file(const unfinished_file&) = delete;
  unfinished_file& operator=(const unfinished_file&) = delete;
  ~unfinished_file() { ::unlink(beside_.c_str()); }

  [[nodiscard]] std::string path() const { return beside_.string(); }

  void finish()
  {
    if (::link(beside_.c_str(), place_.c_str()) == 0) return;
    std::error_code fault(errno, std::generic_category());
    const bool no_links = fault.value() == EPERM || fault.value() == EOPNOTSUPP || fault.value() == ENOSYS;
    std::error_code ignored;
    if (no_links && !fs::exists(place_, ignored)) {
      fs::rename(beside_, place_, fault);
      if (!fault) return;
    }
    throw kvstrata::data_error(place_.string(), 0, "it cannot be made: " + fault.message());
  }

 private:
  fs::path place_, beside_;
};

/// Reads a record's codes, as they are. False: they are not what they were when they were checked.
[[nodiscard]] bool read_codes(store_file& in, nvme::nvme_io& put, std::vector<nvme::record_read>& reads)
{
  const kvstrata::page_count pages = put.header.pages().size();
  std::vector<nvme::page_code> codes(std::size_t{in.is.layers} * pages);
  nvme::coded_reading reading(*in.core, reads);
  nvme::take_codes_sync(reading, put.key, put.header, put.page_bytes, reads, pages, codes);
  if (!reads.front().good) return false;
  put.codes.push_back(nvme::record_of_codes(codes, pages, in.is.layers));
  return true;
}

/// Reads a record and writes it again. False: it is not what it was when it was checked.
[[nodiscard]] bool copy_record(store_file& in, const kept_record& r, nvme::record_store& to)
{
  const read_head read = read_head_of(in, r);
  if (!read.head) return false;
  nvme::nvme_io put;
  put.what = nvme::nvme_io::kind::put;
  put.key = read.head->key;
  put.header = read.head->header;
  put.page_bytes = read.head->page_bytes;
  const kvstrata::page_interval pages = put.header.pages();
  const bool has_codes = read.head->code != 0;
  nvme::block_buffer body(has_codes ? 0 : put.page_bytes * pages.size());
  if (!has_codes) put.pieces.push_back({body.data(), put.page_bytes * pages.size()});
  std::vector<nvme::record_read> reads{{.from = {.block = in.core->books.regions.block_of(r.place),
                                                 .life = nvme::store_books::short_life(put.header),
                                                 .tokens = put.header.tokens},
                                        .place = r.place,
                                        .wanted = pages}};
  if (has_codes) {
    if (!read_codes(in, put, reads)) return false;
  } else {
    nvme::read_records_sync(*in.core, put.key, put.header, nvme::page_memory(put.pieces, put.page_bytes, in.is.layers),
                            reads);
    if (!reads.front().good) return false;
  }
  if (!to.begin(put)) throw kvstrata::error("the new store has no room for " + in.where(r) + ": give it more --bytes");
  put.whom = nullptr;
  to.carry_out(put);
  if (!put.outcome.done()) throw kvstrata::error("the new store could not be written: its disk refuses, or is full");
  return true;
}

}  // namespace

std::uint64_t bytes_for(const store_file& in)
{
  const nvme::region_book& regions = in.core->books.regions;
  std::uint64_t full = 0;
  std::uint64_t blocks = regions.blocks();  // that are taken of the last one
  std::uint32_t rows = 0;
  for (const kept_record& r : in.records) {
    const std::uint64_t mine = 1 + std::uint64_t{r.row.body_blocks};
    if (blocks + mine > regions.room(rows + 1)) {
      ++full;
      blocks = 0;
      rows = 0;
    }
    blocks += mine;
    ++rows;
  }
  // One for the superblock; and room for what a store keeps ready, and spares, so that nothing is evicted.
  const std::uint64_t count = 1 + full + nvme::least_clean_regions + nvme::spared_regions + 1;
  return (std::max)(count, std::uint64_t{7}) * in.is.region_bytes;
}

compacted compact(store_file& in, const std::string& to, std::uint64_t bytes)
{
  const std::uint64_t region = in.is.region_bytes;
  const std::uint64_t least = bytes_for(in);
  if (bytes == 0) bytes = least;
  if (bytes < least) {
    throw kvstrata::config_error("--bytes", bytes, "the records need a file of " + std::to_string(least));
  }
  bytes = (bytes + region - 1) / region * region;
  unfinished_file file(to);
  compacted out{.bytes = bytes};
  {
    const auto most = static_cast<std::uint32_t>((std::min)(in.records.size() + 1, std::size_t{0xfffffffeU}));
    nvme::record_store store({.paths = {file.path()},
                              .bytes = bytes,
                              .region_bytes = region,
                              .chunk_bytes = region / 4,
                              .layers = in.is.layers,
                              .code = in.core->config.code,
                              .lanes = 1,
                              .in_flight = 1,
                              .workers = 1,
                              .known_headers = 1,
                              .most_records = most,
                              .reinserted_hits = 0,
                              .clean_regions = nvme::least_clean_regions,
                              .depth = 8},
                             false);
    for (const kept_record& r : in.records) {
      if (copy_record(in, r, store)) ++out.records;
      else in.faults.add(in.where(r) + ", was whole when it was checked, and is not any more");
    }
    store.close_sync();
    if (store.figures().durable_order < out.records) {  // it numbers them from 1
      throw kvstrata::error("the new store could not be made durable: its disk refuses");
    }
  }
  file.finish();
  return out;
}

}  // namespace store_tool
