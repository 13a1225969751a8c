// One type of each concept that a user may write, of which any call that may throw does so when its turn comes.
#pragma once

#include "cache/fuse.hpp"
#include "cache/subject.hpp"

#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/tiers/frame_store.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace kvstrata_test::strangers {

using namespace kvstrata;

class policy : lru
{
 public:
  using lru::hook;
  policy() { fuse::burn(kvstrata_test::hook::policy); }
  void insert(hook& object, const object_info& info)
  {
    fuse::burn(kvstrata_test::hook::policy);
    lru::insert(object, info);
  }
  void touch(hook& object, const object_info& info)
  {
    fuse::burn(kvstrata_test::hook::policy);
    lru::touch(object, info);
  }
  void remove(hook& object) noexcept { lru::remove(object); }
  template <class Visit>
  void victims(Visit&& visit)
  {
    fuse::burn(kvstrata_test::hook::policy);
    lru::victims(visit);
  }
};

struct admission
{
  using option_kind = admission_option;
  admission() { fuse::burn(hook::admission); }
  bool admits(const object_info& candidate, const object_info*)
  {
    fuse::burn(hook::admission);
    return to_number(candidate.user) % 5 != 0 || candidate.tokens > 20;
  }
  void requested(const object_info&) { fuse::burn(hook::admission); }
};

struct writes
{
  using option_kind = write_policy_option;
  static token_count flushed_end(const write_facts& f)
  {
    fuse::burn(hook::writes);
    return f.uses % 3 == 0 ? f.tokens - f.tokens % f.page_tokens : f.tokens;
  }
  static bool writes_back(const write_facts&)
  {
    fuse::burn(hook::writes);
    return true;
  }
};

struct tier
{
  struct config
  {
    std::size_t bytes = 0;
  };
  using shedding = evict_front;
  using replacement = replaced_as_cache;
  using admission = strangers::admission;
  using writes = strangers::writes;

  template <device Device>
  class on : public frame_store<Device, typename Device::memory>
  {
    using store = frame_store<Device, typename Device::memory>;

   public:
    on(Device& d, const config& c, std::size_t frame)
        : store(d, d.allocate_pinned(c.bytes, "tier"), frames_in("memory.bytes", c.bytes, frame))
    {
      fuse::burn(hook::tier);
    }
    std::optional<taken_run> try_take(page_count most)
    {
      fuse::burn(hook::tier);
      return store::try_take(most);
    }
    page_count in_flight()
    {
      fuse::burn(hook::tier);
      return store::in_flight();
    }
    void drain_sync()
    {
      fuse::burn(hook::tier);
      store::drain_sync();
    }
  };
};

struct layout
{
  token_count page_tokens = tiny_page;

  token_count chunk_tokens() const
  {
    fuse::burn(hook::layout);
    return tiny_chunk;
  }
  page_count granule_pages() const noexcept { return 1; }
  token_count longest_history() const
  {
    fuse::burn(hook::layout);
    return no_longest(page_tokens);
  }
  page_count extent_pages(page_count first, page_count wanted) const
  {
    fuse::burn(hook::layout);
    return inner().extent_pages(first, wanted);
  }
  placement device_place(const geometry& shape, page_count pages) const
  {
    fuse::burn(hook::layout);
    return inner().device_place(shape, pages);
  }
  extent_place lower_place(const geometry& shape, page_count frame, page_count pages, page_count tier_pages) const
  {
    fuse::burn(hook::layout);
    return inner().lower_place(shape, frame, pages, tier_pages);
  }
  friend void check(const layout&) { fuse::burn(hook::layout); }

 private:
  hybrid_layout inner() const { return {.page_tokens = page_tokens, .chunk = tiny_chunk}; }
};

/// Throws before it has queued a layer, and after.
struct engine
{
  using option_kind = copy_engine_option;

  template <device Device>
  class on
  {
   public:
    on(Device& d, copy_direction direction) : copies_(d, direction) { fuse::burn(hook::engine); }
    copied copy(const copy_list& list, layer_index layer, const fence& after)
    {
      fuse::burn(hook::engine);
      const copied out = copies_.copy(list, layer, after);
      fuse::burn(hook::engine);
      return out;
    }
    void drain_sync() noexcept { copies_.drain_sync(); }

   private:
    typename batched_copy<>::template on<Device> copies_;
  };
};

struct split
{
  using option_kind = split_policy_option;
  void recompute_until(const split_batch& batch, std::span<token_count> until) const
  {
    fuse::burn(hook::split);
    for (std::size_t i = 0; i < until.size(); ++i) {
      const split_question& q = batch.users[i];
      if (!q.front.empty() && q.history % 3 == 0) until[i] = q.front.begin + batch.page_tokens;
    }
  }
};

/// Throws when nothing is under way; what it is made of throws in the midst.
struct transfer
{
  using inner = layerwise_transfer<engine, strangers::split>;
  using split = inner::split;
  static constexpr bool lands_in_window = false;

  template <device Device>
  class on
  {
   public:
    explicit on(Device& d) : copies_(d) { fuse::burn(hook::transfer); }
    ticket onload(const copy_list& list, const fence& after)
    {
      fuse::burn(hook::transfer);
      return copies_.onload(list, after);
    }
    ticket offload(const copy_list& list, std::span<const event> ready, const fence& after)
    {
      fuse::burn(hook::transfer);
      return copies_.offload(list, ready, after);
    }

   private:
    inner::on<Device> copies_;
  };
};

}  // namespace kvstrata_test::strangers
