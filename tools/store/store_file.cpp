#include "store/store_file.hpp"

#include "store/read_engine.hpp"
#include "store/superblocks.hpp"

#include <kvstrata/tiers/nvme/upkeep/recover.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

namespace store_tool {

namespace nvme = kvstrata::nvme;

namespace {

/// The first and last blocks of a region, as they lie.
struct region_ends
{
  int error = 0;
  bool never_used = false;                 ///< no block of this store was ever its head
  std::optional<nvme::region_head> head;   ///< that counts
  std::optional<nvme::table_foot> foot;    ///< of the head's generation
  bool bad_foot = false;                   ///< there is one of the head's generation, and it is not whole
  std::optional<nvme::table_foot> orphan;  ///< of the generation that a damaged head names
};

[[nodiscard]] region_ends ends_of(nvme::store_core& core, std::uint32_t number)
{
  const std::uint32_t blocks = core.books.regions.blocks();
  nvme::block_buffer both(2 * nvme::block_bytes);
  const auto read = [&](std::uint32_t block, std::size_t into) {
    const nvme::memory_piece piece{both.block(into).data(), nvme::block_bytes};
    return move_sync(*core.engine, nvme::block_io::kind::read,
                     core.offset_of(nvme::record_place{.region = number, .block = block}), piece);
  };
  region_ends out;
  out.error = read(0, 0);
  if (out.error != 0) return out;
  const int no_foot = read(blocks - 1, 1);
  const std::byte* const from = both.block(0).data();
  out.head = nvme::decode_region_head(both.block(0));
  if (out.head && out.head->store != core.id) out.head.reset();
  if (!out.head) {
    out.never_used = !nvme::format_detail::has_head(from, nvme::block_kind::region) ||
                     nvme::format_detail::store_of(from) != core.id || nvme::format_detail::is_whole(both.block(0));
  }
  const std::uint64_t generation = out.head ? out.head->generation : load(from, nvme::at_region::generation);
  const auto foot = nvme::decode_foot(both.block(1), core.id, generation, blocks);
  if (no_foot == 0 && foot) (out.head ? out.foot : out.orphan) = foot;
  if (out.orphan) out.never_used = false;
  const std::byte* const end = both.block(1).data() + nvme::at_foot::in_block;
  out.bad_foot = no_foot == 0 && out.head && !foot && nvme::format_detail::has_head(end, nvme::block_kind::foot) &&
                 nvme::format_detail::store_of(end) == core.id && load(end, nvme::at_foot::generation) == generation;
  return out;
}

/// Looks at all heads and feet; says of damaged ones. Rows that may be in them.
[[nodiscard]] std::uint64_t look_at_ends(nvme::store_core& core, std::vector<region_ends>& ends, store_file& out)
{
  const nvme::region_book& regions = core.books.regions;
  std::uint64_t rows = 0;
  for (std::uint32_t i = regions.first(); i < regions.size(); ++i) {
    const region_ends& each = ends.emplace_back(ends_of(core, i));
    const std::string name = "region " + std::to_string(i);
    if (each.error != 0) {
      ++out.regions.unreadable;
      out.faults.add("the head of " + name + " cannot be read: " + std::strerror(each.error));
    } else if (!each.head && !each.never_used) {
      ++out.regions.damaged;
      out.faults.add(each.orphan ? "the head of " + name + ", which is full, is damaged: its " +
                                       std::to_string(each.orphan->rows) + " records and erasures are not found"
                                 : "the head of " + name + " is not whole: it is damaged, or a crash tore it as the " +
                                       "region was made ready; what was in it is not found");
    }
    // One whose table turns out to be bad is walked through.
    if (each.head) rows += each.foot ? (std::max)(each.foot->rows, regions.blocks() / 2) : regions.blocks() / 2;
  }
  return rows;
}

}  // namespace

std::uint64_t store_file::record_bytes() const noexcept
{
  std::uint64_t blocks = 0;
  for (const kept_record& r : records) blocks += 1 + std::uint64_t{r.row.body_blocks};
  return blocks * nvme::block_bytes;
}

std::string store_file::where(const kept_record& r) const
{
  return "the record of sequence " + std::to_string(r.row.key.space) + ":" + std::to_string(r.row.key.id) +
         ", tokens " + std::to_string(r.row.tokens.begin) + " to " + std::to_string(r.row.tokens.end) + ", in region " +
         std::to_string(r.place.region) + " at block " + std::to_string(r.place.block);
}

store_file open_store(const std::vector<std::string>& paths)
{
  store_file out;
  read_paths read = read_superblocks(paths, out.faults);
  out.is = read.first;
  kvstrata::nvme_file_config config{.region_bytes = out.is.region_bytes, .layers = out.is.layers};
  for (const read_file& file : read.files) {
    out.paths.push_back(file.path());
    out.path_bytes.push_back(file.bytes());
  }
  config.paths = out.paths;
  if (!out.is.code.is_none()) config.code = nvme::foreign_code_of(out.is.code);  // codes are checked as they lie
  const auto books_for = [&is = out.is](std::uint32_t records) {
    return nvme::store_books(nvme::record_index(records),
                             nvme::region_book(static_cast<std::uint32_t>(is.regions), is.paths,
                                               static_cast<std::uint32_t>(is.region_bytes / nvme::block_bytes)),
                             1, 1);
  };
  auto engine =
      std::make_unique<read_engine>(std::move(read.files), out.is.region_bytes, out.is.regions * out.is.region_bytes);
  out.core = std::make_unique<nvme::store_core>(config, std::move(engine), books_for(1));
  nvme::store_core& core = *out.core;
  core.id = out.is.store;
  std::vector<region_ends> ends;
  const std::uint64_t rows = look_at_ends(core, ends, out);
  core.books = books_for(static_cast<std::uint32_t>((std::min)(rows + 1, std::uint64_t{0xfffffffeU})));

  std::vector<kept_record> seen;
  const std::uint32_t first = core.books.regions.first();
  nvme::recover_sync(core, [&](const nvme::detail::found_region& region, const std::vector<nvme::table_row>& rows_of) {
    if (region.foot) ++out.regions.sealed;
    else ++(rows_of.empty() && region.walked.readable ? out.regions.empty : out.regions.walked);
    const std::string name = "region " + std::to_string(region.number);
    const region_ends& mine = ends[region.number - first];
    if (!region.foot && (mine.foot || mine.bad_foot)) {
      out.faults.add("the table of " + name +
                     " is damaged, or a crash tore it: opening the store walks through the region instead");
    }
    if (!region.foot && !region.walked.readable) out.faults.add(name + " cannot be read as a whole");
    for (const nvme::table_row& row : rows_of) {
      if (row.what != nvme::table_row::kind::record) continue;
      seen.push_back({row, {region.number, row.block, region.generation}});
    }
  });
  for (const region_ends& each : ends) {
    if (each.never_used) ++out.regions.unused;
  }
  std::erase_if(seen, [&core](kept_record& r) {
    const nvme::index_entry* const found = core.books.index.find(r.row.key, core.books.regions.block_of(r.place));
    if (found != nullptr) r.durable = found->durable;
    return found == nullptr;
  });
  std::sort(seen.begin(), seen.end(), [](const kept_record& a, const kept_record& b) {
    return a.place.generation != b.place.generation ? a.place.generation < b.place.generation
                                                    : a.place.block < b.place.block;
  });
  out.records = std::move(seen);
  return out;
}

}  // namespace store_tool
