// A put: places for its records when it is asked for, and writing them when its bytes are there.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/tiers/nvme/calls/record_memory.hpp>
#include <kvstrata/tiers/nvme/format/record_head.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/commit.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Clean regions that puts leave to erasures and to what is written again.
inline constexpr std::size_t spared_regions = 1;

/// Cuts a put into records. They follow one another, each of whole pages but for the ends.
[[nodiscard]] inline std::vector<chunk> chunks_of(const record_header& header, std::size_t page_bytes,
                                                  std::uint64_t chunk_bytes)
{
  const page_interval all = header.pages();
  const auto most = static_cast<page_count>((std::max)(std::uint64_t{1}, chunk_bytes / page_bytes));
  std::vector<chunk> out;
  for (page_count p = all.begin; p < all.end; p += (std::min)(most, all.end - p)) {
    const page_interval pages{p, p + (std::min)(most, all.end - p)};
    const token_interval whole{pages.begin * header.page_tokens, pages.end * header.page_tokens};
    out.push_back({.tokens = intersect(header.tokens, whole), .pages = pages});
  }
  return out;
}

/// Of a record of so many pages with codes, however badly they turn out.
[[nodiscard]] inline std::uint64_t most_coded_blocks(const store_core& core, page_count pages)
{
  const body_code& code = *core.config.code;
  return core.config.layers * blocks_of(most_part_bytes(pages, (std::max)(code.most_bytes(), code.piece().bytes())));
}

/// Cuts a put into records, and says what places they want: those that are to be encoded, at most. Throws usage_error where a page fits no region.
[[nodiscard]] inline std::vector<wanted_place> places_of(const store_core& core, nvme_io& io)
{
  io.chunks = chunks_of(io.header, io.page_bytes, core.config.chunk_bytes);
  std::vector<wanted_place> wanted;
  for (std::size_t i = 0; i < io.chunks.size(); ++i) {
    chunk& c = io.chunks[i];
    const auto page = io.page_bytes;
    if (!core.config.code) c.body_blocks = body_blocks(c.pages.size(), page, core.config.layers);
    else if (!io.codes.empty()) c.body_blocks = io.codes[i].body_blocks();
    else c.body_blocks = most_coded_blocks(core, c.pages.size());
    const std::uint64_t blocks = 1 + c.body_blocks;
    if (blocks > core.books.regions.room(1)) {
      throw usage_error("nvme_file: a page of " + std::to_string(page) + " bytes does not fit a region of " +
                        std::to_string(core.config.region_bytes) + " bytes (nvme_file.region_bytes)");
    }
    wanted.push_back({static_cast<std::uint32_t>(blocks), 1});
  }
  return wanted;
}

/// Finds places for a put's records; the lock is held. False: there is no room, and nothing has changed.
[[nodiscard]] inline bool place(store_core& core, nvme_io& io, std::size_t spared)
{
  const std::vector<wanted_place> wanted = places_of(core, io);
  std::vector<record_place> places;
  if (core.books.index.size() + io.chunks.size() > core.books.index.capacity()) {
    core.books.wants_records = true;
    return false;
  }
  if (!core.books.regions.reserve(wanted, spared, places)) return false;
  for (std::size_t i = 0; i < places.size(); ++i) io.chunks[i].place = places[i];
  io.order = core.books.next_order();
  return true;
}

[[nodiscard]] inline record_head head_of(const store_core& core, const nvme_io& io, const chunk& c,
                                         std::uint64_t durable_order)
{
  record_head head{.store = core.id,
                   .place = {c.place.generation, c.place.block},
                   .order = io.order,
                   .durable_order = durable_order,
                   .key = io.key,
                   .header = io.header,
                   .put = io.header.tokens,
                   .page_bytes = io.page_bytes,
                   .layers = core.config.layers};
  head.header.tokens = c.tokens;
  return head;
}

/// Writes records that have been encoded. The medium's word for each.
inline std::vector<block_io> write_codes_sync(store_core& core, nvme_io& io, std::uint64_t durable_order)
{
  std::vector<memory_piece> pieces(io.chunks.size());
  std::vector<block_io> ios(io.chunks.size());
  for (std::size_t i = 0; i < io.chunks.size(); ++i) {
    record_head head = head_of(core, io, io.chunks[i], durable_order);
    head.code = core.fingerprint();
    head.coded_blocks = io.codes[i].body_blocks();
    encode(head, io.codes[i].parts(), io.codes[i].head());
    pieces[i] = io.codes[i].all();
    ios[i] = block_io{
        .what = block_io::kind::write, .offset = core.offset_of(io.chunks[i].place), .pieces = {&pieces[i], 1}};
  }
  core.engine->run_sync(ios);
  for (block_io& each : ios) each.pieces = {};
  return ios;
}

