// An ask: the head of a sequence's newest record is read, and its header known from then on.
#pragma once

#include <kvstrata/tiers/nvme/calls/block_buffer.hpp>
#include <kvstrata/tiers/nvme/format/record_head.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <mutex>
#include <optional>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Reads the head of a sequence's newest record, and knows it then. Records whose heads are not what they should be are
/// dropped, and the next one is read: so an older record counts again. Empty: the store has none of the sequence.
/// `lost` says whether one was dropped, and why.
[[nodiscard]] inline std::optional<record_head> read_head_sync(store_core& core, const sequence_key& key, loss& lost)
{
  lost = loss::none;
  block_buffer buffer(block_bytes);
  std::vector<chain_link> links;
  for (;;) {  // each round drops a record, or is the last
    record_place place;
    chain_link newest;
    {
      const std::lock_guard lock(core.mutex);
      core.books.links_of(key, links);
      if (links.empty()) return std::nullopt;
      newest = links.front();
      place = core.books.regions.place_of(newest.block);
      ++core.books.regions.at(place.region).readers;
    }
    const int error = move_sync(*core.engine, block_io::kind::read, core.offset_of(newest.block), buffer.all());
    auto head =
        error != 0 ? std::nullopt : decode_record_head(buffer.block(0), core.id, {place.generation, place.block});
    const std::lock_guard lock(core.mutex);
    --core.books.regions.at(place.region).readers;
    core.reader_gone.notify_all();
    const bool is_mine = head && head->key == key;
    if (head &&
        (!is_mine || (store_books::short_life(head->header) == newest.life && head->header.tokens == newest.tokens &&
                      head->layers == core.config.layers && head->code == core.fingerprint()))) {
      core.books.known.set(key, {.head = newest.block, .others = !is_mine, .header = head->header});
      if (!is_mine) return std::nullopt;
      return head;
    }
    lost = error != 0 ? loss::io_error : loss::checksum;
    ++(error != 0 ? core.books.counts.lost_io : core.books.counts.lost_checksum);
    core.books.drop(key, newest.block, place.generation);
  }
}

[[nodiscard]] inline loss ask_sync(store_core& core, nvme_io& io)
{
  loss lost = loss::none;
  static_cast<void>(read_head_sync(core, io.key, lost));  // what was lost is not there: that is known now
  const std::lock_guard lock(core.mutex);
  ++core.books.counts.asks;
  return loss::none;
}

}  // namespace kvstrata::nvme
