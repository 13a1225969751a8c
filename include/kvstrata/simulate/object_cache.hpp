// The smallest cache that a replacement policy can run in: objects in one tier, nothing behind it, no data. It finds
// who hits, and costs little more than the policy itself: curves over many policies and sizes are made with it. Tiers,
// leases and writes are simulated by the cache itself on a device without data.
#pragma once

#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

namespace kvstrata {

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

  struct node : Policy::hook, std::conditional_t<is_unit, no_size, stored_size>
  {
    std::uint64_t key = 0;
  };

 public:
  /// Throws std::bad_alloc. `size.objects` may be more than ever come in: it bounds what policies remember.
  explicit object_cache(const tier_size& size)
      : size_(size), policy_(make_replacement<Policy>(size)), admission_(make_admission<Admission>(size))
  {
  }
  object_cache(const object_cache&) = delete;
  object_cache& operator=(const object_cache&) = delete;

  access_outcome request(const trace_access& asked)
  {
    object_info info{.user = user_id{asked.key},
                     .bytes = is_unit ? 1 : asked.bytes,
                     .tokens = asked.tokens,
                     .time_ms = asked.time_ms,
                     .hint = {.next_request = asked.next_request}};
    return request(info);
  }

  /// The same, for a caller who knows more: costs, or a hint. `info.bytes` must be 1 for unit sizes.
  access_outcome request(const object_info& info)
  {
    notify_requested(admission_, info);
    const std::uint64_t key = to_number(info.user);
    if (const auto found = index_.find(key); found != index_.end()) {
      node& one = **found;
      if constexpr (Size == object_size::growing) grow(one, info);
      policy_.touch(one, info);
      return access_outcome::hit;
    }
    if (info.bytes > size_.bytes || !make_way(info)) return access_outcome::bypassed;
    node& one = fresh();
    one.key = key;
    if constexpr (!is_unit) one.bytes = info.bytes;
    used_ += info.bytes;
    policy_.insert(one, info);
    index_.insert(&one);
    return access_outcome::admitted;
  }

  [[nodiscard]] std::size_t objects() const noexcept { return index_.size(); }
  [[nodiscard]] std::uint64_t used_bytes() const noexcept { return used_; }
  [[nodiscard]] const tier_size& size() const noexcept { return size_; }
  [[nodiscard]] Policy& policy() noexcept { return policy_; }

  /// Bytes that the cache's objects and index take, without what the policy allocates beside them.
  [[nodiscard]] std::size_t metadata_bytes() const noexcept
  {
    return chunks_.size() * chunk_nodes * sizeof(node) + index_.bucket_count() * sizeof(node*) * 16 / 15 +
           free_.capacity() * sizeof(node*);
  }

  /// sizeof one object, its hook included.
  static constexpr std::size_t object_bytes = sizeof(node);

 private:
  static constexpr std::size_t chunk_nodes = 1024;

  struct hash
  {
    using is_transparent = void;
    std::size_t operator()(std::uint64_t key) const noexcept { return static_cast<std::size_t>(key); }
    std::size_t operator()(const node* one) const noexcept { return static_cast<std::size_t>(one->key); }
  };
  struct equal
  {
    using is_transparent = void;
    bool operator()(const node* a, const node* b) const noexcept { return a->key == b->key; }
    bool operator()(std::uint64_t key, const node* b) const noexcept { return key == b->key; }
    bool operator()(const node* a, std::uint64_t key) const noexcept { return a->key == key; }
  };

  [[nodiscard]] static std::uint64_t bytes_of(const node& one) noexcept
  {
    if constexpr (is_unit) return 1;
    else return one.bytes;
  }

  /// Evicts until the object fits; false when it may not come in.
  bool make_way(const object_info& info)
  {
    bool asked = false;
    if (used_ + info.bytes <= size_.bytes) return admission_.admits(info, nullptr);
    while (used_ + info.bytes > size_.bytes) {
      node* const victim = first_victim(nullptr);
      const object_info theirs = info_of(*victim, info);
      if (!asked && !admission_.admits(info, &theirs)) return false;
      asked = true;
      evict(*victim, theirs);
    }
    return true;
  }

  void grow(node& one, const object_info& info)
  {
    while (used_ - bytes_of(one) + info.bytes > size_.bytes) {
      node* const victim = first_victim(&one);
      if (victim == nullptr) break;  // alone and larger than the cache: it stays, at the cache's size
      evict(*victim, info_of(*victim, info));
    }
    const std::uint64_t now = (std::min)(info.bytes, size_.bytes);
    used_ += now - one.bytes;
    one.bytes = now;
  }

  [[nodiscard]] node* first_victim(const node* spared)
  {
    node* victim = nullptr;
    policy_.victims([&victim, spared](typename Policy::hook& hook) {
      node& one = static_cast<node&>(hook);
      if (&one == spared) return true;
      victim = &one;
      return false;
    });
    return victim;
  }

  [[nodiscard]] static object_info info_of(const node& one, const object_info& now) noexcept
  {
    return {.user = user_id{one.key}, .bytes = bytes_of(one), .time_ms = now.time_ms};
  }

  void evict(node& one, const object_info& info)
  {
    free_.push_back(&one);  // first: it may throw
    index_.erase(index_.find(one.key));
    used_ -= bytes_of(one);
    notify_evicted(policy_, one, info);
  }

  node& fresh()
  {
    if (!free_.empty()) {
      node& one = *free_.back();
      free_.pop_back();
      return one;
    }
    if (unused_ == 0) {
      chunks_.push_back(std::make_unique<node[]>(chunk_nodes));
      unused_ = chunk_nodes;
    }
    return chunks_.back()[chunk_nodes - unused_--];
  }

  tier_size size_;
  std::uint64_t used_ = 0;
  std::vector<std::unique_ptr<node[]>> chunks_;  // outlive the policy
  std::size_t unused_ = 0;                       // nodes at the end of the last chunk that were never used
  std::vector<node*> free_;
  boost::unordered_flat_set<node*, hash, equal> index_;
  Policy policy_;
  Admission admission_;
};

}  // namespace kvstrata
