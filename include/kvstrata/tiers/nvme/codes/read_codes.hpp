// Records whose bodies are encoded are read: their heads, which say where the layers' parts lie, then the parts.
#pragma once

#include <kvstrata/tiers/nvme/calls/record_read.hpp>
#include <kvstrata/tiers/nvme/codes/record_codes.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// The parts stay in memory as long as it is there.
class coded_reading
{
 public:
  /// Takes a layer's part of record `record`, which is as it was written. False: what it says is nonsense.
  using part_taker = std::function<bool(std::size_t record, std::uint32_t layer, std::span<const std::byte> part)>;

  coded_reading(store_core& core, std::vector<record_read>& reads) : core_(&core), reads_(&reads), all_(reads.size()) {}

  /// Reads all, and says of each record what became of it. Is `layer_is_there` anything but null, layers are read one after
  /// the other, and it is called with each of which all parts were taken.
  void read_sync(const sequence_key& key, const record_header& header, std::size_t page_bytes, const part_taker& take,
                 const std::function<void(std::uint32_t)>& layer_is_there = nullptr)
  {
    read_heads_sync(key, header, page_bytes);
    const std::uint32_t layers = core_->config.layers;
    if (!layer_is_there) read_parts_sync(0, layers);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      if (layer_is_there) read_parts_sync(layer, layer + 1);
      bool all_good = true;
      for (std::size_t i = 0; i < all_.size(); ++i) {
        record_read& r = (*reads_)[i];
        r.good = r.good && is_whole(all_[i], layer) && take(i, layer, part_of(all_[i], layer));
        all_good = all_good && r.good;
      }
      if (!layer_is_there) continue;
      if (!all_good) return;
      layer_is_there(layer);
    }
  }

 private:
  struct one
  {
    block_buffer head{block_bytes};
    block_buffer body{};
    std::vector<coded_part_mark> parts{};
    std::vector<std::size_t> begins{};  ///< of the parts in the body, and its end
  };

  void read_heads_sync(const sequence_key& key, const record_header& header, std::size_t page_bytes)
  {
    std::vector<memory_piece> pieces(all_.size());
    std::vector<block_io> ios(all_.size());
    for (std::size_t i = 0; i < all_.size(); ++i) {
      pieces[i] = all_[i].head.all();
      ios[i] = block_io{
          .what = block_io::kind::read, .offset = core_->offset_of((*reads_)[i].from.block), .pieces = {&pieces[i], 1}};
    }
    core_->engine->run_sync(ios);
    for (std::size_t i = 0; i < all_.size(); ++i) {
      record_read& r = (*reads_)[i];
      r.error = ios[i].error;
      r.good = r.error == 0 && take_head(r, all_[i], key, header, page_bytes);
    }
  }

  [[nodiscard]] bool take_head(const record_read& r, one& to, const sequence_key& key, const record_header& header,
                               std::size_t page_bytes) const
  {
    const block_span block = to.head.block(0);
    const auto head = decode_record_head(block, core_->id, {r.place.generation, r.place.block});
    if (!head || head->key != key || !same_life(head->header, header) || head->header.tokens != r.from.tokens ||
        head->page_bytes != page_bytes || head->layers != core_->config.layers ||
        head->code != core_->config.code->mark().fingerprint ||
        r.place.block + 1 + head->body_blocks() > core_->books.regions.blocks()) {
      return false;
    }
    to.body = block_buffer(head->body_blocks() * block_bytes);
    to.begins.push_back(0);
    for (std::uint32_t layer = 0; layer < head->layers; ++layer) {
      to.parts.push_back(coded_part_of(block, layer));
      to.begins.push_back(to.begins.back() + std::size_t{to.parts.back().blocks} * block_bytes);
    }
    return true;
  }

  /// Of all good records the parts of layers [begin, end), each record's with one I/O.
  void read_parts_sync(std::uint32_t begin, std::uint32_t end)
  {
    std::vector<std::size_t> whose;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if ((*reads_)[i].good) whose.push_back(i);
    }
    std::vector<memory_piece> pieces(whose.size());
    std::vector<block_io> ios(whose.size());
    for (std::size_t k = 0; k < whose.size(); ++k) {
      const one& mine = all_[whose[k]];
      pieces[k] = {mine.body.data() + mine.begins[begin], mine.begins[end] - mine.begins[begin]};
      const std::uint64_t head = core_->offset_of((*reads_)[whose[k]].from.block);
      ios[k] = block_io{
          .what = block_io::kind::read, .offset = head + block_bytes + mine.begins[begin], .pieces = {&pieces[k], 1}};
    }
    core_->engine->run_sync(ios);
    for (std::size_t k = 0; k < whose.size(); ++k) {
      record_read& r = (*reads_)[whose[k]];
      r.error = ios[k].error;
      r.good = r.error == 0;
    }
  }

  [[nodiscard]] static std::span<const std::byte> part_of(const one& mine, std::uint32_t layer) noexcept
  {
    return {mine.body.data() + mine.begins[layer], mine.begins[layer + 1] - mine.begins[layer]};
  }
  [[nodiscard]] static bool is_whole(const one& mine, std::uint32_t layer) noexcept
  {
    return crc32c(part_of(mine, layer)) == mine.parts[layer].crc;
  }

  store_core* core_;
  std::vector<record_read>* reads_;
  std::deque<one> all_;
};

/// The codes of pages from several records, as they lie there: wanted pages of all, layer after layer. False in a record
/// (`good`): they could not be had.
inline void take_codes_sync(coded_reading& reading, const sequence_key& key, const record_header& header,
                            std::size_t page_bytes, const std::vector<record_read>& reads, page_count pages,
                            std::span<page_code> out)
{
  const auto take = [&](std::size_t record, std::uint32_t layer, std::span<const std::byte> part) {
    const record_read& r = reads[record];
    const page_interval has = pages_of(r.from.tokens, header.page_tokens);
    part_reader from(part, has.size());
    for (page_count p = has.begin; p < has.end; ++p) {
      page_code page;
      if (!from.next(page)) return false;
      if (p < r.wanted.begin || p >= r.wanted.end) continue;
      out[std::size_t{layer} * pages + r.first + (p - r.wanted.begin)] = page;
    }
    return true;
  };
  reading.read_sync(key, header, page_bytes, take);
}

}  // namespace kvstrata::nvme
