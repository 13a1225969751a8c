// The smallest cache that a replacement policy can run in: objects in one tier, nothing behind it, no data. It finds
// who hits, and costs little more than the policy itself: curves over many policies and sizes are made with it. Tiers,
// leases and writes are simulated by the cache itself on a device without data.
#pragma once

#include <kvstrata/core/type_name.hpp>
#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/lean_form.hpp>
#include <kvstrata/simulate/key_index.hpp>
#include <kvstrata/simulate/node_pool.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What became of an access.
enum class access_outcome : std::uint8_t {
  hit,
  admitted,  ///< a miss: the object is in the cache now
  bypassed,  ///< a miss: it was not admitted, or is larger than the cache
};

/// What an object takes of the cache's bytes.
enum class object_size : std::uint8_t {
  unit,     ///< one, whatever the trace says
  fixed,    ///< what the trace says when it comes in
  growing,  ///< what the trace says at each access: a user's history grows. Others make room for what is added
};

/// Makes room before it lets an object in, and never at the expense of the object itself. O(1) an access, but for the
/// policy; allocates while it fills up only. Not synchronised.
template <replacement_policy Policy, admission_policy Admission = always, object_size Size = object_size::unit>
class object_cache
{
  struct no_size
  {
  };
  struct stored_size
  {
    std::uint64_t bytes = 0;
  };
  static constexpr bool is_unit = Size == object_size::unit;
  using held_policy = lean_form_t<Policy, std::conditional_t<is_unit, one_byte, told_bytes>>;
  static constexpr bool keeps_hooks = remembers_by_hook<held_policy>;

  // Members of its own, not of further bases: a hook may have members of any name.
  struct node : held_policy::hook
  {
    std::uint32_t next = 0;  // the index's, and the pool's; first: it fits behind small hooks
    std::uint64_t key = 0;
    [[no_unique_address]] std::conditional_t<is_unit, no_size, stored_size> size;
  };

 public:
  /// Throws std::bad_alloc. `size.objects` may be more than ever come in: it bounds what policies remember.
  explicit object_cache(const tier_size& size)
      : size_(size), policy_(make_replacement<held_policy>(size)), admission_(make_admission<Admission>(size))
  {
  }
  /// The same with an admission policy that the caller made: one with a configuration of its own.
  object_cache(const tier_size& size, Admission admission)
      : size_(size), policy_(make_replacement<held_policy>(size)), admission_(std::move(admission))
  {
  }
  object_cache(const object_cache&) = delete;
  object_cache& operator=(const object_cache&) = delete;

  /// Throws what the policy throws, contract_error when it makes no room, and std::bad_alloc: the object is not in the
  /// cache then, or keeps its place, and the room that was made stays free.
  access_outcome request(const trace_access& asked)
  {
    return serve(asked.key, [&asked] {
      return object_info{.user = user_id{asked.key},
                         .bytes = is_unit ? 1 : asked.bytes,
                         .tokens = asked.tokens,
                         .time_ms = asked.time_ms,
                         .hint = {.next_request = asked.next_request}};
    });
  }

  /// The same, for a caller who knows more: costs, or a hint. `info.bytes` must be 1 for unit sizes.
  access_outcome request(const object_info& info)
  {
    return serve(to_number(info.user), [&info]() -> const object_info& { return info; });
  }

  /// What an object takes of the cache's bytes; 0 when it is not there. O(1); no use of the object.
  [[nodiscard]] std::uint64_t held_bytes(user_id key) const noexcept
  {
    const node* const found = find(to_number(key));
    return found == nullptr || is_kept(*found) ? 0 : bytes_of(*found);
  }
  /// Of the latest hit, what the object took before it: what could be used. Not for unit sizes.
  [[nodiscard]] std::uint64_t hit_bytes() const noexcept
    requires(!is_unit)
  {
    return hit_bytes_;
  }
  /// Asks the memory for what request() will look at first: some ten requests ahead.
  void prefetch_index(std::uint64_t key) const noexcept { index_.prefetch(key); }
  /// And for what it finds there: some five requests ahead.
  void prefetch_object(std::uint64_t key) const noexcept
  {
#if defined(__GNUC__) || defined(__clang__)
    if (const std::uint32_t number = index_.first(key); number != key_index::nobody)
      __builtin_prefetch(&nodes_.at(number));
#else
    static_cast<void>(key);
#endif
  }

  [[nodiscard]] std::size_t objects() const noexcept { return objects_; }
  [[nodiscard]] std::uint64_t used_bytes() const noexcept { return used_; }
  [[nodiscard]] const tier_size& size() const noexcept { return size_; }
  /// In its lean form, where it has one (replacement/lean_form.hpp).
  [[nodiscard]] held_policy& policy() noexcept { return policy_; }

  /// Bytes that the cache's objects and index take, those of who left included where the policy remembers them by their
  /// hooks; without what the policy allocates beside them.
  [[nodiscard]] std::size_t metadata_bytes() const noexcept { return nodes_.bytes() + index_.bytes(); }

  /// sizeof one object, its hook included.
  static constexpr std::size_t object_bytes = sizeof(node);

 private:
  [[nodiscard]] auto by_number() const noexcept
  {
    return [this](std::uint32_t number) -> node& { return nodes_.at(number); };
  }
  [[nodiscard]] node* find(std::uint64_t key) const noexcept
  {
    const std::uint32_t number = index_.find(key, by_number());
    return number == key_index::nobody ? nullptr : &nodes_.at(number);
  }

