// A put: its values are written under a number of their own, where nobody looks; then the manifest is changed in one step.
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

/// The commands of a put, layer after layer. A value is encoded and gets its checksums when its turn comes to be sent: the server
/// works on those before it meanwhile, and no more codes are in memory than are under way.
class value_writes
{
 public:
  value_writes(const cluster_core& core, const cluster_io& io, std::uint64_t number)
      : io_(&io),
        layers_(core.config.layers),
        number_(number),
        codec_(core.codec()),
        cut_(cut_of(io.header.pages().size(), io.page_bytes, layers_, core.config.value_bytes, codec_))
  {
    if (codec_ != 0) encoder_.emplace(*core.config.code, io.header);
    const put_name name{io.header.epoch, to_number(io.header.incarnation), number};
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      memories_.emplace_back(io.pieces, io.page_bytes, layers_, layer);
      for (std::uint32_t piece = 0; piece < cut_.pieces(); ++piece) {
        auto made = std::make_unique<write>(*this, layer, piece);
        made->key = value_key(core.config.prefix, io.key, name, layer, piece);
        all_.push_back(made.get());
        writes_.push_back(std::move(made));
      }
    }
  }
  value_writes(const value_writes&) = delete;
  value_writes& operator=(const value_writes&) = delete;

  [[nodiscard]] std::span<command* const> all() const noexcept { return all_; }
  /// Of what was sent.
  [[nodiscard]] std::uint64_t stored_bytes() const noexcept { return stored_bytes_; }

 private:
  struct write : set_value
  {
    write(value_writes& w, std::uint32_t l, std::uint32_t p) : of(&w), layer(l), piece(p) {}
    void prepare() override
    {
      if (body_bytes == 0) of->fill(*this);
    }

    value_writes* of;
    std::uint32_t layer, piece;
  };

  void fill(write& to)
  {
    const stores::layer_memory& memory = memories_[to.layer];
    std::uint32_t crc = stores::crc_start;
    if (encoder_) {
      to.code = encoder_->encode(memory, cut_.begin_of(to.piece), cut_.bytes_of(to.piece));
      to.body.push_back({to.code.data(), to.code.size()});
      to.body_bytes = to.code.size();
      crc = stores::crc32c(to.code);
    } else {
      memory.each(cut_.begin_of(to.piece), cut_.bytes_of(to.piece), [&](std::byte* data, std::size_t bytes) {
        to.body.push_back({data, bytes});
        crc = stores::crc32c({data, bytes}, crc);
      });
      to.body_bytes = cut_.bytes_of(to.piece);
    }
    encode({.key = io_->key,
            .header = io_->header,
            .number = number_,
            .codec = codec_,
            .page_bytes = io_->page_bytes,
            .layers = layers_,
            .layer = to.layer,
            .piece = to.piece,
            .begin = cut_.begin_of(to.piece),
            .bytes = static_cast<std::uint32_t>(to.body_bytes),
            .crc = crc},
           value_head_span(to.head));
    to.name();
    stored_bytes_ += value_head_bytes + to.body_bytes;
  }

  const cluster_io* io_;
  std::uint32_t layers_;
  std::uint64_t number_;
  std::uint64_t codec_;
  layer_cut cut_;
  std::optional<value_encoder> encoder_;
  std::deque<stores::layer_memory> memories_;  // of each layer
  std::vector<std::unique_ptr<write>> writes_;
  std::vector<command*> all_;
  std::uint64_t stored_bytes_ = 0;
};

/// What had been heard of the sequence when the life of this put began here.
[[nodiscard]] inline std::uint64_t seen_of(cluster_core& core, const cluster_io& io)
{
  const std::lock_guard lock(core.mutex);
  known_sequence& mine = core.known.of(io.key);
  if (const std::uint64_t life = life_number(io.header); mine.life != life) {
    mine.life = life;
    mine.life_seen = mine.seen;
  }
  return mine.life_seen;
}

/// Writes down that this put's life is over. What does not succeed the next put of it tries.
inline void end_life_sync(cluster_core& core, session& with, const cluster_io& io, read_state& state)
{
  constexpr int most_tries = 8;
  bool changed = false;
  for (int i = 0; i < most_tries && !changed && state.what; ++i) {
    const auto next = without_life(*state.what, io.header, state.number);
    if (!next) return;
    const std::uint32_t seconds = next->has_tokens() ? 0 : core.config.erased_seconds;
    if (change_sync(core, with, io.key, state, *next, seconds, changed) != loss::none) return;
  }
}

[[nodiscard]] inline loss put_sync(cluster_core& core, cluster_io& io)
{
  if (io.erased) return loss::none;  // it is done, and came to nothing
  session with(core.servers, slot_of_sequence(core, io.key), core.request_limit());
  read_state state;
  if (const loss lost = read_state_sync(core, with, io.key, state); lost != loss::none) return lost;
  new_put fresh{.key = io.key,
                .header = io.header,
                .number = state.number,
                .seen = seen_of(core, io),
                .page_bytes = io.page_bytes,
                .layers = core.config.layers,
                .value_bytes = core.config.value_bytes,
                .codec = core.codec()};
  if (state.what) fresh.number = (std::max)(fresh.number, state.what->number + 1);
  {
    const std::lock_guard lock(core.mutex);
    if (const known_sequence* const mine = core.known.find(io.key))
      fresh.number = (std::max)(fresh.number, mine->seen + 1);
  }
  const std::uint64_t drawn = fresh.number;
  joined_put joined = join_put(state.what, fresh);
  bool changed = false;
  std::uint64_t stored_bytes = 0;
  if (joined.verdict == put_verdict::joins) {
    value_writes writes(core, io, drawn);
    if (const loss lost = with.run(writes.all(), true); lost != loss::none) return lost;
    stored_bytes = writes.stored_bytes();
    constexpr int most_tries = 8;  // each time somebody else did what they came for
    for (int i = 0; i < most_tries && joined.verdict == put_verdict::joins && !io.erased; ++i) {
      if (const loss lost = change_sync(core, with, io.key, state, joined.next, 0, changed); lost != loss::none)
        return lost;
      if (changed) break;
      joined = join_put(state.what, fresh);
      // An erasure that came meanwhile is later than what had been drawn before it.
      if (state.what && state.what->erased_at > drawn) joined.verdict = put_verdict::erased;
    }
  }
  if (!changed) {
    const bool outdone = !io.erased;
    if (outdone) ++core.counters.outdone;
    manifest mine;
    mine.key = io.key;
    mine.header = io.header;
    mine.page_bytes = fresh.page_bytes;
    mine.layers = fresh.layers;
    mine.value_bytes = fresh.value_bytes;
    mine.codec = fresh.codec;
    const put_pages pages{drawn, io.header.pages(), io.header.pages()};
    static_cast<void>(unlink_sync(core, with, mine, {&pages, 1}));
    if (!outdone) return loss::none;
    if (joined.verdict == put_verdict::erased) end_life_sync(core, with, io, state);
    const std::lock_guard lock(core.mutex);
    note_manifest(core, io.key, state.what);
    return loss::gone;
  }
  if (core.config.done_when == cluster_done::replicated && !with.replicated_sync()) return loss::timeout;
  static_cast<void>(unlink_sync(core, with, joined.left, joined.left.puts));
  const std::lock_guard lock(core.mutex);
  if (!io.erased) note_manifest(core, io.key, std::move(joined.next));
  ++core.counters.puts;
  core.counters.stored_bytes += stored_bytes;
  core.counters.put_bytes += std::uint64_t{io.page_bytes} * io.header.pages().size();
  return loss::none;
}

}  // namespace kvstrata::redis
