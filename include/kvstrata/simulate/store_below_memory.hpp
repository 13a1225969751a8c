// A memory and a store below it, without data: what leaves the memory is offered to the store, whose door decides. It
// finds who hits where and what is written for it, at little more than the policies' cost: curves of hits over writes
// are made with it. Tiers, leases and writes under way are simulated by the cache itself
// (simulate/cache_simulator.hpp).
//
//   request    hits above, or below, or nowhere. Whoever asked is above afterwards, whole; the copy below stays
//   leaves     the memory makes room: who goes is offered. Of a user who has a copy below only what has grown since is
//              written, unasked, as in a cache's tiers; others come in whole if the door says so
//   below      goes who its policy says, one by one: a log of regions under fifo, with regions of one object
//
// A write is no request: a policy is told as a cache's tiers tell theirs (object_info::requested).
#pragma once

#include <kvstrata/replacement/admission/concepts.hpp>
#include <kvstrata/replacement/concepts.hpp>
#include <kvstrata/replacement/lru.hpp>

#include <cstdint>
#include <unordered_map>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What came of the requests. With objects of one byte, bytes are objects.
struct write_counts
{
  std::uint64_t requests = 0;
  std::uint64_t hits_above = 0;
  std::uint64_t hits_below = 0;
  std::uint64_t offered = 0;  ///< who left the memory and had no copy below
  std::uint64_t written = 0;  ///< of these, who came in
  std::uint64_t bytes_asked = 0;
  std::uint64_t bytes_above = 0;    ///< what hits found there
  std::uint64_t bytes_below = 0;    ///< likewise: what was read from the store
  std::uint64_t bytes_written = 0;  ///< of those who came in, and what copies grew by

  /// Of the bytes asked for.
  [[nodiscard]] double hit_ratio() const noexcept { return ratio(bytes_above + bytes_below, bytes_asked); }
  /// Likewise; with objects of one byte, that a request leads to a write.
  [[nodiscard]] double write_probability() const noexcept { return ratio(bytes_written, bytes_asked); }
  [[nodiscard]] double written_a_byte_read() const noexcept { return ratio(bytes_written, bytes_below); }

  /// What came since `before`.
  [[nodiscard]] write_counts since(const write_counts& before) const noexcept
  {
    write_counts now = *this;
    using count = std::uint64_t write_counts::*;
    for (const count each : {&write_counts::requests, &write_counts::hits_above, &write_counts::hits_below,
                             &write_counts::offered, &write_counts::written, &write_counts::bytes_asked,
                             &write_counts::bytes_above, &write_counts::bytes_below, &write_counts::bytes_written}) {
      now.*each -= before.*each;
    }
    return now;
  }

  friend constexpr bool operator==(const write_counts&, const write_counts&) = default;

 private:
  [[nodiscard]] static double ratio(std::uint64_t part, std::uint64_t of) noexcept
  {
    return of == 0 ? 0 : static_cast<double>(part) / static_cast<double>(of);
  }
};

/// O(1) a request, but for the policies. Not synchronised.
template <replacement_policy Below, admission_policy Admission = always, replacement_policy Above = lru>
class store_below_memory
{
  // Of types of their own: both levels may have one policy.
  struct above_hook : Above::hook
  {
  };
  struct below_hook : Below::hook
  {
  };
  struct node : above_hook, below_hook
  {
    object_info last;         // as it was requested last
    std::uint64_t above = 0;  // bytes there; 0: it is not
    std::uint64_t below = 0;
    bool left = false;  // the store, once
  };

 public:
  /// Throws std::bad_alloc.
  store_below_memory(const tier_size& memory, const tier_size& store)
      : store_below_memory(memory, store, make_admission<Admission>(store))
  {
  }
  store_below_memory(const tier_size& memory, const tier_size& store, Admission door)
      : memory_size_(memory),
        store_size_(store),
        above_(make_replacement<Above>(memory)),
        below_(make_replacement<Below>(store)),
        door_(std::move(door))
  {
  }
  store_below_memory(const store_below_memory&) = delete;
  store_below_memory& operator=(const store_below_memory&) = delete;
  ~store_below_memory()
  {
    for (auto& [key, one] : nodes_) {
      if (one.above != 0) above_.remove(in_memory(one));
      if (one.below != 0) below_.remove(in_store(one));
    }
  }

