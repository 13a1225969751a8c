// A get: the values that hold what is wanted are asked for, layer 0 of all first, and checked as they come.
#pragma once

#include <kvstrata/tiers/redis/books/join_put.hpp>
#include <kvstrata/tiers/redis/calls/ask.hpp>
#include <kvstrata/tiers/redis/calls/cluster_io.hpp>
#include <kvstrata/tiers/redis/calls/value_codes.hpp>
#include <kvstrata/tiers/redis/format/pieces.hpp>
#include <kvstrata/tiers/stores/layer_memory.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// The commands of a get, layer after layer.
class value_reads
{
 public:
  value_reads(const cluster_core& core, const manifest& of, const cluster_io& io) : left_(of.layers, 0)
  {
    if (of.codec != 0) decoder_.emplace(*core.config.code);
    const page_interval wanted = pages_of(io.wanted, of.header.page_tokens);
    const std::uint64_t page = of.page_bytes / of.layers;
    for (std::uint32_t layer = 0; layer < of.layers; ++layer) {
      const stores::layer_memory& memory = memories_.emplace_back(io.pieces, of.page_bytes, of.layers, layer);
      for (const put_pages& p : of.puts) {
        const page_interval mine{(std::max)(p.used.begin, wanted.begin), (std::min)(p.used.end, wanted.end)};
        if (mine.empty()) continue;
        const layer_cut cut = cut_of(p.put.size(), of.page_bytes, of.layers, of.value_bytes, of.codec);
        // Bytes of the layer of the put's pages that are wanted, and where those begin in memory.
        const std::uint64_t begin = (mine.begin - p.put.begin) * page;
        const std::uint64_t end = (mine.end - p.put.begin) * page;
        const std::uint64_t memory_begin = (mine.begin - wanted.begin) * page;
        for (std::uint32_t piece = cut.piece_at(begin); piece <= cut.piece_at(end - 1); ++piece) {
          add(core, of, p, cut, layer, piece);
          get_value& get = *gets_.back();
          const std::uint64_t from = cut.begin_of(piece);
          const std::uint64_t to = from + cut.bytes_of(piece);
          const std::uint64_t first = (std::max)(from, begin);
          const std::uint64_t last = (std::min)(to, end);
          if (decoder_) {
            wanted_.push_back({.pages = static_cast<page_count>((to - from) / page),
                               .skipped = static_cast<page_count>((first - from) / page),
                               .used = static_cast<page_count>((last - first) / page),
                               .memory = memory_begin + (first - begin)});
            continue;
          }
          if (first > from) get.body.push_back({nullptr, first - from});
          memory.each(memory_begin + (first - begin), last - first,
                      [&get](std::byte* data, std::size_t bytes) { get.body.push_back({data, bytes}); });
          if (to > last) get.body.push_back({nullptr, to - last});
        }
      }
    }
  }

  [[nodiscard]] std::span<command* const> all() const noexcept { return all_; }
  /// One has come. True: it was the last of its layer.
  [[nodiscard]] bool came(const command& one) noexcept
  {
    return --left_[static_cast<const get_value&>(one).layer] == 0;
  }
  /// An encoded body has come: it is decoded to where it belongs, and let go. False: its codes are not as they were put.
  [[nodiscard]] bool decode(command& one)
  {
    if (!decoder_) return true;
    auto& get = static_cast<get_value&>(one);
    std::size_t at = 0;
    while (all_[at] != &one) ++at;
    const bool good = decoder_->decode(get.code, wanted_[at], memories_[get.layer]);
    get.code = {};
    return good;
  }
  [[nodiscard]] bool is_there(std::uint32_t layer) const noexcept { return left_[layer] == 0; }

 private:
  void add(const cluster_core& core, const manifest& of, const put_pages& p, const layer_cut& cut, std::uint32_t layer,
           std::uint32_t piece)
  {
    auto made = std::make_unique<get_value>();
    const put_name name{of.header.epoch, to_number(of.header.incarnation), p.number};
    add_words(made->words, {"GET", value_key(core.config.prefix, of.key, name, layer, piece)});
    made->expected = value_head{.key = of.key,
                                .header = of.header,
                                .number = p.number,
                                .codec = of.codec,
                                .page_bytes = of.page_bytes,
                                .layers = of.layers,
                                .layer = layer,
                                .piece = piece,
                                .begin = cut.begin_of(piece),
                                .bytes = most_body_bytes(of, cut, piece),
                                .crc = 0};
    made->layer = layer;
    all_.push_back(made.get());
    gets_.push_back(std::move(made));
    ++left_[layer];
  }

