// What every replacement policy must do, whoever it thinks should go: run it on your own with a file of a few lines,
//
//   TEST_CASE("my policy") { kvstrata_test::replacement_conformance<my_policy>(); }
//   TEST_CASE("it allocates") { kvstrata_test::replacement_conformance<my_policy>({.may_allocate = true}); }
//
// The oracle is a plain set of resident objects. It says who may be visited, never in which order: the order is the
// policy's own, and is tested beside the policy.
#pragma once

#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/replacement/concepts.hpp>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvstrata_test {

struct replacement_traits
{
  bool may_allocate = false;  ///< after construction; policies that run in a cache must not
};

template <class Policy>
class replacement_rig
{
 public:
  /// Hooks are base classes in the cache, so they are here.
  struct object : Policy::hook
  {
    std::uint32_t id = 0;
    bool resident = false;
    kvstrata::object_info info;
  };

  explicit replacement_rig(std::uint32_t objects, std::uint64_t capacity_bytes = 1 << 20)
      : objects_(objects), policy_(kvstrata::make_replacement<Policy>({.bytes = capacity_bytes, .objects = objects}))
  {
    for (std::uint32_t id = 0; id < objects; ++id) {
      objects_[id].id = id;
      objects_[id].info = {.user = kvstrata::user_id{id},
                           .bytes = 1024 + id,
                           .tokens = 32,
                           .dirty_tokens = id % 2,
                           .dirty_bytes = id % 2 * 16};
    }
  }

  object& operator[](std::uint32_t id) { return objects_[id]; }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(objects_.size()); }
  [[nodiscard]] std::uint32_t residents() const { return residents_; }
  /// By the policy, since its construction.
  [[nodiscard]] std::size_t policy_allocations() const { return policy_allocations_; }
  Policy& policy() { return policy_; }

  void insert(std::uint32_t id)
  {
    counted([&] { policy_.insert(objects_[id], objects_[id].info); });
    objects_[id].resident = true;
    ++residents_;
  }
  void touch(std::uint32_t id)
  {
    counted([&] { policy_.touch(objects_[id], objects_[id].info); });
  }
  void change(std::uint32_t id)
  {
    objects_[id].info.bytes = objects_[id].info.bytes / 2 + 1;
    objects_[id].info.dirty_tokens = 0;
    objects_[id].info.dirty_bytes = 0;
    counted([&] { kvstrata::notify_changed(policy_, objects_[id], objects_[id].info); });
  }
  void remove(std::uint32_t id)
  {
    counted([&] { policy_.remove(objects_[id]); });
    objects_[id].resident = false;
    --residents_;
  }
  void evict(std::uint32_t id)
  {
    counted([&] { kvstrata::notify_evicted(policy_, objects_[id], objects_[id].info); });
    objects_[id].resident = false;
    --residents_;
  }

  /// The first `most` victims, in order. Requires that each of them is resident and comes once, that the policy stops
  /// when it is told to, and that it tells of everybody when it is not.
  std::vector<std::uint32_t> victims(std::uint32_t most)
  {
    std::vector<std::uint32_t> seen;
    seen.reserve(objects_.size());
    std::vector<char> is_seen(objects_.size(), 0);
    bool right = true;
    bool stopped = false;
    const auto visit = [&](typename Policy::hook& hook) {
      const object& one = static_cast<object&>(hook);
      right = right && !stopped && one.resident && is_seen[one.id] == 0;
      is_seen[one.id] = 1;
      seen.push_back(one.id);
      stopped = seen.size() == most;
      return !stopped;
    };
    counted([&] { policy_.victims(visit); });
    REQUIRE(right);
    REQUIRE(seen.size() == (std::min)(most, residents_));
    return seen;
  }

 private:
  template <class Call>
  void counted(Call&& call)
  {
    const std::size_t before = allocations();
    call();
    policy_allocations_ += allocations() - before;
  }

  // Objects outlive the policy, as users' copies outlive a tier's policy when a cache is destroyed.
  std::deque<object> objects_;
  Policy policy_;
  std::uint32_t residents_ = 0;
  std::size_t policy_allocations_ = 0;
};

