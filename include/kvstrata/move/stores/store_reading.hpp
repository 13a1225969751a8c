// How what a store is about to give goes on to the slab, for a lease that has begun: by way of the room alone, so that the
// last memory has nothing of it before it has come.
#pragma once

#include <kvstrata/move/copy_points.hpp>
#include <kvstrata/move/stores/store_line.hpp>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

template <class Residency, level_index Level>
void store_line<Residency, Level>::read_on(entry_type& e, std::uint64_t reader, std::span<const piece> pieces,
                                           const fence& after, std::span<fence> arrives)
{
  const auto mine = std::find_if(open_.begin(), open_.end(), [&e](const io& one) { return one.is_coming(e.key()); });
  if (mine == open_.end()) throw error("what a provisional lease was to wait for is not on its way any more");
  std::size_t lane = 0;
  const auto uses_lane = [&lane](const io& one) { return one.what == kind::read && one.lane == lane; };
  while (std::any_of(open_.begin(), open_.end(), uses_lane)) ++lane;
  if (lane == late_.size())
    late_.push_back(std::make_unique<late_copies>(residency_->device(), copy_direction::to_device));
  ended_.reserve(ended_.size() + reads() + 1);  // what became of them is told without fail
  copy_list list = empty_list();
  auto& slab = residency_->slab().memory();
  token_count tokens = 0;
  page_count next = 0;
  for (const piece& p : pieces) {
    if (p.source != Level) continue;
    tokens += p.tokens.size();
    page_interval pages = residency_->pages(p.tokens);
    if (pages.begin < next) pages.begin = next;  // its midst comes from elsewhere
    if (pages.begin >= pages.end) continue;
    next = pages.end;
    append_copy_runs(
        list.runs, mine->place, [this](const placed_extent& x) { return up_.end_of(x); }, e.template at<0>().extents,
        [&slab](const placed_extent& x) { return slab.end_of(x); }, pages);
  }
  fence start = after;
  start.add(e.hot().last_use[0]);
  const bool by_layer = mine->layers.size() == list.layers;
  start.add(by_layer ? mine->layers.front() : mine->promise.point);
  mine->what = kind::read;
  mine->reader = reader;
  if (limits_.read_seconds > 0) mine->since = seconds_on(residency_->device());
  mine->lane = lane;
  mine->used = tokens;
  try {
    std::uint64_t calls = 0, parts = 0;
    event first;
    for (layer_index l = 0; l < list.layers; ++l) {
      fence there;  // where all comes at once, the first layer's wait holds for the others
      if (by_layer) there.add(mine->layers[l]);
      const copied moved = late_[lane]->copy(list, l, l == 0 ? start : there);
      mine->copied = moved.done;
      arrives[l].add(moved.done);
      if (l == 0) first = moved.done;
      calls += moved.calls;
      parts += moved.pieces;
    }
    e.hot().last_use[0].add(mine->copied);
    by_level<std::uint64_t> from{};
    from[Level] = list.bytes();
    tell(residency_->tracker(), bytes_onloaded{list.bytes(), calls, parts, from});
    // From the last call of the first layer on: nobody has counted what its stream had before.
    if (first.sequence != 0) copy_points<Residency>::tell_between(*residency_, first.sequence - 1, mine->copied, true);
  } catch (...) {  // nobody would wait for what is queued: it must be over, and so the answer, whoever else is late
    store_->give_up_sync(mine->promise);
    late_[lane]->drain_sync();
    up_.give_back(mine->place, {});
    open_.erase(mine);
    throw;
  }
  ++figures_.late_gets;
}

template <class Residency, level_index Level>
void store_line<Residency, Level>::end_read(const io& mine, store_outcome out) noexcept
{
  up_.give_back(mine.place, mine.copied);
  if (mine.overdue) return;  // it was told
  const bool came = out.done() && !mine.erased;
  if (came) {
    figures_.late_tokens += mine.used;
  } else {
    ++figures_.lost_gets;
    tell(residency_->tracker(), record_lost{Level, mine.used, true});
    auto* const life = residency_->stored().find(mine.key);
    if (life != nullptr && life->incarnation == mine.header.incarnation) life->tokens[number] = {};
  }
  ended_.push_back({mine.reader, came});
}

}  // namespace kvstrata
