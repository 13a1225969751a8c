// The smallest cache a replacement policy can run in: objects of one size, in one tier, nothing behind it. Counts the
// misses of a trace, to be held against what other programs count.
#pragma once

#include <kvstrata/replacement/concepts.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace kvstrata_test {

/// A trace whose objects are numbered from 0 in the order of their first access.
struct dense_trace
{
  std::vector<std::uint32_t> accesses;
  std::uint32_t objects = 0;
};

[[nodiscard]] inline dense_trace number_objects(std::span<const std::uint64_t> keys)
{
  dense_trace out;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> numbers;
  out.accesses.reserve(keys.size());
  for (const std::uint64_t key : keys) {
    const auto found = numbers.try_emplace(key, out.objects);
    if (found.second) ++out.objects;
    out.accesses.push_back(found.first->second);
  }
  return out;
}

/// Misses of a cold cache of `capacity` objects. Makes room before it lets an object in.
template <kvstrata::replacement_policy Policy>
[[nodiscard]] std::uint64_t unit_size_misses(const dense_trace& trace, std::size_t capacity)
{
  struct object : Policy::hook
  {
    bool resident = false;
  };
  std::vector<object> objects(trace.objects);
  Policy policy = kvstrata::make_replacement<Policy>({.bytes = capacity, .objects = capacity});
  std::size_t residents = 0;
  std::uint64_t misses = 0;
  for (const std::uint32_t id : trace.accesses) {
    object& asked = objects[id];
    const kvstrata::object_info info{.user = kvstrata::user_id{id}, .bytes = 1, .tokens = 1};
    if (asked.resident) {
      policy.touch(asked, info);
      continue;
    }
    ++misses;
    if (residents == capacity) {
      object* victim = nullptr;
      policy.victims([&victim](typename Policy::hook& hook) {
        victim = &static_cast<object&>(hook);
        return false;
      });
      if (victim == nullptr) throw std::logic_error("the policy has no victim in a full cache");
      policy.remove(*victim);
      victim->resident = false;
      --residents;
    }
    policy.insert(asked, info);
    asked.resident = true;
    ++residents;
  }
  for (object& left : objects) {
    if (left.resident) policy.remove(left);
  }
  return misses;
}

}  // namespace kvstrata_test