  [[nodiscard]] static std::uint32_t most_body_bytes(const manifest& of, const layer_cut& cut,
                                                     std::uint32_t piece) noexcept
  {
    const std::uint32_t bytes = cut.bytes_of(piece);
    if (of.codec == 0) return bytes;
    const std::uint32_t page = of.page_bytes / of.layers;
    return static_cast<std::uint32_t>(stores::most_part_bytes(bytes / page, page));
  }

  std::vector<std::unique_ptr<get_value>> gets_;
  std::vector<command*> all_;
  std::vector<std::uint32_t> left_;
  std::deque<stores::layer_memory> memories_;  // of each layer
  std::optional<value_decoder> decoder_;
  std::vector<wanted_pages> wanted_;  // of each get, where there is a decoder
};

/// Can a get of this record be served of it?
[[nodiscard]] inline bool serves(const std::shared_ptr<const manifest>& what, const cluster_io& io) noexcept
{
  return what != nullptr && same_life(what->header, io.header) && what->header.tokens.contains(io.wanted) &&
         what->page_bytes == io.page_bytes;
}

/// Values turned out to be bad: the record is not found again, here at once and by others once it is written down.
inline void drop_record_sync(cluster_core& core, session& with, const manifest& bad)
{
  {
    const std::lock_guard lock(core.mutex);
    known_sequence& mine = core.known.of(bad.key);
    mine.lost = bad.number;
    if (mine.what != nullptr && mine.what->number == bad.number) mine.what = nullptr;
  }
  read_state state;
  bool changed = false;
  if (read_state_sync(core, with, bad.key, state) != loss::none || state.what != bad) return;
  const manifest empty = emptied(bad, state.number);
  if (change_sync(core, with, bad.key, state, empty, 0, changed) != loss::none || !changed) return;
  static_cast<void>(unlink_sync(core, with, bad, bad.puts));
  const std::lock_guard lock(core.mutex);
  known_sequence& mine = core.known.of(bad.key);
  mine.seen = (std::max)(mine.seen, empty.number);
}

[[nodiscard]] inline loss get_sync(cluster_core& core, cluster_io& io)
{
  session with(core.servers, slot_of_sequence(core, io.key), core.request_limit());
  std::shared_ptr<const manifest> what;
  {
    const std::lock_guard lock(core.mutex);
    if (const known_sequence* const mine = core.known.find(io.key)) what = mine->what;
  }
  if (!serves(what, io)) {
    if (const loss lost = read_known_sync(core, with, io.key, what); lost != loss::none) return lost;
    if (!serves(what, io)) return loss::gone;
  }
  value_reads reads(core, *what, io);
  std::uint32_t there = 0;
  loss why = with.run(reads.all(), true, [&](command& one) {
    if (one.is != command::state::done) return;
    if (!reads.decode(one)) {
      one.is = command::state::damaged;
      return;
    }
    if (!reads.came(one)) return;
    for (; there < what->layers && reads.is_there(there); ++there) {
      if (io.layer_is_there && !io.erased) io.layer_is_there(there);
    }
  });
  bool bad = false;
  for (const command* const one : reads.all()) {
    switch (one->is) {
      case command::state::missing: ++core.counters.missing; break;
      case command::state::foreign: ++core.counters.foreign; break;
      case command::state::older: ++core.counters.older; break;
      case command::state::damaged: ++core.counters.damaged; break;
      default: continue;
    }
    bad = true;
    why = one->is == command::state::missing ? loss::gone : loss::checksum;
  }
  if (bad) drop_record_sync(core, with, *what);
  if (why != loss::none) {
    if (bad) return why;
    const std::lock_guard lock(core.mutex);
    note_away(core, io.key);
    return why;
  }
  if (io.erased) return loss::gone;
  ++core.counters.gets;
  core.counters.got_bytes += std::uint64_t{io.page_bytes} * pages_of(io.wanted, io.header.page_tokens).size();
  return loss::none;
}

}  // namespace kvstrata::redis
