// A get: the records that hold what is wanted are read and checked, their heads, and each layer.
#pragma once

#include <kvstrata/tiers/nvme/calls/record_memory.hpp>
#include <kvstrata/tiers/nvme/calls/record_read.hpp>
#include <kvstrata/tiers/nvme/calls/start_reading.hpp>
#include <kvstrata/tiers/nvme/codes/decode_get.hpp>
#include <kvstrata/tiers/nvme/format/record_head.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// The memory of records that are read together, and the I/Os: one of each record, or `by_layer` of each layer those of all
/// records, layer after layer.
class record_reading
{
 public:
  record_reading(store_core& core, const record_header& header, const page_memory& into,
                 const std::vector<record_read>& reads, bool by_layer)
      : records_(reads.size()), layers_(core.config.layers), by_layer_(by_layer)
  {
    const auto page_bytes = static_cast<std::uint32_t>(into.page_bytes());
    ios_.resize(records_ * (by_layer ? layers_ : 1));
    for (std::size_t i = 0; i < records_; ++i) {
      const record_read& r = reads[i];
      const page_interval pages = pages_of(r.from.tokens, header.page_tokens);
      const page_interval inside{r.wanted.begin - pages.begin, r.wanted.end - pages.begin};
      record_memory& memory =
          memories_.emplace_back(pages.size(), inside, into, r.first, layers_, core.engine->alignment());
      const std::uint64_t head = core.offset_of(r.from.block);
      std::vector<memory_piece>& first = with_head_.emplace_back();  // the head comes with the first layer
      first.push_back(memory.head_piece());
      for (std::uint32_t layer = 0; layer < (by_layer ? 1 : layers_); ++layer) {
        for (const memory_piece& piece : memory.layer(layer)) page_memory::add(piece, first);
      }
      ios_[i] = block_io{.what = block_io::kind::read, .offset = head, .pieces = first};
      for (std::uint32_t layer = 1; by_layer && layer < layers_; ++layer) {
        ios_[layer * records_ + i] = {
            .what = block_io::kind::read,
            .offset = head + block_bytes + layer_offset(layer, pages.size(), page_bytes, layers_),
            .pieces = memory.layer(layer)};
      }
    }
  }

  [[nodiscard]] std::span<block_io> all() noexcept { return ios_; }
  [[nodiscard]] std::span<block_io> of_layer(std::uint32_t layer) noexcept
  {
    return std::span(ios_).subspan(by_layer_ ? layer * records_ : 0, records_);
  }
  [[nodiscard]] record_memory& memory(std::size_t record) noexcept { return memories_[record]; }

 private:
  std::size_t records_;
  std::uint32_t layers_;
  bool by_layer_;
  std::deque<record_memory> memories_;
  std::deque<std::vector<memory_piece>> with_head_;
  std::vector<block_io> ios_;
};

/// Reads them into the pages, and says of each what became of it. `header`: of their life. Is `layer_is_there` anything but
/// null, layers are read one after the other, and it is called with each that has come, of all records, and was checked.
inline void read_records_sync(store_core& core, const sequence_key& key, const record_header& header,
                              const page_memory& into, std::vector<record_read>& reads,
                              const std::function<void(std::uint32_t)>& layer_is_there = nullptr)
{
  if (core.config.code) return decode_records_sync(core, key, header, into, reads, layer_is_there);
  record_reading reading(core, header, into, reads, static_cast<bool>(layer_is_there));
  const std::uint32_t layers = core.config.layers;
  if (!layer_is_there) core.engine->run_sync(reading.all());
  for (record_read& r : reads) r.good = true;
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    const std::span<block_io> ios = reading.of_layer(layer);
    if (layer_is_there) core.engine->run_sync(ios);
    bool all_good = true;
    for (std::size_t i = 0; i < reads.size(); ++i) {
      record_read& r = reads[i];
      record_memory& memory = reading.memory(i);
      if (r.error == 0) r.error = ios[i].error;
      r.good = r.good && r.error == 0;
      if (r.good && layer == 0) {
        const auto head = decode_record_head(memory.head(), core.id, {r.place.generation, r.place.block});
        r.good = head && head->key == key && same_life(head->header, header) && head->header.tokens == r.from.tokens &&
                 head->page_bytes == into.page_bytes() && head->layers == layers && head->code == 0;
      }
      r.good = r.good && memory.crc_of(layer) == layer_crc(memory.head(), layer);
      if (r.good) memory.scatter(layer);
      all_good = all_good && r.good;
    }
    if (!layer_is_there) continue;
    if (!all_good) return;
    layer_is_there(layer);
  }
}

/// What becomes of records that could not be read: they are found no more. The lock is held. Why the first was lost.
inline loss drop_unread(store_core& core, const sequence_key& key, const std::vector<record_read>& reads) noexcept
{
  loss why = loss::none;
  for (const record_read& r : reads) {
    if (r.good) continue;
    const loss mine = r.error != 0 ? loss::io_error : loss::checksum;
    if (why == loss::none) why = mine;
    ++(mine == loss::checksum ? core.books.counts.lost_checksum : core.books.counts.lost_io);
    core.books.drop(key, r.from.block, r.place.generation);
  }
  return why;
}

[[nodiscard]] inline loss get_sync(store_core& core, nvme_io& io)
{
  std::vector<record_read> reads;
  {
    const std::lock_guard lock(core.mutex);
    if (io.erased) return loss::gone;
    reads = begin_reading(core, io.key, io.header, io.wanted);
  }
  if (reads.empty()) return loss::gone;
  try {
    read_records_sync(core, io.key, io.header, page_memory(io.pieces, io.page_bytes, core.config.layers), reads,
                      io.layer_is_there);
  } catch (...) {
    const std::lock_guard lock(core.mutex);
    end_reading(core, reads);
    throw;
  }
  const std::lock_guard lock(core.mutex);
  end_reading(core, reads);
  const loss why = drop_unread(core, io.key, reads);
  if (why != loss::none) return why;
  if (io.erased) return loss::gone;
  ++core.books.counts.gets;
  core.books.counts.got_bytes += io.page_bytes * pages_of(io.wanted, io.header.page_tokens).size();
  return loss::none;
}

}  // namespace kvstrata::nvme