  /// `info()` is made where it is looked at: a dozen stores a request would fill the core's queue while the index and the
  /// object are on their way from memory, and nothing could go on; and what nobody looks at is not made at all.
  template <class Info>
  [[gnu::always_inline]] access_outcome serve(std::uint64_t key, const Info& info)
  {
    if constexpr (hears_of_requests<Admission>) notify_requested(admission_, info());
    node* const found = find(key);
    if (found == nullptr || is_kept(*found)) return miss(found, info);
    hit(*found, info());
    return access_outcome::hit;
  }
  [[gnu::always_inline]] void hit(node& found, const object_info& info)
  {
    if constexpr (is_unit) {
      policy_.touch(found, info);
    } else {
      hit_bytes_ = bytes_of(found);
      if constexpr (Size == object_size::growing) grow(found, info);
      object_info theirs = info;
      theirs.bytes = bytes_of(found);
      policy_.touch(found, theirs);
    }
  }
  /// `kept`: the node of one who left, where the policy remembers them by it; else null. In one piece, the policy's calls
  /// included: in a program of many policies the compiler stops short of that by itself.
  template <class Info>
  [[gnu::noinline, gnu::flatten]] access_outcome miss(node* kept, const Info& make)
  {
    const object_info& info = make();
    if constexpr (keeps_hooks) policy_.ghosts().expect(kept);
    const bool comes_in = info.bytes <= size_.bytes && make_way(info);
    if (comes_in) take_in(kept != nullptr ? *kept : enlist(to_number(info.user)), info);
    if constexpr (keeps_hooks) {
      while (auto* const hook = policy_.ghosts().forgotten()) take_out(static_cast<node&>(*hook));
    }
    return comes_in ? access_outcome::admitted : access_outcome::bypassed;
  }

  /// Is it the node of one who left?
  [[nodiscard]] static bool is_kept([[maybe_unused]] const node& one) noexcept
  {
    if constexpr (keeps_hooks) return held_policy::ghost_memory::keeps(one);
    else return false;
  }
  [[nodiscard]] static std::uint64_t bytes_of(const node& one) noexcept
  {
    if constexpr (is_unit) return 1;
    else return one.size.bytes;
  }

  /// Evicts until the object fits; false when it may not come in.
  bool make_way(const object_info& info)
  {
    if (info.bytes <= size_.bytes - used_) return admission_.admits(info, nullptr);
    for (bool asked = false; info.bytes > size_.bytes - used_; asked = true) {
      node* const victim = victim_for(info);
      const object_info theirs = info_of(victim, info);
      if (!asked && !admission_.admits(info, &theirs)) return false;
      evict(*victim, theirs);
    }
    return true;
  }

  /// A new node, which the index finds.
  [[nodiscard, gnu::always_inline]] node& enlist(std::uint64_t key)
  {
    const std::uint32_t number = nodes_.take(most_nodes());
    node& one = nodes_.at(number);
    one.key = key;
    try {
      index_.insert(number, by_number());
    } catch (...) {
      nodes_.give_up(number);
      throw;
    }
    return one;
  }
  void take_in(node& one, const object_info& info)
  {
    if constexpr (!is_unit) one.size.bytes = info.bytes;
    try {
      policy_.insert(one, info);
    } catch (...) {
      take_out(one);
      throw;
    }
    used_ += info.bytes;
    ++objects_;
  }
  void take_out(node& one) noexcept { nodes_.give_up(index_.erase(one, by_number())); }

  /// At most to the cache's size.
  void grow(node& one, const object_info& info)
  {
    const std::uint64_t now = (std::min)(info.bytes, size_.bytes);
    while (now > size_.bytes - (used_ - bytes_of(one))) {
      node* const victim = first_victim(one);
      const object_info theirs = info_of(victim, info);
      evict(*victim, theirs);
    }
    used_ += now - one.size.bytes;
    one.size.bytes = now;
  }

  [[nodiscard]] node* victim_for(const object_info& coming)
  {
    node* victim = nullptr;
    const auto take = [&victim](typename held_policy::hook& hook) {
      victim = &static_cast<node&>(hook);
      return false;
    };
    visit_victims(policy_, take, coming);
    return victim;
  }

  [[nodiscard]] node* first_victim(const node& spared)
  {
    node* victim = nullptr;
    policy_.victims([&victim, &spared](typename held_policy::hook& hook) {
      node& one = static_cast<node&>(hook);
      if (&one == &spared) return true;
      victim = &one;
      return false;
    });
    return victim;
  }

  [[nodiscard]] static object_info info_of(const node* one, const object_info& now)
  {
    if (one == nullptr) detail::blame<Policy>(" names nobody in victims(visit), though it has objects that could go");
    return {.user = user_id{one->key}, .bytes = bytes_of(*one), .time_ms = now.time_ms};
  }

  void evict(node& one, const object_info& info)
  {
    used_ -= bytes_of(one);
    --objects_;
    notify_evicted(policy_, one, info);
    if (!is_kept(one)) take_out(one);
  }

  /// Of the objects, and of who left.
  [[nodiscard]] std::uint64_t most_nodes() noexcept
  {
    if constexpr (keeps_hooks) return size_.objects + policy_.ghosts().slots();
    else return size_.objects;
  }

  tier_size size_;
  std::uint64_t used_ = 0;
  std::uint64_t hit_bytes_ = 0;
  std::size_t objects_ = 0;  // those of who left not counted
  node_pool<node> nodes_;    // outlives the policy
  key_index index_;
  held_policy policy_;
  Admission admission_;
};

}  // namespace kvstrata
