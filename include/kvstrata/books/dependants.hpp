// Who stands on what: append parts by the sequences whose versions their rows rest on.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// An entry, the version that it had when it was told of, and the version of what it stands on: whose number another entry has
/// by now, or who has moved on to another version, is not meant any more.
struct dependant
{
  std::uint32_t number = 0;
  std::uint64_t version = 0;
  std::uint64_t ground = 0;

  friend constexpr bool operator==(const dependant&, const dependant&) = default;
};

/// Keeps no more than twice as many as there are, and a few. Not synchronised.
class dependants
{
 public:
  /// Rows of that entry rest on that version of `key`. `is_meant(dependant)`: is it still what was told? O(those of the key), and
  /// O(all) now and then.
  template <class IsMeant>
  void add(const sequence_key& key, const dependant& one, IsMeant&& is_meant)
  {
    if (count_ >= most_) sweep(is_meant);
    auto& mine = all_[key];
    if (std::find(mine.begin(), mine.end(), one) != mine.end()) return;
    mine.push_back(one);
    ++count_;
  }

  /// `key` is about to have another version: room to say so of all who stand on it.
  void reserve_for(const sequence_key& key)
  {
    if (const auto at = all_.find(key); at != all_.end()) superseded_.reserve(superseded_.size() + at->second.size());
  }
  /// It has that one. O(those who stand on it); cannot fail where there is room.
  void supersede(const sequence_key& key, std::uint64_t version) noexcept
  {
    const auto at = all_.find(key);
    if (at == all_.end()) return;
    count_ -= std::erase_if(at->second, [&](const dependant& one) {
      if (one.ground == version) return false;
      superseded_.push_back(one);
      return true;
    });
    if (at->second.empty()) all_.erase(at);
  }

  [[nodiscard]] bool any_superseded() const noexcept { return !superseded_.empty(); }
  /// Of those whose ground has changed, the ones stay of whom stays(dependant) says so.
  template <class Stays>
  void settle(Stays&& stays) noexcept
  {
    std::erase_if(superseded_, [&](const dependant& one) { return !stays(one); });
  }

 private:
  template <class IsMeant>
  void sweep(IsMeant&& is_meant)
  {
    count_ = 0;
    for (auto of_key = all_.begin(); of_key != all_.end();) {  // nvcc finds two of Boost's erase_if
      std::erase_if(of_key->second, [&](const dependant& one) { return !is_meant(one); });
      count_ += of_key->second.size();
      if (of_key->second.empty()) all_.erase(of_key++);
      else ++of_key;
    }
    most_ = 2 * count_ + a_few;
  }

  static constexpr std::size_t a_few = 64;

  boost::unordered_flat_map<sequence_key, std::vector<dependant>, sequence_key_hash> all_;
  std::vector<dependant> superseded_;
  std::size_t count_ = 0;
  std::size_t most_ = a_few;
};

}  // namespace kvstrata
