// A replacement policy, held to the table of replacement/concepts.hpp: who is visited is there, comes once, and everybody
// comes unless visit says that it is enough; and whoever uses the policy, a cache of your own for instance, inserts who is not
// there, touches, changes and removes who is, and calls nothing from a visit.
#pragma once

#include <kvstrata/core/checked.hpp>
#include <kvstrata/core/type_name.hpp>
#include <kvstrata/replacement/concepts.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

struct weighs_nothing
{
};
struct weighs_as_well
{
  using weighs_costs = void;
};

}  // namespace detail

/// Allocates for each object. What goes wrong where nothing may be thrown (remove, changed, evict) is thrown by the next call
/// that may throw. Not synchronised.
template <replacement_policy Policy>
class checked<Policy> : public std::conditional_t<weighs_costs<Policy>, detail::weighs_as_well, detail::weighs_nothing>
{
  using theirs = typename Policy::hook;

 public:
  struct hook : Policy::hook
  {
  };

  explicit checked(const tier_size& size) : policy_(make_replacement<Policy>(size)) {}

  void insert(hook& object, const object_info& info)
  {
    expect(!in_.contains(&object), " was given an object by insert(hook, info) that it has");
    const auto at = in_.emplace(&object, visit_).first;
    try {
      policy_.insert(object, info);
    } catch (...) {
      in_.erase(at);
      throw;
    }
  }
  void touch(hook& object, const object_info& info)
  {
    expect(in_.contains(&object), " was given an object by touch(hook, info) that it has not");
    policy_.touch(object, info);
  }
  void changed(hook& object, const object_info& info) noexcept
  {
    if (!note(in_.contains(&object), " was given an object by changed(hook, info) that it has not")) return;
    notify_changed(policy_, object, info);
  }
  void remove(hook& object) noexcept
  {
    if (!note(in_.erase(&object) != 0, " was given an object by remove(hook) that it has not")) return;
    policy_.remove(object);
  }
  void evict(hook& object, const object_info& info) noexcept
  {
    if (!note(in_.erase(&object) != 0, " was given an object by evict(hook, info) that it has not")) return;
    notify_evicted(policy_, object, info);
  }
  template <class Visit>
  void victims(Visit&& visit)
  {
    ask(visit, [this](auto& each) { policy_.victims(each); });
  }
  template <class Visit>
    requires asks_who_comes<Policy>
  void victims(Visit&& visit, const object_info& coming)
  {
    ask(visit, [this, &coming](auto& each) { policy_.victims(each, coming); });
  }

  [[nodiscard]] Policy& policy() noexcept { return policy_; }

 private:
  struct while_visiting
  {
    explicit while_visiting(bool& on) noexcept : on_(&on) { *on_ = true; }
    while_visiting(const while_visiting&) = delete;
    while_visiting& operator=(const while_visiting&) = delete;
    ~while_visiting() { *on_ = false; }
    bool* on_;
  };

  template <class Visit, class Ask>
  void ask(Visit& visit, const Ask& victims_of)
  {
    expect(true, nullptr);
    ++visit_;
    std::size_t seen = 0;
    bool enough = false;
    {
      const while_visiting now(visiting_);
      auto each = [&](theirs& object) {
        if (enough) detail::blame<Policy>(" goes on in victims(visit) after visit has returned false");
        const auto at = in_.find(&object);
        if (at == in_.end()) detail::blame<Policy>(" names an object in victims(visit) that it has not");
        if (at->second == visit_) detail::blame<Policy>(" names an object twice in victims(visit)");
        at->second = visit_;
        ++seen;
        enough = !visit(static_cast<hook&>(object));
        return !enough;
      };
      victims_of(each);
    }
    if (enough || seen == in_.size()) return;
    detail::blame<Policy>(" names " + std::to_string(seen) + " of the " + std::to_string(in_.size()) +
                          " objects that it has in victims(visit), though visit has not returned false");
  }

  void expect(bool right, const char* what)
  {
    if (fault_ != nullptr) detail::blame<Policy>(std::exchange(fault_, nullptr));
    if (visiting_) detail::blame<Policy>(" was called by a visit, which calls nothing of the policy");
    if (!right) detail::blame<Policy>(what);
  }
  bool note(bool right, const char* what) noexcept
  {
    if (fault_ == nullptr && !right) fault_ = what;
    if (fault_ == nullptr && visiting_) fault_ = " was called by a visit, which calls nothing of the policy";
    return right;
  }

  std::unordered_map<const theirs*, std::uint64_t> in_;  // whom the policy has, and the last visit that named them
  std::uint64_t visit_ = 0;
  bool visiting_ = false;
  const char* fault_ = nullptr;  // of a call that may not throw
  Policy policy_;
};

}  // namespace kvstrata