/// Writes its records. The medium's word for each.
inline std::vector<block_io> write_records_sync(store_core& core, nvme_io& io, std::uint64_t durable_order)
{
  const page_memory pages(io.pieces, io.page_bytes, core.config.layers);
  const page_count first = io.header.pages().begin;
  std::deque<record_memory> records;
  std::deque<std::vector<memory_piece>> pieces;
  std::vector<block_io> ios;
  std::vector<std::uint32_t> crcs(core.config.layers);
  for (const chunk& c : io.chunks) {
    record_memory& memory = records.emplace_back(c.pages.size(), page_interval{0, c.pages.size()}, pages,
                                                 c.pages.begin - first, core.config.layers, core.engine->alignment());
    memory.gather();
    std::vector<memory_piece>& mine = pieces.emplace_back();
    mine.push_back(memory.head_piece());
    for (std::uint32_t layer = 0; layer < memory.layers(); ++layer) {
      crcs[layer] = memory.crc_of(layer);
      for (const memory_piece& piece : memory.layer(layer)) page_memory::add(piece, mine);
    }
    encode(head_of(core, io, c, durable_order), std::span<const std::uint32_t>(crcs), memory.head());
    ios.push_back({.what = block_io::kind::write, .offset = core.offset_of(c.place), .pieces = mine});
  }
  core.engine->run_sync(ios);
  for (block_io& each : ios) each.pieces = {};
  return ios;
}

/// Carries a placed put out: writes its records, and lets them be found. False: it came to nothing. Whatever happens, none
/// of its writes is under way any more.
[[nodiscard]] inline bool put_sync(store_core& core, nvme_io& io) noexcept
{
  bool well = false;
  std::uint64_t durable_order = 0;
  {
    const std::lock_guard lock(core.mutex);
    durable_order = core.books.durable_order;
  }
  std::vector<block_io> ios;
  try {
    ios = core.config.code ? write_codes_sync(core, io, durable_order) : write_records_sync(core, io, durable_order);
    well = std::all_of(ios.begin(), ios.end(), [](const block_io& each) { return each.error == 0; });
  } catch (const std::exception&) {  // no memory
  }
  const std::lock_guard lock(core.mutex);
  io.failed_flushes = core.books.failed_flushes;
  if (!well) ++core.books.counts.lost_io;
  std::size_t added = 0;
  for (std::size_t i = 0; i < io.chunks.size(); ++i) {
    const chunk& c = io.chunks[i];
    try {
      if (i < ios.size() && ios[i].error == 0) {
        core.books.regions.at(c.place.region)
            .rows.push_back({.order = io.order,
                             .key = io.key,
                             .life = life_of(io.header),
                             .block = c.place.block,
                             .body_blocks = static_cast<std::uint32_t>(c.body_blocks),
                             .tokens = c.tokens});
        if (well && !io.erased && (well = core.books.add(io, c))) ++added;
      }
    } catch (const std::exception&) {
      well = false;
    }
    core.books.regions.written(c.place);
  }
  if (!well) {  // older records count, now and when the store is opened again: nothing of this one may stand before them
    for (std::size_t i = 0; i < io.chunks.size(); ++i) {
      const record_place& where = io.chunks[i].place;
      if (i < added) core.books.drop(io.key, core.books.regions.block_of(where), where.generation);
      else core.books.disown(io.key, where);
    }
  }
  if (well && !io.erased) {
    try {
      const block_number head = core.books.regions.block_of(io.chunks.back().place);
      std::vector<chain_link> links;
      core.books.links_of(io.key, links);
      if (!links.empty() && links.front().block == head)
        core.books.known.set(io.key, {.head = head, .header = io.header});
    } catch (const std::exception&) {  // it must be asked
    }
    ++core.books.counts.puts;
    core.books.counts.put_bytes += io.page_bytes * io.header.pages().size();
    for (const chunk& c : io.chunks) core.books.counts.stored_bytes += (1 + c.body_blocks) * block_bytes;
    for (const record_codes& codes : io.codes) core.books.counts.code_bytes += codes.code_bytes();
  }
  return well;
}

}  // namespace kvstrata::nvme