template <kvstrata::replacement_policy Policy>
void replacement_conformance(const replacement_traits& traits = {})
{
  using rig = replacement_rig<Policy>;
  constexpr std::uint32_t everybody = ~0U;

  SECTION("an empty policy has no victims")
  {
    rig r(1);
    REQUIRE(r.victims(everybody).empty());
    r.insert(0);
    r.remove(0);
    REQUIRE(r.victims(everybody).empty());
    r.insert(0);
    r.evict(0);
    REQUIRE(r.victims(everybody).empty());
    REQUIRE(rig(0, 0).victims(everybody).empty());
  }

  SECTION("asking for victims removes nobody")
  {
    rig r(20);
    for (std::uint32_t id = 0; id < 20; ++id) r.insert(id);
    for (int again = 0; again < 5; ++again) REQUIRE(r.victims(everybody).size() == 20);
    for (std::uint32_t most = 1; most <= 21; ++most) static_cast<void>(r.victims(most));
    REQUIRE(r.victims(everybody).size() == 20);
  }

  SECTION("victims that are left alone come up again, those that are taken do not")
  {
    rig r(16);
    for (std::uint32_t id = 0; id < 16; ++id) r.insert(id);
    for (std::uint32_t id = 0; id < 16; id += 3) r.touch(id);
    while (r.residents() != 0) {
      const std::vector<std::uint32_t> offered = r.victims(3);
      r.evict(offered.back());  // the others are held: only the last of the offered can go
    }
    REQUIRE(r.victims(everybody).empty());
  }

  SECTION("everybody who was evicted can come back, and be evicted again")
  {
    rig r(24, 24 * 1024);
    for (int round = 0; round < 50; ++round) {
      for (std::uint32_t id = 0; id < 24; ++id) r.insert(id);
      REQUIRE(r.victims(everybody).size() == 24);
      while (r.residents() > 12) r.evict(r.victims(1).front());
      for (std::uint32_t id = 0; id < 24; ++id) {  // half of those who were evicted come back at once
        if (!r[id].resident && (id + static_cast<std::uint32_t>(round)) % 2 == 0) r.insert(id);
      }
      while (r.residents() != 0) r.evict(r.victims(1).front());
      REQUIRE(r.victims(everybody).empty());
    }
  }

  SECTION("everybody can be removed in any order, and come back")
  {
    rig r(64);
    std::mt19937 random(3);
    for (int round = 0; round < 20; ++round) {
      std::vector<std::uint32_t> order(64);
      for (std::uint32_t id = 0; id < 64; ++id) order[id] = id;
      std::shuffle(order.begin(), order.end(), random);
      for (const std::uint32_t id : order) r.insert(id);
      REQUIRE(r.victims(everybody).size() == 64);
      std::shuffle(order.begin(), order.end(), random);
      for (const std::uint32_t id : order) r.remove(id);
      REQUIRE(r.victims(everybody).empty());
    }
  }

  SECTION("an object that was touched often can still be taken")
  {
    rig r(2);
    r.insert(0);
    for (int i = 0; i < 1000; ++i) r.touch(0);
    r.remove(0);
    r.insert(1);
    REQUIRE(r.victims(everybody) == std::vector<std::uint32_t>{1});
  }

  SECTION("long random sequences, without allocation")
  {
    for (std::uint32_t seed = 0; seed < 8; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      const auto below = [&random](std::size_t n) { return static_cast<std::uint32_t>(random() % n); };
      rig r(1 + seed * 11, seed % 2 == 0 ? 4096 : 1 << 20);
      const auto leave = [&](std::uint32_t id) { below(3) == 0 ? r.remove(id) : r.evict(id); };
      // Objects are reused for other users, of whom some were here before: keys[id] is whose copy object id is.
      std::vector<std::uint64_t> keys(3 * r.size());
      for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i;
      const auto come = [&](std::uint32_t id) {
        if (below(2) == 0) std::swap(keys[id], keys[r.size() + below(2 * r.size())]);
        r[id].info.user = kvstrata::user_id{keys[id]};
        r[id].info.bytes = 1 + below(2048);
        r.insert(id);
      };
      for (int step = 0; step < 4000; ++step) {
        const std::uint32_t id = below(r.size());
        const bool resident = r[id].resident;
        switch (below(8)) {
          case 0:
          case 1:
          case 2: resident ? r.touch(id) : come(id); break;
          case 3:
            if (resident) leave(id);
            break;
          case 4:
            if (resident) r.change(id);
            break;
          case 5: static_cast<void>(r.victims(1 + below(6))); break;
          case 6:  // some of those offered leave
            for (const std::uint32_t victim : r.victims(1 + below(6))) {
              if (below(3) != 0) leave(victim);
            }
            break;
          case 7:  // shed a victim's front: it stays, and is smaller
            for (const std::uint32_t victim : r.victims(1)) r.change(victim);
            break;
        }
        if (step % 16 == 0) static_cast<void>(r.victims(everybody));
      }
      if (!traits.may_allocate) REQUIRE(r.policy_allocations() == 0);
    }
  }

  SECTION("policies keep apart")
  {
    rig a(8);
    rig b(8);
    for (std::uint32_t id = 0; id < 8; ++id) (id % 2 == 0 ? a : b).insert(id);
    REQUIRE(a.victims(everybody).size() == 4);
    REQUIRE(b.victims(everybody).size() == 4);
    a.remove(0);
    REQUIRE(b.victims(everybody).size() == 4);
  }

  SECTION("a policy that is destroyed leaves the objects that are still in it alone")
  {
    auto r = std::make_unique<rig>(8);
    for (std::uint32_t id = 0; id < 8; ++id) r->insert(id);
    r.reset();  // destroys the policy, then the objects
    SUCCEED();
  }

  SECTION("one that can be moved works on where it came to")
  {
    if constexpr (std::is_move_constructible_v<Policy>) {
      typename rig::object one;
      Policy from = kvstrata::make_replacement<Policy>({.bytes = 4096, .objects = 64});
      Policy to = std::move(from);
      to.insert(one, one.info);
      std::uint32_t seen = 0;
      to.victims([&](typename Policy::hook& hook) {
        REQUIRE(&static_cast<typename rig::object&>(hook) == &one);
        ++seen;
        return true;
      });
      REQUIRE(seen == 1);
      to.remove(one);
    }
  }
}

}  // namespace kvstrata_test