  /// `info.bytes`: of the whole object now, at least 1. Throws std::bad_alloc, and what the policies throw.
  void request(const object_info& info)
  {
    notify_requested(door_, info);
    node& one = nodes_[to_number(info.user)];
    one.last = info;
    ++counts_.requests;
    counts_.bytes_asked += info.bytes;
    if (one.below != 0) {
      object_info theirs = info;
      theirs.bytes = one.below;
      below_.touch(in_store(one), theirs);
    }
    if (one.above != 0) {
      ++counts_.hits_above;
      counts_.bytes_above += one.above;
      above_.touch(in_memory(one), info);
    } else {
      if (one.below != 0) {
        ++counts_.hits_below;
        counts_.bytes_below += one.below;
      }
      if (info.bytes > memory_size_.bytes) return offer(one);
      above_.insert(in_memory(one), info);
    }
    memory_used_ += info.bytes - one.above;
    one.above = info.bytes;
    while (memory_used_ > memory_size_.bytes) leave_memory();
  }

  [[nodiscard]] const write_counts& counts() const noexcept { return counts_; }
  [[nodiscard]] std::uint64_t memory_bytes() const noexcept { return memory_used_; }
  [[nodiscard]] std::uint64_t store_bytes() const noexcept { return store_used_; }
  [[nodiscard]] const Admission& door() const noexcept { return door_; }

 private:
  [[nodiscard]] static typename Above::hook& in_memory(node& one) noexcept { return static_cast<above_hook&>(one); }
  [[nodiscard]] static typename Below::hook& in_store(node& one) noexcept { return static_cast<below_hook&>(one); }

  [[nodiscard]] static object_info sized(const node& one, std::uint64_t bytes)
  {
    object_info info = one.last;
    info.bytes = bytes;
    info.hint = {};
    return info;
  }

  void leave_memory()
  {
    node* who = nullptr;
    above_.victims([&who](typename Above::hook& hook) {
      who = static_cast<node*>(static_cast<above_hook*>(&hook));
      return false;
    });
    const object_info info = sized(*who, who->above);
    memory_used_ -= std::exchange(who->above, 0);
    notify_evicted(above_, in_memory(*who), info);
    offer(*who);
  }

  /// The user is not above, or too large to be.
  void offer(node& one)
  {
    const object_info info = sized(one, one.last.bytes);
    if (one.below != 0) {
      if (info.bytes > one.below) write(one, info);
      return;
    }
    ++counts_.offered;
    const node* const first = info.bytes > store_size_.bytes - store_used_ ? first_to_go(nullptr) : nullptr;
    bool admitted = info.bytes <= store_size_.bytes;
    if (admitted && first != nullptr) {
      const object_info victim = sized(*first, first->below);
      admitted = door_.admits(info, &victim);
    } else if (admitted) {
      admitted = door_.admits(info, nullptr);
    }
    if (!admitted) return forget(one);
    ++counts_.written;
    write(one, info);
  }

  void write(node& one, const object_info& info)
  {
    const std::uint64_t had = one.below;
    while (info.bytes - had > store_size_.bytes - store_used_) {
      node* const victim = first_to_go(had != 0 ? &one : nullptr);
      if (victim == nullptr) return;  // it has grown larger than the store: what was written stays
      leave_store(*victim);
    }
    counts_.bytes_written += info.bytes - had;
    store_used_ += info.bytes - had;
    one.below = info.bytes;
    if (had != 0) return notify_changed(below_, in_store(one), info);
    object_info comes = info;
    comes.requested = !one.left;
    below_.insert(in_store(one), comes);
  }

  [[nodiscard]] node* first_to_go(const node* spared)
  {
    node* who = nullptr;
    below_.victims([&who, spared](typename Below::hook& hook) {
      node* const one = static_cast<node*>(static_cast<below_hook*>(&hook));
      if (one == spared) return true;
      who = one;
      return false;
    });
    return who;
  }

  void leave_store(node& one)
  {
    const object_info info = sized(one, one.below);
    store_used_ -= std::exchange(one.below, 0);
    one.left = true;
    notify_evicted(below_, in_store(one), info);
    forget(one);
  }

  void forget(const node& one)
  {
    if (one.above == 0 && one.below == 0) nodes_.erase(to_number(one.last.user));
  }

  tier_size memory_size_;
  tier_size store_size_;
  std::uint64_t memory_used_ = 0;
  std::uint64_t store_used_ = 0;
  std::unordered_map<std::uint64_t, node> nodes_;  // which keeps them where they are; outlives the policies
  Above above_;
  Below below_;
  Admission door_;
  write_counts counts_;
};

}  // namespace kvstrata
